"""A searcher built while its vectors are committed is the one that would have been built after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ziggurat.index import VectorIndex
from ziggurat.index import ahead as ahead_module
from ziggurat.index.ahead import Ahead
from ziggurat.index.dense import LARGEST_TAIL, View, condensed, view_of_database
from ziggurat.index.transaction import Transaction

ROWS, WIDTH = LARGEST_TAIL + 3000, 16


def vectors(rows: int = ROWS, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, WIDTH), dtype=np.float32)


def texts(rows: int = ROWS) -> list[str]:
    return [f"passage {at}" for at in range(rows)]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each commit that asked got its view from what was built ahead."""
    seen: list[bool] = []
    real = Ahead.view

    def view(self: Ahead, version: object) -> View | None:
        found = real(self, version)  # type: ignore[arg-type]  # handed on as it came
        seen.append(found is not None)
        return found

    monkeypatch.setattr(ahead_module.Ahead, "view", view)
    return seen


def test_a_first_commit_uses_what_was_built_ahead_and_shows_what_sqlite_holds(
    tmp_path: Path, built: list[bool]
) -> None:
    with VectorIndex.create(tmp_path / "ix") as index:
        index.add_vectors(texts(), vectors())
        assert built == [True]
        with index._engine.store.reading() as connection:
            shown = index._engine.refresh(connection)
            expected = condensed(view_of_database(connection, WIDTH))
        assert shown is not None
        assert shown.version == expected.version
        np.testing.assert_array_equal(shown.rows, expected.rows)
        np.testing.assert_array_equal(shown.searcher.matrix, expected.searcher.matrix)
        assert shown.searcher.factor == expected.searcher.factor
        assert index.verify().ok
    with VectorIndex.open(tmp_path / "ix") as again:
        query = vectors(1, seed=7)[0]
        rows = [row for row, _ in expected.search(query / np.linalg.norm(query), 5)]
        found = again.similarity_search_by_vector(query, 5)
        assert [document.page_content for document in found] == [f"passage {row - 1}" for row in rows]


def test_a_second_commit_and_a_small_one_are_built_the_usual_way(tmp_path: Path, built: list[bool]) -> None:
    with VectorIndex.create(tmp_path / "ix") as index:
        index.add_vectors(["one"], vectors(1))
        index.add_vectors(texts(), vectors())
        assert built == [False, False]
        assert index.verify().ok


def test_another_commit_in_between_drops_what_was_built(
    tmp_path: Path, built: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    with VectorIndex.create(tmp_path / "ix") as index, VectorIndex.open(tmp_path / "ix") as other:
        real = index._engine.condense_if_due

        def late(ahead: Ahead | None = None) -> None:
            monkeypatch.setattr(index._engine, "condense_if_due", real)
            other.add_vectors(["late"], vectors(1, seed=3), ids=["late"])
            real(ahead)

        monkeypatch.setattr(index._engine, "condense_if_due", late)
        index.add_vectors(texts(), vectors())
        assert built == [False, False]  # the late one was no first commit
        found = index.similarity_search_by_vector(vectors(1, seed=3)[0], 1)
        assert [document.page_content for document in found] == ["late"]
        assert index.verify().ok


def test_a_commit_that_fails_leaves_nothing_of_what_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VectorIndex.create(tmp_path / "ix") as index:
        real = Transaction.add_chunks

        def failing(self: Transaction, *args: object, **kwargs: object) -> None:
            real(self, *args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
            raise RuntimeError("the power went")

        monkeypatch.setattr(Transaction, "add_chunks", failing)
        with pytest.raises(RuntimeError, match="power"):
            index.add_vectors(texts(), vectors())
        assert index.similarity_search_by_vector(vectors(1)[0], 1) == []
        assert index.verify().ok
