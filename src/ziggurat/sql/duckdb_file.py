"""DuckDB as a `Reader`: opened read-only, shut off from files and network, its settings locked.

So a query can neither write nor read a CSV or Parquet file beside the database, load an extension or
attach another database. A timer interrupts what takes too long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ziggurat.errors import DatabaseUnavailable, QueryFailed, QueryTimeout
from ziggurat.optional import require
from ziggurat.sql.rows import Limits, Rows, gathered
from ziggurat.sql.schema import Column, Join, Table

_SETTINGS = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "1GB",
    "threads": "2",
    "max_temp_directory_size": "0B",
    "lock_configuration": "true",
}
_MAGIC = b"DUCK"
_USUAL = "main"


def is_duckdb(path: Path) -> bool:
    """Whether a file is a DuckDB database."""
    with path.open("rb") as file:
        return file.read(12)[8:] == _MAGIC


@dataclass
class DuckDBReader:
    """A DuckDB file.

    Args:
        path: The file.
    """

    path: Path
    dialect: str = field(default="duckdb", init=False)

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    def tables(self) -> list[Table]:
        """Tables and views of every schema, with comments and keys."""
        with self._connected() as connection:
            columns = connection.execute(
                "SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns() "
                "WHERE NOT internal AND database_name = current_database() ORDER BY table_oid, column_index"
            ).fetchall()
            keys = connection.execute(
                "SELECT schema_name, table_name, constraint_type, constraint_column_names, referenced_table, "
                "referenced_column_names FROM duckdb_constraints() WHERE database_name = current_database()"
            ).fetchall()
        tables: dict[str, Table] = {}
        for schema, table, column, kind, comment in columns:
            name = _named(schema, table)
            known = tables.setdefault(name, Table(name, ()))
            made = Column(column, str(kind), comment=" ".join(str(comment or "").split()))
            tables[name] = replace(known, columns=(*known.columns, made))
        for schema, table, kind, own, other, others in keys:
            name = _named(schema, table)
            if kind == "PRIMARY KEY" and len(own) == 1:
                tables[name] = replace(
                    tables[name],
                    columns=tuple(replace(one, primary=one.name == own[0]) for one in tables[name].columns),
                )
            if kind == "FOREIGN KEY":
                joins = tuple(
                    Join(name, *pair)
                    for pair in ((a, _named(schema, other), b) for a, b in zip(own, others, strict=True))
                )
                tables[name] = replace(tables[name], joins=(*tables[name].joins, *joins))
        return list(tables.values())

    def fetch(self, query: str, limits: Limits) -> Rows:
        """Run a query in a connection of its own."""
        began = time.monotonic()
        with self._connected() as connection:
            stopped = threading.Event()

            def stop() -> None:
                stopped.set()
                connection.interrupt()

            timer = threading.Timer(limits.seconds, stop)
            timer.start()
            try:
                cursor = connection.execute(query)
                names = [one[0] for one in cursor.description or ()]
                columns, rows, cut = gathered(names, _each(cursor, min(limits.rows + 1, 256)), limits)
            except self._error as error:
                if stopped.is_set():
                    raise QueryTimeout(
                        f"The query ran longer than {limits.seconds:g} seconds and was stopped.",
                        where=self.where,
                        fix="ask for less, or give more seconds",
                    ) from error
                told = " ".join(str(error).split())[:300].rstrip(".")
                raise QueryFailed(
                    f"The database cannot run the query: {told}.", where=f"{self.where}: {query[:200]}"
                ) from error
            finally:
                timer.cancel()
                timer.join()
        return Rows(columns, rows, cut, time.monotonic() - began, query)

    @property
    def _error(self) -> type[Exception]:
        kind: type[Exception] = require("duckdb", for_="reading DuckDB databases", extra="duckdb").Error
        return kind

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        duckdb = require("duckdb", for_="reading DuckDB databases", extra="duckdb")
        try:
            connection = duckdb.connect(str(self.path), read_only=True, config=_SETTINGS)
        except duckdb.Error as error:
            told = " ".join(str(error).split())[:300].rstrip(".")
            raise DatabaseUnavailable(f"The database cannot be opened: {told}.", where=self.where) from error
        with closing(connection):
            yield connection


def _named(schema: str, table: str) -> str:
    return table if schema == _USUAL else f"{schema}.{table}"


def _each(cursor: Any, batch: int) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(batch):
        yield from rows
