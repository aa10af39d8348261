"""What a journal asks of a database, and what holding a run means. Two answer: SQLite and Postgres.

SQL is written once, with ``?`` for a parameter and in what both understand.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self

Row = tuple[Any, ...]


class Hold(Protocol):
    """An exclusive claim to one run. The system drops it when the process dies, however it dies."""

    def release(self) -> None:
        """Give the claim up; doing so twice is harmless."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Engine(Protocol):
    """A database that a journal can be kept in.

    Every call raises errors of the `JournalError` tree, and none of the database's own.
    """

    quick: bool
    where: str

    def write(self, sql: str, row: Row = ()) -> None:
        """One statement, committed."""

    def write_many(self, sql: str, rows: Iterable[Row]) -> None:
        """One statement over many rows; inside a transaction."""

    def insert(self, sql: str, row: Row, key: str) -> int | None:
        """One row; returns its number, the column ``key``, or None where it was there already."""

    def rows(self, sql: str, row: Row = ()) -> list[Row]:
        """What a query finds."""

    def transaction(self) -> AbstractContextManager[None]:
        """One commit: all of the block, or none of it. Other threads wait."""

    def version_of_data(self) -> int:
        """A number that changes when somebody else may have removed something."""

    def hold(self, run_id: str) -> Hold:
        """Claim a run, or raise `RunInProgress` at once."""

    def check_claim(self, run_id: str) -> None:
        """Raise `JournalWriteError` if a hold of this run was lost without being released."""

    def used_bytes(self) -> int:
        """What the journal takes on disk, about."""

    def compact(self) -> None:
        """Give back to the system what was freed, where that is worth it."""

    def faults(self) -> list[str]:
        """What the database finds wrong with itself."""

    def close(self) -> None:
        """Let go of files and sockets; doing so twice is harmless."""
