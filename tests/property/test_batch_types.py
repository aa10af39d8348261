"""Values of declared types to Arrow and back: what comes back is what went in."""

import dataclasses
import datetime as dt
import decimal
import json
import math

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ziggurat.batch.types import as_json, column_type

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SIMPLE = [
    (bool, st.booleans()),
    (int, st.integers(-(2**63), 2**63 - 1)),
    (float, st.floats(allow_nan=False)),
    (str, TEXT),
    (bytes, st.binary(max_size=20)),
    (dt.datetime, st.datetimes(timezones=st.just(dt.UTC))),
    (dt.date, st.dates()),
    (dt.timedelta, st.timedeltas(dt.timedelta(days=-100_000), dt.timedelta(days=100_000))),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXT, inside, max_size=4),
    max_leaves=10,
)


def _wrapped(pair):
    """A type made of a type, with its values and what comes back for them."""
    kind, values, back = pair
    record = dataclasses.make_dataclass("Record", [("one", kind), ("other", kind | None)])
    return st.sampled_from(
        [
            (list[kind], st.lists(values, max_size=4), lambda items: [back(one) for one in items]),
            (tuple[kind, ...], st.lists(values, max_size=4).map(tuple), lambda items: [back(one) for one in items]),
            (kind | None, st.none() | values, lambda one: None if one is None else back(one)),
            (
                dict[str, kind],
                st.dictionaries(TEXT, values, max_size=4),
                lambda pairs: [(key, back(one)) for key, one in pairs.items()],
            ),
            (
                record,
                st.builds(record, values, st.none() | values),
                lambda one: {
                    "one": None if one.one is None else back(one.one),
                    "other": None if one.other is None else back(one.other),
                },
            ),
        ]
    )


PAIRS = st.recursive(
    st.sampled_from([(kind, values, lambda one: one) for kind, values in SIMPLE]),
    lambda inside: inside.flatmap(_wrapped),
    max_leaves=3,
)


@given(st.data())
def test_values_of_a_declared_type_come_back_from_its_column(data):
    kind, values, back = data.draw(PAIRS)
    column = column_type(kind)
    many = data.draw(st.lists(values, max_size=4))
    held = pa.array([column.lowered(one) for one in many], column.arrow)
    assert held.type == column.arrow
    assert held.to_pylist() == [None if one is None else back(one) for one in many]


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_lose_no_digit(value):
    column = column_type(decimal.Decimal)
    (text,) = pa.array([column.lowered(value)], column.arrow).to_pylist()
    assert decimal.Decimal(text) == value


@given(JSON)
def test_plain_data_is_the_same_after_json(value):
    assert json.loads(as_json(value)) == value


@given(st.lists(st.floats(), max_size=5))
def test_json_has_no_number_that_is_none(values):
    found = json.loads(as_json(values), parse_constant=lambda word: 1 / 0)
    assert found == [one if math.isfinite(one) else None for one in values]
