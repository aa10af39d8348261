"""Intervals: seeded, around the mean, and as wide as theory says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.errors import InputError
from ziggurat.evaluation.bootstrap import figure, paired

values = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(values)
def test_an_interval_lies_within_the_values_and_is_the_same_again(given_values):
    found = figure(given_values, resamples=100)
    assert min(given_values) - 1e-9 <= found.low <= found.high <= max(given_values) + 1e-9
    assert found == figure(given_values, resamples=100)
    assert found.value == pytest.approx(float(np.mean(given_values)))


def test_an_interval_is_as_wide_as_the_normal_approximation():
    drawn = np.random.default_rng(1).random(400)
    found = figure(drawn.tolist())
    error = float(drawn.std()) / 20
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_another_seed_gives_nearly_the_same():
    flags = [1.0] * 30 + [0.0] * 10
    one, other = figure(flags, seed=1), figure(flags, seed=2)
    assert one.low == pytest.approx(other.low, abs=0.03)


def test_questions_that_are_hard_for_both_do_not_widen_a_paired_interval():
    before = [0.0, 1.0] * 50
    after = [one + 0.1 for one in before]
    found = paired(before, after)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert figure(after).high - figure(after).low > 0.1


def test_values_of_other_questions_are_refused():
    with pytest.raises(InputError, match="same questions"):
        paired([1.0], [1.0, 0.0])
    with pytest.raises(InputError, match="at least one"):
        figure([])
