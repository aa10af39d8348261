"""What `VectorIndex` refuses, always before a byte is written."""

from typing import Any

import numpy as np
import pytest

from ziggurat.errors import InputError


def broken(**changes: Any) -> dict[str, Any]:
    return {"texts": ["one", "two"], "metadatas": None, "ids": None, **changes}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (broken(texts=["one", ""]), "text 1 of 2"),
        (broken(texts=["one", " \n"]), "empty"),
        (broken(texts=["one", "nul\0"]), "NUL"),
        (broken(texts=["one", "lone \ud800"]), "surrogate"),
        (broken(texts=["one", 2]), "string"),
        (broken(texts="one"), "list of strings"),
        (broken(metadatas=[{}]), "1 metadatas"),
        (broken(metadatas={"a": 1}), "one dict"),
        (broken(metadatas=[{}, {"when": np.float64("nan")}]), "JSON"),
        (broken(metadatas=[{}, {"deep": {"set": {1, 2}}}]), "deep.set"),
        (broken(metadatas=[{}, {"deep": [{"x": b"bytes"}]}]), r"deep\[0\].x"),
        (broken(metadatas=[{}, {3: 1}]), "not a string"),
        (broken(metadatas=[{}, {"a": "\udfff"}]), "surrogate"),
        (broken(metadatas=[{}, ["a"]]), "dict"),
        (broken(ids=["only one"]), "1 ids"),
        (broken(ids=["ok", ""]), "non-empty"),
        (broken(ids=["ok", 7]), "non-empty string"),
        (broken(ids="ab"), "list of strings"),
        (broken(ids=["ok", "\0"]), "NUL"),
        (broken(unknown=1), "unknown"),
    ],
)
def test_bad_texts_are_refused_before_anything_is_embedded_or_written(index, given, message):
    with pytest.raises(InputError, match=message):
        index.add_texts(**given)
    assert len(index) == index.generation == index._engine.embedder.model.texts == 0


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, float("nan")], [1, 2]], "NaN"),
        ([[1.0, float("inf")], [1, 2]], "NaN or infinity"),
        ([[1.0, 2.0]], "shape"),
        ([[1.0, 2.0], [1.0]], "matrix"),
        ([1.0, 2.0], "shape"),
        ([[], []], "shape"),
        ([["a", "b"], ["c", "d"]], "matrix"),
        ([[[1.0]], [[2.0]]], "shape"),
    ],
)
def test_bad_vectors_are_refused(index, vectors, message):
    with pytest.raises(InputError, match=message):
        index.add_vectors(["one", "two"], vectors)
    assert len(index) == index.generation == 0


def test_vectors_of_other_dimensions_are_refused_once_there_are_some(filled):
    with pytest.raises(InputError, match="256"):
        filled.add_vectors(["x"], [[1.0, 2.0]])
    with pytest.raises(InputError, match="256"):
        filled.similarity_search_by_vector([1.0, 2.0])
    assert len(filled) == 4


@pytest.mark.parametrize("k", [0, -1, 1.5, True, None, "3"])
def test_a_count_that_is_none_is_refused(filled, k):
    for attempt in (
        lambda: filled.search("canal", k=k) if not isinstance(k, str) else filled._found("canal", k, "hybrid", None),
        lambda: filled.similarity_search("canal", k=k),
        lambda: filled.similarity_search_by_vector([0.5] * 256, k=k),
        lambda: filled.max_marginal_relevance_search("canal", k=k),
    ):
        with pytest.raises(InputError, match="positive integer"):
            attempt()


@pytest.mark.parametrize("query", ["", "  ", "a\0", "\ud800", None, 3])
def test_a_query_that_is_no_text_is_refused(filled, query):
    with pytest.raises(InputError):
        filled.search(query)


@pytest.mark.parametrize(
    "kwargs", [{"mode": "sparse"}, {"filter": {"n": {"$near": 1}}}, {"filter": "n = 1"}, {"filter": []}]
)
def test_a_mode_or_filter_that_is_not_known_is_refused(filled, kwargs):
    with pytest.raises(InputError):
        filled.search("canal", **kwargs)


def test_a_misspelt_parameter_is_not_silently_ignored(filled):
    with pytest.raises(InputError, match="fliter"):
        filled.similarity_search("canal", fliter={"n": 1})


def test_ids_to_delete_are_strings(filled):
    for ids in ("abc", [1], [None]):
        with pytest.raises(InputError):
            filled.delete(ids)
    assert len(filled) == 4
