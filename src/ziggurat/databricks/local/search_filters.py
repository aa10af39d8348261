"""Filters of AI Search as SQL over an index's rows: the JSON form, and the SQL string as it stands.

The JSON form is ``{"column": value}`` with the operator after the column's name: ``<``, ``<=``, ``>``, ``>=``,
``NOT``, ``LIKE``, ``NOT LIKE``; a list is any of its values; ``"a OR b": [x, y]`` is either. Invariant: values are
parameters, never SQL, and a column that the index has not is refused by its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from ziggurat.databricks.local.call import invalid

Where = tuple[str, list[Any]]

_COMPARED = ("<=", ">=", "<", ">")


def where(filters: object, columns: AbstractSet[str], lists: AbstractSet[str]) -> Where:
    """The SQL of a JSON filter, with its parameters.

    Args:
        filters: As it came: a mapping, or its JSON.
        columns: What may be named.
        lists: The columns among them that hold lists.

    Raises:
        Refusal: 400 if it cannot be understood.
    """
    if isinstance(filters, str):
        try:
            filters = json.loads(filters)
        except ValueError as error:
            raise invalid(f"filters_json is not JSON: {error}") from error
    if not filters:
        return "1", []
    if not isinstance(filters, Mapping):
        raise invalid("Filters must be a JSON object.")
    clauses = [_clause(str(key), value, columns, lists) for key, value in filters.items()]
    return " AND ".join(f"({sql})" for sql, _ in clauses), [one for _, given in clauses for one in given]


def _clause(key: str, value: Any, columns: AbstractSet[str], lists: AbstractSet[str]) -> Where:
    parts = key.split(" OR ")
    if len(parts) > 1:
        if not isinstance(value, list) or len(value) != len(parts):
            raise invalid(f"Filter {key!r} needs a list with a value for each of its {len(parts)} columns.")
        either = [_clause(part.strip(), one, columns, lists) for part, one in zip(parts, value, strict=True)]
        return " OR ".join(f"({sql})" for sql, _ in either), [one for _, given in either for one in given]
    name, _, operator = key.strip().partition(" ")
    if name not in columns:
        raise invalid(f"Filter column {name!r} does not exist in the index. Its columns: {sorted(columns)}.")
    return _compared(name, operator.strip().upper(), value, is_list=name in lists)


def _compared(name: str, operator: str, value: Any, *, is_list: bool) -> Where:
    column = quoted(name)
    if operator == "":
        return _any_of(column, value, is_list=is_list)
    if operator == "NOT":
        sql, given = _any_of(column, value, is_list=is_list)
        return f"NOT ({sql})", given
    if operator in ("LIKE", "NOT LIKE"):
        negation = "NOT " if operator == "NOT LIKE" else ""
        sql, given = _like(column, value)
        return f"{negation}({sql})", given
    if operator in _COMPARED:
        if isinstance(value, list | dict | bool) or value is None:
            raise invalid(f"Filter '{name} {operator}' needs one number or text.")
        return f"{column} {operator} ?", [value]
    raise invalid(f"Filter operator {operator!r} is not supported.")


def _any_of(column: str, value: Any, *, is_list: bool) -> Where:
    values = value if isinstance(value, list) else [value]
    if value is None or None in values:
        return f"{column} IS NULL", []
    if not all(isinstance(one, str | int | float) for one in values):
        raise invalid("Filter values must be numbers, texts or booleans.")
    marks = ", ".join("?" * len(values))
    if is_list:
        return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value IN ({marks}))", list(values)  # noqa: S608 (a quoted name and marks)
    return f"{column} IN ({marks})", list(values)


def _like(column: str, value: Any) -> Where:
    """A pattern with % or _ as in SQL; without, a whole word of the text."""
    patterns: Sequence[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in patterns):
        raise invalid("LIKE needs a text.")
    parts, given = [], []
    for pattern in patterns:
        if "%" in pattern or "_" in pattern:
            parts.append(f"{column} LIKE ?")
            given.append(pattern)
        else:
            parts.append(f"instr(' ' || {column} || ' ', ?) > 0")
            given.append(f" {pattern} ")
    return " OR ".join(parts), given


def quoted(name: str) -> str:
    """A column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'
