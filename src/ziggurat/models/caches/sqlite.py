"""`SQLiteCache`: answers in a file, shared by the threads and processes of a machine.

Write-ahead logging, so that readers never wait; the sum of the sizes is kept by triggers, so that it is
right whoever writes. The order of use is a counter, not a clock. Invariant: a database that is not ours is
never written to. Asynchronous calls run in a worker thread (LangChain's own default).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.outputs import Generation

from ziggurat.errors import InputError
from ziggurat.models.caches.entries import Trust, at_least_one, decoded, encoded, key_of

APPLICATION = 0x5A4C4C4D
"""The file's mark (``ZLLM``), in SQLite's ``application_id``."""

SCHEMA = 1
"""The version of the tables, in SQLite's ``user_version``."""

_ROW_BYTES = 100  # what a row costs beside its value: key, counters, two indexes
_BUSY_SECONDS = 10.0

_TABLES = f"""
CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE INDEX by_use ON entries (used);
CREATE TABLE total (bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TRIGGER added AFTER INSERT ON entries BEGIN UPDATE total SET bytes = bytes + new.size; END;
CREATE TRIGGER removed AFTER DELETE ON entries BEGIN UPDATE total SET bytes = bytes - old.size; END;
CREATE TRIGGER changed AFTER UPDATE OF size ON entries
    BEGIN UPDATE total SET bytes = bytes + new.size - old.size; END;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA};
"""  # noqa: S608 (two numbers of ours are put into it)

_NEXT = "(SELECT ifnull(max(used), 0) + 1 FROM entries)"
_READ = "SELECT value, used = (SELECT max(used) FROM entries) FROM entries WHERE key = ?"
_TOUCH = f"UPDATE entries SET used = {_NEXT} WHERE key = ?"  # noqa: S608 (no value is put into it)
_WRITE = (
    f"INSERT INTO entries VALUES (?, ?, ?, {_NEXT}) "  # noqa: S608 (the same)
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, size = excluded.size, used = excluded.used"
)
_FORGET = "DELETE FROM entries WHERE rowid = (SELECT rowid FROM entries ORDER BY used LIMIT 1)"


class SQLiteCache(BaseCache):
    """A bounded cache in a file.

    Args:
        path: The file; it is made if it is not there, its directory is not.
        max_bytes: Bytes of answers kept, the least recently used forgotten first. The file gets up to twice
            as large, since a page may be half empty, and does not shrink: free pages are used again.

    Raises:
        InputError: If the file cannot be opened, is another application's or of a newer version, or the bound
            is no whole number of at least 1.
    """

    def __init__(self, path: str | Path, *, max_bytes: int = 256 * 2**20) -> None:
        at_least_one(max_bytes=max_bytes)
        if str(path) == ":memory:":
            raise InputError("A SQLiteCache is a file.", fix="use MemoryCache() for answers kept in memory")
        self.path = Path(path).expanduser()
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._trust = Trust(str(self.path), "give the path of a file that can be written")
        self._process = 0
        self._database = self._opened()

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """The answer to a prompt; None if there is none, or the file cannot be read now."""
        key = key_of(prompt, llm_string)
        try:
            with self._held() as database:
                row = database.execute(_READ, (key,)).fetchone()
                if row is not None and not row[1]:
                    self._touch(database, key)
        except sqlite3.Error as error:
            self._trust.failed(error)
            return None
        return None if row is None else decoded(row[0])

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep an answer; if the file cannot be written now, it is not kept."""
        entry = encoded(return_val)
        if entry is None or len(entry) + _ROW_BYTES > self.max_bytes:
            return
        try:
            with self._held() as database:
                database.execute("BEGIN IMMEDIATE")
                try:
                    database.execute(_WRITE, (key_of(prompt, llm_string), entry, len(entry) + _ROW_BYTES))
                    while _bytes(database) > self.max_bytes and database.execute(_FORGET).rowcount:
                        pass
                    database.execute("COMMIT")
                except BaseException:
                    if database.in_transaction:
                        database.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            self._trust.failed(error)

    def clear(self, **kwargs: Any) -> None:  # noqa: ARG002 (LangChain's signature)
        """Forget every answer.

        Raises:
            InputError: If the file cannot be written; unlike a miss, that must not pass in silence.
        """
        try:
            with self._held() as database:
                database.execute("DELETE FROM entries")
        except sqlite3.Error as error:
            raise self._trust.refusal(error) from error

    @property
    def size(self) -> int:
        """Bytes of answers, with what their rows cost."""
        with self._held() as database:
            return _bytes(database)

    def close(self) -> None:
        """Close the file; the cache cannot be used any more."""
        with self._lock:
            self._close()

    def _touch(self, database: sqlite3.Connection, key: bytes) -> None:
        """Note a use; an answer that was found is given even if this fails."""
        try:
            database.execute(_TOUCH, (key,))
        except sqlite3.Error as error:
            self._trust.failed(error)

    @contextmanager
    def _held(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; a forked process gets one of its own."""
        with self._lock:
            if self._process != os.getpid():
                self._close.detach()  # it is the parent's to close
                self._inherited = self._database
                self._database = self._opened()
            yield self._database

    def _opened(self) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                _prepare(database, self.path)
            except BaseException:
                database.close()
                raise
        except sqlite3.Error as error:
            raise InputError(
                f"The cache of answers cannot be opened: {error}.",
                where=str(self.path),
                fix="give the path of a file that can be written, in a directory that is there",
            ) from error
        self._process = os.getpid()
        self._trust.worked()
        self._close = weakref.finalize(self, database.close)
        return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or see that they are ours."""
    if not _is_ours(database, path):
        _patiently(database, "PRAGMA journal_mode = WAL")
        _patiently(database, "BEGIN IMMEDIATE")
        if not _is_ours(database, path):
            for statement in _statements():
                database.execute(statement)
        database.execute("COMMIT")
    database.execute("PRAGMA synchronous = NORMAL")


def _statements() -> Iterator[str]:
    """The statements of the tables one by one: ``executescript`` would end the transaction."""
    statement = ""
    for line in _TABLES.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _is_ours(database: sqlite3.Connection, path: Path) -> bool:
    """Whether the tables are there; False for an empty file.

    Raises:
        InputError: If somebody else's are, or those of a newer version.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == APPLICATION and version > SCHEMA:
        raise InputError(
            f"The cache of answers is of version {version}; this Ziggurat reads version {SCHEMA}.",
            where=str(path),
            fix="use a newer Ziggurat, or another file",
        )
    if application != APPLICATION and (application or tables):
        raise InputError(
            "The file is a database of something else; it was not touched.", where=str(path), fix="give another file"
        )
    return bool(tables)


def _patiently(database: sqlite3.Connection, statement: str) -> None:
    """Execute what SQLite refuses at once when another process does the same."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _bytes(database: sqlite3.Connection) -> int:
    (total,) = database.execute("SELECT ifnull(sum(bytes), 0) FROM total").fetchone()
    return int(total)
