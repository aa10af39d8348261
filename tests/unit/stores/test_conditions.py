"""Filters as trees: negation at the tests, constants folded away."""

import pytest

from ziggurat.errors import InputError
from ziggurat.stores.conditions import EVERYTHING, NOTHING, Clause, Either, Every, fold, read_filter

EN, OLD = Clause("lang", "eq", "en"), Clause("year", "lt", 2000)


THERE = Clause("lang", "exists", value=True)


def no(test):
    return Clause(test.key, test.operator, test.value, negated=not test.negated)


@pytest.mark.parametrize(
    ("given", "tree"),
    [
        (None, EVERYTHING),
        ({}, EVERYTHING),
        ({"lang": "en"}, EN),
        ({"lang": "en", "year": {"$lt": 2000}}, Every((EN, OLD))),
        ({"lang": {"$ne": "en"}}, no(EN)),
        ({"$not": {"lang": {"$ne": "en"}}}, EN),
        ({"$not": {"lang": "en", "year": {"$lt": 2000}}}, Either((no(EN), no(OLD)))),
        ({"$not": {"$or": [{"lang": "en"}, {"year": {"$lt": 2000}}]}}, Every((no(EN), no(OLD)))),
        ({"$and": [{"lang": "en"}, {"$and": [{"year": {"$lt": 2000}}]}]}, Every((EN, OLD))),
        ({"lang": {"$in": []}}, NOTHING),
        ({"lang": {"$nin": []}}, EVERYTHING),
        ({"$or": [{"lang": {"$in": []}}, {"lang": "en"}]}, EN),
        ({"$or": [{}, {"lang": "en"}]}, EVERYTHING),
        ({"$not": {"lang": {"$nin": []}}}, NOTHING),
        ({"lang": "en", "year": {"$in": []}}, NOTHING),
        ({"lang": {"$in": {"b", "a"}}}, Clause("lang", "in", ("a", "b"))),
        ({"lang": {"$exists": False}}, no(THERE)),
        ({"$not": {"lang": {"$exists": False}}}, THERE),
    ],
)
def test_a_filter_reads_as(given, tree):
    assert read_filter(given) == tree


@pytest.mark.parametrize("given", [{"a": {"$gtt": 1}}, {"$nor": [{"a": 1}]}, {"a": {}}, {"a": [1]}])
def test_a_filter_that_our_index_does_not_understand_is_refused(given):
    with pytest.raises(InputError):
        read_filter(given)


def test_a_tree_folds_into_any_form():
    tree = read_filter({"$or": [{"lang": "en", "year": {"$lt": 2000}}, {"lang": {"$ne": "zh"}}]})
    said = fold(
        tree,
        lambda test: f"{'not ' * test.negated}{test.key} {test.operator} {test.value}",
        lambda parts: f"({' and '.join(parts)})",
        lambda parts: f"({' or '.join(parts)})",
    )
    assert said == "((lang eq en and year lt 2000) or not lang eq zh)"
