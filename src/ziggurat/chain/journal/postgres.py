"""A journal in a Postgres database, for several machines.

Each call is a round trip, so calls belong in a worker thread. One connection serves all calls of a `Journal`,
behind a lock; each hold has a connection of its own, whose death is the end of the hold. A call that
finds its connection dead says so, and the next call makes a new one.
Invariant: a call is one transaction, seen whole or not at all.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ziggurat.chain.database import Row
from ziggurat.chain.journal.engine import Hold
from ziggurat.chain.journal.locks import Claim, in_progress
from ziggurat.chain.journal.retention import HELD
from ziggurat.chain.journal.rows import TABLES
from ziggurat.errors import InputError, JournalCorrupt, JournalError, JournalNotFound, JournalTooNew, JournalWriteError
from ziggurat.optional import require

if TYPE_CHECKING:
    import psycopg

_WORDS = {
    "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "blob": "BYTEA",
    "real": "DOUBLE PRECISION",
    "int": "BIGINT",
}
_STEPS = tuple(step.format(**_WORDS).strip() for step in TABLES)
_SCHEMA = "ziggurat"
_CONNECT_SECONDS = 10


class PostgresEngine:
    """The engine of a Postgres database: the tables stand in its schema ``ziggurat``.

    Args:
        address: ``postgresql://user:password@host/database``; what it lacks is taken from the usual ``PG…`` variables.
        create: Whether missing tables are made.
    """

    quick = False

    def __init__(self, address: str, *, create: bool) -> None:
        self._psycopg: ModuleType = require("psycopg", for_="a journal in Postgres", extra="postgres")
        self._address = address
        self.where = re.sub(r"//[^@/]*@", "//", address).partition("?")[0]
        self._lock = threading.RLock()
        self._closed = False
        self._in_transaction = False
        self._made = 0
        self._claims: dict[str, _Claim] = {}
        self._connection: psycopg.Connection[Row] | None = None
        try:
            with self._lock, self._translated():
                self._migrate(create=create)
        except BaseException:
            self.close()
            raise

    # -- statements ---------------------------------------------------------------------------------------------------

    def write(self, sql: str, row: Row = ()) -> None:
        """One statement, committed, or part of the transaction that is open."""
        with self._lock, self._translated():
            self._open().execute(_own(sql), row)

    def write_many(self, sql: str, rows: Iterable[Row]) -> None:
        """One statement over many rows; inside a transaction."""
        with self._lock, self._translated(), self._open().cursor() as cursor:
            cursor.executemany(_own(sql), list(rows))

    def rows(self, sql: str, row: Row = ()) -> list[Row]:
        """What a query finds."""
        with self._lock, self._translated():
            return self._open().execute(_own(sql), row).fetchall()

    def insert(self, sql: str, row: Row, key: str) -> int | None:
        """One row; returns its number, or None where it was there already."""
        found = self.rows(f"{sql} RETURNING {key}", row)
        return int(found[0][0]) if found else None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One commit: all of the block, or none of it."""
        with self._lock, self._translated(), self._open().transaction():
            self._in_transaction = True
            try:
                yield
            finally:
                self._in_transaction = False

    def version_of_data(self) -> int:
        """The number of the transaction: other clients may have written before any."""
        self._made += 1
        return self._made

    # -- the whole ----------------------------------------------------------------------------------------------------

    def hold(self, run_id: str) -> Hold:
        """Claim a run by an advisory lock of a connection of its own."""
        with self._translated():
            connection = self._connect()
            try:
                key = int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=8).digest(), signed=True)
                found = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            except BaseException:
                connection.close()
                raise
        if not found or not found[0]:
            connection.close()
            raise in_progress(run_id)
        claim = self._claims[run_id] = _Claim(connection)
        return claim

    def check_claim(self, run_id: str) -> None:
        """Refuse to write for a run whose claim died with its connection: somebody else may have the run."""
        claim = self._claims.get(run_id)
        if claim is None:
            return
        if claim.released:
            del self._claims[run_id]
        elif not claim.is_alive():
            raise JournalWriteError(
                f"The claim to run {run_id!r} was lost with its connection; another process may have the run now.",
                where=self.where,
                fix="stop, and resume the run",
            )

    def used_bytes(self) -> int:
        """What the runs hold; freed room is given back by the server's own vacuum."""
        return int(self.rows(HELD)[0][0])

    def compact(self) -> None:
        """Nothing to do: autovacuum does."""

    def faults(self) -> list[str]:
        """Nothing of its own: the server checks its pages as it reads them."""
        self.rows("SELECT count(*) FROM runs")
        return []

    def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()

    # -- the connection -----------------------------------------------------------------------------------------------

    def _open(self) -> psycopg.Connection[Row]:
        if self._closed:
            raise InputError("This journal has been closed.", where=self.where, fix="open it again")
        if self._connection is None or (self._connection.closed and not self._in_transaction):
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> psycopg.Connection[Row]:
        connection: psycopg.Connection[Row] = self._psycopg.connect(
            self._address, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name="ziggurat"
        )
        try:
            connection.execute(f"SET search_path TO {_SCHEMA}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, *, create: bool) -> None:
        connection = self._open()
        with connection.transaction():
            # Of several processes that come first, one makes the tables.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('ziggurat schema'))")
            table = connection.execute("SELECT to_regclass('meta')").fetchone()
            version = 0
            if table and table[0]:
                row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
                version = int(row[0]) if row else 0
            elif not create:
                raise JournalNotFound("There is no journal in this database.", where=self.where)
            if version > len(_STEPS):
                raise JournalTooNew(
                    f"The journal has schema version {version}; this version of Ziggurat reads up to {len(_STEPS)}.",
                    found=version,
                    known=len(_STEPS),
                    where=self.where,
                    fix="upgrade ziggurat, or give another database for a new journal",
                )
            if version == len(_STEPS):
                return
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
            connection.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            for step in _STEPS[version:]:
                for statement in step.split(";\n"):
                    connection.execute(statement.encode())
            connection.execute(
                "INSERT INTO meta (key, value) VALUES ('schema', %s) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (str(len(_STEPS)),),
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> JournalError:
        """The server's error in ours. Its text is kept where it is about data, not where it may hold an address."""
        psycopg = self._psycopg
        state = getattr(error, "sqlstate", None) or ""
        lost = self._connection is None or self._connection.closed
        if state.startswith("53"):  # insufficient resources
            return JournalWriteError(
                f"The server is out of room ({state}); this was not written. What was recorded before is intact.",
                where=self.where,
                fix="make room; then go on with the same journal",
            )
        if state == "25006" or state.startswith("42501"):
            return JournalWriteError(
                "The server lets this user only read; nothing was written.", where=self.where, fix="grant it INSERT"
            )
        if isinstance(error, psycopg.OperationalError) or lost:
            return JournalWriteError(
                f"The connection to the server failed ({state or type(error).__name__}); whether the last call was "
                "written is not known, what was recorded before is intact.",
                where=self.where,
                fix="see that the server runs and may be reached; the next call connects again",
            )
        if state.startswith(("42", "XX")):
            return JournalCorrupt(f"The journal's tables are not as they should be: {error}.", where=self.where)
        return JournalError(f"The server refused ({state or type(error).__name__}): {error}.", where=self.where)


class _Claim(Claim):
    """A hold by an advisory lock."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection
        self.released = False

    def is_alive(self) -> bool:
        """Whether the server still has it."""
        try:
            self._connection.execute("SELECT 1")
        except Exception:  # noqa: BLE001 (whatever is wrong with it, the claim cannot be relied on)
            return False
        return True

    def release(self) -> None:
        """Give the run up; doing so twice is harmless."""
        self.released = True
        with suppress(Exception):  # a connection that died has given it up already
            self._connection.execute("SELECT pg_advisory_unlock_all()")  # closing alone takes effect a moment later
        self._connection.close()


def _own(sql: str) -> Any:
    return sql.replace("?", "%s")
