"""One rate for many workers: no more than so many calls in any so many seconds, all of them together.

A worker asks for permits when calls of it wait, and says when it has used them. Pure: the time is told. Invariant: in
no window of `Rate.seconds` do workers pass more than `Rate.calls`, while they join, stall and are lost.

Theory of operation: the rate is a stock of permits. One that is given out is out until its worker says that it was
used, and then rests for a whole window before it is given again, so that two uses of one permit are never within
a window. No two clocks are compared: the rest begins when the word arrives, which is after the use. A worker
may use a permit only within a lease, counted from the last heartbeat that its leader had heard when it gave it; so the
permits of a lost worker rest from the lease's end. Permits are given in turn to whoever waits, each waiting call
whole, so that two workers never sit on halves of what both need.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from ziggurat.errors import InputError

UNITS = 1000
"""Permits are counted in thousandths of a call, as whole numbers, so that nothing is lost to rounding."""

_STEPS = 1024
"""A window's parts: rests end together at the end of one, so that they are few however many calls there are."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The most calls in any so many seconds.

    Attributes:
        calls: Model calls.
        seconds: The window; providers mostly count by the minute.

    Raises:
        InputError: If either is not above 0, or less than one call is allowed.
    """

    calls: int
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if type(self.calls) is not int or self.calls < 1 or not 0 < self.seconds < float("inf"):
            raise InputError(
                f"{self.calls!r} calls in {self.seconds!r} s is no rate.",
                fix="a whole number of calls of at least 1, and seconds above 0",
            )


@dataclass(frozen=True, slots=True)
class Permit:
    """A call may pass.

    Attributes:
        worker: Whose.
        ticket: The number that its worker gave it.
    """

    worker: int
    ticket: int


class RateBook:
    """The permits of a rate, and who waits for them.

    Args:
        rate: The most that passes.
        lease: Seconds within which a permit is used or void.
    """

    def __init__(self, rate: Rate, lease: float) -> None:
        self.rate = rate
        self.lease = lease
        self._free = rate.calls * UNITS
        self._out: dict[int, int] = {}
        self._step = rate.seconds / _STEPS
        self._resting: dict[int, int] = {}  # by the step they end at
        self._ends: list[int] = []  # those steps, a heap
        self._line: OrderedDict[int, deque[tuple[int, int]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(map(len, self._line.values()))

    def ask(self, worker: int, ticket: int, units: Iterable[int]) -> None:
        """Calls of a worker wait, each for so many units; their tickets count up from ``ticket``.

        Raises:
            InputError: If a call can never pass. Nothing was asked.
        """
        wanted = [(ticket + number, one) for number, one in enumerate(units)]
        if any(not 0 <= one <= self.rate.calls * UNITS for _, one in wanted):
            raise InputError(f"More than {self.rate.calls} calls at once can never pass.", where="a batch's rate")
        self._out.setdefault(worker, 0)
        if wanted:
            self._line.setdefault(worker, deque()).extend(wanted)

    def grant(self, now: float) -> tuple[list[Permit], float | None]:
        """Permits that can be given, and when there will be more (None if nobody waits, or only words can help)."""
        while self._ends and self._ends[0] <= now / self._step:
            self._free += self._resting.pop(heapq.heappop(self._ends))
        given: list[Permit] = []
        while self._line:
            worker, waiting = next(iter(self._line.items()))
            ticket, units = waiting[0]
            if units > self._free:
                return given, self._ends[0] * self._step if self._ends else None
            waiting.popleft()
            if waiting:
                self._line.move_to_end(worker)
            else:
                del self._line[worker]
            self._free -= units
            self._out[worker] += units
            given.append(Permit(worker, ticket))
        return given, None

    def used(self, worker: int, units: int, now: float) -> None:
        """A worker has used permits, before now; they rest for a window."""
        self._rest(self._taken(worker, units), now + self.rate.seconds)

    def back(self, worker: int, units: int) -> None:
        """A worker did not use permits and will not; they can be given at once."""
        self._free += self._taken(worker, units)

    def leave(self, worker: int, now: float) -> None:
        """A worker has ended and sends no more; what it had may just have been used."""
        self._gone(worker, now + self.rate.seconds)

    def lose(self, worker: int, now: float) -> None:
        """A worker is gone without a word; what it had may be used until the lease ends."""
        self._gone(worker, now + self.lease + self.rate.seconds)

    def _gone(self, worker: int, until: float) -> None:
        self._line.pop(worker, None)
        self._rest(self._out.pop(worker, 0), until)

    def _taken(self, worker: int, units: int) -> int:
        units = min(max(0, units), self._out.get(worker, 0))
        if units:
            self._out[worker] -= units
        return units

    def _rest(self, units: int, until: float) -> None:
        if units:
            end = math.ceil(until / self._step)
            if end not in self._resting:
                heapq.heappush(self._ends, end)
            self._resting[end] = self._resting.get(end, 0) + units
