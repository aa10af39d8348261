"""`Schema`: what a database holds, as values and as a text that a model reads.

Knows no database; the readers make it. The text has the form of CREATE TABLE statements with a comment a
column (its meaning, some of its values) and the joins that can be made, since models have read such texts most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_SAMPLES_SHOWN = 3
_SAMPLE_WIDTH = 40
_PLAIN = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: As the database has it.
        type: As declared, such as ``INTEGER``.
        primary: Whether it is part of the primary key.
        comment: What the database says of it.
        samples: Some of its values, for columns of text.
    """

    name: str
    type: str = ""
    primary: bool = False
    comment: str = ""
    samples: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        kind = self.type.casefold()
        return not kind or any(word in kind for word in ("char", "text", "clob", "string", "enum"))


@dataclass(frozen=True, slots=True)
class Join:
    """A column that refers to another table's.

    Attributes:
        table: The table that refers.
        column: Its column.
        other: The table referred to.
        other_column: Its column.
        declared: Whether the database says so; else the names do.
    """

    table: str
    column: str
    other: str
    other_column: str
    declared: bool = True

    def __str__(self) -> str:
        on = f"{quoted(self.table)}.{quoted(self.column)} = {quoted(self.other)}.{quoted(self.other_column)}"
        return f"{quoted(self.table)} JOIN {quoted(self.other)} ON {on}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view.

    Attributes:
        name: With its schema before a dot where that is not the usual one.
        columns: In order.
        comment: What the database says of it.
        joins: Foreign keys.
    """

    name: str
    columns: tuple[Column, ...]
    comment: str = ""
    joins: tuple[Join, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that name, in any case."""
        return next((one for one in self.columns if one.name.casefold() == name.casefold()), None)

    def text(self, *, samples: bool = True) -> str:
        """As a CREATE TABLE statement."""
        lines = [f"CREATE TABLE {quoted(self.name)} ({f' -- {self.comment}' if self.comment else ''}"]
        for at, column in enumerate(self.columns):
            head = f"  {quoted(column.name)} {column.type}{' PRIMARY KEY' if column.primary else ''}".rstrip()
            notes = [column.comment] if column.comment else []
            if samples and column.samples and not column.comment:
                notes.append("e.g. " + ", ".join(_literal(one) for one in column.samples[:_SAMPLES_SHOWN]))
            comma = "," if at < len(self.columns) - 1 else ""
            lines.append(head + comma + (f" -- {'; '.join(notes)}" if notes else ""))
        return "\n".join([*lines, ");"])


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a database.

    Attributes:
        tables: In the database's order.
        dialect: sqlglot's name of its SQL.
    """

    tables: tuple[Table, ...]
    dialect: str = "sqlite"

    def table(self, name: str) -> Table | None:
        """The table of that name, in any case, with or without its schema."""
        wanted = name.casefold()
        for table in self.tables:
            if wanted in (table.name.casefold(), table.name.casefold().rpartition(".")[2]):
                return table
        return None

    def chosen(self, names: Iterable[str]) -> Schema:
        """Only these tables, in the database's order."""
        wanted = {name.casefold() for name in names}
        return Schema(tuple(one for one in self.tables if one.name.casefold() in wanted), self.dialect)

    @property
    def joins(self) -> tuple[Join, ...]:
        """The declared foreign keys, and what the names of columns say where none is declared."""
        names = {table.name.casefold() for table in self.tables}
        declared = [join for table in self.tables for join in table.joins if join.other.casefold() in names]
        return tuple(declared) if declared else tuple(self._guessed())

    def _guessed(self) -> Iterator[Join]:
        """What the names of columns say: a name like a key that several tables have is at home in one of them."""
        for table in self.tables:
            for column in table.columns:
                if (stem := _stem(column.name)) and (home := self._home(table, column.name, stem)):
                    yield Join(table.name, column.name, *home, declared=False)

    def _home(self, table: Table, key: str, stem: str) -> tuple[str, str] | None:
        """Where a key is at home; None where that is this table, or nowhere."""
        twins = [(_homely(one, stem), one, twin) for one in self.tables if (twin := one.column(key))]
        if len(twins) > 1:
            _, home, twin = max(twins, key=lambda found: found[0])
            return None if home is table else (home.name, twin.name)
        for other in self.tables:
            if other is not table and _same_noun(stem, other.name) and (twin := other.column("id")):
                return other.name, twin.name
        return None

    def text(self, tables: Iterable[str] | None = None, *, samples: bool = True) -> str:
        """What a model is shown.

        Args:
            tables: Only these; all unless given.
            samples: Whether to show some values of columns of text.
        """
        shown = self if tables is None else self.chosen(tables)
        parts = [table.text(samples=samples) for table in shown.tables]
        if joins := shown.joins:
            parts.append("\n".join(["-- Joins:", *(f"-- {join}" for join in joins)]))
        return "\n".join(parts)

    def __str__(self) -> str:
        return self.text()


def quoted(name: str) -> str:
    """A name as it stands in SQL; each part of a dotted one for itself."""
    return ".".join(part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in name.split("."))


def _literal(sample: str) -> str:
    line = " ".join(sample.split())
    return "'" + (line[:_SAMPLE_WIDTH] + "…" if len(line) > _SAMPLE_WIDTH else line).replace("'", "''") + "'"


def _stem(name: str) -> str:
    """What a name like a key is the key of: ``restaurant`` of ``restaurant_id``; empty if it is not like a key."""
    stem = re.sub(r"_?(id|code|key|no|num)$", "", name.casefold())
    return "" if stem == name.casefold() else stem


def _homely(table: Table, stem: str) -> tuple[bool, bool, bool, bool, int]:
    """How likely a table is the home of a key: named like it, or after it, with more in it than keys, a short name."""
    more = any(not _stem(column.name) for column in table.columns)
    name = table.name.casefold()
    last = more and re.search(rf"(^|_){re.escape(stem)}(ie|e)?s?$", name) is not None
    return _same_noun(stem, name), last, more, name.startswith(stem), -len(name)


def _same_noun(one: str, other: str) -> bool:
    first, second = (re.sub(r"(ies|s|y)$", "", name.casefold().rpartition(".")[2]) for name in (one, other))
    return first == second
