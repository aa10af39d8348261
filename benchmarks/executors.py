"""A thousand executors in simulated time, led by the real books of a batch: nothing here decides what the books decide.

Events happen in order of time; waiting costs nothing. Executors have different speeds, come late, end their partitions
and come back, are killed, and are cut off: then they go on with what they have and nobody hears of it, which is the
hardest case. What was really sent is counted here, apart from the books.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ziggurat.batch.leases import LeaseBook, Refused
from ziggurat.chain.budget import Amounts, Budget

CALL = Amounts(calls=1)
TRIP = 0.002  # seconds for a question and its answer
SILENCE = 15.0  # seconds until an executor that is cut off counts as lost
AWAY = 20.0  # seconds until one that is gone is replaced


class Simulation:
    """Time, and what happens when."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self._order = 0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []

    def after(self, seconds: float, action: Callable[..., None], *given: Any) -> None:
        """Do something later."""
        self._order += 1
        heapq.heappush(self._events, (self.now + seconds, self._order, action, given))

    def run(self, until: float = float("inf")) -> None:
        """Let it happen."""
        while self._events and self._events[0][0] <= until:
            self.now, _, action, given = heapq.heappop(self._events)
            action(*given)


# -- a budget ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Spender:
    """An executor that sends calls one after another as fast as it can.

    Attributes:
        number: Its own.
        speed: Calls a second.
        given: Calls it may send in all.
        base: Calls it had sent when it last got more.
        since: When that was.
        is_here: Whether the book knows it.
        is_cut: Whether nothing it says arrives.
    """

    number: int
    speed: float
    given: int = 0
    base: int = 0
    since: float = 0.0
    is_here: bool = True
    is_cut: bool = False

    def sent(self, now: float) -> int:
        """Calls that it has sent."""
        return min(self.given, self.base + int(self.speed * (now - self.since)))


@dataclass
class Spending:
    """How a budget was spent.

    Attributes:
        budget: Calls allowed.
        sent: Calls that were really sent; those who were cut off sent all they could.
        written_off: Calls that were never sent and never can be, since who had them was lost.
        lost: Executors that were.
        returned: Calls that came back with executors that left, to be given out again.
        seconds: Until nobody had any more.
        messages: That the coordinator got.
        busiest: Most of them in one second.
    """

    budget: int
    sent: int = 0
    written_off: int = 0
    lost: int = 0
    returned: int = 0
    seconds: float = 0.0
    messages: int = 0
    busiest: int = 0

    @property
    def stranded(self) -> float:
        """The share of the budget that was not sent."""
        return 1 - self.sent / self.budget


class SpendingWorld(Simulation):
    """Executors and a budget.

    Args:
        budget: Calls.
        executors: At once.
        losses: How many are lost, at random moments; half are killed, half cut off.
        calls_a_second: Of one executor, in the mean.
        seed: For chance.
    """

    def __init__(self, budget: int, executors: int, losses: int, calls_a_second: float, seed: int = 7) -> None:
        super().__init__(seed)
        self.book = LeaseBook(Budget(calls=budget))
        self.made = Spending(budget)
        self.here: list[Spender] = []
        self._mean = calls_a_second
        self._numbers = 0
        self._cut_off: list[Spender] = []
        self._a_second: Counter[int] = Counter()
        lasts = budget / (executors * calls_a_second)
        for _ in range(executors):
            self.after(self.random.uniform(0, min(30.0, lasts / 4)), self._join)
        for _ in range(losses):
            self.after(self.random.uniform(0, lasts), self._lose_somebody)

    def play(self) -> Spending:
        """Until nobody has any more."""
        self.run()
        self.made.sent += sum(one.given for one in self._cut_off)  # they go on, and nobody hears of it
        self.made.written_off = self.made.budget - self.made.sent - (self.book.rest()[2] or 0)
        self.made.messages = sum(self._a_second.values())
        self.made.busiest = max(self._a_second.values())
        if self.made.sent > self.made.budget:
            raise AssertionError(f"{self.made.sent} calls were sent of {self.made.budget}")
        return self.made

    def _heard(self) -> None:
        self._a_second[int(self.now)] += 1

    def _join(self) -> None:
        self._numbers += 1
        speed = self._mean * self.random.lognormvariate(0, 0.5)
        one = Spender(self._numbers, speed, since=self.now)
        self._heard()
        self.book.join(one.number)
        self.here.append(one)
        self.after(TRIP, self._ask, one)
        self.after(self.random.uniform(0, 1), self._beat, one)
        self.after(self.random.expovariate(1 / 120), self._leave, one)  # its partition ends

    def _ask(self, one: Spender) -> None:
        if not one.is_here or one.is_cut:
            return
        self._heard()
        self.book.report(one.number, Amounts(calls=one.sent(self.now)))
        found = self.book.ask(one.number, CALL, self.now)
        if isinstance(found, Refused):
            self._end(one)
            self.made.seconds = self.now
            return
        one.base, one.since = one.sent(self.now), self.now + TRIP
        one.given += found.calls
        self.after(TRIP + (one.given - one.base) / one.speed + TRIP, self._ask, one)

    def _beat(self, one: Spender) -> None:
        if one.is_here and not one.is_cut:
            self._heard()
            self.book.report(one.number, Amounts(calls=one.sent(self.now)))
            self.after(1.0, self._beat, one)

    def _leave(self, one: Spender) -> None:
        """A partition is through; the executor takes another."""
        if one.is_here and not one.is_cut:
            self.made.returned += one.given - one.sent(self.now)
            self._end(one)
            self.after(0.1, self._join)

    def _end(self, one: Spender) -> None:
        self._heard()
        sent = one.sent(self.now)
        self.book.leave(one.number, Amounts(calls=sent))
        self.made.sent += sent
        self._gone(one)

    def _lose_somebody(self) -> None:
        found = [one for one in self.here if not one.is_cut]
        if not found:
            return
        one = self.random.choice(found)
        self.made.lost += 1
        self.after(AWAY, self._join)
        if self.random.random() < 0.5:
            self.made.sent += one.sent(self.now)
            self.book.lose(one.number)
            self._gone(one)
        else:
            one.is_cut = True
            self._cut_off.append(one)
            self.after(SILENCE, self._found_silent, one)

    def _found_silent(self, one: Spender) -> None:
        self.book.lose(one.number)
        self._gone(one)

    def _gone(self, one: Spender) -> None:
        one.is_here = False
        self.here.remove(one)
