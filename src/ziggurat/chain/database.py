"""One SQLite file in WAL mode, shared by the threads of a process: the plumbing of journal and cache.

Opens, migrates, writes, reads, and says in the reader's words what SQLite refused. Knows no table:
a `Schema` brings them. One connection stands behind one lock, for a commit of ours takes tens of
microseconds; other processes are kept apart by SQLite.
Invariant: a statement or a transaction is on disk whole before the call returns, or not at all.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakSet

from ziggurat.errors import (
    InputError,
    JournalCorrupt,
    JournalError,
    JournalNotFound,
    JournalTooNew,
    JournalWriteError,
)

BUSY_SECONDS = 10.0
"""How long a call waits for another process's commit."""

# Three 2 kB values stand on a page of 8 KiB, one on a page of 4.
_PAGE_BYTES = 8192
# A commit past this many pages (4 MB) copies the WAL into the file. More pages make that rarer, but
# a WAL that is begun anew and written over is faster than one that keeps growing.
_CHECKPOINT_PAGES = 500
_WAL_BYTES_KEPT = 16 << 20

Row = tuple[Any, ...]
Step = Callable[[sqlite3.Connection], None] | str


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file holds and how it came to.

    Attributes:
        noun: What the file is called in messages.
        application_id: Tells our files from those of other programs.
        steps: Step ``n`` brings a file of version ``n`` to version ``n + 1``; an empty file has version 0.
    """

    noun: str
    application_id: int
    steps: tuple[Step, ...]

    @property
    def version(self) -> int:
        """The version that these steps lead to."""
        return len(self.steps)


class Database:
    """An open file.

    Args:
        path: The file, or None for one in memory.
        schema: Its tables.
        fsync: Whether a commit also survives a power cut, at the cost of one fsync each. Without it a commit survives
            the death of the process, and after a power cut the file is whole but may lack the last commits.
        create: Whether a missing file is made.

    Raises:
        JournalNotFound: If there is no file and none is to be made.
        JournalTooNew: If a later version wrote it.
        JournalCorrupt: If it is damaged, or is no file of this kind.
        JournalWriteError: If it cannot be opened or made.
        InputError: If the path is a directory, or a database of something else.
    """

    def __init__(self, path: Path | None, schema: Schema, *, fsync: bool = False, create: bool = True) -> None:
        self.path = path
        self.schema = schema
        self.where = str(path) if path else "memory"
        self._fsync = fsync
        self.lock = threading.RLock()
        self._closed = False
        self._disowned: sqlite3.Connection | None = None
        if path is not None:
            self._check_place(path, create=create)
        with self._translated():
            self._connection = self._open()
        self._cursor = self._connection.cursor()
        _OPEN.add(self)

    # -- statements ---------------------------------------------------------------------------------------------------

    def write(self, sql: str, row: Row = ()) -> None:
        """One statement, committed."""
        with self.lock:
            try:
                self._cursor.execute(sql, row)
            except sqlite3.Error as error:
                raise self._told(error) from error

    def rows(self, sql: str, row: Row = ()) -> list[Row]:
        """What a query finds."""
        with self.lock:
            try:
                return self._cursor.execute(sql, row).fetchall()
            except sqlite3.Error as error:
                raise self._told(error) from error

    def insert(self, sql: str, row: Row, key: str) -> int | None:  # noqa: ARG002 (other databases need its name)
        """One row; returns its number, or None where it was there already. Far cheaper than ``RETURNING``."""
        with self.lock:
            try:
                self._cursor.execute(sql, row)
            except sqlite3.Error as error:
                raise self._told(error) from error
            return self._cursor.lastrowid if self._cursor.rowcount else None

    def write_many(self, sql: str, rows: Iterable[Row]) -> None:
        """One statement over many rows; call it in a `transaction`."""
        with self.lock:
            try:
                self._cursor.executemany(sql, rows)
            except sqlite3.Error as error:
                raise self._told(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One commit: all of the block, or on any error none of it."""
        with self.lock:
            self.write("BEGIN IMMEDIATE")
            try:
                yield
                self.write("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after a full disk; then there is nothing to undo.
                if self._connection.in_transaction:
                    self._connection.rollback()
                raise

    # -- the file -----------------------------------------------------------------------------------------------------

    def version_of_data(self) -> int:
        """A number that changes when another connection has committed; costs microseconds."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def used_bytes(self) -> int:
        """The pages in use; pages that were freed stay in the file and are used again."""
        with self.lock:
            pages, free, size = (
                self.rows(f"PRAGMA {what}")[0][0] for what in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def compact(self) -> None:
        """Give freed pages back to the file system, if there are many and nobody else is writing."""
        with self.lock:
            pages, free = (self.rows(f"PRAGMA {what}")[0][0] for what in ("page_count", "freelist_count"))
            if free * 4 < pages or free < 256:  # noqa: PLR2004 (a quarter of the file, and at least a megabyte)
                return
            try:
                self._cursor.execute("VACUUM")
                self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.OperationalError:
                return  # the room is used again all the same

    def faults(self) -> list[str]:
        """What SQLite finds wrong with the file."""
        try:
            found = [str(line) for (line,) in self.rows("PRAGMA integrity_check(20)")]
        except JournalCorrupt as error:
            return [error.what]
        return [] if found == ["ok"] else found

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        with self.lock:
            self._closed = True
            self._connection.close()
            _OPEN.discard(self)

    def disown(self) -> None:
        """Refuse every further call: this process is the child of the one that opened the file."""
        self.lock = threading.RLock()
        self._disowned = self._connection
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._cursor = self._connection.cursor()
        self._connection.close()

    # -- opening ------------------------------------------------------------------------------------------------------

    def _check_place(self, path: Path, *, create: bool) -> None:
        noun = self.schema.noun
        if path.is_dir():
            raise InputError(
                f"A {noun} is a file, and this is a directory.",
                where=self.where,
                fix=f"give a file in it: {path / (noun + '.sqlite3')}",
            )
        if path.exists():
            return
        if not create:
            raise JournalNotFound(f"There is no {noun} at this place.", where=self.where)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalWriteError(
                f"The folder of the {noun} cannot be made: {error.strerror}.", where=str(path.parent)
            ) from error

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return self._prepared(self._connect(":memory:", uri=False))
        address = f"file:{quote(str(self.path.absolute()))}"
        try:
            return self._prepared(self._connect(f"{address}?mode=rwc"))
        except sqlite3.OperationalError as refused:
            # A file on a disk that cannot be written to is read as it is; writes to it are refused one by one.
            if (
                not refused.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN"))
                or not self.path.exists()
            ):
                raise
            return self._prepared(self._connect(f"{address}?mode=ro&immutable=1"), read_only=True)

    @staticmethod
    def _connect(address: str, *, uri: bool = True) -> sqlite3.Connection:
        return sqlite3.connect(
            address, uri=uri, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=128
        )

    def _prepared(self, connection: sqlite3.Connection, *, read_only: bool = False) -> sqlite3.Connection:
        try:
            # A file from a stranger: no function of its schema may do more than hold data.
            connection.execute("PRAGMA trusted_schema = OFF")
            self._check_version(connection)
            if read_only:
                return connection
            connection.execute(
                f"PRAGMA page_size = {_PAGE_BYTES}"
            )  # of a new file; a file that has pages keeps its own
            self._enter_wal(connection)
            if self._version(connection) != self.schema.version:
                self._migrate(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._fsync else 'NORMAL'}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _enter_wal(connection: sqlite3.Connection) -> None:
        """Change the mode for good; SQLite does not wait by itself when several processes make one file."""
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return

    def _version(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _check_version(self, connection: sqlite3.Connection) -> None:
        noun = self.schema.noun
        found = self._version(connection)
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and mark != self.schema.application_id:
            raise InputError(
                f"This file is another database, and no {noun}.", where=self.where, fix="give another file name"
            )
        if found > self.schema.version:
            raise JournalTooNew(
                f"The {noun} has schema version {found}; this version of Ziggurat reads up to {self.schema.version}.",
                found=found,
                known=self.schema.version,
                where=self.where,
                fix=f"upgrade ziggurat, or give another file for a new {noun}",
            )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for step in self.schema.steps[
                self._version(connection) :
            ]:  # asked again: another process may have been first
                if isinstance(step, str):
                    for statement in step.split(";\n"):
                        connection.execute(statement)
                else:
                    step(connection)
            connection.execute(f"PRAGMA application_id = {self.schema.application_id}")
            connection.execute(f"PRAGMA user_version = {self.schema.version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    # -- errors -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _told(self, error: sqlite3.Error) -> Exception:
        """SQLite's error in ours, by what it means for the reader."""
        noun, where = self.schema.noun, self.where
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__
        if self._closed:
            return InputError(f"This {noun} has been closed.", where=where, fix="open it again")
        if self._disowned is not None:
            return InputError(
                f"This {noun} was opened before the process forked.", where=where, fix=f"open the {noun} in the child"
            )
        for prefixes, kind, what, fix in _MEANINGS:
            if name.startswith(prefixes) or (kind is JournalCorrupt and "no such" in str(error)):
                return kind(what.format(noun=noun, name=name, error=error), where=where, fix=fix)
        return JournalError(f"SQLite refused ({name}): {error}.", where=where)


_MEANINGS: Sequence[tuple[tuple[str, ...], type[JournalError], str, str]] = (
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        JournalWriteError,
        "Another process has been writing to this {noun} for too long; nothing was written.",
        "try again, or see which process holds the file",
    ),
    (
        ("SQLITE_FULL",),
        JournalWriteError,
        "The disk is full; this was not written to the {noun}. What was recorded before is intact.",
        "make room; then go on with the same file",
    ),
    (
        ("SQLITE_READONLY",),
        JournalWriteError,
        "The {noun} is read-only; nothing was written.",
        "see that its file and folder can be written to, or give another file",
    ),
    (
        ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_IOERR_SHORT_READ"),
        JournalCorrupt,
        "The {noun} is damaged or is no {noun}: {error}.",
        "put back a copy, or move the file away and begin a new one",
    ),
    (
        ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_NOMEM", "SQLITE_TOOBIG"),
        JournalWriteError,
        "The {noun} could not be read or written ({name}): {error}. What was recorded before is intact.",
        "see that the disk has room and the folder can be written to",
    ),
)

_OPEN: WeakSet[Database] = WeakSet()


def _after_fork() -> None:
    """In the child of a fork, let nobody use or close a connection of the parent: both would corrupt the file."""
    for database in list(_OPEN):
        database.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
