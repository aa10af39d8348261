"""Whose turn it is at a model: the workers in rotation, so that one with a thousand calls does not starve another.

Pure threading; knows no model and no socket. Invariant: never more calls run at once than were allowed, in all
and of one worker, and a call whose caller has gone takes no turn.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """The line before one model.

    Args:
        most: Calls that run at once; None for any number.
        each: Those of them of one worker; None for any number.
    """

    def __init__(self, *, most: int | None = None, each: int | None = None) -> None:
        self._most, self._each = most, each
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()

    @contextmanager
    def turn(self, worker: str, look: Callable[[], None], *, every: float = 0.25) -> Iterator[None]:
        """Wait for a turn and hold it.

        Args:
            worker: Who calls.
            look: Is called every now and then while waiting, and once before the turn begins; what it raises ends
                the wait.
            every: Seconds between two looks.
        """
        ticket = threading.Event()
        with self._lock:
            self._waiting.setdefault(worker, deque()).append(ticket)
            self._admit()
        try:
            while not ticket.wait(every):
                look()
            look()
            yield
        finally:
            with self._lock:
                if ticket.is_set():
                    self._running[worker] -= 1
                    if not self._running[worker]:
                        del self._running[worker]
                else:
                    self._waiting[worker].remove(ticket)
                    if not self._waiting[worker]:
                        del self._waiting[worker]
                self._admit()

    def _admit(self) -> None:
        """Give turns to the workers that have waited longest for one, as far as there is room."""
        for worker in list(self._waiting):
            if self._most is not None and self._running.total() >= self._most:
                return
            if self._each is not None and self._running[worker] >= self._each:
                continue
            line = self._waiting[worker]
            line.popleft().set()
            self._running[worker] += 1
            if line:
                self._waiting.move_to_end(worker)
            else:
                del self._waiting[worker]
