"""The joins of a SELECT, made anew along the keys where they cannot be meant as they stand.

A join on a column that is not there, or on two keys that are not each other's, is a slip of who wrote it; so is a
table that nothing is taken from and the question does not name. Then the tables that are used are joined
as the schema says. Invariant: a SELECT with outer joins, joined queries, or a table joined to itself is left alone.
"""

from __future__ import annotations

import re
from typing import Any

from ziggurat.sql.linking import words
from ziggurat.sql.paths import path
from ziggurat.sql.schema import Schema, Table

_KEY = re.compile(r"(id|code|key|no)$", re.IGNORECASE)


def rejoined(select: Any, schema: Schema, question: str, exp: Any) -> None:
    """Join the tables of a SELECT anew if its joins cannot be meant; in place.

    Args:
        select: The SELECT.
        schema: The tables and their joins.
        question: What is asked; tables that it names are kept.
        exp: sqlglot's expressions.
    """
    tables = _tables(select, schema, exp)
    if tables is None or len(tables) < 2:  # noqa: PLR2004 (one table is joined to nothing)
        return
    if not _is_plain(select, exp):
        return
    inside = [column for join in select.args["joins"] for column in join.args["on"].find_all(exp.Column)]
    needed = _needed(select, tables, question, inside, exp)
    sound = all(_is_sound(join.args.get("on"), tables, schema, exp) for join in select.args["joins"])
    counts = any(select.find_all(exp.AggFunc))
    if sound and (counts or len(needed) == len(tables)):
        return  # a table that nothing is taken from still says how often a row is counted
    _rebuild(select, schema, tables, needed or list(tables)[:1], exp)


def _tables(select: Any, schema: Schema, exp: Any) -> dict[str, Table] | None:
    """The tables by alias; None where something else is read, or one twice."""
    source = select.args.get("from_")
    found: dict[str, Table] = {}
    for node in [source, *(select.args.get("joins") or [])]:
        if node is None:
            return None
        inner = node.this
        table = (
            schema.table(inner.name)
            if isinstance(inner, exp.Table) and isinstance(inner.this, exp.Identifier)
            else None
        )
        if table is None or table in found.values():
            return None
        found[inner.alias_or_name.casefold()] = table
    return found


def _is_plain(select: Any, exp: Any) -> bool:
    """Whether every join is an inner one on equalities of columns."""
    for join in select.args["joins"]:
        on = join.args.get("on")
        if join.side or join.method or join.args.get("using") or (join.kind or "INNER") != "INNER" or on is None:
            return False
        if not all(_is_equality(part, exp) for part in (on.flatten() if isinstance(on, exp.And) else (on,))):
            return False
    return True


def _is_equality(on: Any, exp: Any) -> bool:
    return isinstance(on, exp.EQ) and isinstance(on.this, exp.Column) and isinstance(on.expression, exp.Column)


def _is_sound(on: Any, tables: dict[str, Table], schema: Schema, exp: Any) -> bool:
    """Whether the columns of a join are there, and are each other's if they are keys."""
    for part in on.find_all(exp.EQ):
        ends = [(tables.get(side.table.casefold()), side.name) for side in (part.this, part.expression)]
        (one, left), (other, right) = ends
        if one is None or other is None or one is other or not one.column(left) or not other.column(right):
            return False
        known = [
            {(join.table, join.column.casefold()), (join.other, join.other_column.casefold())}
            for join in schema.joins
            if {join.table, join.other} == {one.name, other.name}
        ]
        said = {(one.name, left.casefold()), (other.name, right.casefold())}
        if (
            known
            and said not in known
            and left.casefold() != right.casefold()
            and _KEY.search(left)
            and _KEY.search(right)
        ):
            return False
    return True


def _needed(select: Any, tables: dict[str, Table], question: str, inside: list[Any], exp: Any) -> list[str]:
    """The aliases that something is taken from, or that the question names; the first too where rows are counted."""
    joining = {id(column) for column in inside}
    asked = set(words(question))
    used: set[str] = set()
    for column in select.find_all(exp.Column):
        if id(column) in joining:
            continue
        own = tables.get(column.table.casefold())
        if own is not None and own.column(column.name):
            used.add(column.table.casefold())
        else:
            used |= {column.table.casefold()} | {alias for alias, table in tables.items() if table.column(column.name)}
    star = any(select.find_all(exp.Star))
    return [
        alias
        for at, (alias, table) in enumerate(tables.items())
        if alias in used or (star and at == 0) or set(words(table.name)) <= asked
    ]


def _rebuild(select: Any, schema: Schema, tables: dict[str, Table], needed: list[str], exp: Any) -> None:
    """Join the needed tables along the keys; nothing is changed if there is no way."""
    aliases = {table.name: alias for alias, table in tables.items()}
    first, *rest = [tables[alias].name for alias in needed]
    here, steps = [first], []
    own = [join for join in schema.joins if join.table in aliases and join.other in aliases]
    for name in rest:
        if name in here:
            continue
        way = path(own, here, name) or path(schema.joins, here, name)
        if way is None:
            return
        steps += way
        here += [new for _, new in way]

    def node(name: str) -> Any:
        made = exp.Table(this=exp.to_identifier(name))
        alias = aliases.get(name, name.casefold())
        if alias != name.casefold():
            made.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
        return made

    def column(name: str, of: str) -> Any:
        alias = aliases.get(of, of.casefold())
        return exp.column(name, table=of if alias == of.casefold() else alias)

    select.set("from_", exp.From(this=node(first)))
    select.set("joins", [])
    for join, new in steps:
        on = exp.EQ(this=column(join.column, join.table), expression=column(join.other_column, join.other))
        select.append("joins", exp.Join(this=node(new), on=on))
