"""What one worker asks of itself: a pace, a bound on failures, a sum; and what a person reads of it."""

import asyncio

import pytest
import simulated_time
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.batch import alone
from ziggurat.batch.alone import Alone
from ziggurat.batch.coordination import Tally
from ziggurat.batch.rates import Rate
from ziggurat.batch.watching import summary
from ziggurat.chain.usage import ModelUsage, Usage


def paced(rate, asks):
    """When each of some asks passed: pairs of the time at which it came and how many calls it is for."""

    async def main(loop):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alone.time, "monotonic", loop.time)
            lead, passed = Alone(rate=rate), []

            async def ask(at, calls):
                await asyncio.sleep(at)
                await lead.pace(calls)
                passed.append((loop.time(), calls))

            await asyncio.gather(*(ask(at, calls) for at, calls in asks))
            return passed

    return simulated_time.run(main)


@given(
    st.builds(Rate, st.integers(1, 6), st.floats(0.5, 60)),
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 3)), max_size=30),
)
def test_no_window_holds_more_calls_than_the_rate_allows(rate, asks):
    passed = paced(rate, asks)
    assert sorted(calls for _, calls in passed) == sorted(calls for _, calls in asks)
    for begin, first in passed:
        inside = [calls for at, calls in passed if begin <= at < begin + rate.seconds * (1 - 1e-9)]
        assert sum(inside) <= max(rate.calls, first), "one ask for more than the rate passes, alone"


def test_calls_that_have_room_pass_at_once_and_the_others_as_soon_as_they_have():
    passed = paced(Rate(2, 10), [(0, 1)] * 5)
    assert [at for at, _ in passed] == [0, 0, 10, 10, 20]


async def test_without_a_rate_nothing_waits():
    lead = Alone()
    for _ in range(1000):
        await asyncio.wait_for(lead.pace(10**6), 60)


def test_it_stops_once_as_many_rows_failed_as_are_allowed():
    told = []
    lead = Alone(stop_after=3, watch=told.append)
    lead.tell(Tally(rows=5, failed=2, computed=4, left=7))
    assert not lead.stopped, "rows for which there was no budget did not fail"
    lead.tell(Tally(rows=1, failed=1, kept=2))
    assert lead.stopped
    assert told[-1] == lead.tally == Tally(6, 3, 4, 2, left=7)
    assert not Alone().stopped


def test_what_was_done_is_told_in_a_line():
    usage = Usage((ModelUsage("m", input_tokens=1000, output_tokens=234, calls=12),))
    assert summary(Tally(rows=3), "") == ""
    assert summary(Tally(5, 1, 4, 3, usage, 1), "0.5") == "12 calls · 1,234 tokens · $0.5000 · 3 cells kept · 2 failed"
    assert "price unknown" in summary(Tally(usage=usage), "")
