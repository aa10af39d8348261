"""Metadata filters: a dict in the form LangChain's stores share, compiled to one SQL condition.

    {"source": "a.md"}                                  equality; several keys must all hold
    {"year": {"$gte": 2020, "$lt": 2024}}               operators on one key
    {"$or": [{"lang": "en"}, {"$not": {"draft": True}}]}

The condition is applied *inside* a search, so ``k`` hits are ``k`` hits that pass. Values reach SQL
only as parameters. Knows the column's name and nothing else of the tables.
Invariant: a filter that is not understood is refused, never ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ziggurat.errors import InputError

COLUMN = "chunks.metadata"

Filter = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A SQL condition over the chunks table.

    Attributes:
        sql: An expression that is 0 or 1, never NULL.
        parameters: Its parameters, in order.
    """

    sql: str
    parameters: tuple[str | int | float, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """What tells two conditions apart; 1, 1.0 and '1' differ."""
        return (self.sql, *((type(value), value) for value in self.parameters))


def compile_filter(given: Filter) -> Condition:
    """Compile a filter.

    A key is a top-level key of the metadata, dots and all. A missing key equals nothing and is not
    ordered; ``$ne`` and ``$nin`` hold for it.

    Raises:
        InputError: If an operator is unknown or a value cannot be compared.
    """
    if not isinstance(given, Mapping):
        raise InputError(
            f"A filter is a dict, not {type(given).__name__}.",
            fix='for example {"source": "a.md"} or {"year": {"$gte": 2020}}',
        )
    try:
        return _whole(given)
    except RecursionError as error:
        raise InputError("The filter is nested too deeply.") from error


def _whole(given: Filter) -> Condition:
    if not isinstance(given, Mapping):
        raise InputError(f"A part of the filter is not a dict: {given!r}.")
    return _join([_entry(key, value) for key, value in given.items()], " AND ", empty="1")


def _entry(key: object, value: Any) -> Condition:
    if not isinstance(key, str):
        raise InputError(f"A filter's keys are strings; {key!r} is not.")
    if key in _COMBINATIONS:
        return _COMBINATIONS[key](key, value)
    if key.startswith("$"):
        raise _unknown(key, [*_COMBINATIONS])
    if not isinstance(value, Mapping):
        return _compare(key, "$eq", value)
    if not value:
        raise InputError(f"The filter for {key!r} is empty.", fix=f"known operators: {', '.join(_OPERATORS)}")
    return _join([_compare(key, operator, operand) for operator, operand in value.items()], " AND ", empty="1")


def _compare(key: str, operator: object, operand: Any) -> Condition:
    if not isinstance(operator, str) or operator not in _OPERATORS:
        raise _unknown(operator, [*_OPERATORS])
    if '"' in key or "\\" in key or not _is_text(key):
        raise InputError(f"The metadata key {key!r} cannot be filtered on: it holds a quote or a backslash.")
    return _OPERATORS[operator](key, operator, operand)


def _is_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= ch <= "\udfff" for ch in text)


def _scalar(key: str, operator: str, operand: Any) -> str | int | float | bool | None:
    if operand is None or isinstance(operand, (str, bool)):
        if isinstance(operand, str) and not _is_text(operand):
            raise InputError(f"The value of {key!r} under {operator} is not valid text.")
        return operand
    if isinstance(operand, int) and -(2**63) <= operand < 2**63:
        return operand
    if isinstance(operand, float) and math.isfinite(operand):
        return operand
    raise InputError(
        f"{key!r} cannot be compared with {operand!r} by {operator}.",
        fix="use a text, a finite number, a boolean or None; for several values use $in",
    )


def _equal(key: str, operator: str, operand: Any) -> Condition:
    value = _scalar(key, operator, operand)
    path = f'$."{key}"'
    if value is None:
        return Condition(f"ifnull(json_type({COLUMN}, ?) = 'null', 0)", (path,))
    if isinstance(value, bool):
        return Condition(f"ifnull(json_type({COLUMN}, ?) = ?, 0)", (path, "true" if value else "false"))
    kinds = _kinds(value)
    return Condition(
        f"ifnull(json_type({COLUMN}, ?) IN {kinds} AND json_extract({COLUMN}, ?) = ?, 0)", (path, path, value)
    )


def _ordered(key: str, operator: str, operand: Any) -> Condition:
    value = _scalar(key, operator, operand)
    if value is None or isinstance(value, bool):
        raise InputError(f"{operator} orders texts and numbers; {key!r} was given {operand!r}.")
    path = f'$."{key}"'
    sign = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}[operator]
    return Condition(
        f"ifnull(json_type({COLUMN}, ?) IN {_kinds(value)} AND json_extract({COLUMN}, ?) {sign} ?, 0)",
        (path, path, value),
    )


def _kinds(value: str | float) -> str:
    return "('text')" if isinstance(value, str) else "('integer', 'real')"


def _among(key: str, operator: str, operand: Any) -> Condition:
    if not isinstance(operand, (list, tuple, set, frozenset)):
        raise InputError(f"{operator} takes a list; {key!r} was given {type(operand).__name__}.")
    values = sorted(operand, key=repr) if isinstance(operand, (set, frozenset)) else operand
    return _join([_equal(key, operator, value) for value in values], " OR ", empty="0")


def _exists(key: str, operator: str, operand: Any) -> Condition:
    if not isinstance(operand, bool):
        raise InputError(f"{operator} takes True or False; {key!r} was given {operand!r}.")
    return Condition(f"json_type({COLUMN}, ?) IS {'NOT ' if operand else ''}NULL", (f'$."{key}"',))


def _negated(compare: Callable[[str, str, Any], Condition]) -> Callable[[str, str, Any], Condition]:
    def negated(key: str, operator: str, operand: Any) -> Condition:
        return _invert(compare(key, operator, operand))

    return negated


def _all_or_any(key: str, value: Any) -> Condition:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise InputError(f"{key} takes a list of filters with at least one filter.")
    return _join([_whole(part) for part in value], " AND " if key == "$and" else " OR ", empty="1")


def _not(key: str, value: Any) -> Condition:
    if not isinstance(value, Mapping) or not value:
        raise InputError(f"{key} takes one filter, for example {json.dumps({'$not': {'draft': True}})}.")
    return _invert(_whole(value))


def _invert(condition: Condition) -> Condition:
    return Condition(f"(NOT {condition.sql})", condition.parameters)


def _join(parts: Sequence[Condition], word: str, *, empty: str) -> Condition:
    if not parts:
        return Condition(empty, ())
    if len(parts) == 1:
        return parts[0]
    sql = word.join(part.sql for part in parts)
    return Condition(f"({sql})", tuple(value for part in parts for value in part.parameters))


def _unknown(operator: object, known: list[str]) -> InputError:
    close = get_close_matches(str(operator), known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return InputError(f"Unknown filter operator {operator!r}.", fix=f"{hint}known here: {', '.join(known)}")


_OPERATORS: dict[str, Callable[[str, str, Any], Condition]] = {
    "$eq": _equal,
    "$ne": _negated(_equal),
    "$gt": _ordered,
    "$gte": _ordered,
    "$lt": _ordered,
    "$lte": _ordered,
    "$in": _among,
    "$nin": _negated(_among),
    "$exists": _exists,
}

_COMBINATIONS: dict[str, Callable[[str, Any], Condition]] = {"$and": _all_or_any, "$or": _all_or_any, "$not": _not}
