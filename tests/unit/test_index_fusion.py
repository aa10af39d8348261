"""Two rankings into one."""

import pytest

from ziggurat.index.fusion import DENSE_WEIGHT, DEPTH, fuse


def test_scores_are_stretched_and_weighted():
    dense = [(1, 0.9), (2, 0.8), (3, 0.7)]
    words = [(2, 8.0), (3, 2.0)]
    fused = {one.row: one.score for one in fuse(dense, words, k=3)}
    assert fused[1] == pytest.approx(DENSE_WEIGHT)
    assert fused[2] == pytest.approx(DENSE_WEIGHT * 0.5 + (1 - DENSE_WEIGHT) * 1.0)
    assert fused[3] == pytest.approx((1 - DENSE_WEIGHT) * 0.25)


def test_every_hit_tells_what_each_leg_thought_of_it():
    first, second = fuse([(1, 0.9), (2, 0.1)], [(2, 5.0)], k=2)
    assert (first.row, first.dense.rank, first.dense.score, first.words) == (1, 1, 0.9, None)
    assert (second.row, second.dense.rank, second.words.rank, second.words.score) == (2, 2, 1, 5.0)


def test_a_full_ranking_has_its_worst_hit_for_a_floor():
    words = [(row, 100.0 - row) for row in range(DEPTH)]
    scores = {one.row: one.score for one in fuse([], words, k=DEPTH)}
    assert scores[0] == pytest.approx(1 - DENSE_WEIGHT)
    assert scores[DEPTH - 1] == 0.0


@pytest.mark.parametrize(("dense", "words"), [([], []), ([(1, 0.5)], []), ([], [(1, 2.0)]), ([(1, 0.3), (2, 0.3)], [])])
def test_empty_and_flat_rankings_are_no_special_case(dense, words):
    assert [one.row for one in fuse(dense, words, k=5)] == sorted({row for row, _ in dense + words})


def test_ties_go_to_the_better_dense_rank_and_k_is_kept():
    fused = fuse([(9, 0.5), (4, 0.5)], [], k=1)
    assert [one.row for one in fused] == [9]
