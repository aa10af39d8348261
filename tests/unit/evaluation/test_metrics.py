"""The measures: hand-computed cases, and what holds for all."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.evaluation import metrics

# -- rankings -------------------------------------------------------------------------------------

RANKINGS = [
    # ranks of the gold, k, recall, all gold, reciprocal rank, nDCG
    ([1], 10, 1.0, 1.0, 1.0, 1.0),
    ([3], 10, 1.0, 1.0, 1 / 3, 1 / 2),
    ([None], 10, 0.0, 0.0, 0.0, 0.0),
    ([1, None], 10, 0.5, 0.0, 1.0, 1 / (1 + 1 / math.log2(3))),
    ([2, 1], 2, 1.0, 1.0, 1.0, 1.0),
    ([2, 4], 10, 1.0, 1.0, 0.5, (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))),
    ([2, 4], 3, 0.5, 0.0, 0.5, (1 / math.log2(3)) / (1 + 1 / math.log2(3))),
    ([1, 2, 3], 1, 1 / 3, 0.0, 1.0, 1.0),
]


@pytest.mark.parametrize(("ranks", "k", "recall", "all_gold", "reciprocal", "ndcg"), RANKINGS)
def test_a_ranking_is_measured_as_by_hand(ranks, k, recall, all_gold, reciprocal, ndcg):
    assert metrics.recall(ranks, k) == pytest.approx(recall)
    assert metrics.all_gold(ranks, k) == all_gold
    assert metrics.reciprocal_rank(ranks, k) == pytest.approx(reciprocal)
    assert metrics.ndcg(ranks, k) == pytest.approx(ndcg)


some_ranks = st.lists(st.none() | st.integers(1, 30), min_size=1, max_size=6, unique_by=lambda rank: rank or object())


@given(some_ranks, st.integers(1, 30))
def test_measures_lie_between_0_and_1_and_grow_with_k(ranks, k):
    for measure in (metrics.recall, metrics.all_gold, metrics.reciprocal_rank):
        assert 0 <= measure(ranks, k) <= measure(ranks, k + 1) <= 1
    assert 0 <= metrics.ndcg(ranks, k) <= 1 + 1e-12
    assert metrics.all_gold(ranks, k) <= metrics.recall(ranks, k)


def test_gold_is_ranked_by_the_first_hit_that_bears_its_name():
    found = [frozenset({"a", "title"}), frozenset({"b"}), frozenset({"a"})]
    assert metrics.ranks_of(["A", "b", "c"], found, str.casefold) == [1, 2, None]


def test_two_names_of_one_passage_gain_once():
    assert metrics.ndcg([1, 1], 10) == pytest.approx(1 / (1 + 1 / math.log2(3)))


# -- answers --------------------------------------------------------------------------------------

ANSWERS = [
    # said, wanted, language, exact match, F1
    ("The Twist!", ["the Twist"], "en", 1.0, 1.0),
    ("Oneida", ["Oneida Limited"], "en", 0.0, 2 / 3),
    ("Jimmy Ellis in Houston", ["Jimmy Ellis"], "en", 0.0, 2 * (2 / 4) * 1 / (2 / 4 + 1)),
    ("in 1911", ["1911", "in the year 1911"], "en", 0.0, 2 * (2 / 2) * (2 / 3) / (2 / 2 + 2 / 3)),
    ("", ["1911"], "en", 0.0, 0.0),
    ("the", ["a"], "en", 0.0, 0.0),
    ("la Torre", ["Torre"], "es", 1.0, 1.0),
    ("la Torre", ["Torre"], "en", 0.0, 2 / 3),
    ("os rios", ["rios"], "pt", 1.0, 1.0),
    ("保罗·萨缪尔森", ["保罗萨缪尔森"], "zh", 1.0, 1.0),
    ("萨缪尔森", ["保罗萨缪尔森"], "zh", 0.0, 2 * 1 * (4 / 6) / (1 + 4 / 6)),
    ("ＡＢＣ　公司", ["ABC公司"], "zh", 1.0, 1.0),
    ("no no yes", ["no yes yes"], "en", 0.0, 2 / 3),
]


@pytest.mark.parametrize(("said", "wanted", "language", "exact", "f1"), ANSWERS)
def test_an_answer_is_measured_as_by_hand(said, wanted, language, exact, f1):
    assert metrics.exact_match(said, wanted, language) == exact
    assert metrics.token_f1(said, wanted, language) == pytest.approx(f1)


@given(
    st.text(max_size=30),
    st.lists(st.text(max_size=30), min_size=1, max_size=3),
    st.sampled_from([None, "en", "zh", "es"]),
)
def test_f1_lies_between_exact_match_and_1(said, wanted, language):
    exact, f1 = metrics.exact_match(said, wanted, language), metrics.token_f1(said, wanted, language)
    assert exact <= f1 <= 1
    assert metrics.exact_match(wanted[0], wanted, language) == 1
    assert metrics.token_f1(said, wanted, language) == pytest.approx(metrics.token_f1(said, wanted[::-1], language))


HOLDS = [
    ("It was opened in 1968.", ["1968"], 1.0),
    ("It was opened in 19680.", ["1968"], 0.0),
    ("Jimmy fought Ellis.", ["Jimmy Ellis"], 0.0),
    ("该博物馆位于瓦尔迪维亚市。", ["瓦尔迪维亚"], 1.0),
    ("Anything.", ["?"], 0.0),
]


@pytest.mark.parametrize(("said", "wanted", "holds"), HOLDS)
def test_a_sentence_holds_an_answer_token_for_token(said, wanted, holds):
    assert metrics.holds_answer(said, wanted) == holds


def test_means_and_shares_of_nothing_are_unknown():
    assert metrics.mean([]) is metrics.mean([None]) is metrics.share([]) is None
    assert metrics.mean([1.0, None, 0.0]) == metrics.share([True, False]) == 0.5
