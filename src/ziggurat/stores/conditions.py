"""The filter dialect of `ziggurat.index.filters` as a small tree that any store's compiler can read.

    {"year": {"$gte": 2020}, "$not": {"lang": "en"}}
    ->  Every((Clause("year", "gte", 2020), Clause("lang", "eq", "en", negated=True)))

What is understood is decided by the index's own compiler, so one filter means one thing everywhere:
a missing key equals nothing and is not ordered, texts, numbers and booleans never equal one another, a
list or a dict equals no value. Negation is pushed down to the tests, and what is always or never true
is folded away. Invariant: inside a tree there is no empty `Every` or `Either`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from ziggurat.errors import InputError
from ziggurat.index.filters import Filter, compile_filter

Scalar = str | int | float | bool | None
Order = Literal["gt", "gte", "lt", "lte"]
Operator = Literal["eq", "in", "exists", "gt", "gte", "lt", "lte"]
_Native = TypeVar("_Native")


@dataclass(frozen=True, slots=True)
class Clause:
    """One question about one top-level key of the metadata.

    Attributes:
        key: As it stands in the metadata, dots and all.
        operator: ``eq``, ``in``, ``exists`` or an order.
        value: What it is compared with; a tuple for ``in``, True for ``exists``.
        negated: Whether the answer is turned round; a missing key then passes ``eq``, ``in`` and orders.
    """

    key: str
    operator: Operator
    value: Any
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """All of the parts hold; with no parts, everything passes."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of the parts holds; with no parts, nothing passes."""

    parts: tuple[Condition, ...]


Condition = Clause | Every | Either

EVERYTHING = Every(())
NOTHING = Either(())


def read_filter(given: Filter | None) -> Condition:
    """The tree of a filter; `EVERYTHING` for none.

    Raises:
        InputError: If the filter is not understood.
    """
    if given is None or given == {}:
        return EVERYTHING
    compile_filter(given)
    return _whole(given, negated=False)


def fold(
    condition: Condition,
    test: Callable[[Clause], _Native],
    every: Callable[[list[_Native]], _Native],
    either: Callable[[list[_Native]], _Native],
) -> _Native:
    """A tree in a store's own form; ``every`` and ``either`` are given two parts at least.

    Args:
        condition: Neither `EVERYTHING` nor `NOTHING`.
        test: Compiles one test.
        every: Joins parts that must all hold.
        either: Joins parts of which one must hold.
    """
    if isinstance(condition, Clause):
        return test(condition)
    parts = [fold(part, test, every, either) for part in condition.parts]
    return every(parts) if isinstance(condition, Every) else either(parts)


def by_kind(values: Iterable[Scalar]) -> dict[str, list[Scalar]]:
    """Values of an ``in`` by kind (``null``, ``boolean``, ``number``, ``text``), for stores that want one kind."""
    kinds: dict[str, list[Scalar]] = {}
    for value in values:
        kinds.setdefault(kind_of(value), []).append(value)
    return kinds


def kind_of(value: Scalar) -> str:
    """``null``, ``boolean``, ``number`` or ``text``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def cannot(store: str, what: str, where: str, fix: str) -> InputError:
    """The refusal of a filter that a store has no form for."""
    return InputError(f"{store} cannot filter {what}.", where=where, fix=fix)


def _whole(given: Filter, *, negated: bool) -> Condition:
    return _joined([_entry(key, value, negated=negated) for key, value in given.items()], negated=negated)


def _entry(key: str, value: Any, *, negated: bool) -> Condition:
    if key == "$not":
        return _whole(value, negated=not negated)
    if key in {"$and", "$or"}:
        return _joined([_whole(part, negated=negated) for part in value], negated=negated == (key == "$and"))
    if not isinstance(value, Mapping):
        return Clause(key, "eq", value, negated)
    return _joined(
        [_test(key, operator, operand, negated=negated) for operator, operand in value.items()], negated=negated
    )


def _test(key: str, operator: str, operand: Any, *, negated: bool) -> Condition:
    if operator in {"$in", "$nin"}:
        inverted = negated != (operator == "$nin")
        values = tuple(sorted(operand, key=repr) if isinstance(operand, (set, frozenset)) else operand)
        if not values:
            return EVERYTHING if inverted else NOTHING
        return Clause(key, "in", values, inverted)
    if operator == "$ne":
        return Clause(key, "eq", operand, not negated)
    if operator == "$exists":
        return Clause(key, "exists", True, negated == bool(operand))  # noqa: FBT003 (a value like any other)
    return Clause(key, _ORDERS_AND_EQUALITY[operator], operand, negated)


_ORDERS_AND_EQUALITY: dict[str, Operator] = {"$eq": "eq", "$gt": "gt", "$gte": "gte", "$lt": "lt", "$lte": "lte"}


def _joined(parts: list[Condition], *, negated: bool) -> Condition:
    """Parts that must all hold, or, turned round, of which one must."""
    kind, neutral, decisive = (Either, NOTHING, EVERYTHING) if negated else (Every, EVERYTHING, NOTHING)
    kept: list[Condition] = []
    for part in parts:
        if part == decisive:
            return decisive
        if part == neutral:
            continue
        kept.extend(part.parts if isinstance(part, kind) else (part,))
    if len(kept) == 1:
        return kept[0]
    return kind(tuple(kept))
