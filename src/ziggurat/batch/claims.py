"""Who computes which cell: a key is free, held by one worker while others wait, or finished at a place.

Pure: no sockets, no ledger; a finished place is kept in a table that is handed in. Invariant: of those that claimed a
key and were not sent away, exactly one holds it; a holder that is lost or gives up hands it to the one that waited
longest. A holder computes and then publishes or releases before it claims anything for the same work, so
that nobody waits in a circle.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from ziggurat.batch.coordination import Place


class Places(Protocol):
    """Where finished cells are noted: `ziggurat.batch.places.PlaceTable`, or anything of its shape."""

    def get(self, key: bytes) -> Place | None:
        """Where a cell lies."""

    def put(self, key: bytes, place: Place) -> None:
        """Note where it lies."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a claim.

    Attributes:
        worker: Whose.
        ticket: The number that its worker gave it.
        place: Where the cell lies; None if it is now the worker's to compute.
        key: The cell.
    """

    worker: int
    ticket: int
    place: Place | None
    key: bytes


class _Held:
    __slots__ = ("waiting", "worker")

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.waiting: deque[tuple[int, int]] | None = None


class ClaimBook:
    """Claims of cells.

    Args:
        places: Cells that are finished already, and where those to come are noted.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._held: dict[bytes, _Held] = {}
        self._keys: dict[int, set[bytes]] = {}  # of each worker: what it holds or waits for

    @property
    def held(self) -> int:
        """Cells that are being computed."""
        return len(self._held)

    def claim(self, key: bytes, worker: int, ticket: int) -> Answer | None:
        """Ask for a cell; None if the answer is still to come."""
        held = self._held.get(key)
        if held is None:
            place = self._places.get(key)
            if place is None:
                self._held[key] = _Held(worker)
                self._keys.setdefault(worker, set()).add(key)
            return Answer(worker, ticket, place, key)
        if held.waiting is None:
            held.waiting = deque()
        held.waiting.append((worker, ticket))
        self._keys.setdefault(worker, set()).add(key)
        return None

    def publish(self, key: bytes, worker: int, place: Place) -> list[Answer]:
        """A cell is finished: the answers to all who wait for it. A word from one that lost its claim is good, too."""
        self._places.put(key, place)
        held = self._held.pop(key, None)
        if held is None:
            return []
        waiting = held.waiting or ()
        for one in (held.worker, worker, *(waiter for waiter, _ in waiting)):
            self._keys.get(one, _NO_KEYS).discard(key)
        return [Answer(waiter, ticket, place, key) for waiter, ticket in waiting]

    def release(self, key: bytes, worker: int) -> Answer | None:
        """A holder gives up: the answer to the next that waits. From others it means nothing."""
        held = self._held.get(key)
        if held is None or held.worker != worker:
            return None
        return self._pass_on(key, held)

    def lose(self, worker: int) -> list[Answer]:
        """A worker is gone: what it held goes to the next that wait, and it waits no more."""
        answers = []
        for key in self._keys.pop(worker, ()):
            held = self._held[key]
            if held.waiting:
                held.waiting = deque(one for one in held.waiting if one[0] != worker)
            if held.worker == worker:
                passed = self._pass_on(key, held)
                answers += [passed] if passed else []
        return answers

    def _pass_on(self, key: bytes, held: _Held) -> Answer | None:
        former = held.worker
        if not held.waiting:
            del self._held[key]
            self._keys.get(former, _NO_KEYS).discard(key)
            return None
        held.worker, ticket = held.waiting.popleft()
        if all(waiter != former for waiter, _ in held.waiting) and held.worker != former:
            self._keys.get(former, _NO_KEYS).discard(key)
        return Answer(held.worker, ticket, None, key)


_NO_KEYS: set[bytes] = set()
"""Of a worker that is gone; only ever discarded from."""
