"""Random nested values: they come back as they were, and their digests tell them apart and nothing else."""

import math
import random
from datetime import UTC, timedelta, timezone

import pytest
import stored_types as st_
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.chain.values import canonical, decode, digest, encode

# A strategy this deep has a long name, which hypothesis builds when a set refuses an element twice.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

zones = st.none() | st.just(UTC) | st.integers(-800, 800).map(lambda minutes: timezone(timedelta(minutes=minutes)))
hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs", "Lu"]))
    | st.binary()
    | st.binary(min_size=4096, max_size=4200)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.timedeltas()
    | st.complex_numbers(allow_nan=False)
    | st.sampled_from([*st_.Colour, *st_.Level, *st_.Word, st_.Right.READ]),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4) | st.builds(st_.Point, inner, inner),
    max_leaves=8,
)
values = st.recursive(
    hashable | st.binary(max_size=20).map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner, inner)
        | st.sets(hashable, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=5)
        | st.dictionaries(hashable, inner, max_size=5)
        | st.builds(st_.Plain, inner, st.lists(inner, max_size=3))
        | st.builds(st_.Frozen, st.text(), inner, st.binary(max_size=5000))
        | st.builds(lambda name, inner: st_.Open(a=1, more=inner, name=name), st.text(), inner)
        | st.builds(st_.Box, inner)
    ),
    max_leaves=25,
)


def described(value):
    """A value as text that shows every type; mappings and sets sorted, so that their order does not count."""
    name = type(value).__qualname__
    if isinstance(value, dict):
        return f"{name}({sorted(described(key) + ':' + described(item) for key, item in value.items())})"
    if isinstance(value, set | frozenset):
        return f"{name}({sorted(map(described, value))})"
    if isinstance(value, list | tuple):
        return f"{name}({[described(item) for item in value]})"
    if isinstance(value, st_.Plain | st_.Frozen | st_.Box):
        names = getattr(value, "__slots__", None) or vars(value)
        return f"{name}({[(key, described(getattr(value, key))) for key in names]})"
    if isinstance(value, st_.Open):
        return f"{name}({value.a}, {described(value.model_extra)})"
    return f"{name}({value!r})"


@given(values)
def test_a_value_comes_back_as_it_was(value):
    blobs = {}
    again = decode(encode(value, blobs=blobs), blob=blobs.__getitem__)
    assert described(again) == described(value)
    assert again == value
    assert digest(again) == digest(value)
    assert described(decode(encode(value))) == described(value)
    assert all(len(data) >= 4096 for data in blobs.values())


def shuffled(value, chance):
    """The same value with every mapping and set built in another order."""
    if type(value) is dict:
        items = [(key, shuffled(item, chance)) for key, item in value.items()]
        chance.shuffle(items)
        return dict(items)
    if type(value) in (list, tuple):
        return type(value)(shuffled(item, chance) for item in value)
    if type(value) is set:
        items = list(value)
        chance.shuffle(items)
        return set(items)
    if isinstance(value, st_.Plain):
        return st_.Plain(shuffled(value.a, chance), shuffled(value.b, chance))
    if isinstance(value, st_.Frozen):
        return st_.Frozen(value.name, shuffled(value.inner, chance), value.data)
    return value


@given(values, st.integers(0, 1000))
def test_a_digest_does_not_depend_on_the_order_of_mappings(value, seed):
    assert canonical(shuffled(value, random.Random(seed))) == canonical(value)


@given(values, values)
def test_digests_are_equal_exactly_when_values_are(one, other):
    assert (digest(one) == digest(other)) == (described(one) == described(other))


@given(st.lists(values, max_size=4), st.data())
def test_a_change_anywhere_changes_the_digest(items, data):
    at = data.draw(st.integers(0, len(items)))
    assert digest([*items[:at], "one more", *items[at:]]) != digest(items)


@given(st.floats())
def test_every_float_comes_back(number):
    again = decode(encode([number]))[0]
    assert type(again) is float
    assert again == number or (math.isnan(again) and math.isnan(number))
    assert math.copysign(1, again) == math.copysign(1, number)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_error_of_ours(data):
    try:
        decode(data)
    except ValueError as error:
        assert "no value" in str(error) or "does not know" in str(error) or "large bytes" in str(error)
