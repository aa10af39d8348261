"""A purse that is a share of a batch's: it asks for more when it is short, and only then."""

from decimal import Decimal

import pytest

from ziggurat.batch.leased_purse import LeasedPurse
from ziggurat.batch.leases import Refused
from ziggurat.chain.budget import Amounts, Ask, Budget
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.errors import BudgetExceeded
from ziggurat.prices import Price, Prices


class Leader:
    """Answers in turn; None when it has no further answer."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, lacking, spent):
        self.asked.append((lacking, spent))
        return self.answers.pop(0) if self.answers else None


def used(tokens=0, calls=1):
    return Usage((ModelUsage("m", "", tokens, 0, 0, calls),))


def test_a_share_lasts_for_as_many_calls_as_it_has():
    leader = Leader(Amounts(calls=2), Amounts(calls=1))
    purse = LeasedPurse(Budget(calls=100), leader)
    for call in range(3):
        purse.reserve(call, Ask("m"))
        purse.settle(call, used())
    assert leader.asked == [(Amounts(calls=1), Amounts()), (Amounts(calls=1), Amounts(calls=2))]
    assert purse.share == purse.used == Amounts(calls=3)


def test_what_a_call_did_not_use_is_used_before_more_is_asked_for():
    leader = Leader(Amounts(tokens=100))
    purse = LeasedPurse(Budget(tokens=1000), leader)
    for call in range(5):
        purse.reserve(call, Ask("m", "", 40, 20))
        purse.settle(call, used(tokens=10))
    assert len(leader.asked) == 1
    assert purse.used == Amounts(tokens=50, calls=5)


def test_dollars_are_asked_for_at_the_most_that_a_call_can_cost():
    leader = Leader(Amounts(usd=Decimal("0.0001")))
    purse = LeasedPurse(Budget(usd=5), leader, Prices({"m": Price(input=1, output=0)}))
    purse.reserve(1, Ask("m", "", 100, 10))
    assert leader.asked[0][0] == Amounts(usd=Decimal("0.0001"))


def test_a_refusal_says_what_the_whole_batch_has_left():
    purse = LeasedPurse(Budget(calls=1000), Leader(Refused("calls", 0)))
    with pytest.raises(BudgetExceeded, match="0 of 1,000 are neither used nor set aside by the workers") as caught:
        purse.reserve(1, Ask("m"))
    assert caught.value.bound == "calls"


def test_a_refusal_is_not_asked_about_again_for_a_second():
    now = [0.0]
    leader = Leader(Refused("tokens", 10), Amounts(tokens=5), Refused("tokens", 5))
    purse = LeasedPurse(Budget(tokens=1000), leader, clock=lambda: now[0])
    for _ in range(50):
        with pytest.raises(BudgetExceeded, match="up to 100"):
            purse.reserve("large", Ask("m", "", 100, 0))
    assert len(leader.asked) == 1
    purse.reserve("small", Ask("m", "", 5, 0))
    now[0] = 1.0
    with pytest.raises(BudgetExceeded):
        purse.reserve("large", Ask("m", "", 100, 0))
    assert len(leader.asked) == 3


def test_when_nobody_is_there_to_ask_the_share_in_hand_is_still_good():
    purse = LeasedPurse(Budget(calls=10), Leader(Amounts(calls=2)))
    purse.reserve(1, Ask("m"))
    purse.reserve(2, Ask("m"))
    with pytest.raises(BudgetExceeded, match="nobody is there"):
        purse.reserve(3, Ask("m"))
    assert purse.used == Amounts()


def test_a_closed_purse_reserves_nothing_and_counts_open_calls_at_their_most():
    leader = Leader(Amounts(tokens=100), Amounts(tokens=100))
    purse = LeasedPurse(Budget(tokens=1000), leader)
    purse.reserve(1, Ask("m", "", 30, 0))
    purse.settle(1, used(tokens=10))
    purse.reserve(2, Ask("m", "", 40, 0))
    assert purse.close() == Amounts(tokens=50, calls=2)
    with pytest.raises(BudgetExceeded):
        purse.reserve(3, Ask("m", "", 1, 0))
    assert len(leader.asked) == 1


def test_seconds_are_those_that_the_batch_has_left():
    now = [100.0]
    purse = LeasedPurse(Budget(seconds=60), Leader(), seconds_left=2.0, clock=lambda: now[0])
    purse.reserve(1, Ask("m"))
    now[0] = 102.0
    with pytest.raises(BudgetExceeded, match="The budget of 60 s is used up"):
        purse.reserve(2, Ask("m"))
