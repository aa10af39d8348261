"""Tests on metadata as Chroma's ``where``.

Chroma cannot ask whether a key is there, orders only numbers, and cannot turn an order round for the keys
that are missing or no numbers; those are refused by name. It compares a stored whole number with the whole
part of a fraction, so that 1 passes for 1.5: a fraction is asked for in a way that is right for both.
Invariant: a ``where`` passes exactly what the same test passes in an index of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ziggurat.stores.conditions import Clause, by_kind, cannot
from ziggurat.stores.packing import ABSENT, LARGEST_WHOLE, PACKED

_OPPOSITES = {"gt": "$lte", "gte": "$lt", "lt": "$gte", "lte": "$gt"}

Where = dict[str, Any]


def where_of(test: Clause, where: str) -> Where:
    """One test as a ``where``.

    Args:
        test: What is asked.
        where: The store, for messages.

    Raises:
        InputError: If Chroma cannot ask it.
    """
    key = test.key
    if key in {PACKED, ABSENT} or not key or key.startswith("chroma:"):
        raise cannot("Chroma", f"by the key {key!r}", where, "rename it in the metadata")
    if test.operator == "exists":
        raise cannot("Chroma", f"by whether {key!r} is there", where, "compare it with a value by $eq, $ne or $in")
    if test.operator in {"eq", "in"}:
        return _among(test, (test.value,) if test.operator == "eq" else test.value)
    if isinstance(test.value, str):
        fix = "order numbers, for example a date as 20240131"
        raise cannot("Chroma", f"by the order of texts ({key!r})", where, fix)
    if test.negated:
        fix = f"where it is always a number, write {_OPPOSITES[test.operator]}"
        raise cannot("Chroma", f"by the negation of an order ({key!r})", where, fix)
    return _ordered(key, test.operator, test.value)


def _among(test: Clause, values: Sequence[Any]) -> Where:
    parts: list[Where] = []
    for kind, alike in by_kind(values).items():
        if kind == "null":
            parts.append({ABSENT: {"$not_contains" if test.negated else "$contains": f"null:{test.key}"}})
            continue
        listed: Sequence[Any] = alike
        if kind == "number":
            numbers = cast("list[float]", alike)
            parts.extend(_fraction(test.key, one, negated=test.negated) for one in numbers if _is_fraction(one))
            # A list is of one Python type; 2021 and 2021.0 pass for one another.
            listed = [int(one) for one in numbers if not _is_fraction(one)]
        if listed:
            one, several = ("$ne", "$nin") if test.negated else ("$eq", "$in")
            parts.append({test.key: {one: listed[0]} if len(listed) == 1 else {several: listed}})
    return _joined("$and" if test.negated else "$or", parts)


def _fraction(key: str, value: float, *, negated: bool) -> Where:
    whole = _whole_part(value)
    if negated:
        return {"$or": [{key: {"$ne": value}}, {key: {"$eq": whole}}]}
    return {"$and": [{key: {"$eq": value}}, {key: {"$ne": whole}}]}


def _ordered(key: str, order: str, value: float) -> Where:
    if not _is_fraction(value):
        return {key: {f"${order}": int(value)}}
    strict = order[:2]
    parts: list[Where] = [{key: {f"${strict}": value}}]
    # The whole part of a fraction lies towards zero, so on one side of zero it passes itself.
    if (strict == "gt") == (value < 0):
        parts.append({key: {"$eq": _whole_part(value)}})
    if order != strict:
        parts.append(_fraction(key, value, negated=False))
    return _joined("$or", parts)


def _is_fraction(value: float) -> bool:
    return _whole_part(value) != value


def _whole_part(value: float) -> int:
    """As Chroma makes a whole number of one: towards zero, within 64 bits."""
    return max(-LARGEST_WHOLE, min(LARGEST_WHOLE - 1, int(value)))


def _joined(word: str, parts: list[Where]) -> Where:
    return parts[0] if len(parts) == 1 else {word: parts}
