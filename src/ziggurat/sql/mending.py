"""A query that nearly fits a schema, made to fit: by rules, without a model.

A misspelt name becomes the nearest; a column that its table lacks is looked for in the others, and the tables on the
way there are joined; a text compared with is written as the database has it; a share of two counts is divided as
a real number. Invariant: a query that fits comes back as it was, but for these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ziggurat.optional import require
from ziggurat.sql.joining import rejoined
from ziggurat.sql.linking import folded
from ziggurat.sql.paths import path
from ziggurat.sql.schema import Column, Schema, Table
from ziggurat.sql.writing import read

Values = Callable[[str, str], tuple[str, ...]]
"""The values of a column of text: from its table and its name."""

_NEAR_NAME = 0.75
_NEAR_VALUE = 0.84
_DATE_PARTS = frozenset({"STRFTIME", "YEAR", "MONTH", "DAY", "DATE"})
_DATED = re.compile(r"\d{4}|\d\d?[:/.]\d\d")
_NAMED_PART = re.compile(r"year|month|day|week|quarter|hour|semester", re.IGNORECASE)
_WHOLE_DIVISION = frozenset({"sqlite", "postgres", "tsql"})


def fitted(query: str, schema: Schema, values: Values, question: str = "") -> str:
    """The text of a query, made to fit; empty where it cannot be read as one.

    Args:
        query: As a model wrote it.
        schema: The tables that may be read.
        values: Gives the values of a column of text.
        question: What is asked; tables that it names are kept.
    """
    errors = require("sqlglot", for_="asking databases", extra="sql").errors
    try:
        tree = read(query, schema.dialect)
        return (
            ""
            if tree is None
            else str(mended(tree, schema, values, question).sql(dialect=schema.dialect, comments=False))
        )
    except (errors.SqlglotError, RecursionError, AttributeError, TypeError, ValueError):
        return ""  # a tree of a shape that no rule foresaw: the query is tried as it stands


def mended(tree: Any, schema: Schema, values: Values, question: str = "") -> Any:
    """The query, made to fit; a new tree.

    Args:
        tree: As sqlglot reads it.
        schema: The tables that may be read.
        values: Gives the values of a column of text.
        question: What is asked; tables that it names are kept.
    """
    exp = require("sqlglot", for_="asking databases", extra="sql").exp
    tree = tree.copy()
    common = {one.alias.casefold() for one in tree.find_all(exp.CTE)}
    for select in list(tree.find_all(exp.Select)):
        rejoined(select, schema, question, exp)
        Mender(select, schema, values, common, exp).mend()
    return tree


@dataclass
class _Source:
    """What a SELECT reads from: a table by its alias; no table where it is a query of its own."""

    alias: str
    table: Table | None


class Mender:
    """One SELECT under repair.

    Args:
        select: It; changed in place.
        schema: The tables.
        values: Gives the values of a column of text.
        common: Names of common table expressions, which are left alone.
        exp: sqlglot's expressions.
    """

    def __init__(self, select: Any, schema: Schema, values: Values, common: set[str], exp: Any) -> None:
        self.select, self.schema, self.values, self.common, self.exp = select, schema, values, common, exp
        self.sources: dict[str, _Source] = {}

    def mend(self) -> None:
        """Tables first, then columns, then what they are compared with, then divisions and groups."""
        self._tables()
        if self.sources:
            aliases = {one.alias.casefold() for one in self.select.expressions if one.alias}
            self._swap(aliases)
            for column in list(self._own(self.exp.Column)):
                self._column(column, aliases)
            self._literals()
            self._parts_of_dates()
        if self.schema.dialect in _WHOLE_DIVISION:
            self._divisions()
        self._groups()

    def _own(self, kind: Any) -> Iterator[Any]:
        """Parts of this SELECT that are in none within it."""
        for node in self.select.find_all(kind):
            if node.find_ancestor(self.exp.Select) is self.select:
                yield node

    def _tables(self) -> None:
        exp = self.exp
        source = self.select.args.get("from_")
        for node in [source, *(self.select.args.get("joins") or [])]:
            inner = node.this if node is not None else None
            if inner is None:
                continue
            if isinstance(inner, exp.Table) and isinstance(inner.this, exp.Identifier):
                table = None if inner.name.casefold() in self.common else self._nearest_table(inner)
                self.sources[inner.alias_or_name.casefold()] = _Source(inner.alias_or_name, table)
            else:
                self.sources[inner.alias_or_name.casefold()] = _Source(inner.alias_or_name, None)

    def _nearest_table(self, node: Any) -> Table | None:
        found = self.schema.table(node.name)
        if found is None:
            names = {table.name.casefold(): table for table in self.schema.tables}
            near = get_close_matches(node.name.casefold(), names, n=1, cutoff=_NEAR_NAME)
            if not near:
                return None
            found = names[near[0]]
            old = node.name
            node.this.replace(self.exp.to_identifier(found.name))
            for column in self._own(self.exp.Column):
                if column.table.casefold() == old.casefold() and not node.alias:
                    column.set("table", self.exp.to_identifier(found.name))
        return found

    def _column(self, column: Any, aliases: set[str]) -> None:
        """Give a column the table that has it, its right spelling, or a join that brings it."""
        name, qualifier = column.name.casefold(), column.table.casefold()
        if isinstance(column.this, self.exp.Star):
            return
        source = self.sources.get(qualifier) if qualifier else None
        if qualifier and source is None and self.select.parent_select is not None and self._outer(qualifier):
            return
        if source is not None and (source.table is None or source.table.column(name)):
            return
        holders = [one for one in self.sources.values() if one.table is not None and one.table.column(name)]
        if not qualifier and (len(holders) == 1 or (name in aliases and not holders)):
            return
        if holders:
            self._requalify(column, holders[0].alias)
        elif any(one.table is None for one in self.sources.values()) or self._outer_has(name):
            return
        elif not self._rename(column, source) and not self._join(column, name):
            self._rename(column, source, cutoff=_NEAR_NAME)

    def _swap(self, aliases: set[str]) -> None:
        """Read another table where one alone lacks columns and another one has them all."""
        (only,) = self.sources.values() if len(self.sources) == 1 else (None,)
        if only is None or only.table is None or self.select.parent_select is not None or self.select.args.get("group"):
            return
        names = {one.name.casefold() for one in self._own(self.exp.Column) if one.name} - aliases
        fits = [table for table in self.schema.tables if names and all(map(table.column, names))]
        if fits and not all(map(only.table.column, names)):
            node = self.select.args["from_"].this
            node.this.replace(self.exp.to_identifier(fits[0].name))
            for column in self._own(self.exp.Column):
                column.set("table", None)
            self.sources = {node.alias_or_name.casefold(): _Source(node.alias_or_name, fits[0])}

    def _outer(self, qualifier: str) -> bool:
        outer = self.select.parent_select
        while outer is not None:
            if any(qualifier == table.alias_or_name.casefold() for table in outer.find_all(self.exp.Table)):
                return True
            outer = outer.parent_select
        return False

    def _outer_has(self, name: str) -> bool:
        outer = self.select.parent_select
        tables = [] if outer is None else [self.schema.table(one.name) for one in outer.find_all(self.exp.Table)]
        return any(table is not None and table.column(name) for table in tables)

    def _requalify(self, column: Any, alias: str) -> None:
        column.set("table", self.exp.to_identifier(alias))

    def _rename(self, column: Any, source: _Source | None, cutoff: float = 0.0) -> bool:
        """The column of a table at hand that is spelt like it: the same but for underscores, or nearly."""
        places = [source] if source is not None else list(self.sources.values())
        for place in places if not cutoff else self.sources.values():
            names = {
                one.name.casefold().replace("_", ""): one.name for one in (place.table.columns if place.table else ())
            }
            name = column.name.casefold().replace("_", "")
            near = [name] if name in names else get_close_matches(name, names, n=1, cutoff=cutoff or 0.9)
            if near:
                column.this.replace(self.exp.to_identifier(names[near[0]]))
                self._requalify(column, place.alias)
                return True
        return False

    def _join(self, column: Any, name: str) -> bool:
        """Join the table that has the column, and those on the way to it; the nearest one."""
        here = [one.table.name for one in self.sources.values() if one.table is not None]
        ways = [
            (way, table)
            for table in self.schema.tables
            if table.column(name) and (way := path(self.schema.joins, here, table.name)) is not None
        ]
        if not ways:
            return False
        for other in self._own(self.exp.Column):
            holders = [one for one in self.sources.values() if one.table and one.table.column(other.name)]
            if not other.table and holders:
                self._requalify(other, holders[0].alias)  # what was plain among fewer tables must stay so
        way, table = min(ways, key=lambda found: (found[1].name.casefold() != column.table.casefold(), len(found[0])))
        for join, new in way:
            left, right = self._alias(join.table), self._alias(join.other)
            on = self.exp.EQ(
                this=self.exp.column(join.column, table=left),
                expression=self.exp.column(join.other_column, table=right),
            )
            self.select.join(new, on=on, copy=False)
            self.sources[new.casefold()] = _Source(new, self.schema.table(new))
        self._requalify(column, self._alias(table.name))
        return True

    def _alias(self, table: str) -> str:
        for source in self.sources.values():
            if source.table is not None and source.table.name.casefold() == table.casefold():
                return source.alias
        return table

    def _literals(self) -> None:
        exp = self.exp
        for node in self._own((exp.EQ, exp.NEQ, exp.In, exp.Like)):
            column = node.this.this if isinstance(node.this, exp.Lower | exp.Upper) else node.this
            if not isinstance(column, exp.Column) or not (texts := self._texts(column)):
                continue
            given = node.expressions if isinstance(node, exp.In) else [node.expression]
            for literal in given:
                bare = literal.this if isinstance(literal, exp.Lower | exp.Upper) else literal
                if isinstance(bare, exp.Literal) and bare.is_string:
                    self._literal(node, column, bare, texts)

    def _texts(self, column: Any) -> Mapping[str, str]:
        """The values of a column of text, by how they are compared."""
        source = self.sources.get(column.table.casefold()) if column.table else None
        places = [source] if source is not None else list(self.sources.values())
        for place in places:
            found = place.table.column(column.name) if place.table else None
            if place.table is not None and found is not None and found.is_text:
                return {folded(one): one for one in reversed(self.values(place.table.name, found.name))}
        return {}

    def _literal(self, node: Any, column: Any, literal: Any, texts: Mapping[str, str]) -> None:
        if node.this is not column:
            return  # compared in one case already
        wanted = folded(literal.name.strip("%"))
        if isinstance(node, self.exp.Like) and any(wanted in one for one in texts):
            return
        if literal.name in texts.values() or not wanted:
            return
        near = [wanted] if wanted in texts else get_close_matches(wanted, texts, n=1, cutoff=_NEAR_VALUE)
        if near:
            literal.replace(self.exp.Literal.string(texts[near[0]]))

    def _parts_of_dates(self) -> None:
        """A column that is a year, or the name of a day, is none to take a year or a day of."""
        for node in list(self._own((self.exp.Anonymous, self.exp.TimeToStr, self.exp.Cast))):
            inner = node.this if isinstance(node, self.exp.Cast) else node
            columns = (
                list(inner.find_all(self.exp.Column))
                if isinstance(inner, self.exp.TimeToStr | self.exp.Anonymous)
                else []
            )
            if len(columns) != 1 or (isinstance(inner, self.exp.Anonymous) and inner.name.upper() not in _DATE_PARTS):
                continue
            kinds = [
                found
                for one in self.sources.values()
                if one.table is not None and (found := one.table.column(columns[0].name)) is not None
            ]
            if kinds and not _is_date(kinds[0]) and node.parent is not None:
                node.replace(columns[0].copy())

    def _divisions(self) -> None:
        """Two whole numbers divided give a whole number here, which is never what a question means."""
        exp = self.exp
        for node in list(self._own(exp.Div)):
            sides = (node.this, node.expression)
            if any(side.find(exp.Cast, exp.TryCast, exp.Avg) or _real(side, exp) for side in sides):
                continue
            if any(side.find(exp.Count, exp.Sum, exp.Subquery, exp.Column) for side in sides):
                node.this.replace(
                    exp.cast(node.this.copy(), "REAL" if self.schema.dialect == "sqlite" else "DOUBLE PRECISION")
                )

    def _groups(self) -> None:
        """Columns beside a count or a sum are what it is grouped by; a database may ask for all of them."""
        exp = self.exp
        plain = [one for one in self.select.expressions if isinstance(one.unalias(), exp.Column)]
        sums = [
            node
            for one in self.select.expressions
            for node in one.find_all(exp.Count, exp.Sum, exp.Avg)
            if node.find_ancestor(exp.Select) is self.select and not node.find_ancestor(exp.Window)
        ]
        group = self.select.args.get("group")
        if not plain or not sums or any(isinstance(one.unalias().this, exp.Star) for one in plain):
            return
        if group is None:
            self.select.group_by(*(one.unalias().copy() for one in plain), copy=False)
        elif self.schema.dialect != "sqlite" and not any(isinstance(one, exp.Literal) for one in group.expressions):
            has = {one.name.casefold() for one in group.expressions}
            more = [one.unalias().copy() for one in plain if one.unalias().name.casefold() not in has]
            aliases = {one.alias.casefold() for one in plain if one.alias}
            self.select.group_by(*(one for one in more if not has & aliases), copy=False)


def _is_date(column: Column) -> bool:
    """Whether a column's values may be dates; those of a text column that look like none are none."""
    kind = column.type.casefold()
    if column.is_text:
        return not column.samples or any(_DATED.match(one) for one in column.samples)
    return "int" not in kind or not _NAMED_PART.search(column.name)


def _real(side: Any, exp: Any) -> bool:
    return any(not one.is_string and not one.is_int for one in side.find_all(exp.Literal))
