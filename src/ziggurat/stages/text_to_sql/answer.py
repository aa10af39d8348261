"""`SQLAnswer`: what a question to a database gets: a text, the query it rests on, and the rows. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field

from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.sql import Rows
from ziggurat.sql.rows import Cell


@dataclass(frozen=True, slots=True)
class Attempt:
    """A query that was tried.

    Attributes:
        query: As it was sent, or as the model wrote it where it was not.
        error: Why it was refused or failed; empty if it ran.
        rows: How many it gave.
        mended: Whether rules changed what the model wrote.
    """

    query: str
    error: str = ""
    rows: int = 0
    mended: bool = False


@dataclass(frozen=True, slots=True)
class SQLAnswer:
    """An answer out of a database. Pieces of a streamed answer are answers too, and add up.

    Attributes:
        text: The answer in words. Every figure in it stands in the rows or in the question.
        query: What was run.
        columns: The names of the columns.
        rows: The rows, no more than the limits allow.
        truncated: Whether there are more.
        found: False when no query could be run.
        attempts: Every query that was tried, in order.
        usage: What the models used.
    """

    text: str = ""
    query: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    truncated: bool = False
    found: bool = True
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = field(default=NO_USAGE, compare=False)

    def __add__(self, other: object) -> SQLAnswer:
        """The answer continued by a later piece."""
        if not isinstance(other, SQLAnswer):
            return NotImplemented
        return SQLAnswer(
            self.text + other.text,
            self.query or other.query,
            self.columns or other.columns,
            self.rows + other.rows,
            self.truncated or other.truncated,
            self.found and other.found,
            self.attempts + other.attempts,
            self.usage + other.usage,
        )

    def table(self, most: int = 20) -> str:
        """The rows as plain text."""
        return Rows(self.columns, self.rows, self.truncated).table(most)

    def __str__(self) -> str:
        """The text, and below it the query and the rows."""
        parts = [self.text, self.query, self.table() if self.columns else ""]
        return "\n\n".join(part for part in parts if part)
