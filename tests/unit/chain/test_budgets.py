"""Budgets: nothing is sent that they have no room for, however many stages ask at once."""

import asyncio
import gc
from decimal import Decimal

import pytest
from hypothesis import given as over
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackHandler

from ziggurat import LLM, ChainError, InputError, MultiChain, given, ref, stage, value
from ziggurat.chain.budget import Ask, Budget, Purse
from ziggurat.chain.composite import Map
from ziggurat.chain.events import RunFinished
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.errors import BudgetExceeded
from ziggurat.prices import Price, Prices
from ziggurat.testing import FakeChat

PRICES = Prices({"house": Price(input=1, output=10)})


def used(tokens_in=0, tokens_out=0, model="house"):
    return Usage((ModelUsage(model, "", tokens_in, tokens_out, 0, 1),))


@pytest.mark.parametrize("bad", [{"usd": 0}, {"tokens": -1}, {"calls": 0}, {"seconds": 0}, {"usd": "much"}])
def test_a_budget_that_allows_nothing_is_refused(bad):
    with pytest.raises(InputError, match="allows nothing"):
        Budget(**bad)


def test_calls_are_counted_before_they_are_sent():
    purse = Purse(Budget(calls=2))
    purse.reserve(1, Ask("m"))
    purse.reserve(2, Ask("m"))
    with pytest.raises(BudgetExceeded, match="2 of 2"):
        purse.reserve(3, Ask("m"))
    purse.settle(1, used())
    with pytest.raises(BudgetExceeded):
        purse.reserve(3, Ask("m"))


def test_a_call_that_was_not_made_gives_everything_back():
    purse = Purse(Budget(calls=1, tokens=100))
    purse.reserve(1, Ask("m", "", 50, 50))
    purse.settle(1, Usage())
    purse.reserve(2, Ask("m", "", 50, 50))


def test_what_a_call_did_not_use_goes_back():
    purse = Purse(Budget(tokens=100))
    purse.reserve(1, Ask("m", "", 10, 80))
    purse.settle(1, used(10, 5))
    purse.reserve(2, Ask("m", "", 10, 75))
    with pytest.raises(BudgetExceeded, match="tokens"):
        purse.reserve(3, Ask("m", "", 1, 0))


def test_dollars_are_reserved_at_the_most_a_call_can_cost():
    purse = Purse(Budget(usd="0.001"), PRICES)
    purse.reserve(1, Ask("house", "", 100, 50))
    with pytest.raises(BudgetExceeded, match="usd"):
        purse.reserve(2, Ask("house", "", 100, 50))
    purse.settle(1, used(100, 1))
    purse.reserve(2, Ask("house", "", 100, 50))
    assert purse.spent == (Decimal("0.00011"), 101, 1)


def test_an_unknown_price_is_no_price_of_zero():
    with pytest.raises(BudgetExceeded, match="'nobody-knows' is unknown"):
        Purse(Budget(usd=1)).reserve(1, Ask("nobody-knows", "somebody"))


def test_time_is_told_by_a_clock_that_nobody_sets():
    now = [100.0]
    purse = Purse(Budget(seconds=5), clock=lambda: now[0])
    now[0] = 104.9
    purse.check_time()
    assert purse.seconds_left == pytest.approx(0.1)
    now[0] = 105.0
    with pytest.raises(BudgetExceeded, match="5 s"):
        purse.check_time()


@over(
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 1), st.booleans()), max_size=30),
)
def test_a_budget_is_never_overrun_by_calls_that_use_no_more_than_they_asked_for(tokens, calls):
    purse, open_calls = Purse(Budget(tokens=tokens)), {}
    for number, (read, written, share, settles) in enumerate(calls):
        try:
            purse.reserve(number, Ask("m", "", read, written))
        except BudgetExceeded:
            continue
        open_calls[number] = (read, int(written * share))
        if settles and open_calls:
            oldest = next(iter(open_calls))
            purse.settle(oldest, used(*open_calls.pop(oldest)) if sum(open_calls.get(oldest, (1, 0))) else used(0, 0))
        assert purse.spent[1] <= tokens
    for number, real in open_calls.items():
        purse.settle(number, used(*real))
    assert purse.spent[1] <= tokens


