"""Metadata that a store cannot hold, kept beside what it can, so that it comes back equal.

A store's own fields stay plain: its filters, its console and other programs see them. What it has
no type for (None, lists, dicts, whole numbers where it knows only floats) goes as JSON into one
reserved field, and the names of those keys into another that filters can ask.
Invariant: ``unpack(pack(metadata, hold))`` equals ``metadata``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ziggurat.errors import IndexFault, InputError

PACKED = "_ziggurat"
"""The reserved field: a JSON object of the values that the store would change or lose."""

ABSENT = "_ziggurat_absent"
"""The reserved list: ``null:key`` or ``other:key`` for each key that is in no field of its own."""

LARGEST_WHOLE = 2**63


_MOST_DIGITS = 15
_PLAIN = 1e-5, 1e15
"""Floats of few digits between these are read back exactly by any reader of decimals."""

_NEARLY = 1e-12
_LARGEST_FLOAT = 2**1023


class _Lost:
    """What ``hold`` returns for a value the store has no form for."""


LOST = _Lost()


class Rough(NamedTuple):
    """What ``hold`` returns for a value the store may give back a little changed.

    Attributes:
        shown: What its filters see.
    """

    shown: Any


Hold = Callable[[str, Any], Any]
"""From a key and a value to what the store will give back for it, or `Rough`, or `LOST`."""


def pack(metadata: Mapping[str, Any], hold: Hold) -> dict[str, Any]:
    """The fields to store.

    Args:
        metadata: A JSON object.
        hold: What the store makes of a value; anything but an equal value of the same type is packed.

    Raises:
        InputError: If the metadata has a key that is reserved.
    """
    fields: dict[str, Any] = {}
    packed: dict[str, Any] = {}
    absent: list[str] = []
    for key, value in metadata.items():
        if key in {PACKED, ABSENT}:
            raise InputError(f"The metadata key {key!r} is reserved.", fix="rename it")
        held = hold(key, value)
        if held is LOST:
            absent.append(f"{'null' if value is None else 'other'}:{key}")
        else:
            fields[key] = held.shown if isinstance(held, Rough) else held
        if held is LOST or isinstance(held, Rough) or not same(held, value):
            packed[key] = value
    if packed:
        fields[PACKED] = json.dumps(packed, ensure_ascii=False, separators=(",", ":"))
    if absent:
        fields[ABSENT] = absent
    return fields


def unpack(fields: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """The metadata that was packed; fields that were never packed come back as they are.

    A plain number that another program has changed since counts as it is now.

    Raises:
        IndexFault: If the reserved field is damaged.
    """
    metadata = dict(fields or {})
    metadata.pop(ABSENT, None)
    text = metadata.pop(PACKED, None)
    if text is None:
        return metadata
    try:
        packed = json.loads(text)
        items = packed.items()
    except (TypeError, ValueError, AttributeError) as error:
        raise IndexFault(f"The reserved field {PACKED!r} of a text is damaged.", where=where) from error
    for key, value in items:
        if not _changed_since(metadata.get(key, value), value):
            metadata[key] = value
    return metadata


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal in value and type, all the way down; 1, 1.0 and True differ."""
    if type(one) is not type(other):
        return isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and _all_same(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return _all_same(one, other)
    return bool(one == other)


def _all_same(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(map(same, one, other))


def is_plain(value: Any) -> bool:
    """Whether a JSON value holds only numbers that every store reads back as they were written.

    Some keep floats as decimals and read them back by a quick way that is off by the last bit now and then.
    """
    if isinstance(value, float):
        return value == 0 or (_PLAIN[0] < abs(value) < _PLAIN[1] and float(f"{value:.{_MOST_DIGITS}g}") == value)
    if isinstance(value, int):
        return -LARGEST_WHOLE <= value < LARGEST_WHOLE
    if isinstance(value, Mapping):
        return all(map(is_plain, value.values()))
    return not isinstance(value, (list, tuple)) or all(map(is_plain, value))


def _changed_since(native: Any, packed: Any) -> bool:
    if not (_is_number(native) and _is_number(packed)):
        return False
    try:
        return not math.isclose(native, packed, rel_tol=_NEARLY)
    except OverflowError:  # a whole number that no float comes near
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def within_64_bits(value: Any) -> Any:
    """A JSON value whose whole numbers of more than 64 bits are floats, or None where no float comes near."""
    if isinstance(value, int) and not is_plain(value):
        return float(value) if abs(value) < _LARGEST_FLOAT else None
    if isinstance(value, (list, tuple)):
        return [within_64_bits(one) for one in value]
    return {key: within_64_bits(one) for key, one in value.items()} if isinstance(value, Mapping) else value
