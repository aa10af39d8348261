"""What a batch will take: the lowest ceiling, a total for everything, and no zero where nothing is known."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.batch.forecast import Fleet, Machinery, StageLoad, critical_path, forecast, one_worker
from ziggurat.batch.rates import Rate
from ziggurat.errors import InputError
from ziggurat.prices import Price, Prices

WAITS = StageLoad("answer", 0.05, calls=1, input_tokens=400, output_tokens=100, model="house")
PRICES = Prices({"house": Price(input=1, output=10)})
NO_WORK = Machinery(0.0, 0.0, 0.0, math.inf)


def test_a_row_takes_as_long_as_the_longest_way_through_its_stages():
    stages = [
        StageLoad("a", 1.0),
        StageLoad("b", 2.0),
        StageLoad("c", 0.5, after=("a", "b")),
        StageLoad("d", 0.1, after=("a",)),
    ]
    assert critical_path(stages) == 2.5
    assert critical_path([]) == 0.0


def test_stages_out_of_order_are_said():
    with pytest.raises(InputError, match="'b' waits for 'a'"):
        critical_path([StageLoad("b", 1.0, after=("a",)), StageLoad("a", 1.0)])


def test_rows_that_only_wait_go_by_littles_law():
    found = forecast(20_000, [WAITS], Fleet(workers=2, machinery=NO_WORK), PRICES)
    assert found.rows_per_second == pytest.approx(2 * 64 / 0.05)
    assert found.seconds == pytest.approx(20_000 / 2560)
    assert found.bound_by == "latency"


@pytest.mark.parametrize(
    ("fleet", "bound", "speed"),
    [
        (Fleet(10, machinery=Machinery(0.001, 0, 0, math.inf), concurrency=10_000), "cpu", 10_000),
        (Fleet(10, 10_000, cores=2, machinery=Machinery(0.001, 0, 0, math.inf)), "cpu", 2_000),
        (Fleet(10, machinery=NO_WORK, rate=Rate(600, 60)), "rate", 10),
        (Fleet(10, machinery=NO_WORK, tokens_per_minute=60_000), "tokens", 2),
        (Fleet(10, machinery=Machinery(0, 0, 0, 1000)), "coordinator", 1000),
    ],
)
def test_the_lowest_ceiling_is_named(fleet, bound, speed):
    found = forecast(1000, [WAITS], fleet, PRICES)
    assert found.bound_by == bound
    assert found.rows_per_second == pytest.approx(speed, rel=0.01)


def test_a_worker_alone_and_cells_not_worth_a_claim_need_no_coordinator():
    assert "coordinator" not in forecast(10, [WAITS], Fleet(1)).ceilings
    assert "coordinator" not in forecast(10, [StageLoad("quick", 0.0001)], Fleet(5)).ceilings


def test_calls_tokens_and_dollars_are_those_of_the_cells_that_are_computed():
    half = StageLoad("answer", 1.0, calls=2, input_tokens=400, output_tokens=100, model="house", distinct=0.5)
    found = forecast(1000, [half], prices=PRICES)
    assert (found.calls, found.input_tokens, found.output_tokens) == (1000, 200_000, 50_000)
    assert found.usd == Decimal("0.7")
    assert found.unpriced == ()


def test_an_unknown_price_is_unknown_and_named_once():
    strange = [StageLoad("a", calls=1, model="strange"), StageLoad("b", calls=1, model="strange"), WAITS]
    found = forecast(10, strange, prices=PRICES)
    assert (found.usd, found.unpriced) == (None, ("strange",))
    assert forecast(10, [StageLoad("free")]).usd == 0


def test_few_rows_take_at_least_as_long_as_one():
    slow = StageLoad("slow", 10.0)
    found = forecast(3, [slow], Fleet(100, machinery=Machinery(0, 0, start_seconds=5.0)))
    assert found.seconds == 15.0


def test_bytes_grow_with_values_and_with_nothing_that_is_kept():
    small, large = (forecast(1000, [StageLoad("a", value_bytes=size)]).ledger_bytes for size in (100, 1100))
    assert large - small == pytest.approx(1_000_000, rel=0.01)
    shared = forecast(1000, [StageLoad("a", value_bytes=1100, distinct=0.1)])
    assert shared.ledger_bytes < large / 4
    assert shared.coordinator_bytes == 5400


@given(st.integers(1, 300), st.floats(0.001, 1), st.floats(1e-6, 0.01))
def test_one_worker_is_below_both_asymptotes_and_near_the_lower_one(rows, wait, work):
    found, bounds = one_worker(rows, wait, work), (rows / (wait + work), 1 / work)
    assert found <= min(bounds) * (1 + 1e-9)
    assert found >= min(bounds) * 0.5
    assert one_worker(rows + 1, wait, work) >= found * (1 - 1e-9)


def test_a_fleet_of_nobody_and_a_table_of_nothing_are_refused():
    with pytest.raises(InputError, match="workers=0"):
        Fleet(workers=0)
    with pytest.raises(InputError, match="0 rows"):
        forecast(0, [WAITS])
