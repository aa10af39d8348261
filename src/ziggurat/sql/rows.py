"""`Rows`: what a query gave. Knows nothing of databases; invariant: no more was kept than the limits allow."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Cell = Any
"""None, a bool, a number, a text; what else a database has is told as text."""
_WIDEST = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of an answer is read.

    Attributes:
        rows: At most this many; one more is fetched to know whether there are more.
        seconds: After which the query is stopped.
        cell: Characters of one value; a longer one is cut and ends with an ellipsis.
        characters: Of all values together.
    """

    rows: int = 1000
    seconds: float = 10.0
    cell: int = 10_000
    characters: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a query gave.

    Attributes:
        columns: Their names, in order.
        rows: Their values.
        truncated: Whether there are more, or a value was cut.
        seconds: How long it took.
        query: What was run.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = field(repr=False)
    truncated: bool = False
    seconds: float = 0.0
    query: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def records(self) -> list[dict[str, Cell]]:
        """A mapping for each row; a name that two columns share gets a number."""
        names: list[str] = []
        for name in self.columns:
            names.append(name if name not in names else f"{name}_{len(names) + 1}")
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def table(self, most: int = 20) -> str:
        """A table as plain text.

        Args:
            most: Rows to show; a last line says how many more there are.
        """
        shown = [[told(cell)[:_WIDEST] for cell in row] for row in self.rows[:most]]
        widths = [max(map(len, column)) for column in zip([*map(str, self.columns)], *shown, strict=True)]
        lines = [self.columns, ["-" * width for width in widths], *shown]
        text = "\n".join(
            " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )
        left = len(self.rows) - most
        more = f"\n… {left} more" if left > 0 else ""
        return text + more + ("\n… cut at the limit" if self.truncated else "")

    def __str__(self) -> str:
        return self.table()


def told(cell: Cell) -> str:
    """A value as it is shown: on one line, without control characters."""
    if cell is None:
        return "NULL"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:  # noqa: PLR2004 (exact as an integer)
        return str(int(cell)) + ".0"
    return "".join(letter if letter.isprintable() else " " for letter in str(cell))


def gathered(
    columns: Iterable[str], fetched: Iterator[Iterable[Any]], limits: Limits
) -> tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...], bool]:
    """Rows from a cursor, no more than the limits allow; and whether anything was left out."""
    rows: list[tuple[Cell, ...]] = []
    left, cut = limits.characters, False
    for row in fetched:
        if len(rows) >= limits.rows or left <= 0:
            return tuple(columns), tuple(rows), True
        values = tuple(plain_cell(cell) for cell in row)
        short = tuple(_cut(cell, limits.cell) for cell in values)
        cut = cut or any(one is not other for one, other in zip(values, short, strict=True))
        left -= sum(len(cell) if isinstance(cell, str) else 8 for cell in short)
        rows.append(short)
    return tuple(columns), tuple(rows), cut


def plain_cell(cell: Any) -> Cell:
    """A database's value as one of ours."""
    match cell:
        case None | bool() | int() | str():
            return cell
        case float():
            return cell if math.isfinite(cell) else str(cell)
        case decimal.Decimal():
            return int(cell) if cell == cell.to_integral_value() and cell.as_tuple().exponent == 0 else float(cell)
        case bytes() | bytearray() | memoryview():
            return f"<{len(cell)} bytes>"
        case dt.datetime():
            return cell.isoformat(" ")
        case dt.date() | dt.time():
            return cell.isoformat()
        case _:
            return str(cell)


def _cut(cell: Cell, most: int) -> Cell:
    return cell[:most] + "…" if isinstance(cell, str) and len(cell) > most else cell
