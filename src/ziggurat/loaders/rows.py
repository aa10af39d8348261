"""Rows of cells into lines that say what they are: ``Header: value; Header: value``.

A line must make sense alone, since it may be found alone. Which row is the header is told by its
cells: the first full row of distinct words, with nothing but titles above. Where there is none, the
values stand by themselves. Knows no file format. Rows are sparse, so that a cell far out costs no more
than one near by.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ziggurat.loaders.marks import one_line

Cells = dict[int, str]
"""The cells of a row that have anything in them, by column, from the left."""

_LOOKED_AT = 25
_FULL = 0.6
_LONGEST_NAME = 100
_NUMBER = re.compile(r"[\s(+\-−$€£¥]*\d[\d.,:/ %\-eE+)TZ]*[€$%]?\s*$|TRUE$|FALSE$|true$|false$|#[A-Z/0!?]+$")


def cells(values: Sequence[str]) -> Cells:
    """A row's cells from its values."""
    return {
        column: said for column, value in enumerate(values) if value and (said := one_line(value.replace("\x0c", " ")))
    }


def described(rows: Iterable[tuple[int, Mapping[int, str]]]) -> Iterator[tuple[int, str]]:
    """A line for each row that has anything in it, with the row's number.

    Args:
        rows: The number of each row in its file, from 1, and its cells.
    """
    waiting = ((number, row) for number, row in rows if row)
    first = list(itertools.islice(waiting, _LOOKED_AT))
    at = _header(first)
    names: Mapping[int, str] = {}
    begins = 0
    if at is not None:
        names, begins = first[at][1], at + 1
        if begins < len(first) - 1 and _goes_on(names, first[begins][1]):
            names, begins = _joined(names, first[begins][1]), begins + 1
    for number, row in first[:begins]:
        yield number, "; ".join(row.values())
    # A row that repeats the header, or has no more than its first cell, heads the rows below it.
    for number, row in itertools.chain(first[begins:], waiting):
        plain = row == names or _heads(names, row)
        yield (
            number,
            "; ".join(row.values() if plain else (_cell(names.get(column), cell) for column, cell in row.items())),
        )


def _heads(names: Mapping[int, str], row: Mapping[int, str]) -> bool:
    return len(names) > 1 == len(row) and min(names) in row and not _NUMBER.match(row[min(names)])


def _cell(name: str | None, cell: str) -> str:
    return f"{name.rstrip(':')}: {cell}" if name else cell


def _header(rows: list[tuple[int, Mapping[int, str]]]) -> int | None:
    width = max((len(row) for _, row in rows), default=0)
    for at, (_, row) in enumerate(rows[:-1]):
        if len(row) >= max(2, _FULL * width):
            return at if _names(row) else None
    return None


def _names(row: Mapping[int, str]) -> bool:
    said = row.values()
    return len(set(said)) == len(said) and not any(len(cell) > _LONGEST_NAME or _NUMBER.match(cell) for cell in said)


def _goes_on(names: Mapping[int, str], row: Mapping[int, str]) -> bool:
    """Whether a row is the header's second: it names the columns that the first leaves open."""
    if min(row) <= min(names) or any(_NUMBER.match(cell) for cell in row.values()):
        return False
    columns = range(min(names), max(*names, *row) + 1)
    return (
        len(columns) < _LOOKED_AT * 10
        and any(column not in names for column in columns)
        and all(column in row for column in columns if column not in names)
    )


def _joined(names: Mapping[int, str], row: Mapping[int, str]) -> dict[int, str]:
    """Two rows of names as one: a name above reaches over the open columns to its right."""
    joined, above = {}, ""
    for column in sorted({*names, *row}):
        above = names.get(column, above)
        joined[column] = f"{above} {row[column]}" if column in row else names[column]
    return joined
