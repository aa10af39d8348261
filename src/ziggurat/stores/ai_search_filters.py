"""Conditions as AI Search's filter: a JSON object whose entries must all hold, each a column, a test, or several.

The object knows AND between entries, OR within one (``"a OR b NOT": [1, 2]``) and no brackets, so a condition is
brought into that form: conjunctions of alternatives. Two entries may not have one name; equal tests of a column
are merged, and an alternative that is named twice makes a name of its own. What a null does under a negation is
written down nowhere, so only columns that are never null are negated. Knows no client.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ziggurat.errors import InputError
from ziggurat.stores.ai_search_layout import ID, MARKS, OWN_ROW, Layout, mark, presence, sign, sign_column, value_column
from ziggurat.stores.conditions import Clause, Condition, cannot, fold, kind_of

Filters = dict[str, Any]

_NAME = "AI Search"
_MOST_ENTRIES = 64
_MOST_TESTS = 256
_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Test(NamedTuple):
    """One test of one column: equality for an empty operator, ``NOT``, or an order."""

    column: str
    operator: str
    value: Any


Alternatives = tuple[Test, ...]
Entries = list[Alternatives]


def compiled(condition: Condition | None, layout: Layout, where: str) -> Filters | None:
    """The filter of a condition; one of ours also leaves out the row that remembers the model.

    Args:
        condition: None for everything.
        layout: The index's columns.
        where: The index, for messages.

    Raises:
        InputError: If AI Search, or this index, has no form for it.
    """
    own: Entries = [(Test(ID, "NOT", OWN_ROW),)] if layout.ours else []
    entries = [] if condition is None else _entries(condition, layout, where)
    return _object([*entries, *own]) or None


def _entries(condition: Condition, layout: Layout, where: str) -> Entries:
    def test(one: Clause) -> Entries:
        return _ours(one, layout, where) if layout.ours else _foreign(one, layout, where)

    def every(parts: list[Entries]) -> Entries:
        return _bounded([entry for part in parts for entry in part], where)

    def either(parts: list[Entries]) -> Entries:
        made: Entries = [()]
        for part in parts:
            made = _bounded([(*one, *other) for one in made for other in part], where)
        return made

    return fold(condition, test, every, either)


def _bounded(entries: Entries, where: str) -> Entries:
    kept = list(dict.fromkeys(tuple(dict.fromkeys(entry)) for entry in entries))
    if len(kept) > _MOST_ENTRIES or sum(map(len, kept)) > _MOST_TESTS:
        raise cannot(_NAME, "by so many alternatives at once", where, "ask in several searches")
    return kept


def _ours(one: Clause, layout: Layout, where: str) -> Entries:
    column = sign_column(one.key)
    if column not in layout.types:
        return _marked(one, where)
    if one.operator == "exists":
        return [(Test(column, "" if one.negated else "NOT", sign(None, present=False)),)]
    if one.operator in {"eq", "in"}:
        tests = [Test(column, "NOT" if one.negated else "", sign(value)) for value in _values(one)]
        return [(test,) for test in tests] if one.negated else [tuple(tests)]
    return [(_order(one, value_column(one.key), layout, where),)]


def _marked(one: Clause, where: str) -> Entries:
    """A test of a key that came after the index was made."""
    if one.negated:
        what = f"by what {one.key!r} is not: the key has no column of its own"
        raise cannot(_NAME, what, where, _DECLARE)
    if one.operator == "exists":
        return [(Test(MARKS, "", presence(one.key)),)]
    if one.operator in {"eq", "in"}:
        return [tuple(Test(MARKS, "", mark(one.key, value)) for value in _values(one))]
    raise cannot(_NAME, f"by the order of {one.key!r}: the key has no column of its own", where, _DECLARE)


def _foreign(one: Clause, layout: Layout, where: str) -> Entries:
    """A test of a column that another program fills, which may be null."""
    if one.key not in layout.types or one.key == layout.vector:
        known = ", ".join(sorted(layout.types))
        raise cannot(_NAME, f"by {one.key!r}, which is no column of the index", where, f"it has {known}")
    if one.operator == "exists" or one.negated or None in _values(one):
        what = f"by what {one.key!r} is not: what a null does is written down nowhere"
        raise cannot(_NAME, what, where, "name the values that shall pass")
    if one.operator not in {"eq", "in"}:
        return [(_order(one, one.key, layout, where),)]
    kind = layout.kind(one.key)
    for value in _values(one):
        if kind and kind_of(value) != kind:
            raise cannot(
                _NAME, f"by a {kind_of(value)} in {one.key!r}, a column of type {layout.types[one.key]}", where, ""
            )
    return [tuple(Test(one.key, "", value) for value in _values(one))]


def _order(one: Clause, column: str, layout: Layout, where: str) -> Test:
    if isinstance(one.value, str):
        fix = "order numbers, for example a date as 20240131"
        raise cannot(_NAME, f"by the order of texts ({one.key!r})", where, fix)
    if one.negated:
        opposite = {"gt": "$lte", "gte": "$lt", "lt": "$gte", "lte": "$gt"}[one.operator]
        fix = f"where it is always a number, write {opposite}"
        raise cannot(_NAME, f"by the negation of an order ({one.key!r})", where, fix)
    if layout.kind(column) not in {"number", ""}:
        told = layout.types[column]
        raise cannot(_NAME, f"by the order of {one.key!r}, a column of type {told}", where, "declare it as a double")
    return Test(column, _SIGNS[one.operator], one.value)


def _values(one: Clause) -> tuple[Any, ...]:
    return tuple(one.value) if one.operator == "in" else (one.value,)


def _object(entries: Entries) -> Filters:
    """Entries under names that differ."""
    among: dict[str, list[Any]] = {}
    never: dict[str, list[Any]] = {}
    bounds: dict[str, Any] = {}
    others: Entries = []
    for entry in entries:
        column, operator = entry[0].column, entry[0].operator
        alike = all((test.column, test.operator) == (column, operator) for test in entry)
        values = [test.value for test in entry]
        if alike and operator == "" and column != MARKS:  # a list meets two tests by two of its elements
            among[column] = values if column not in among else [one for one in values if _in(one, among[column])]
        elif alike and operator == "" and column not in among:
            among[column] = values
        elif alike and operator == "NOT" and len(entry) == 1:
            never.setdefault(column, []).extend(values)
        elif alike and operator in {">", ">=", "<", "<="} and len(entry) == 1:
            name, tighter = f"{column} {operator}", max if operator[0] == ">" else min
            bounds[name] = tighter(bounds[name], values[0]) if name in bounds else values[0]
        else:
            others.append(entry)
    made: Filters = {column: _one_or_all(_unique(values)) for column, values in among.items()}
    made |= {f"{column} NOT": _one_or_all(_unique(values)) for column, values in never.items()} | bounds
    for entry in others:
        tests = entry if len(entry) > 1 else (*entry, *entry)
        while (name := " OR ".join(f"{test.column} {test.operator}".strip() for test in tests)) in made:
            tests = (*tests, tests[-1])
        made[name] = [test.value for test in tests]
    return made


def _unique(values: Iterable[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if not _in(value, kept):
            kept.append(value)
    return kept


def _in(value: Any, values: Iterable[Any]) -> bool:
    """Whether it is among them; True is not 1."""
    return any(isinstance(value, bool) == isinstance(one, bool) and value == one for one in values)


def _one_or_all(values: list[Any]) -> Any:
    if not values:
        return sign(None, present=False) + "!"  # two tests of one column that no value meets
    return values[0] if len(values) == 1 else values


_DECLARE = "make the index with it: open_store(address, columns={'key': 'string'}), or with it among the first texts"


def refused_writing(what: str, table: str, where: str) -> InputError:
    """The refusal of a change to an index that a table fills."""
    return InputError(
        f"A Delta Sync index cannot be {what}: it is filled from its table.",
        where=where,
        fix=f"write to {table or 'the table'} and sync the index, or use a Direct Access index",
    )
