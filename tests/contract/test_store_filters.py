"""One filter, one meaning: the same forty filters over every store and over our index find the same ids.

What a store cannot express it refuses by name; which those are stands here, so that a refusal that is
new, or gone, shows.
"""

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_worlds import KINDS, address_of

from ziggurat.errors import InputError
from ziggurat.stores import open_store
from ziggurat.testing import FakeEmbeddings

ROWS = {
    "a": {"lang": "en", "year": 2019, "draft": True, "score": 1.5},
    "b": {"lang": "zh", "year": 2021, "draft": False, "a.b": "dotted"},
    "c": {"lang": "es", "year": "2021", "note": None},
    "d": {"year": 1, "tags": ["x"], "quoted": "it's", "deep": {"lang": "en"}},
    "e": {},
    "f": {"lang": "en", "year": 2021.0, "tags": [], "city": "São Paulo", "empty": ""},
    "g": {"year": True, "tags": "x", "score": -2, "nulls": [None], "note": "null"},
    "h": {"lang": "EN", "year": -5, "score": 2**53, "a b/c[0]": 1, "line": 'a\n"b"\\c'},
}

FILTERS = [
    {},
    {"lang": "en"},
    {"lang": "en", "year": 2019},
    {"lang": "en", "year": 2020},
    {"year": 2021},
    {"year": 2021.0},
    {"year": "2021"},
    {"draft": True},
    {"draft": 1},
    {"year": True},
    {"note": None},
    {"note": {"$ne": None}},
    {"a.b": "dotted"},
    {"a b/c[0]": 1},
    {"quoted": "it's"},
    {"line": 'a\n"b"\\c'},
    {"city": "São Paulo"},
    {"empty": ""},
    {"tags": "x"},
    {"tags": {"$ne": "x"}},
    {"nulls": None},
    {"deep": {"$ne": "en"}},
    {"score": {"$eq": 1.5}},
    {"score": 2**53},
    {"year": {"$gte": 2019}},
    {"year": {"$gt": 1, "$lt": 2021}},
    {"year": {"$lte": 0}},
    {"score": {"$gt": 1.25}},
    {"year": 1.5},
    {"year": {"$gte": 0.5}},
    {"score": {"$gt": -2.5, "$lte": 1.5}},
    {"year": {"$lt": -4.5}},
    {"year": {"$ne": 2021.5}},
    {"score": {"$lt": 1e300}},
    {"lang": {"$in": ["en", "es"]}},
    {"year": {"$in": [1, "2021", True, 2021.5]}},
    {"note": {"$in": [None, "null"]}},
    {"lang": {"$in": []}},
    {"lang": {"$nin": ["en", "es"]}},
    {"year": {"$nin": [2021, 1.0, None]}},
    {"lang": {"$nin": []}},
    {"lang": {"$ne": "en"}},
    {"$or": [{"lang": "en"}, {"year": 1}]},
    {"$and": [{"lang": "en"}, {"year": 1}]},
    {"$not": {"lang": "en", "year": 2019}},
    {"$not": {"$or": [{"lang": "en"}, {"draft": {"$ne": True}}]}},
    {"$or": [{"$and": [{"draft": False}, {"lang": "zh"}]}, {"lang": {"$in": []}}, {"score": {"$lt": 0}}]},
]
ON_PRESENCE = [
    {"lang": {"$exists": True}},
    {"note": {"$exists": True}},
    {"lang": {"$exists": False}},
    {"tags": {"$exists": True}},
    {"$not": {"deep": {"$exists": True}}},
]
NEGATED_ORDERS = [{"$not": {"year": {"$gt": 0}}}, {"$or": [{"lang": "en"}, {"$not": {"year": {"$lte": 2020}}}]}]
TEXT_ORDERS = [
    {"year": {"$lte": "3"}},
    {"lang": {"$gt": "en"}},
    {"lang": {"$gte": "EN", "$lt": "f"}},
    {"$not": {"lang": {"$lt": "f"}}},
]

