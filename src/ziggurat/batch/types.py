"""Python types as Arrow types: what column a stage's output becomes, and how a value is lowered to it.

Decided by what a stage declares to return, never by the values, so that a table's schema is known before the
first row and is the same on every machine. What declares its fields (a dataclass, a pydantic model, a named tuple, a
typed dict) is a struct; what says nothing (`typing.Any`, a plain ``dict``) is text: a string as it is, anything else as
JSON. Types are read as they are written; nothing is converted by guess.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa

Lower = Callable[[Any], Any]
"""Turns a value into what Arrow takes for the column's type; raises TypeError where it is of another type."""


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnType:
    """A column's Arrow type and how values come to it.

    Attributes:
        arrow: The type.
        lower: Lowers a value; None where Arrow takes values as they are.
    """

    arrow: Any
    lower: Lower | None = None

    def lowered(self, value: Any) -> Any:
        """A value as Arrow takes it.

        Raises:
            TypeError: If it is not of this type.
        """
        return value if value is None or self.lower is None else self.lower(value)


def _only(*kinds: type, but: tuple[type, ...] = (), then: Lower | None = None) -> Lower:
    """Lowers values of some types, and refuses all others, which Arrow would make fit: 1.5 to 1, bytes to text."""

    def lower(value: Any) -> Any:
        if not isinstance(value, kinds) or (but and isinstance(value, but)):
            raise TypeError(f"a {type(value).__qualname__}, where a {kinds[0].__name__} was declared")
        return value if then is None else then(value)

    return lower


_NO_NUMBER = (bool, np.timedelta64)  # which Python and numpy call integers
_SIMPLE: Mapping[Any, ColumnType] = {
    bool: ColumnType(pa.bool_(), _only(bool, np.bool_)),
    int: ColumnType(pa.int64(), _only(int, np.integer, but=_NO_NUMBER)),
    float: ColumnType(pa.float64(), _only(float, int, np.floating, np.integer, but=_NO_NUMBER)),
    str: ColumnType(pa.string(), _only(str)),
    bytes: ColumnType(pa.binary(), _only(bytes, bytearray)),
    bytearray: ColumnType(pa.binary(), _only(bytearray, bytes, then=bytes)),
    dt.datetime: ColumnType(
        pa.timestamp("us", tz="UTC"),
        _only(dt.datetime, then=lambda value: value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)),
    ),
    dt.date: ColumnType(pa.date32(), _only(dt.date, but=(dt.datetime,))),
    dt.time: ColumnType(pa.string(), _only(dt.time, then=lambda value: value.isoformat())),
    dt.timedelta: ColumnType(pa.duration("us"), _only(dt.timedelta)),
    decimal.Decimal: ColumnType(pa.string(), _only(decimal.Decimal, then=str)),
    uuid.UUID: ColumnType(pa.string(), _only(uuid.UUID, then=str)),
    pathlib.Path: ColumnType(pa.string(), _only(pathlib.PurePath, then=str)),
}
_FLOATS = {np.float32: pa.float32(), np.float64: pa.float64(), np.float16: pa.float32()}
_LISTS = (list, tuple, set, frozenset)


def column_type(declared: Any) -> ColumnType:
    """The column that values of a declared type become."""
    return _column(declared, ())


def python_type(arrow: Any) -> Any:
    """The Python type of the values that a column of an Arrow type holds; `typing.Any` where it may be several."""
    tests: tuple[tuple[Callable[[Any], bool], Any], ...] = (
        (pa.types.is_boolean, bool),
        (pa.types.is_integer, int),
        (pa.types.is_floating, float),
        (lambda one: pa.types.is_string(one) or pa.types.is_large_string(one) or pa.types.is_string_view(one), str),
        (
            lambda one: pa.types.is_binary(one) or pa.types.is_large_binary(one) or pa.types.is_fixed_size_binary(one),
            bytes,
        ),
        (pa.types.is_timestamp, dt.datetime),
        (pa.types.is_date, dt.date),
        (pa.types.is_time, dt.time),
        (pa.types.is_duration, dt.timedelta),
        (pa.types.is_decimal, decimal.Decimal),
        (lambda one: pa.types.is_list(one) or pa.types.is_large_list(one) or pa.types.is_fixed_size_list(one), list),
        (pa.types.is_struct, dict),
        (pa.types.is_map, dict),
    )
    if pa.types.is_dictionary(arrow):
        return python_type(arrow.value_type)
    return next((found for test, found in tests if test(arrow)), Any)


