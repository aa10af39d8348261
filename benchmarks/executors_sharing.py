"""Executors that share a rate, and executors that share cells, in the simulated time of `executors.py`."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field

from executors import AWAY, SILENCE, TRIP, Simulation
from ziggurat.batch.claims import Answer, ClaimBook
from ziggurat.batch.coordination import Place
from ziggurat.batch.places import PlaceTable
from ziggurat.batch.rates import UNITS, Rate, RateBook

# -- a rate -----------------------------------------------------------------------------------------------------------


@dataclass
class Pacing:
    """How a rate was kept.

    Attributes:
        rate: What was allowed.
        sent: When each call was sent.
        lost: Executors that were lost.
        messages: That the coordinator got.
    """

    rate: Rate
    sent: list[float] = field(default_factory=list)
    lost: int = 0
    messages: int = 0

    def fullest(self) -> int:
        """Most calls in any window."""
        window: deque[float] = deque()
        most = 0
        for at in sorted(self.sent):
            window.append(at)
            while window[0] <= at - self.rate.seconds + 1e-9:
                window.popleft()
            most = max(most, len(window))
        return most


class PacingWorld(Simulation):
    """Executors that always have calls waiting, and one rate.

    Args:
        rate: The rate.
        executors: At once.
        at_once: Calls that each has waiting or in flight.
        losses: How many are lost within ``seconds``; half of them go on with the permits they have.
        seconds: How long it goes.
        seed: For chance.
    """

    def __init__(self, rate: Rate, executors: int, at_once: int, losses: int, seconds: float, seed: int = 7) -> None:
        super().__init__(seed)
        self.book = RateBook(rate, SILENCE)
        self.made = Pacing(rate)
        self._seconds = seconds
        self._at_once = at_once
        self._numbers = 0
        self._due: float | None = None
        self._here: dict[int, bool] = {}  # by number: whether it is cut off
        self._gone: set[int] = set()
        for _ in range(executors):
            self.after(self.random.uniform(0, 5), self._join)
        for _ in range(losses):
            self.after(self.random.uniform(1, seconds * 0.8), self._lose_somebody)

    def play(self) -> Pacing:
        """For so long."""
        self.run(self._seconds)
        if (most := self.made.fullest()) > self.made.rate.calls:
            raise AssertionError(f"{most} calls were sent in a window that allows {self.made.rate.calls}")
        return self.made

    def _join(self) -> None:
        self._numbers += 1
        self._here[self._numbers] = False
        self._ask(self._numbers, self._at_once)

    def _ask(self, number: int, calls: int) -> None:
        if number in self._here and not self._here[number]:
            self.made.messages += 1
            self.book.ask(number, 0, [UNITS] * calls)
            self._grant()

    def _grant(self) -> None:
        permits, due = self.book.grant(self.now)
        for number, count in Counter(one.worker for one in permits).items():
            for _ in range(count):
                slow = self.random.uniform(0, SILENCE) if self.random.random() < 0.01 else 0.0
                self.after(self.random.uniform(0, TRIP) + slow, self._use, number, self.now)
        if due is not None and (self._due is None or due < self._due):
            self._due = due
            self.after(max(0.0, due - self.now), self._again)

    def _again(self) -> None:
        self._due = None
        self._grant()

    def _use(self, number: int, granted: float) -> None:
        """A permit has come; a killed executor does not see it, one that is cut off uses it within its lease."""
        if number in self._gone or self.now >= granted + SILENCE:
            return
        self.made.sent.append(self.now)
        self.after(0.01 + TRIP, self._told, number)
        self.after(self.random.uniform(0.5, 1.5), self._ask, number, 1)

    def _told(self, number: int) -> None:
        if number in self._here and not self._here[number]:
            self.made.messages += 1
            self.book.used(number, UNITS, self.now)
            self._grant()

    def _lose_somebody(self) -> None:
        number = self.random.choice([one for one, is_cut in self._here.items() if not is_cut])
        self.made.lost += 1
        self.after(AWAY, self._join)
        if self.random.random() < 0.5:
            self._gone.add(number)
            self._lose(number)
        else:
            self._here[number] = True
            self.after(SILENCE, self._lose, number)

    def _lose(self, number: int) -> None:
        del self._here[number]
        self.book.lose(number, self.now)
        self._grant()


# -- cells ------------------------------------------------------------------------------------------------------------


@dataclass
class Computing:
    """How cells were computed.

    Attributes:
        distinct: Different cells.
        computed: How often one was, in all.
        in_flight: Cells that lost executors held when they were lost; no other may be computed twice.
        asked: Claims.
        lost: Executors that were lost.
    """

    distinct: int
    computed: int = 0
    in_flight: int = 0
    asked: int = 0
    lost: int = 0


class ComputingWorld(Simulation):
    """Executors that go through rows, some of which have the same cells.

    Args:
        rows: Of the table.
        distinct: Different cells among them.
        executors: At once.
        at_once: Rows that each has in flight.
        losses: How many are killed.
        seed: For chance.
    """

    def __init__(self, rows: int, distinct: int, executors: int, at_once: int, losses: int, seed: int = 7) -> None:
        super().__init__(seed)
        self.book = ClaimBook(PlaceTable())
        cells = [hashlib.blake2b(b"%d" % number, digest_size=16).digest() for number in range(distinct)]
        self._rows = cells + self.random.choices(cells, k=rows - distinct)
        self.random.shuffle(self._rows)
        self.made = Computing(len(set(self._rows)))
        self._finished: Counter[bytes] = Counter()
        self._working: dict[int, dict[int, bytes]] = {}  # of each executor: the cells of its rows in flight
        self._held: dict[int, set[bytes]] = {}
        self._at_once, self._numbers, self._tickets = at_once, 0, 0
        lasts = distinct / (executors * at_once)
        for _ in range(executors):
            self.after(self.random.uniform(0, 0.1), self._join)
        for _ in range(losses):
            self.after(self.random.uniform(0.1, lasts), self._lose_somebody)

    def play(self) -> Computing:
        """Until all rows are through."""
        self.run()
        again = {key: times for key, times in self._finished.items() if times > 1}
        if len(self._finished) != self.made.distinct or again or self.book.held:
            raise AssertionError(f"{self.made.distinct - len(self._finished)} cells missing, {len(again)} done twice")
        return self.made

    def _join(self) -> None:
        self._numbers += 1
        self._working[self._numbers], self._held[self._numbers] = {}, set()
        for _ in range(self._at_once):
            self._next(self._numbers)

    def _next(self, number: int) -> None:
        if self._rows and number in self._working:
            self._tickets += 1
            key = self._working[number][self._tickets] = self._rows.pop()
            self.made.asked += 1
            self._answered(self.book.claim(key, number, self._tickets))

    def _answered(self, answer: Answer | None) -> None:
        if answer is None or answer.worker not in self._working:
            return
        if answer.place is None:
            self.made.computed += 1
            self._held[answer.worker].add(answer.key)
            self.after(self.random.uniform(0.5, 1.5), self._finish, answer)
        else:
            self._working[answer.worker].pop(answer.ticket)
            self.after(TRIP, self._next, answer.worker)

    def _finish(self, mine: Answer) -> None:
        if mine.worker not in self._working:
            return
        self._finished[mine.key] += 1
        self._held[mine.worker].discard(mine.key)
        self._working[mine.worker].pop(mine.ticket)
        for answer in self.book.publish(mine.key, mine.worker, Place("a.cells", mine.ticket)):
            self._answered(answer)
        self._next(mine.worker)

    def _lose_somebody(self) -> None:
        if not self._working:
            return
        number = self.random.choice(list(self._working))
        self.made.lost += 1
        self._rows += self._working.pop(number).values()  # the cluster gives its rows to others
        self.made.in_flight += len(self._held.pop(number))
        for answer in self.book.lose(number):
            self._answered(answer)
        self._join()
