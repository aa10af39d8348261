"""What was asked of the stand-in: every call with its route, its client and how it ended.

The bill of the local workspace: a call of a model counts as completed when its whole answer was handed to the
network. The documentation's table of routes and the fault run read this. Bounded: the oldest entries go first.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass

_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One call.

    Attributes:
        method: The HTTP method.
        route: The route's path as it is registered; empty if no route has it.
        path: The path that was asked for.
        client: The first word of the ``User-Agent`` header.
        agent: The whole header.
        status: The HTTP status of the answer.
        completed: Whether the whole answer was sent.
        metered: Whether it was a call of a model.
    """

    method: str
    route: str
    path: str
    client: str
    agent: str
    status: int
    completed: bool
    metered: bool


class Record:
    """All calls, newest last; safe to use from any thread."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._completed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Note a call that ended."""
        with self._lock:
            self._entries.append(entry)
            if entry.metered and entry.completed and entry.status < 300:  # noqa: PLR2004 (HTTP: it was answered)
                self._completed[entry.path] += 1

    @property
    def entries(self) -> list[Entry]:
        """The calls so far."""
        with self._lock:
            return list(self._entries)

    def completed(self, path: str | None = None) -> int:
        """Answers of models that were sent whole: of one path, or of all."""
        with self._lock:
            return self._completed[path] if path is not None else self._completed.total()

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._entries.clear()
            self._completed.clear()
