"""In no window do workers pass more calls than the rate, while they join, stall, leave and are lost."""

import heapq
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ziggurat.batch.rates import UNITS, Rate, RateBook

LEASE = 3.0


class World:
    """Workers whose words and permits travel for random times, led by one book; events in order of time."""

    def __init__(self, rate, seed):
        self.book, self.rate = RateBook(rate, LEASE), rate
        self.random = random.Random(seed)
        self.now, self.order = 0.0, 0
        self.events = []
        self.passed = []
        self.dues = set()
        self.alive = set()
        self.asked = 0
        self.tickets = {}

    def travel(self):
        """Seconds that a word or a permit is under way: often none, which is the hardest case for a window's end."""
        return self.random.choice([0.0, 0.0, self.random.uniform(0, 1)])

    def at(self, delay, action, *given):
        self.order += 1
        heapq.heappush(self.events, (self.now + delay, self.order, action, given))

    def run(self, until):
        while self.events and self.events[0][0] <= until:
            self.now, _, action, given = heapq.heappop(self.events)
            action(*given)
            permits, due = self.book.grant(self.now)
            for one in permits:
                self.at(
                    self.travel(),
                    self.arrives,
                    one.worker,
                    self.tickets.pop((one.worker, one.ticket)),
                    self.now,
                )
            if due is not None and due not in self.dues:
                self.dues.add(due)
                self.at(max(0.0, due - self.now) + 1e-6, lambda: None)

    def join(self, worker):
        self.alive.add(worker)

    def ask(self, worker, units):
        if worker in self.alive:
            self.tickets[worker, self.asked] = units
            self.book.ask(worker, self.asked, [units])
            self.asked += 1

    def arrives(self, worker, units, granted):
        """A permit is with its worker, which may be slow to use it; a lost worker does not know that it is."""
        self.at(
            self.random.choice([0.0, 0.0, 0.9 * LEASE, self.random.uniform(0, 2 * LEASE)]),
            self.uses,
            worker,
            units,
            granted,
        )

    def uses(self, worker, units, granted):
        if self.now < granted + LEASE and self.random.random() < 0.9:
            self.passed.append((self.now, units))
            self.at(self.travel(), self.told, worker, units, self.now)
        elif worker in self.alive:
            self.book.back(worker, units)

    def told(self, worker, units, _):
        if worker in self.alive:
            self.book.used(worker, units, self.now)

    def fall(self, worker):
        """The worker is lost as soon as it has been given a permit."""
        if any(key[0] == worker for key in self.tickets):
            self.at(0.1, self.fall, worker)
        else:
            self.leave(worker, lost=True)

    def leave(self, worker, lost):
        """A worker that leaves has ended: what was on its way is not used."""
        if worker not in self.alive:
            return
        self.alive.discard(worker)
        self.tickets = {key: units for key, units in self.tickets.items() if key[0] != worker}
        if lost:
            self.book.lose(worker, self.now)
        else:
            self.book.leave(worker, self.now)
            self.events = [one for one in self.events if not (one[3] and one[3][0] == worker)]
            heapq.heapify(self.events)


def most_in_a_window(passed, seconds):
    most = total = 0
    begin = 0
    for at, units in passed:
        total += units
        while passed[begin][0] <= at - seconds + 1e-9:
            total -= passed[begin][1]
            begin += 1
        most = max(most, total)
    return most


@settings(max_examples=150)
@given(
    st.integers(1, 6),
    st.floats(0.5, 20),
    st.lists(
        st.tuples(
            st.floats(0, 60), st.integers(0, 3), st.sampled_from(["ask", "ask", "fall", "join", "leave", "lose"])
        ),
        max_size=60,
    ),
    st.integers(0, 2**32),
)
def test_no_window_holds_more_than_the_rate(calls, seconds, script, seed):
    world = World(Rate(calls, seconds), seed)
    names = {kind: kind for kind in range(4)}
    fresh = iter(range(4, 1000))
    for kind in names:
        world.at(0, world.join, kind)
        for _ in range(2 * calls):
            world.at(0, world.ask, kind, UNITS)
    for when, who, what in script:
        if what == "ask":
            units = world.random.choice([UNITS, UNITS, UNITS // 2, min(2, calls) * UNITS])
            world.at(when, lambda who=who, units=units: world.ask(names[who], units))
        elif what == "join":
            world.at(when, lambda: world.join(next(fresh)))
        elif what == "fall":  # a worker that comes, asks, and is lost with what it may just have been given
            new = next(fresh)
            for later, step in ((0, world.join), (0, lambda new: world.ask(new, UNITS)), (0.1, world.fall)):
                world.at(when + later, step, new)
        else:
            world.at(when, lambda who=who, what=what: world.leave(names[who], what == "lose"))
    world.run(200.0)
    assert most_in_a_window(world.passed, seconds) <= calls * UNITS
    assert world.book.waiting == 0 or world.events, "whoever waits is served in the end"


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(1, 6))
def test_workers_that_always_have_calls_get_all_of_the_rate(calls, workers):
    world = World(Rate(calls, 60.0), 1)
    world.travel = lambda: 0.5
    world.random.choice = lambda _: 0.0
    world.random.random = lambda: 0.0
    for worker in range(workers):
        world.join(worker)
        for _ in range(5 * calls):
            world.ask(worker, UNITS)
    world.at(0, lambda: None)
    world.run(4 * 61.2)  # the window, a permit and a word under way, and a step of the book's
    assert sum(units for _, units in world.passed) == 5 * calls * UNITS if workers == 1 else 4 * calls * UNITS