def without_none(declared: Any) -> Any:
    """A declared type without None as one of what it may be."""
    if get_origin(declared) is Annotated:
        return without_none(get_args(declared)[0])
    if get_origin(declared) in (Union, types.UnionType):
        members = tuple(one for one in get_args(declared) if one is not type(None))
        return without_none(members[0]) if len(members) == 1 else Union[members]  # noqa: UP007 (made at run time)
    return declared


def has_fields(declared: Any) -> bool:
    """Whether a type declares fields, so that a struct can become a value of it."""
    return isinstance(declared, type) and (dataclasses.is_dataclass(declared) or hasattr(declared, "model_fields"))


def field_type(declared: Any, path: Iterable[str]) -> Any:
    """The declared type of what a path leads to inside a value of a declared type; `typing.Any` where nobody says."""
    for step in path:
        declared = without_none(declared)
        origin, arguments = get_origin(declared), get_args(declared)
        if isinstance(declared, type) and (fields := dict(_fields(declared))):
            declared = fields.get(step, Any)
        elif origin in (dict, Mapping, typing.Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
            declared = arguments[1] if len(arguments) > 1 else Any
        elif origin in _LISTS and arguments and (step.isdecimal() or step == "*"):
            declared = list[arguments[0]] if step == "*" else arguments[0]  # type: ignore[valid-type]  # (made at run time)
        else:
            return Any
    return declared


def as_text(value: Any) -> str:
    """A value of no declared type as text: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else as_json(value)


def as_json(value: Any) -> str:
    """A value as JSON, dataclasses and models by their fields, bytes in base64; numbers that are none as null."""
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=isinstance(value, set | frozenset))


# -- inside ----------------------------------------------------------------------------------------

_TEXT = ColumnType(pa.string(), as_text)


def _column(declared: Any, above: tuple[Any, ...]) -> ColumnType:  # noqa: PLR0911 (one return for a kind of type)
    declared = without_none(declared)
    if isinstance(declared, type) and declared in _SIMPLE:
        return _SIMPLE[declared]
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is Literal:
        kinds = {type(one) for one in arguments}
        return _column(kinds.pop(), above) if len(kinds) == 1 else _TEXT
    if origin in (Union, types.UnionType):
        return _SIMPLE[float] if set(arguments) <= {int, float} else _TEXT
    if declared is np.ndarray or origin is np.ndarray:
        return _array(arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(arguments, above)
    if origin in _LISTS or (isinstance(origin, type) and issubclass(origin, Iterable)):
        return _list(origin, arguments, above)
    if not isinstance(declared, type) or declared in above:
        return _TEXT
    if issubclass(declared, enum.Enum):
        return ColumnType(pa.string(), lambda value: str(value.value) if isinstance(value, enum.Enum) else value)
    for base, simple in _SIMPLE.items():
        if issubclass(declared, base) and base in (pathlib.Path, str, decimal.Decimal):
            return simple
    if _is_message(declared):
        return ColumnType(pa.string(), _text_of)
    fields = list(_fields(declared))
    return _struct(declared, fields, (*above, declared)) if fields else _TEXT


def _struct(declared: type, fields: list[tuple[str, Any]], above: tuple[Any, ...]) -> ColumnType:
    columns = {name: _column(hint, above) for name, hint in fields}

    def lower(value: Any) -> dict[str, Any]:
        if isinstance(value, Mapping):
            return {name: column.lowered(value.get(name)) for name, column in columns.items()}
        if isinstance(value, declared) or all(hasattr(value, name) for name in columns):
            return {name: column.lowered(getattr(value, name)) for name, column in columns.items()}
        raise TypeError(f"a {type(value).__qualname__}, where {declared.__qualname__} was declared")

    return ColumnType(pa.struct([pa.field(name, column.arrow) for name, column in columns.items()]), lower)


def _list(origin: Any, arguments: tuple[Any, ...], above: tuple[Any, ...]) -> ColumnType:
    items = [one for one in arguments if one is not Ellipsis]
    if not items or (len(set(items)) > 1):
        return _TEXT
    item = _column(items[0], above)

    def lower(value: Any) -> list[Any]:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise TypeError(f"a {type(value).__qualname__}, where a {origin.__name__} was declared")
        lowered = [item.lowered(one) for one in value]
        return _ordered(lowered) if isinstance(value, set | frozenset) else lowered

    return ColumnType(pa.list_(item.arrow), lower)


def _ordered(items: list[Any]) -> list[Any]:
    """The items of a set, always in the same order."""
    try:
        return sorted(items)
    except TypeError:  # structs, or none among others
        return sorted(items, key=repr)


def _mapping(arguments: tuple[Any, ...], above: tuple[Any, ...]) -> ColumnType:
    if len(arguments) != 2 or arguments[0] is not str or without_none(arguments[1]) in (Any, object):  # noqa: PLR2004 (key and value)
        return _TEXT
    item = _column(arguments[1], above)

    def lower(value: Any) -> list[tuple[str, Any]]:
        if not isinstance(value, Mapping):
            raise TypeError(f"a {type(value).__qualname__}, where a mapping was declared")
        return [(key, item.lowered(one)) for key, one in value.items()]

    return ColumnType(pa.map_(pa.string(), item.arrow), lower)


def _array(arguments: tuple[Any, ...]) -> ColumnType:
    dtypes = [one for argument in arguments for one in get_args(argument) if isinstance(one, type)]
    arrow = next((_FLOATS[one] for one in dtypes if one in _FLOATS), pa.float64())

    def lower(value: Any) -> list[float]:
        if np.ndim(value) != 1:
            raise TypeError(f"an array of {np.ndim(value)} dimensions, where one of 1 was expected")
        return [float(one) for one in value]

    return ColumnType(pa.list_(arrow), lower)


def _fields(declared: type) -> Iterable[tuple[str, Any]]:
    fields = getattr(declared, "model_fields", None)
    if isinstance(fields, dict):
        return [(name, field.annotation) for name, field in fields.items()]
    is_record = dataclasses.is_dataclass(declared) or hasattr(declared, "_fields") or typing.is_typeddict(declared)
    if not is_record:
        return []
    try:
        hints = get_type_hints(declared)
    except Exception:  # noqa: BLE001 (a name that cannot be resolved: the field is text)
        hints = {}
    if dataclasses.is_dataclass(declared):
        return [(one.name, hints.get(one.name, Any)) for one in dataclasses.fields(declared)]
    return [(name, hints.get(name, Any)) for name in getattr(declared, "_fields", hints)]


def _is_message(declared: type) -> bool:
    return any(
        base.__name__ == "BaseMessage" and base.__module__.startswith("langchain_core") for base in declared.__mro__
    )


def _text_of(message: Any) -> str:
    return message if isinstance(message, str) else str(message.text)


def _plain(value: Any) -> Any:  # noqa: PLR0911 (one return for a kind of value)
    match value:
        case enum.Enum():
            return _plain(value.value)
        case float() if not math.isfinite(value):  # JSON has no word for it
            return None
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case set() | frozenset():
            return sorted((_plain(one) for one in value), key=repr)
        case np.ndarray() | np.generic():
            return _plain(value.tolist())
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if callable(dump := getattr(value, "model_dump", None)):
        return _plain(dump(mode="json"))
    return str(value)
