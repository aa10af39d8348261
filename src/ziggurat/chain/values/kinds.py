"""The standard library's value types as a table: a tag, how it is lowered, how it is lifted.

A tag is a number in files on people's disks: it is never reused for something else.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from types import EllipsisType
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo


class Writer(Protocol):
    """What a lowering may ask for."""

    canonical: bool

    def lower(self, value: Any) -> Any:
        """A value as MessagePack holds it."""

    def unordered(self, items: Any) -> list[Any]:
        """Items whose order means nothing."""

    def pairs(self, items: Any) -> list[Any]:
        """Items of a mapping, keys and values in turn."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type's way into bytes: its tag, and what of a value is packed under it."""

    tag: int
    lower: Callable[[Any, Writer], Any]


class Refusal(Exception):
    """A part of a value that cannot be encoded.

    Args:
        value: The part.
        reason: As it reads after "it is".
        fix: What to do about it.
    """

    def __init__(
        self, value: Any, reason: str, fix: str = "return plain data, a dataclass or a pydantic model"
    ) -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason
        self.fix = fix


class Unknown(Exception):
    """A part of stored bytes that this process cannot make a value of.

    Args:
        type_name: What it is.
        fields: What it holds.
        problem: As it reads after the type's name.
        fix: What to do about it.
    """

    def __init__(
        self,
        type_name: str,
        fields: Mapping[str, Any],
        problem: str = "which this process does not know",
        fix: str = "import the module that defines it, then read again",
    ) -> None:
        super().__init__(type_name)
        self.type_name = type_name
        self.fields = dict(fields)
        self.problem = problem
        self.fix = fix


# -- tags -------------------------------------------------------------------------------------------------------------

(
    BLOB,
    BIG_INT,
    ODD_TEXT,
    MAPPING,
    TUPLE,
    SET,
    FROZENSET,
    BYTEARRAY,
    COMPLEX,
    DATETIME,
    DATE,
    TIME,
    TIMEDELTA,
    DECIMAL,
    FRACTION,
    UUID_,
    PATH,
    RANGE,
    ELLIPSIS,
    ORDERED,
    COUNTER,
    DEFAULTS,
    DEQUE,
    ZONE,
    ENUM,
    NAMED_TUPLE,
    DATACLASS,
    MODEL,
    SUBCLASS,
    ARRAY,
    ARRAY_SCALAR,
) = range(1, 32)

_PATHS: dict[str, type[PurePath]] = {
    one.__name__: one for one in (PurePosixPath, PureWindowsPath, PosixPath, WindowsPath)
}
_FACTORIES: dict[str, Callable[[], Any] | None] = {
    "": None,
    **{one.__name__: one for one in (list, dict, set, int, float, str, tuple, bool)},
}


# -- down -------------------------------------------------------------------------------------------------------------


def _lower_zone(zone: tzinfo, _: Writer) -> Any:
    if type(zone) is ZoneInfo and zone.key:
        return zone.key
    if type(zone) is timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]  # it is there for pickle and copy, and not in the stubs
        return [offset.days, offset.seconds, offset.microseconds, *name]
    raise Refusal(zone, "a time zone that cannot be found again by name", "use zoneinfo.ZoneInfo or datetime.timezone")


def _lower_datetime(value: datetime, writer: Writer) -> Any:
    zone = None if value.tzinfo is None else _lower_zone(value.tzinfo, writer)
    parts = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
    return [*parts, value.fold, zone]


def _lower_time(value: time, writer: Writer) -> Any:
    zone = None if value.tzinfo is None else _lower_zone(value.tzinfo, writer)
    return [value.hour, value.minute, value.second, value.microsecond, value.fold, zone]


def _lower_defaults(value: defaultdict[Any, Any], writer: Writer) -> Any:
    factory = value.default_factory
    name = "" if factory is None else getattr(factory, "__name__", "?")
    if _FACTORIES.get(name, name) is not factory:
        raise Refusal(value, "a defaultdict whose default is made by a function", "return a dict")
    return [name, *writer.pairs(value.items())]


