"""`Reader`: what one kind of database does for `Database`. Invariant of every reader: its connections cannot write."""

from __future__ import annotations

from typing import Protocol

from ziggurat.sql.rows import Limits, Rows
from ziggurat.sql.schema import Table


class Reader(Protocol):
    """A database that can only be read."""

    @property
    def dialect(self) -> str:
        """Sqlglot's name of its SQL."""

    @property
    def where(self) -> str:
        """The database as it may be shown: without user and password."""

    def tables(self) -> list[Table]:
        """Its tables and views, without samples.

        Raises:
            DatabaseUnavailable: If it cannot be reached.
        """

    def fetch(self, query: str, limits: Limits) -> Rows:
        """Run a query that was checked.

        Raises:
            QueryFailed: If the database cannot run it.
            QueryTimeout: If it takes longer than the limits allow.
            DatabaseUnavailable: If it cannot be reached.
        """
