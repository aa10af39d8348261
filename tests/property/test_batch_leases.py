"""Workers that ask, spend, report, return, leave and are lost in any order never spend more than the budget."""

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from ziggurat.batch.leases import LeaseBook, Refused
from ziggurat.chain.budget import NOTHING, Amounts, Budget


def least(one, other):
    return Amounts(min(one.usd, other.usd), min(one.tokens, other.tokens), min(one.calls, other.calls))


needs = st.builds(Amounts, st.decimals(0, 2, places=4, allow_nan=False), st.integers(0, 300), st.integers(0, 3)).filter(
    bool
)
shares = st.fractions(0, 1)


class Batch(RuleBasedStateMachine):
    """The workers as they are; the book knows what they told it."""

    workers = Bundle("workers")

    @initialize(
        usd=st.none() | st.integers(1, 20),
        tokens=st.none() | st.integers(1, 3000),
        calls=st.none() | st.integers(1, 60),
    )
    def begin(self, usd, tokens, calls):
        self.limits = Amounts(
            Decimal("Infinity") if usd is None else Decimal(usd),
            10**9 if tokens is None else tokens,
            10**9 if calls is None else calls,
        )
        self.book = LeaseBook(Budget(usd, tokens, calls))
        self.now = 0.0
        self.number = 0
        self.given: dict[int, Amounts] = {}
        self.spent: dict[int, Amounts] = {}
        self.gone = NOTHING  # spent by workers that left; a lost one is taken to spend all it has
        self.lost = 0

    @rule(target=workers)
    def join(self):
        self.number += 1
        self.book.join(self.number)
        self.given[self.number] = self.spent[self.number] = NOTHING
        return self.number

    @rule(worker=workers, lacking=needs, later=st.floats(0, 5))
    def ask(self, worker, lacking, later):
        self.now += later
        rest = self.book.rest()
        found = self.book.ask(worker, lacking, self.now)
        if isinstance(found, Refused):
            assert getattr(lacking, found.bound) > rest[["usd", "tokens", "calls"].index(found.bound)]
        else:
            assert least(found, lacking) == lacking, "a share is at least what is lacking"
            self.given[worker] += found

    @rule(worker=workers, part=shares)
    def spend(self, worker, part):
        left = self.given[worker] - self.spent[worker]
        usd = left.usd * part.numerator / part.denominator
        usd = min(left.usd, round(usd, 12))
        self.spent[worker] += Amounts(usd, int(left.tokens * part), int(left.calls * part))

    @rule(worker=workers)
    def report(self, worker):
        self.book.report(worker, self.spent[worker])

    @rule(worker=consumes(workers))
    def leave(self, worker):
        self.book.leave(worker, self.spent[worker])
        self.gone += self.spent.pop(worker)
        del self.given[worker]

    @rule(worker=consumes(workers))
    def lose(self, worker):
        self.book.lose(worker)
        self.gone += self.given.pop(worker)
        del self.spent[worker]
        self.lost += 1

    @invariant()
    def never_more_than_the_budget(self):
        if not hasattr(self, "book"):
            return
        most = sum(self.given.values(), self.gone)
        assert least(most, self.limits) == most
        reported = self.book.spent
        known = sum(self.spent.values(), self.gone)
        assert least(reported, known) == reported, "no more is said to be spent than can be"
        assert self.lost or not self.book.written_off

    @invariant()
    def what_nobody_has_is_what_is_left(self):
        if hasattr(self, "book"):
            out = sum(self.given.values(), self.gone)
            for left, name in zip(self.book.rest(), ("usd", "tokens", "calls"), strict=True):
                assert left is None or left == getattr(self.limits, name) - getattr(out, name)


TestBatch = Batch.TestCase
