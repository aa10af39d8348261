"""Declared types as columns: what each becomes, how values are lowered, and what is refused."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import typing
import uuid
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import numpy as np
import pyarrow as pa
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from numpy.typing import NDArray
from pydantic import BaseModel

from ziggurat import Answer, Citation, Picture
from ziggurat.batch.types import as_json, as_text, column_type, field_type, has_fields, python_type

NOON = dt.datetime(2026, 5, 1, 12, 30, 15, 250)  # noqa: DTZ001 (one without a zone is meant)
EAST = dt.timezone(dt.timedelta(hours=5))
UTC_NOON = NOON.replace(tzinfo=dt.UTC)


class Colour(enum.Enum):
    RED = "red"
    NINE = 9


class Word(enum.StrEnum):
    YES = "yes"


class Number(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float | None = None


@dataclasses.dataclass
class Tree:
    name: str
    left: "Tree | None" = None
    rest: "list[Tree]" = dataclasses.field(default_factory=list)


class Model(BaseModel):
    title: str
    points: list[Point] = []
    extra: dict[str, int] = {}


class Pair(NamedTuple):
    first: str
    second: int


class Typed(TypedDict):
    name: str
    age: NotRequired[int]


@dataclasses.dataclass
class Unresolved:
    known: int
    unknown: "Nowhere"  # noqa: F821 (a name that nobody knows)


POINT = pa.struct([("x", pa.int64()), ("y", pa.float64())])
TREE = pa.struct([("name", pa.string()), ("left", pa.string()), ("rest", pa.list_(pa.string()))])

CASES = [
    (bool, True, pa.bool_(), True),
    (bool, np.True_, pa.bool_(), True),
    (int, 5, pa.int64(), 5),
    (int, np.int32(5), pa.int64(), 5),
    (int, Number.ONE, pa.int64(), 1),
    (float, 2.5, pa.float64(), 2.5),
    (float, 2, pa.float64(), 2.0),
    (float, np.float32(0.5), pa.float64(), 0.5),
    (float, float("inf"), pa.float64(), float("inf")),
    (str, "größe 漢字 \n\0", pa.string(), "größe 漢字 \n\0"),
    (str, Word.YES, pa.string(), "yes"),
    (bytes, b"\0\xff", pa.binary(), b"\0\xff"),
    (bytearray, bytearray(b"ab"), pa.binary(), b"ab"),
    (dt.datetime, NOON, pa.timestamp("us", tz="UTC"), UTC_NOON),
    (dt.datetime, UTC_NOON.astimezone(EAST), pa.timestamp("us", tz="UTC"), UTC_NOON),
    (dt.date, dt.date(2026, 5, 1), pa.date32(), dt.date(2026, 5, 1)),
    (dt.time, dt.time(1, 2, 3), pa.string(), "01:02:03"),
    (dt.timedelta, dt.timedelta(days=1, microseconds=3), pa.duration("us"), dt.timedelta(days=1, microseconds=3)),
    (decimal.Decimal, decimal.Decimal("1.50"), pa.string(), "1.50"),
    (uuid.UUID, uuid.UUID(int=5), pa.string(), "00000000-0000-0000-0000-000000000005"),
    (pathlib.Path, pathlib.Path("a/b"), pa.string(), "a/b"),
    (Colour, Colour.RED, pa.string(), "red"),
    (Colour, Colour.NINE, pa.string(), "9"),
    (Word, Word.YES, pa.string(), "yes"),
    (Literal["a", "b"], "a", pa.string(), "a"),
    (Literal[1, 2], 2, pa.int64(), 2),
    (Literal["a", 1], 1, pa.string(), "1"),
    (str | None, None, pa.string(), None),
    (str | None, "x", pa.string(), "x"),
    (typing.Optional[int], 3, pa.int64(), 3),  # noqa: UP045 (as people write it)
    (Annotated[int | None, "how many"], 3, pa.int64(), 3),
    (int | float, 1, pa.float64(), 1.0),
    (int | str, 1, pa.string(), "1"),
    (int | str, "1", pa.string(), "1"),
    (list[int], [1, 2], pa.list_(pa.int64()), [1, 2]),
    (list[int | None], [1, None], pa.list_(pa.int64()), [1, None]),
    (list[list[str]], [["a"], []], pa.list_(pa.list_(pa.string())), [["a"], []]),
    (typing.Sequence[str], ("a",), pa.list_(pa.string()), ["a"]),
    (tuple[int, ...], (1, 2), pa.list_(pa.int64()), [1, 2]),
    (tuple[int, int], (1, 2), pa.list_(pa.int64()), [1, 2]),
    (tuple[int, str], (1, "a"), pa.string(), '[1, "a"]'),
    (set[str], {"b", "a"}, pa.list_(pa.string()), ["a", "b"]),
    (frozenset[int], frozenset({3, 1, 20}), pa.list_(pa.int64()), [1, 3, 20]),
    (set[Point], {Point(2), Point(1)}, pa.list_(POINT), [{"x": 1, "y": None}, {"x": 2, "y": None}]),
    (list, [1, "a"], pa.string(), '[1, "a"]'),
    (dict[str, int], {"a": 1}, pa.map_(pa.string(), pa.int64()), [("a", 1)]),
    (dict[str, Point], {"a": Point(1)}, pa.map_(pa.string(), POINT), [("a", {"x": 1, "y": None})]),
    (dict[str, Any], {"a": [1]}, pa.string(), '{"a": [1]}'),
    (dict[int, str], {1: "a"}, pa.string(), '{"1": "a"}'),
    (dict, {"a": None}, pa.string(), '{"a": null}'),
    (Any, "as it is", pa.string(), "as it is"),
    (Any, ["x", b"\1"], pa.string(), '["x", "AQ=="]'),
    (object, 5, pa.string(), "5"),
    (np.ndarray, np.array([1.0, 2.0]), pa.list_(pa.float64()), [1.0, 2.0]),
    (NDArray[np.float32], np.array([0.5], np.float32), pa.list_(pa.float32()), [0.5]),
    (NDArray[np.int64], np.array([3]), pa.list_(pa.float64()), [3.0]),
    (Point, Point(1, 2.0), POINT, {"x": 1, "y": 2.0}),
    (Point, {"x": 1, "y": 2.0}, POINT, {"x": 1, "y": 2.0}),
    (list[Point], [Point(1)], pa.list_(POINT), [{"x": 1, "y": None}]),
    (Pair, Pair("a", 2), pa.struct([("first", pa.string()), ("second", pa.int64())]), {"first": "a", "second": 2}),
    (Typed, {"name": "a"}, pa.struct([("name", pa.string()), ("age", pa.int64())]), {"name": "a", "age": None}),
    (
        Model,
        Model(title="t", points=[Point(1)], extra={"k": 2}),
        pa.struct([("title", pa.string()), ("points", pa.list_(POINT)), ("extra", pa.map_(pa.string(), pa.int64()))]),
        {"title": "t", "points": [{"x": 1, "y": None}], "extra": [("k", 2)]},
    ),
    (
        Tree,
        Tree("a", Tree("b"), [Tree("c")]),
        TREE,
        {
            "name": "a",
            "left": '{"name": "b", "left": null, "rest": []}',
            "rest": ['{"name": "c", "left": null, "rest": []}'],
        },
    ),
    (AIMessage, AIMessage("said"), pa.string(), "said"),
    (BaseMessage, AIMessage([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), pa.string(), "ab"),
]


@pytest.mark.parametrize(("declared", "value", "arrow", "wanted"), CASES)
def test_a_declared_type_is_a_column_of_one_arrow_type(declared, value, arrow, wanted):
    column = column_type(declared)
    assert column.arrow == arrow
    held = pa.array([column.lowered(value), None], column.arrow)
    assert held.type == arrow
    assert held.to_pylist() == [wanted, None]


def test_what_the_stages_of_the_house_return_is_a_struct():
    answer = Answer("yes", (Citation("d", "p", 0, 3),)) if _fields(Citation) == 4 else None
    arrow = column_type(Answer).arrow
    assert pa.types.is_struct(arrow)
    assert arrow.field("text").type == pa.string()
    assert pa.types.is_list(arrow.field("citations").type)
    assert answer is None or column_type(Answer).lowered(answer)["text"] == "yes"
    picture = column_type(Picture).arrow
    assert pa.types.is_struct(picture)
    document = Document("text", metadata={"page": 3})
    held = pa.array([column_type(Document).lowered(document)], column_type(Document).arrow).to_pylist()[0]
    assert held["page_content"] == "text"
    assert json.loads(held["metadata"]) == {"page": 3}


def _fields(kind):
    return len(dataclasses.fields(kind))


def test_a_field_whose_type_nobody_knows_is_text():
    column = column_type(Unresolved)
    assert column.arrow == pa.struct([("known", pa.string()), ("unknown", pa.string())])
    assert column.lowered(Unresolved(5, [1])) == {"known": "5", "unknown": "[1]"}


WRONG = [
    (int, 1.5), (int, 1.0), (int, True), (int, "1"), (int, 2**70), (int, decimal.Decimal(1)),
    (float, True), (float, "1"), (float, decimal.Decimal(1)), (float, 2**60 + 1),
    (bool, 1), (bool, "yes"),
    (str, b"bytes"), (str, 5), (str, "\ud800"), (str, ["a"]),
    (bytes, "text"), (bytearray, "text"),
    (dt.datetime, dt.date(2026, 1, 1)), (dt.datetime, 5), (dt.datetime, "2026-01-01"),
    (dt.date, NOON), (dt.date, 5), (dt.time, NOON), (dt.time, "01:00"), (dt.timedelta, 5),
    (decimal.Decimal, 1.5), (decimal.Decimal, "x"), (uuid.UUID, "x"), (pathlib.Path, "a/b"),
    (Colour, 9), (Literal[1, 2], "1"), (Literal["a"], 1),
    (list[int], ["1"]), (list[int], "12"), (list[int], {1: 2}), (list[str], "text"), (list[int], 5), (list[int], [1.5]),
    (dict[str, int], [1]), (dict[str, int], {"a": "b"}), (dict[str, int], {1: 1}),
    (np.ndarray, np.ones((2, 2))), (np.ndarray, 5), (np.ndarray, ["x"]),
    (Point, 5), (Point, {"x": "no"}), (Point, Point(1.5)), (Pair, ("a",)), (Model, "text"), (AIMessage, 5),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "value"), WRONG)
def test_a_value_of_another_type_is_refused_never_made_to_fit(declared, value):
    column = column_type(declared)
    with pytest.raises((TypeError, ValueError, OverflowError, AttributeError, pa.ArrowException)):
        pa.array([column.lowered(value)], column.arrow)


ARROWS = [
    (pa.bool_(), bool), (pa.int8(), int), (pa.uint64(), int), (pa.float16(), float), (pa.float64(), float),
    (pa.string(), str), (pa.large_string(), str), (pa.string_view(), str), (pa.binary(), bytes), (pa.binary(4), bytes),
    (pa.timestamp("ns"), dt.datetime), (pa.date32(), dt.date), (pa.date64(), dt.date), (pa.time64("us"), dt.time),
    (pa.duration("s"), dt.timedelta), (pa.decimal128(9, 2), decimal.Decimal), (pa.list_(pa.int8()), list),
    (pa.large_list(pa.int8()), list), (pa.list_(pa.int8(), 3), list), (pa.struct([("a", pa.int8())]), dict),
    (pa.map_(pa.string(), pa.int8()), dict), (pa.dictionary(pa.int8(), pa.string()), str), (pa.null(), Any),
]  # fmt: skip


@pytest.mark.parametrize(("arrow", "wanted"), ARROWS)
def test_what_a_column_holds_is_known_by_its_arrow_type(arrow, wanted):
    assert python_type(arrow) is wanted


@pytest.mark.parametrize(
    ("declared", "path", "wanted"),
    [
        (Point, ("x",), int), (Point, ("y",), float | None), (Point | None, ("x",), int), (Model, ("points",), list[Point]),
        (Model, ("points", "0", "x"), int), (Model, ("points", "*"), list[Point]), (Model, ("extra", "k"), int),
        (dict[str, Point], ("any", "x"), int), (Any, ("a", "b"), Any), (Typed, ("name",), str), (Pair, ("second",), int),
        (Tree, ("left", "name"), str), (list[int], ("x",), Any), (str, (), str),
    ],
)  # fmt: skip
def test_the_type_inside_a_value_is_what_its_fields_declare(declared, path, wanted):
    assert field_type(declared, path) == wanted


def test_fields_are_declared_by_dataclasses_and_models_alone():
    assert [has_fields(one) for one in (Point, Model, Typed, dict, int, list[Point])] == [True, True, False, False, False, False]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"a": float("nan"), "b": float("-inf")}, {"a": None, "b": None}),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.datetime64("2026-05-01"), "2026-05-01"),
        (np.float64(1.5), 1.5),
        ({3, 1}, [1, 3]),
        (Number.ONE, 1),
        (Colour.NINE, 9),
        ({Colour.RED: decimal.Decimal("1.5")}, {str(Colour.RED): "1.5"}),
        (NOON, "2026-05-01T12:30:15.000250"),
        (Point(1, float("nan")), {"x": 1, "y": None}),
        (Model(title="t", points=[Point(1)]), {"title": "t", "points": [{"x": 1, "y": None}], "extra": {}}),
        (Document("a", metadata={"score": float("nan")}), {"id": None, "metadata": {"score": None}, "page_content": "a", "type": "Document"}),
        (Point, str(Point)),
        (b"\0", "AA=="),
    ],
)  # fmt: skip
def test_anything_is_written_as_json_that_any_reader_can_read(value, wanted):
    def never(word):
        raise AssertionError(f"{word} is no JSON")

    assert json.loads(as_json(value), parse_constant=never) == wanted
    assert as_text("as it is") == "as it is"
