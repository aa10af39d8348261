"""`Journal`: the durable record of runs.

Speaks of runs and cells; the databases are in `sqlite` and `postgres`, what is removed when in
`retention`. Knows no runner: it is told what finished and asked what did.
Invariant: when a call returns, what it was told is on disk; when it raises, nothing of it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from ziggurat.chain.journal import rows
from ziggurat.chain.journal.audit import audit
from ziggurat.chain.journal.engine import Engine, Hold
from ziggurat.chain.journal.records import Cell, Pruned, RunRecord, RunStatus
from ziggurat.chain.journal.retention import Retention
from ziggurat.chain.journal.sqlite import SqliteEngine
from ziggurat.chain.usage import Usage
from ziggurat.chain.values import encode
from ziggurat.errors import InputError, JournalCorrupt, RunExists, RunNotFound

_NO_BLOBS: Mapping[bytes, bytes] = MappingProxyType({})
_PUT_BLOB = "INSERT INTO blobs (hash, data) VALUES (?, ?) ON CONFLICT DO NOTHING"
_PUT_USE = "INSERT INTO uses (hash, run) VALUES (?, ?) ON CONFLICT DO NOTHING"
_PUT_IDENTITY = "INSERT INTO identities (digest, description) VALUES (?, ?) ON CONFLICT DO NOTHING"
_SHOWN = 5


class Journal:
    """The durable record of runs.

    It may be used from several threads, event loops and processes. A call raises errors of the `JournalError` tree.

    Args:
        where: A file, made when missing, or the address of a Postgres database: ``postgresql://…``.
        keep_days: Runs older than this are removed when another ends.
        max_bytes: The oldest runs are removed when the journal takes more than this.
        fsync: Whether every record also survives a power cut (SQLite; Postgres decides for itself). Without it a record
            survives the death of the process at any moment.
        create: Whether a missing file is made; readers say no.

    Attributes:
        where: As it was given, without a password.
        quick: True where calls take microseconds and may be made on an event loop; else make them in a thread.

    Raises:
        JournalNotFound: If there is no file and none is to be made.
        JournalTooNew: If a later version of Ziggurat wrote it.
        JournalCorrupt: If it is damaged or is something else.
        JournalWriteError: If it cannot be opened.
        InputError: If it is a directory, or a limit is not positive.
    """

    def __init__(
        self,
        where: str | Path,
        *,
        keep_days: float | None = None,
        max_bytes: int | None = None,
        fsync: bool = False,
        create: bool = True,
    ) -> None:
        self._retention = Retention(keep_days, max_bytes)
        self._engine = _engine(where, fsync=fsync, create=create)
        self.where = self._engine.where
        self.quick = self._engine.quick
        self._numbers: dict[str, int] = {}
        self._known: set[bytes] = set()
        self._known_at = -1

    # -- writing ------------------------------------------------------------------------------------------------------

    def begin(
        self, run: RunRecord, identities: Mapping[bytes, bytes], blobs: Mapping[bytes, bytes] = _NO_BLOBS
    ) -> None:
        """Record that a run begins.

        Args:
            run: Its inputs may refer to ``blobs``.
            identities: What each of its stages is: by digest, an encoded description. Each is stored once.
            blobs: Large bytes of the inputs, by hash.

        Raises:
            RunExists: If the id is taken.
        """
        engine = self._engine
        with engine.transaction():
            version = engine.version_of_data()
            if version != self._known_at:  # somebody else has written, and may have removed what we knew
                self._known.clear()
                self._known_at = version
            number = engine.insert(rows.BEGIN, rows.run_row(run, b"".join(identities)), "run")
            if number is None:
                raise RunExists(f"The journal has a run {run.id!r} already.", where=self.where, fix="give a new id")
            new = [(digest, identities[digest]) for digest in identities if digest not in self._known]
            if new:
                engine.write_many(_PUT_IDENTITY, new)
            self._put_blobs(number, blobs, blobs)
        self._known.update(identities)
        self._numbers[run.id] = number

    def hold(self, run_id: str) -> Hold:
        """Claim a run for this caller alone, among all threads, processes and `Journal` objects.

        The claim ends with `release`, with the ``with`` block, or with the process.

        Raises:
            RunInProgress: If somebody has it.
        """
        return self._engine.hold(run_id)

    def record(self, run_id: str, cell: Cell, blobs: Mapping[bytes, bytes] = _NO_BLOBS) -> None:
        """Record what became of a stage, in one commit; an earlier cell of that path is replaced.

        Args:
            run_id: A run that was begun.
            cell: Its ``blobs`` are in the journal or in ``blobs``.
            blobs: Large bytes of its value, by hash.

        Raises:
            RunNotFound: If there is no such run.
            JournalWriteError: If the disk or the server refuses; nothing was written then.
        """
        number = self._numbers.get(run_id) or self._number(run_id)
        if not blobs and not cell.blobs:
            if not self.quick:
                self._engine.check_claim(run_id)
            self._engine.write(rows.RECORD, rows.cell_row(number, cell))
            return
        self.record_many(run_id, (cell,), blobs)

    def record_many(self, run_id: str, cells: Sequence[Cell], blobs: Mapping[bytes, bytes] = _NO_BLOBS) -> None:
        """Record several cells in one commit."""
        self._engine.check_claim(run_id)
        number = self._numbers.get(run_id) or self._number(run_id)
        with self._engine.transaction():
            self._put_blobs(number, blobs, {hash_: b"" for cell in cells for hash_ in cell.blobs} | dict(blobs))
            self._engine.write_many(rows.RECORD, [rows.cell_row(number, cell) for cell in cells])

    def end(self, run_id: str, status: RunStatus, usage: Usage, cost: str | None, error: str = "") -> None:
        """Record that a run ended, then remove what is due to go."""
        row = (
            status.value,
            time.time(),
            encode(usage) if usage else None,
            cost,
            rows.clean(error),
            self._number(run_id),
        )
        self._engine.write("UPDATE runs SET status = ?, ended = ?, usage = ?, cost = ?, error = ? WHERE run = ?", row)
        self._numbers.pop(run_id, None)
        self._retention.after_end(self._engine, run_id)

    def reopen(self, run_id: str) -> None:
        """Record that a run goes on."""
        self._engine.write(
            "UPDATE runs SET status = ?, ended = NULL, error = '' WHERE run = ?",
            (RunStatus.RUNNING.value, self._number(run_id)),
        )

    # -- reading ------------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> RunRecord:
        """A run by its id, or by any beginning of it that no other shares.

        Raises:
            RunNotFound: If there is none, or several.
        """
        found = self._engine.rows(f"SELECT {rows.READ_RUN} FROM runs WHERE id = ?", (run_id,))  # noqa: S608 (our own columns)
        if not found and run_id:
            found = self._engine.rows(
                f"SELECT {rows.READ_RUN} FROM runs WHERE substr(id, 1, ?) = ? ORDER BY run DESC LIMIT {_SHOWN + 1}",  # noqa: S608 (the same)
                (len(run_id), run_id),
            )
        if len(found) > 1:
            shown = ", ".join(str(row[0]) for row in found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
            raise RunNotFound(
                f"Several runs begin with {run_id!r}: {shown}.", where=self.where, fix="give more of the id"
            )
        if not found:
            raise _no_run(run_id, self.where)
        return rows.run_of(found[0])

    def runs(self, *, chain: str | None = None, status: RunStatus | None = None, limit: int = 50) -> list[RunRecord]:
        """Runs, the newest first."""
        where, values = ["1 = 1"], list[str]()
        for column, value in (("chain", chain), ("status", status.value if status else None)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        found = self._engine.rows(
            f"SELECT {rows.READ_RUN} FROM runs WHERE {' AND '.join(where)} ORDER BY run DESC LIMIT ?",  # noqa: S608 (the same)
            (*values, limit),
        )
        return [rows.run_of(row) for row in found]

    def cells(self, run_id: str) -> dict[str, Cell]:
        """A run's cells by path, without their values, in the order in which they were first recorded."""
        found = self._engine.rows(
            f"SELECT {rows.READ_CELL} FROM cells WHERE run = ? ORDER BY cell",  # noqa: S608 (the same)
            (self._number(run_id),),
        )
        return {row[0]: rows.cell_of(row) for row in found}

    def cell(self, run_id: str, path: str) -> Cell | None:
        """One cell with its value, or None."""
        found = self._engine.rows(
            f"SELECT {rows.READ_CELL}, value FROM cells WHERE run = ? AND path = ?",  # noqa: S608 (the same)
            (self._number(run_id), path),
        )
        return replace(rows.cell_of(found[0][:-1]), value=found[0][-1]) if found else None

    def value(self, run_id: str, path: str) -> bytes:
        """The encoded value of a finished cell.

        Raises:
            RunNotFound: If there is no such run, or no value at that path.
        """
        found = self._engine.rows("SELECT value FROM cells WHERE run = ? AND path = ?", (self._number(run_id), path))
        if not found or found[0][0] is None:
            raise RunNotFound(f"The run {run_id!r} has no value at {path!r}.", where=self.where)
        return bytes(found[0][0])

    def blob(self, hash_: bytes) -> bytes:
        """Large bytes by their hash.

        Raises:
            JournalCorrupt: If they are not there, though a value refers to them.
        """
        found = self._engine.rows("SELECT data FROM blobs WHERE hash = ?", (hash_,))
        if not found:
            raise JournalCorrupt(f"The bytes {hash_.hex()[:16]}… of a value are missing.", where=self.where)
        return bytes(found[0][0])

    def describe(self, identity: bytes) -> bytes | None:
        """The encoded description of a stage by its digest, as it was when it ran."""
        found = self._engine.rows("SELECT description FROM identities WHERE digest = ?", (identity,))
        return bytes(found[0][0]) if found else None

    # -- care ---------------------------------------------------------------------------------------------------------

    def prune(
        self, *, older_than_days: float | None = None, max_bytes: int | None = None, dry_run: bool = False
    ) -> Pruned:
        """Remove old runs and what only they used; never a run that is held.

        Args:
            older_than_days: Runs that began longer ago go.
            max_bytes: The oldest go until the journal takes no more than this.
            dry_run: Only say what would go.
        """
        self._known.clear()
        return Retention(older_than_days, max_bytes).prune(self._engine, dry_run=dry_run)

    def verify(self) -> list[str]:
        """What is wrong with the journal; empty when all is well. Reads all of it."""
        return audit(self._engine)

    def close(self) -> None:
        """Let go of the file or the server; closing twice is harmless."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _number(self, run_id: str) -> int:
        known = self._numbers.get(run_id)
        if known is not None:
            return known
        found = self._engine.rows("SELECT run FROM runs WHERE id = ?", (run_id,))
        if not found:
            raise _no_run(run_id, self.where)
        return self._numbers.setdefault(run_id, found[0][0])

    def _put_blobs(self, run: int, blobs: Mapping[bytes, bytes], used: Mapping[bytes, bytes]) -> None:
        if blobs:
            self._engine.write_many(_PUT_BLOB, blobs.items())
        if used:
            self._engine.write_many(_PUT_USE, [(hash_, run) for hash_ in used])


def _engine(where: str | Path, *, fsync: bool, create: bool) -> Engine:
    text = str(where)
    if text.startswith(("postgresql://", "postgres://")):
        from ziggurat.chain.journal.postgres import PostgresEngine

        return PostgresEngine(text, create=create)
    if "://" in text:
        raise InputError(
            f"A journal is a file or a postgresql:// address, and not {text.partition('://')[0]}://.",
            fix='Journal("runs.sqlite3")',
        )
    return SqliteEngine(Path(where), fsync=fsync, create=create)


def _no_run(run_id: str, where: str) -> RunNotFound:
    return RunNotFound(f"The journal has no run {run_id!r}.", where=where, fix="ziggurat runs list")
