"""SQLite as a `Reader`: four locks one behind the other, each of which would hold alone.

The file is opened with ``mode=ro``; the connection is told ``query_only``; an authorizer lets nothing but
reads of the allowed tables through; nothing can be attached, and no extension loaded. A progress handler
stops what takes too long, and SQLite itself refuses values longer than a limit.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from ziggurat.errors import DatabaseUnavailable, QueryFailed, QueryRefused, QueryTimeout
from ziggurat.sql.functions import allowed
from ziggurat.sql.rows import Limits, Rows, gathered
from ziggurat.sql.schema import Column, Join, Table

_MAGIC = b"SQLite format 3\0"
_LONGEST_VALUE = 20_000_000
_STEPS = 10_000
"""Of SQLite's machine between two looks at the clock: well under a millisecond."""
_BUSY = 2.0
_OPERATORS = frozenset({"like", "glob", "match", "regexp", "->", "->>"})
_COMMENT = re.compile(r"^\s*[\[\"`]?(\w+)[\]\"`]?\s+[^\n]*?--[ \t]*(\S[^\n]*?)\s*$", re.MULTILINE)


def is_sqlite(path: Path) -> bool:
    """Whether a file is a SQLite database; an empty one is none."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


@dataclass
class SQLiteReader:
    """A SQLite file.

    Args:
        path: The file.
        shared: Gives a connection that is open already, in place of a file (a database in memory).
    """

    path: Path
    shared: Callable[[], sqlite3.Connection] | None = None
    dialect: str = field(default="sqlite", init=False)

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    def tables(self) -> list[Table]:
        """Tables and views, with the comments that stand in their definitions."""
        with self._connected() as connection, self._said("its tables"):
            found = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            ).fetchall()
            return [self._table(connection, name, sql or "") for name, sql in found]

    def _table(self, connection: sqlite3.Connection, name: str, sql: str) -> Table:
        comments = {column.casefold(): " ".join(said.split()) for column, said in _COMMENT.findall(sql)}
        columns = tuple(
            Column(column, kind, primary=bool(primary), comment=comments.get(column.casefold(), ""))
            for _, column, kind, _, _, primary in connection.execute("SELECT * FROM pragma_table_info(?)", (name,))
        )
        if sum(column.primary for column in columns) > 1:
            columns = tuple(replace(column, primary=False) for column in columns)
        keys = connection.execute('SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)', (name,)).fetchall()
        joins = tuple(Join(name, own, other, column or own) for other, own, column in keys)
        return Table(name, columns, joins=joins)

    def fetch(self, query: str, limits: Limits) -> Rows:
        """Run a query behind the locks."""
        began = time.monotonic()
        deadline = began + limits.seconds
        refused: list[str] = []
        with self._connected() as connection:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            connection.set_authorizer(_authorizer(refused))
            try:
                with self._said(query, refused, limits):
                    cursor = connection.execute(query)
                    names = [one[0] for one in cursor.description or ()]
                    columns, rows, cut = gathered(names, iter(cursor), limits)
                    cursor.close()
            finally:
                connection.set_authorizer(None)
                connection.set_progress_handler(None, 0)
        return Rows(columns, rows, cut, time.monotonic() - began, query)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        if self.shared is not None:
            connection = self.shared()
            connection.execute("PRAGMA query_only = ON")
            try:
                yield connection
            finally:
                connection.execute("PRAGMA query_only = OFF")
            return
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(self.path.absolute()))}?mode=ro", uri=True, timeout=_BUSY, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"The database cannot be opened: {error}.", where=self.where) from error
        with closing(connection):
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            yield connection

    @contextmanager
    def _said(self, query: str, refused: list[str] | None = None, limits: Limits | None = None) -> Iterator[None]:
        """What sqlite3 raises within the block, in our words."""
        try:
            yield
        except sqlite3.Error as error:
            told = str(error).rstrip(".")
            if told == "interrupted" and limits is not None:
                raise QueryTimeout(
                    f"The query ran longer than {limits.seconds:g} seconds and was stopped.",
                    where=self.where,
                    fix="ask for less, or give more seconds",
                ) from error
            if refused:
                raise QueryRefused(f"The query may not {refused[0]}.", where=self.where) from error
            raise QueryFailed(
                f"The database cannot run the query: {told}.", where=f"{self.where}: {query[:200]}"
            ) from error


def _authorizer(refused: list[str]) -> Callable[[int, str | None, str | None, str | None, str | None], int]:
    """SQLite asks it of everything a statement is about to do, before it does any of it."""
    functions = allowed("sqlite") | _OPERATORS

    def ask(action: int, first: str | None, second: str | None, database: str | None, within: str | None) -> int:  # noqa: ARG001 (SQLite's signature)
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_READ | sqlite3.SQLITE_RECURSIVE:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_FUNCTION if (second or "").casefold() in functions:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_FUNCTION:
                refused.append(f"call {second}")
            case sqlite3.SQLITE_PRAGMA if within is not None or first == "data_version":
                return sqlite3.SQLITE_OK
            case _:
                refused.append("do more than read")
        return sqlite3.SQLITE_DENY

    return ask
