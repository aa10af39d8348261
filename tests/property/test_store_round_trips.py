"""Whatever an index of ours can hold goes through any other store and comes back equal."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_worlds import KINDS, address_of

from ziggurat.progress import silent
from ziggurat.stores import migrate, open_store
from ziggurat.stores.packing import ABSENT, LOST, PACKED, pack, same, unpack
from ziggurat.testing import FakeEmbeddings

DIMENSIONS = 4

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
texts = words.filter(lambda text: not text.isspace())
numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**63, -(2**63) - 1, 10**400, 1.0, -0.0, 1e308, 5e-324, 2**53 + 1]),
)
scalars = st.one_of(
    st.none(), st.booleans(), numbers, words, st.sampled_from(["", "\x07", "a\nb", "a\0b", '"', "\\n", "'"])
)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=5,
)
keys = st.one_of(
    words, st.sampled_from(["", "text", "id", "$x", "chroma:x", "a.b", "page_content", "_ziggurat_id", "source"])
)
metadatas = st.dictionaries(keys.filter(lambda key: key not in {PACKED, ABSENT}), json_values, max_size=4)
ids = st.one_of(words, st.sampled_from(["42", "5f0c3c0e-4a4e-4a54-8a51-0d1f3a1c2b3d", "ü/ñ", "x" * 600, "it's"]))
records = st.dictionaries(ids, st.tuples(texts, metadatas, st.integers(0, 2**32 - 1)), min_size=1, max_size=6)


def vector_of(seed):
    made = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return made / np.linalg.norm(made)


def contents(store):
    return {
        one: (text, metadata, vector)
        for page in store.records(3)
        for one, text, metadata, vector in zip(*page, strict=True)
    }


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for key, (text, metadata, vector) in one.items():
        assert other[key][0] == text
        assert same(other[key][1], metadata), (other[key][1], metadata)
        assert np.allclose(other[key][2], vector, atol=1e-5)


@pytest.fixture(scope="module", params=KINDS)
def three(request, tmp_path_factory):
    """An index, another store, and a second index, all open."""
    patience = pytest.MonkeyPatch()
    patience.setattr("ziggurat.stores.migration._PATIENCE", (0.0,))  # what is lost here stays lost
    folder = tmp_path_factory.mktemp("stores")
    model = FakeEmbeddings(DIMENSIONS)
    with (
        address_of(request.param, folder, DIMENSIONS) as (address, options),
        open_store(folder / "first", model) as first,
        open_store(address, model, **options) as other,
        open_store(folder / "second", model) as second,
    ):
        yield first, other, second
    patience.undo()


@settings(max_examples=15)
@given(given_records=records)
def test_what_goes_through_a_store_comes_back_equal(three, given_records):
    first, other, second = three
    for store in three:
        store.delete()
    first.add_vectors(
        [text for text, _, _ in given_records.values()],
        [vector_of(seed) for _, _, seed in given_records.values()],
        [metadata for _, metadata, _ in given_records.values()],
        ids=list(given_records),
    )
    there = migrate(first, other, progress=silent)
    back = migrate(other, second, progress=silent)
    assert (there.written, back.written) == (len(given_records), len(given_records))
    assert_equal(contents(first), contents(second))
    again = migrate(first, other, progress=silent)
    assert (again.written, again.unchanged) == (0, len(given_records))


def narrow(key, value):
    """A store that knows texts and floats, and no key that begins with a capital."""
    if key[:1].isupper():
        return LOST
    if isinstance(value, (str, float)):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**60:
        return float(value)
    return LOST


@given(metadata=metadatas)
def test_packed_metadata_unpacks_equal(metadata):
    packed = pack(metadata, narrow)
    assert all(isinstance(value, (str, float)) for key, value in packed.items() if key != ABSENT)
    assert same(unpack(packed, "here"), metadata)


@given(value=json_values)
def test_a_value_is_the_same_as_itself_and_not_as_one_of_another_type(value):
    assert same(value, value)
    assert not same([value], {"0": value})
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and math.isfinite(float(value) if abs(value) < 2**1000 else 0)
    ):
        assert not same(value, str(value))
