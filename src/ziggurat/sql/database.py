"""`Database`: a database that is asked questions and never written to.

Brings together the check of a query, the reader that runs it, and the limits on what comes back. Which kind
of database it is, is decided here once. Invariant: the only text that reaches the database on behalf of a
caller is one that `check` wrote.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ziggurat.errors import DatabaseUnavailable, InputError, QueryFailed, gist
from ziggurat.loaders.addresses import plain
from ziggurat.loaders.database import open_engine
from ziggurat.optional import require
from ziggurat.sql.check import Checked, check
from ziggurat.sql.duckdb_file import DuckDBReader, is_duckdb
from ziggurat.sql.reader import Reader
from ziggurat.sql.rows import Limits, Rows
from ziggurat.sql.schema import Column, Schema, Table
from ziggurat.sql.server import ServerReader
from ziggurat.sql.sqlite_file import SQLiteReader, is_sqlite
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from sqlalchemy import Engine

_SAMPLED_ROWS = 200
_SAMPLES = 5
_LINKED_ROWS = 20_000
_LINKED_VALUES = 5_000
_LONGEST_VALUE = 100


class Database:
    """A database, open for reading; made by `open`.

    Args:
        reader: What reads it.
        limits: On what a query gives.
        tables: The only tables that may be read; all unless given.
    """

    def __init__(self, reader: Reader, limits: Limits, tables: Iterable[str] | None = None) -> None:
        self._reader = reader
        self.limits = limits
        self._only = None if tables is None else tuple(tables)
        self._values: dict[tuple[str, str], tuple[str, ...]] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        given: str | Path | Engine,
        *,
        rows: int = 1000,
        seconds: float = 10.0,
        tables: Iterable[str] | None = None,
    ) -> Self:
        """Open a database.

        Args:
            given: A SQLite or DuckDB file, a SQLAlchemy address (``postgresql://user@host/name``,
                ``mysql://...``, ``sqlite:///file.db``, ``duckdb:///file.duckdb``), or an engine.
            rows: What a query gives at most.
            seconds: After which a query is stopped.
            tables: The only tables that may be read; all unless given.

        Raises:
            InputError: For a limit that is none, or a table that is not there.
            DatabaseUnavailable: If there is no database, or it cannot be reached.
            MissingDependency: If a package for this kind of database is not installed.
        """
        if rows < 1 or not seconds > 0:
            raise InputError("A query gives at least one row and takes some time.", fix="rows=1000, seconds=10")
        opened = cls(_reader(given), Limits(rows, seconds), tables)
        opened._all  # noqa: B018 (fails early where it cannot be read)
        return opened

    @property
    def dialect(self) -> str:
        """Sqlglot's name of its SQL; empty for general SQL."""
        return self._reader.dialect

    @property
    def where(self) -> str:
        """The database as it may be shown: without user and password."""
        return self._reader.where

    @property
    def stamp(self) -> dict[str, Any] | None:
        """What tells a file from its earlier self: where it is, its size and time; None for a server."""
        if not isinstance(self._reader, SQLiteReader | DuckDBReader) or not self._reader.path.is_file():
            return None
        path = self._reader.path.absolute()
        beside = [one for suffix in ("-wal", ".wal") if (one := path.with_name(path.name + suffix)).is_file()]
        states = [one.stat() for one in (path, *beside)]
        return {"file": str(path), "states": [[state.st_size, state.st_mtime_ns] for state in states]}

    def __repr__(self) -> str:
        return f"Database({self.where!r})"

    def schema(self) -> Schema:
        """The tables that may be read, with some values of their columns of text. Read once."""
        return self._schema

    def check(self, query: str) -> Checked:
        """What would be sent for a query.

        Raises:
            QueryRefused: If it is not one query that only reads known tables.
        """
        return check(query, self.dialect, [table.name for table in self._all], self.where)

    def run(self, query: str) -> Rows:
        """Run a query that only reads.

        Raises:
            QueryRefused: If it is anything else; the database never sees it.
            QueryFailed: If the database cannot run it.
            QueryTimeout: If it takes too long.
        """
        return self._reader.fetch(self.check(query).text, self.limits)

    def values(self, table: str, column: str) -> tuple[str, ...]:
        """The different values of a column of text, up to some thousands, from its first rows; read once."""
        known = self.schema().table(table)
        found = known.column(column) if known else None
        if known is None or found is None:
            raise InputError(f"There is no column {table}.{column}.", where=self.where)
        key = (known.name, found.name)
        with self._lock:
            if key not in self._values:
                rows = self._read(known, [found], _LINKED_ROWS)
                self._values[key] = _different((row[0] for row in rows), _LINKED_VALUES)
            return self._values[key]

    @cached_property
    def _all(self) -> tuple[Table, ...]:
        """The tables that may be read, without samples."""
        tables = self._reader.tables()
        if self._only is None:
            return tuple(tables)
        named = {table.name.casefold(): table for table in tables}
        for name in self._only:
            if name.casefold() not in named:
                raise InputError(f"There is no table {name!r}{did_you_mean(name, named)}.", where=self.where)
        return tuple(named[name.casefold()] for name in dict.fromkeys(self._only))

    @cached_property
    def _schema(self) -> Schema:
        return Schema(tuple(map(self._sampled, self._all)), self.dialect)

    def _sampled(self, table: Table) -> Table:
        texts = [column for column in table.columns if column.is_text]
        if not texts:
            return table
        rows = self._read(table, texts, _SAMPLED_ROWS)
        samples = {column.name: _different((row[at] for row in rows), _SAMPLES) for at, column in enumerate(texts)}
        return replace(
            table,
            columns=tuple(replace(one, samples=samples.get(one.name, ())) for one in table.columns),
        )

    def _read(self, table: Table, columns: list[Column], most: int) -> tuple[tuple[Any, ...], ...]:
        """The first rows of a table; none of a view that cannot be read."""
        exp = require("sqlglot", for_="asking databases", extra="sql").exp
        names = [exp.column(exp.to_identifier(column.name, quoted=True)) for column in columns]
        whole = exp.table_(*(exp.to_identifier(part, quoted=True) for part in reversed(_parts(table.name))))
        query = exp.select(*names).from_(whole).limit(most).sql(dialect=self.dialect)
        try:
            return self._reader.fetch(query, replace(self.limits, rows=most)).rows
        except QueryFailed:
            return ()


def _parts(name: str) -> list[str]:
    schema, dot, table = name.rpartition(".")
    return [schema, table] if dot else [name]


def _different(cells: Iterable[Any], most: int) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for cell in cells:
        if isinstance(cell, str) and cell.strip() and len(cell) <= _LONGEST_VALUE:
            found.setdefault(cell)
            if len(found) >= most:
                break
    return tuple(found)


def _reader(given: Any) -> Reader:
    if isinstance(given, Path) or (isinstance(given, str) and "://" not in given):
        return _file(Path(given))
    if hasattr(given, "connect"):
        return _of_engine(given)
    address = str(given).removeprefix("sql+")
    if address.startswith(("sqlite:", "duckdb:")):
        path = address.partition("://")[2].partition("?")[0].removeprefix("/")
        if not path or path == ":memory:":
            raise DatabaseUnavailable(
                "A database in memory begins empty.", where=plain(address), fix="give the engine that holds it"
            )
        return _file(Path(path))
    sqlalchemy = require("sqlalchemy", for_="asking databases", extra="sql")
    try:
        return ServerReader(open_engine(sqlalchemy, address))
    except InputError as error:
        raise DatabaseUnavailable(gist(error), where=error.where, fix=error.fix) from error


def _file(path: Path) -> Reader:
    try:
        if is_sqlite(path):
            return SQLiteReader(path)
        if is_duckdb(path):
            return DuckDBReader(path)
    except OSError as error:
        raise DatabaseUnavailable(
            f"There is no database file: {error.strerror or type(error).__name__}.",
            where=str(path),
            fix="give a SQLite or DuckDB file, or an address such as postgresql://user@host/name",
        ) from error
    raise DatabaseUnavailable("The file is no SQLite or DuckDB database.", where=str(path))


def _of_engine(engine: Any) -> Reader:
    """The reader of a SQLAlchemy engine; one over a file is opened anew, for reading only."""
    kind, name = engine.dialect.name, str(engine.url.database or "")
    path = Path(name.removeprefix("file:").partition("?")[0])
    if kind in ("sqlite", "duckdb") and name not in ("", ":memory:") and path.is_file():
        return _file(path)
    if kind == "sqlite":

        def shared() -> sqlite3.Connection:
            connection: sqlite3.Connection = engine.raw_connection().driver_connection
            return connection

        return SQLiteReader(Path(":memory:"), shared)
    return ServerReader(engine)