def asking(**options):
    return LLM("Say {x}", FakeChat(script="one two three"), **options)


def test_the_run_ends_at_the_cap_with_what_it_has():
    multi = MultiChain(
        first=asking(),
        second=given(asking(), x=ref("first")),
        third=given(asking(), x=ref("second")),
        free=lambda x: f"free {x}",
    ).using(budget=Budget(calls=2))
    with pytest.raises(ChainError) as caught:
        multi.run(x="hello")
    assert set(caught.value.outputs) == {"first", "second", "free"}
    assert isinstance(caught.value.__cause__, BudgetExceeded)
    assert caught.value.__cause__.bound == "calls"


def test_stages_side_by_side_cannot_spend_the_same_money():
    multi = MultiChain(out=Map(asking(), each="x", on_error="keep")).using(budget=Budget(calls=5))
    out = multi.run(x=[str(number) for number in range(20)])["out"]
    assert len(out.ok) == 5
    assert {failure.type for failure in out.failures.values()} == {"BudgetExceeded"}


def test_a_refusal_is_neither_retried_nor_hidden_by_a_fallback(caplog):
    multi = MultiChain(a=asking(), b=stage(given(asking(), x=ref("a")), retry=5, fallback=value("cheap")))
    with pytest.raises(ChainError) as caught:
        multi.using(budget=Budget(calls=1)).run(x="hello")
    assert isinstance(caught.value.__cause__, BudgetExceeded)
    assert not caplog.records, "a refusal is no warning in anybody's log"


async def test_a_refusal_tells_other_handlers_of_no_call_and_leaves_nothing_behind():
    class Told(AsyncCallbackHandler):
        def __init__(self):
            self.starts = self.ends = 0

        async def on_chat_model_start(self, *args, **kwargs):
            self.starts += 1

        async def on_llm_end(self, *args, **kwargs):
            self.ends += 1

    told = Told()
    multi = MultiChain(first=asking(), second=given(asking(), x=ref("first"))).using(budget=Budget(calls=1))
    with pytest.raises(ChainError, match="calls"):
        await multi.ainvoke({"x": "hello"}, {"callbacks": [told]})
    gc.collect()
    assert (told.starts, told.ends) == (1, 1)


def test_a_budget_too_small_for_the_first_call_says_how_much_it_takes():
    with pytest.raises(ChainError, match=r"0 of 10 are used or set aside, and it may take up to [\d,]+"):
        MultiChain(a=asking()).using(budget=Budget(tokens=10)).run(x="hello")


def test_models_called_inside_a_function_are_counted_and_bounded():
    model = FakeChat(script="one two")

    def talk(x):
        return [model.invoke(x).text for _ in range(3)]

    *_, last = MultiChain(talk=talk).events(x="hello")
    assert isinstance(last, RunFinished)
    assert last.usage.calls == 3
    with pytest.raises(ChainError, match="calls"):
        MultiChain(talk=talk).using(budget=Budget(calls=2)).run(x="hello")


def test_usage_inside_maps_and_chains_is_counted_once_at_every_level():
    inner = MultiChain(said=asking())
    multi = MultiChain(out=Map(inner, each="x"), after=given(asking(), x="{out.0.said}"))
    finished = {event.path: event for event in multi.events(x=["a", "b"]) if event.type in ("stage_finished", "item")}
    assert finished["out"].usage.calls == 2
    assert finished["out[1]"].usage.calls == finished["out[1]/said"].usage.calls == 1
    *_, last = multi.events(x=["a", "b"])
    assert last.usage.calls == 3


def test_a_chain_run_by_a_function_is_counted_in_both_runs():
    inner = MultiChain(said=asking()).using(cache=True)
    *_, last = MultiChain(outer=lambda x: inner.run(x=x)).events(x="a")
    assert last.usage.calls == 1


def test_the_time_of_a_run_ends_it():
    async def slow(x):
        await asyncio.sleep(30)

    multi = MultiChain(quick=lambda x: x, slow=slow).using(budget=Budget(seconds=0.2))
    with pytest.raises(ChainError, match="budget of time") as caught:
        multi.run(x=1)
    assert caught.value.outputs == {"quick": 1}
