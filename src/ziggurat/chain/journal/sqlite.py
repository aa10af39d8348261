"""A journal in one SQLite file: the default."""

from __future__ import annotations

from pathlib import Path

from ziggurat.chain.database import Database, Schema
from ziggurat.chain.journal.engine import Hold
from ziggurat.chain.journal.locks import FileHold
from ziggurat.chain.journal.ranges import AVAILABLE, ByteLocks
from ziggurat.chain.journal.rows import TABLES

_WORDS = {"serial": "INTEGER PRIMARY KEY", "blob": "BLOB", "real": "REAL", "int": "INTEGER"}

SCHEMA = Schema("journal", 0x5A494A31, tuple(step.format(**_WORDS).strip() for step in TABLES))


class SqliteEngine(Database):
    """The engine of a file. Its calls take tens of microseconds, so they may be made on an event loop.

    Args:
        path: The file.
        fsync: Whether a commit survives a power cut too.
        create: Whether a missing file is made.
    """

    quick = True

    def __init__(self, path: Path, *, fsync: bool, create: bool) -> None:
        super().__init__(path, SCHEMA, fsync=fsync, create=create)
        self._folder = path.with_name(path.name + ".locks")
        self._bytes = ByteLocks(path.with_name(path.name + ".lock")) if AVAILABLE else None

    def hold(self, run_id: str) -> Hold:
        """Claim a run by a byte of ``<journal>.lock``; where there are no such locks, by a file of its own."""
        return FileHold(self._folder, run_id) if self._bytes is None else self._bytes.hold(run_id)

    def close(self) -> None:
        """Let go of the file, and of every claim."""
        if self._bytes is not None:
            self._bytes.close()
        super().close()

    def check_claim(self, run_id: str) -> None:
        """Nothing to do: a locked file is lost with the process only."""