KINDS: dict[type, Kind] = {
    tuple: Kind(TUPLE, lambda value, writer: [writer.lower(item) for item in value]),
    set: Kind(SET, lambda value, writer: writer.unordered(value)),
    frozenset: Kind(FROZENSET, lambda value, writer: writer.unordered(value)),
    bytearray: Kind(BYTEARRAY, lambda value, writer: writer.lower(bytes(value))),
    complex: Kind(COMPLEX, lambda value, _: [value.real, value.imag]),
    datetime: Kind(DATETIME, _lower_datetime),
    date: Kind(DATE, lambda value, _: [value.year, value.month, value.day]),
    time: Kind(TIME, _lower_time),
    timedelta: Kind(TIMEDELTA, lambda value, _: [value.days, value.seconds, value.microseconds]),
    timezone: Kind(ZONE, _lower_zone),
    ZoneInfo: Kind(ZONE, _lower_zone),
    Decimal: Kind(DECIMAL, lambda value, _: str(value)),
    Fraction: Kind(FRACTION, lambda value, writer: [writer.lower(value.numerator), writer.lower(value.denominator)]),
    UUID: Kind(UUID_, lambda value, _: value.bytes),
    range: Kind(RANGE, lambda value, writer: [writer.lower(part) for part in (value.start, value.stop, value.step)]),
    EllipsisType: Kind(ELLIPSIS, lambda *_: None),
    OrderedDict: Kind(ORDERED, lambda value, writer: [writer.lower(part) for item in value.items() for part in item]),
    Counter: Kind(COUNTER, lambda value, writer: writer.pairs(value.items())),
    defaultdict: Kind(DEFAULTS, _lower_defaults),
    deque: Kind(DEQUE, lambda value, writer: [value.maxlen, *map(writer.lower, value)]),
    **{one: Kind(PATH, lambda value, _: [type(value).__name__, str(value)]) for one in _PATHS.values()},
}
"""By exact type; what `objects` and `arrays` find out about further types is remembered here."""


# -- up ---------------------------------------------------------------------------------------------------------------


def _zone(stored: Any) -> tzinfo | None:
    if stored is None:
        return None
    if isinstance(stored, str):
        return ZoneInfo(stored)
    days, seconds, microseconds, *name = stored
    offset = timedelta(days, seconds, microseconds)
    return timezone(offset, *name) if name or offset else UTC


def _datetime(stored: Any) -> datetime:
    year, month, day, hour, minute, second, microsecond, fold, zone = stored
    return datetime(year, month, day, hour, minute, second, microsecond, _zone(zone), fold=fold)


def _time(stored: Any) -> time:
    hour, minute, second, microsecond, fold, zone = stored
    return time(hour, minute, second, microsecond, _zone(zone), fold=fold)


def _path(stored: Any) -> PurePath:
    flavour, text = stored
    cls = _PATHS[flavour]
    if issubclass(cls, Path) and not isinstance(Path(), cls):  # a path of the other system has no file here
        cls = PurePosixPath if cls is PosixPath else PureWindowsPath
    return cls(text)


def _dict(flat: Any) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


LIFTS: dict[int, Callable[[Any], Any]] = {
    MAPPING: _dict,
    TUPLE: tuple,
    SET: set,
    FROZENSET: frozenset,
    BYTEARRAY: bytearray,
    COMPLEX: lambda parts: complex(*parts),
    DATETIME: _datetime,
    DATE: lambda parts: date(*parts),
    TIME: _time,
    TIMEDELTA: lambda parts: timedelta(*parts),
    ZONE: _zone,
    DECIMAL: Decimal,
    FRACTION: lambda parts: Fraction(*parts),
    UUID_: lambda data: UUID(bytes=data),
    PATH: _path,
    RANGE: lambda parts: range(*parts),
    ELLIPSIS: lambda _: ...,
    ORDERED: lambda flat: OrderedDict(_dict(flat)),
    COUNTER: lambda flat: Counter(_dict(flat)),
    DEFAULTS: lambda parts: defaultdict(_FACTORIES[parts[0]], _dict(parts[1:])),
    DEQUE: lambda parts: deque(parts[1:], maxlen=parts[0]),
}
"""By tag; `objects` and `arrays` add theirs."""
