"""Metadata filters, by what they let through."""

import json
import sqlite3

import pytest

from ziggurat.errors import InputError
from ziggurat.index.filters import compile_filter

ROWS = {
    "a": {"lang": "en", "year": 2019, "draft": True, "score": 1.5},
    "b": {"lang": "zh", "year": 2021, "draft": False, "a.b": "dotted"},
    "c": {"lang": "es", "year": "2021", "note": None},
    "d": {"year": 1, "tags": ["x"], "quoted": "it's"},
    "e": {},
}


@pytest.fixture(scope="module")
def connection():
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE chunks (id TEXT, metadata TEXT)")
        database.executemany("INSERT INTO chunks VALUES (?, ?)", [(k, json.dumps(v)) for k, v in ROWS.items()])
        yield database
    database.close()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "abcde"),
        ({"lang": "en"}, "a"),
        ({"lang": "en", "year": 2019}, "a"),
        ({"lang": "en", "year": 2020}, ""),
        ({"year": 2021}, "b"),
        ({"year": 2021.0}, "b"),
        ({"year": "2021"}, "c"),
        ({"draft": True}, "a"),
        ({"draft": 1}, ""),
        ({"year": True}, ""),
        ({"note": None}, "c"),
        ({"a.b": "dotted"}, "b"),
        ({"quoted": "it's"}, "d"),
        ({"year": {"$gte": 2019}}, "ab"),
        ({"year": {"$gt": 1, "$lt": 2021}}, "a"),
        ({"year": {"$lte": "3"}}, "c"),
        ({"lang": {"$gt": "en"}}, "bc"),
        ({"lang": {"$in": ["en", "es"]}}, "ac"),
        ({"lang": {"$in": []}}, ""),
        ({"lang": {"$nin": ["en", "es"]}}, "bde"),
        ({"lang": {"$ne": "en"}}, "bcde"),
        ({"lang": {"$exists": True}}, "abc"),
        ({"note": {"$exists": True}}, "c"),
        ({"lang": {"$exists": False}}, "de"),
        ({"$or": [{"lang": "en"}, {"year": 1}]}, "ad"),
        ({"$and": [{"lang": "en"}, {"year": 1}]}, ""),
        ({"$not": {"lang": "en"}}, "bcde"),
        ({"$not": {"year": {"$gt": 0}}}, "ce"),
        ({"$or": [{"$and": [{"draft": False}, {"lang": "zh"}]}, {"$not": {"year": {"$exists": True}}}]}, "be"),
        ({"score": {"$eq": 1.5}}, "a"),
    ],
)
def test_a_filter_lets_through_exactly(connection, given, expected):
    condition = compile_filter(given)
    found = connection.execute(f"SELECT id FROM chunks WHERE {condition.sql} ORDER BY id", condition.parameters)  # noqa: S608 (the point)
    assert "".join(row[0] for row in found) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"year": {"$gtt": 1}},
        {"$nor": [{"a": 1}]},
        {"year": {"gte": 1}},
        {"year": {}},
        {"year": [1, 2]},
        {"year": {"$gt": None}},
        {"year": {"$gt": True}},
        {"year": float("nan")},
        {"year": 2**70},
        {"year": {"$in": "text"}},
        {"year": {"$in": [[1]]}},
        {"year": {"$exists": 1}},
        {"$or": []},
        {"$and": {"a": 1}},
        {"$not": [{"a": 1}]},
        {"$or": ["text"]},
        {1: 2},
        {'quo"te': 1},
        {"name": "\ud800"},
        "lang = 'en'",
        [("lang", "en")],
    ],
)
def test_a_filter_that_is_not_understood_is_refused(given):
    with pytest.raises(InputError):
        compile_filter(given)


def test_an_unknown_operator_is_answered_with_the_nearest_one():
    with pytest.raises(InputError, match=r"did you mean \$gte"):
        compile_filter({"year": {"$gtee": 2020}})


def test_deep_nesting_is_refused_and_no_recursion_error():
    given: dict = {"a": 1}
    for _ in range(5000):
        given = {"$not": given}
    with pytest.raises(InputError, match="deeply"):
        compile_filter(given)


def test_values_never_reach_the_sql_text():
    condition = compile_filter({"source": "x' OR 1=1 --", "$or": [{"k": "'; DROP"}, {"k": 3}]})
    assert "DROP" not in condition.sql
    assert "1=1" not in condition.sql


def test_conditions_of_different_types_are_told_apart():
    keys = {compile_filter({"a": value}).key for value in (1, 1.0, "1", True)}
    assert len(keys) == 4
