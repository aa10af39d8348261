"""How vectors are searched: exact while few, by codes that were measured, and extended without learning anew."""

import numpy as np
import pytest

from ziggurat.index import searcher
from ziggurat.index.snapshot import Snapshot, read, write


def clustered(rows, seed, dimensions=64):
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((40, dimensions)).astype(np.float32)
    vectors = centres[draw.integers(0, 40, rows)] + 0.7 * draw.standard_normal((rows, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def recall(made, queries):
    truth = searcher.exact_part(made.index).search(queries, 10)[1]
    found = [made.search(query, 10)[0] for query in queries]
    return np.mean([len(np.intersect1d(one, other)) / 10 for one, other in zip(found, truth, strict=True)])


@pytest.fixture(scope="module")
def stored():
    return clustered(14_000, 1)


@pytest.fixture(scope="module")
def made(stored):
    return searcher.build(stored[:8000])


def test_few_vectors_are_searched_exactly_and_many_by_codes(stored, made):
    assert searcher.build(stored[:1000]).name == "flat"
    assert made.name.startswith("pq")
    assert made.learnt == 8000


def test_more_vectors_are_coded_by_what_was_learnt_and_found(stored, made):
    more = searcher.extended(made, stored[:12_000])
    assert (more.learnt, len(more.matrix), more.factor) == (8000, 12_000, made.factor)
    assert recall(more, clustered(100, 2)) >= 0.97
    assert [int(more.search(stored[row], 1)[0][0]) for row in (0, 7999, 8000, 11_999)] == [0, 7999, 8000, 11_999]
    assert len(made.matrix) == 8000, "the earlier one stays as it was"


def test_twice_as_many_are_learnt_anew(stored):
    small = searcher.build(stored[:6000])
    assert searcher.extended(small, stored).learnt == 14_000


def test_an_exact_one_is_built_anew_when_it_grows(stored):
    assert searcher.extended(searcher.build(stored[:1000]), stored[:8000]).learnt == 8000


def test_an_extended_one_survives_its_file(tmp_path, stored, made):
    more = searcher.extended(made, stored[:12_000])
    write(tmp_path, Snapshot(3, b"s" * 16, np.arange(1, 12_001), more))
    back = read(tmp_path, thorough=True)
    assert (back.searcher.learnt, back.searcher.factor) == (more.learnt, more.factor)
    again = searcher.extended(back.searcher, stored)
    assert (again.learnt, len(again.matrix)) == (8000, 14_000)
    assert recall(again, clustered(100, 3)) >= 0.97
