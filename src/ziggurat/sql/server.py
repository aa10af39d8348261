"""Database servers as a `Reader`, through SQLAlchemy: every query in a transaction that may only read.

Postgres, MySQL and MariaDB are told so, and to stop what takes too long; rows come through a cursor on the
server, so what is not fetched is not sent. The connection is closed after each query and never goes back
to a pool, so nothing that was set for it outlives it. Of another kind of server only the check of the query and the
rollback are sure: give it a user who may only read. MySQL's FILE right, which writes files
from a SELECT, is held off by the check alone: a user for questions should not have it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ziggurat.errors import DatabaseUnavailable, QueryFailed, QueryTimeout
from ziggurat.loaders.addresses import plain, without
from ziggurat.loaders.read_only import DIALECTS
from ziggurat.optional import require
from ziggurat.sql.rows import Limits, Rows, gathered
from ziggurat.sql.schema import Column, Join, Table

_FOR = "asking databases"
_TIMED_OUT = (
    "statement timeout",
    "max_statement_time",
    "maximum statement execution time",
    "query execution was interrupted",
)


@dataclass
class ServerReader:
    """A database behind a SQLAlchemy engine.

    Args:
        engine: The engine; the caller's, who empties it.
    """

    engine: Any = field(repr=False)

    @property
    def dialect(self) -> str:
        """Sqlglot's name of its SQL; empty for general SQL."""
        name = DIALECTS.get(self.engine.dialect.name, self.engine.dialect.name)
        return name if require("sqlglot", for_=_FOR, extra="sql").Dialect.get(name) else ""

    @property
    def where(self) -> str:
        """The address without user and password."""
        return plain(self.engine.url.render_as_string(hide_password=True))

    def tables(self) -> list[Table]:
        """Tables and views of the usual schema, and on Postgres of every other schema of the user's."""
        inspect = require("sqlalchemy", for_=_FOR, extra="sql").inspect
        with self._said("its tables", None), self._reading(Limits()) as connection:
            inspector = inspect(connection)
            usual = inspector.default_schema_name
            schemas = [usual]
            if self.dialect == "postgres":
                schemas += [one for one in inspector.get_schema_names() if one not in (usual, "information_schema")]
            return [
                self._table(inspector, name, None if schema == usual else schema)
                for schema in schemas
                for name in [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
            ]

    @staticmethod
    def _table(inspector: Any, name: str, schema: str | None) -> Table:
        keys = inspector.get_pk_constraint(name, schema).get("constrained_columns") or []
        columns = tuple(
            Column(
                one["name"],
                str(one["type"]),
                primary=keys == [one["name"]],
                comment=" ".join(str(one.get("comment") or "").split()),
            )
            for one in inspector.get_columns(name, schema)
        )
        whole = f"{schema}.{name}" if schema else name
        joins = tuple(
            Join(
                whole,
                own,
                f"{key['referred_schema']}.{key['referred_table']}"
                if key["referred_schema"]
                else key["referred_table"],
                other,
            )
            for key in inspector.get_foreign_keys(name, schema)
            for own, other in zip(key["constrained_columns"], key["referred_columns"], strict=True)
        )
        return Table(whole, columns, joins=joins)

    def fetch(self, query: str, limits: Limits) -> Rows:
        """Run a query in a transaction that may only read; rolled back."""
        began = time.monotonic()
        streams = not query.upper().startswith("EXPLAIN")
        with self._said(query, limits), self._reading(limits, stream=streams) as connection:
            result = connection.exec_driver_sql(query)
            columns, rows, cut = gathered(result.keys(), _each(result), limits)
            result.close()  # MySQL's driver reads what is left; its settings see to it that little is
        return Rows(columns, rows, cut, time.monotonic() - began, query)

    @contextmanager
    def _reading(self, limits: Limits, *, stream: bool = False) -> Iterator[Any]:
        options: dict[str, Any] = {"no_parameters": True}
        if self.engine.dialect.name == "postgresql":
            options["postgresql_readonly"] = True
        with self.engine.connect() as connection:
            connection = connection.execution_options(**options)  # noqa: PLW2901 (the same connection)
            driver = connection.connection.dbapi_connection
            connection.detach()  # it never goes back to the pool
            for statement in self._settings(limits):
                connection.exec_driver_sql(statement)
            try:
                yield connection.execution_options(stream_results=stream, max_row_buffer=64) if stream else connection
            finally:
                driver.close()  # what was not fetched is not waited for; the server rolls back and forgets what was set
                connection.invalidate()

    def _settings(self, limits: Limits) -> list[str]:
        """What a connection is told before the query."""
        milliseconds = max(1, int(limits.seconds * 1000))
        kind = self.engine.dialect.name
        if kind == "postgresql":
            return [
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                f"SET LOCAL statement_timeout = {milliseconds}",
                f"SET LOCAL lock_timeout = {milliseconds}",
                "SET LOCAL standard_conforming_strings = on",
            ]
        if kind in ("mysql", "mariadb"):
            timed = (
                f"SET SESSION max_statement_time = {limits.seconds:.3f}"
                if getattr(self.engine.dialect, "is_mariadb", False)
                else f"SET SESSION max_execution_time = {milliseconds}"
            )
            return [
                timed,
                f"SET SESSION sql_select_limit = {limits.rows + 1}",
                "SET SESSION sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES'",
                "SET SESSION TRANSACTION READ ONLY",
                "START TRANSACTION READ ONLY",
            ]
        return []

    @contextmanager
    def _said(self, query: str, limits: Limits | None) -> Iterator[None]:
        """What SQLAlchemy raises within the block, in our words and without the password."""
        errors = require("sqlalchemy.exc", for_=_FOR, extra="sql")
        try:
            yield
        except errors.DBAPIError as error:
            told = without(" ".join(str(error.orig).split())[:300], self.engine.url.password).rstrip(".")
            if limits is not None and any(word in told.casefold() for word in _TIMED_OUT):
                raise QueryTimeout(
                    f"The query ran longer than {limits.seconds:g} seconds and was stopped.",
                    where=self.where,
                    fix="ask for less, or give more seconds",
                ) from None
            if limits is None or error.connection_invalidated:
                raise DatabaseUnavailable(f"The database cannot be read: {told}.", where=self.where) from None
            raise QueryFailed(
                f"The database cannot run the query: {told}.", where=f"{self.where}: {query[:200]}"
            ) from None
        except errors.SQLAlchemyError as error:
            raise QueryFailed(f"The query cannot be run: {type(error).__name__}.", where=self.where) from None


def _each(result: Any) -> Iterator[Any]:
    """One row, then a few at a time: a row of a great many bytes is not fetched together with others like it."""
    for rows in result.partitions(16):
        yield from rows