REFUSED = {
    "chroma": [*ON_PRESENCE, *NEGATED_ORDERS, *TEXT_ORDERS],
    "chroma-server": [*ON_PRESENCE, *NEGATED_ORDERS, *TEXT_ORDERS],
    "qdrant": TEXT_ORDERS,
    "qdrant-server": TEXT_ORDERS,
    "pinecone": [*NEGATED_ORDERS, *TEXT_ORDERS],
    "databricks-search": [*NEGATED_ORDERS, *TEXT_ORDERS],
}
EVERY_FILTER = [*FILTERS, *ON_PRESENCE, *NEGATED_ORDERS, *TEXT_ORDERS]


def filled(store):
    store.add_texts([f"the text of {one}" for one in ROWS], list(ROWS.values()), ids=list(ROWS))
    return store


def found(store, given):
    return "".join(sorted(one.id for one in store.similarity_search("text", k=len(ROWS), filter=given)))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("index") / "index", FakeEmbeddings(8)) as store:
        yield filled(store)


@pytest.fixture(scope="module", params=KINDS[1:])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def store(kind, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("store")
    with address_of(kind, folder, 8) as (address, options), open_store(address, FakeEmbeddings(8), **options) as store:
        yield filled(store)


def test_there_are_forty_filters_that_every_store_can_express_and_more():
    assert len(FILTERS) >= 40


def test_the_filters_tell_the_texts_apart(index):
    answers = {found(index, given) for given in EVERY_FILTER}
    assert len(answers) > 20
    assert {"", "".join(ROWS)} < answers


def test_every_filter_finds_the_same_ids_as_in_our_index_or_is_refused(kind, store, index):
    refused, wrong = [], []
    for one in EVERY_FILTER:
        try:
            answer = found(store, one)
        except InputError as error:
            assert "cannot filter" in error.what
            refused.append(one)
            continue
        if answer != found(index, one):
            wrong.append((one, answer, found(index, one)))
    assert wrong == []
    assert refused == REFUSED.get(kind, [])


@pytest.mark.parametrize(
    "bad", [{"year": {"$gtt": 1}}, {"$nor": [{"a": 1}]}, {"year": [1]}, {"year": {"$gt": None}}, "x"]
)
def test_a_filter_that_is_not_understood_is_refused(store, bad):
    with pytest.raises(InputError):
        store.similarity_search("text", filter=bad)


def test_fewer_than_asked_for_are_found_only_when_fewer_pass(store):
    assert len(store.similarity_search("text", k=2, filter={"lang": {"$ne": "fr"}})) == 2
    assert len(store.similarity_search("text", k=5, filter={"lang": "en"})) == 2


def test_a_filter_holds_for_marginal_relevance_too(store, index):
    ids = {one.id for one in store.max_marginal_relevance_search("text", k=8, filter={"lang": "en"})}
    assert ids == {"a", "f"}


values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([2019, 2021, 1, -5, 0, 1.5, 2021.0, -2, 2**53, 0.5, 1.25, -4.5, -5.5, -0.5, 2020.5, 1e300, -1e19]),
    st.sampled_from(["en", "zh", "x", "2021", "", "it's", "null", "dotted", "São Paulo", 'a\n"b"\\c', "true", "1.5"]),
)
keys = st.sampled_from(
    sorted(
        {key for row in ROWS.values() for key in row}
        | {"missing", string.punctuation.replace('"', "").replace("\\", "").replace("$", "")}
    )
)
orderable = values.filter(lambda value: value is not None and not isinstance(value, bool))
tests = st.one_of(
    values,
    st.fixed_dictionaries({"$ne": values}),
    st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), orderable, min_size=1, max_size=2),
    st.fixed_dictionaries({"$in": st.lists(values, max_size=4)}),
    st.fixed_dictionaries({"$nin": st.lists(values, max_size=4)}),
    st.fixed_dictionaries({"$exists": st.booleans()}),
)
filters = st.recursive(
    st.dictionaries(keys, tests, min_size=1, max_size=2),
    lambda parts: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(parts, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(parts, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$not": parts}),
    ),
    max_leaves=5,
)


@settings(max_examples=40)
@given(one=filters)
def test_any_filter_finds_the_same_ids_or_is_refused(store, index, one):
    expected = found(index, one)
    try:
        answer = found(store, one)
    except InputError as error:
        assert "cannot filter" in error.what
    else:
        assert answer == expected
