"""Tables on a PDF page, by the lines drawn around their cells.

Where lines cross to form a grid of at least two rows and columns, the characters inside are gathered
by cell and written as one line a row, where the table begins in the page's text. Lines that do not
cross, and tables without lines, leave the text as it is. Sizes are in points.
"""

from __future__ import annotations

import bisect
import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_THIN = 3.0
"""A drawn box thinner than this is a line."""
_NEAR = 3.0
"""Lines nearer than this are one."""
_SHORTEST = 8.0
_MOST_LINES = 4000
_MOST_CELLS = 5000
_MOST_CHARACTERS = 60_000
_LONGEST_CELL = 400
"""A text longer than this in one cell means that the lines lay out a page."""
_MOST_CROSSINGS = 3
"""Words that run over a line oftener than this mean that the line is no cell's border."""
_WHITE = 250
_UNKNOWN = 0xFFFD
_HERE = "\x1e"
_MARK = re.compile(f"{_HERE}(\\d+){_HERE}")


@dataclass(frozen=True, slots=True)
class _Line:
    at: float
    start: float
    end: float


@dataclass(slots=True)
class _Table:
    """A grid: the positions of its vertical lines (left to right) and horizontal ones (top to bottom)."""

    columns: list[float]
    rows: list[float]

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """The row and column of a point; None outside."""
        column = bisect.bisect_right(self.columns, x) - 1
        row = bisect.bisect_right(self.rows, -y) - 1
        inside = 0 <= column < len(self.columns) - 1 and 0 <= row < len(self.rows) - 1
        return (row, column) if inside else None


def with_tables(page: Any, words: Any, pdfium: Any) -> str:
    """The text of a page, the tables in it written row by row.

    Args:
        page: The page.
        words: Its text page.
        pdfium: The module.
    """
    tables = _tables(*_lines(page, pdfium))
    if not tables or words.count_chars() > _MOST_CHARACTERS:
        return str(words.get_text_bounded())
    text = _written(page, words, tables, pdfium)
    return str(words.get_text_bounded()) if text is None else text


def _lines(page: Any, pdfium: Any) -> tuple[list[_Line], list[_Line]]:
    """The horizontal and the vertical lines drawn on a page; edges of boxes count."""
    across: list[_Line] = []
    down: list[_Line] = []
    raw = pdfium.raw
    for shape in page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=1):
        if not _drawn(shape, raw):
            continue
        try:
            left, bottom, right, top = shape.get_bounds()
        except pdfium.PdfiumError:
            continue
        if top - bottom <= _THIN:
            across.append(_Line((top + bottom) / 2, left, right))
        elif right - left <= _THIN:
            down.append(_Line((left + right) / 2, bottom, top))
        elif raw.FPDFPath_CountSegments(shape.raw) <= 6:  # noqa: PLR2004 (a box has five segments)
            across += [_Line(top, left, right), _Line(bottom, left, right)]
            down += [_Line(left, bottom, top), _Line(right, bottom, top)]
        if len(across) + len(down) > _MOST_LINES:
            return [], []
    return [one for one in across if one.end - one.start >= _SHORTEST], [
        one for one in down if one.end - one.start >= _SHORTEST
    ]


def _drawn(shape: Any, raw: Any) -> bool:
    """Whether a path shows: it may be there only to bound others, or be white on white."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    if not raw.FPDFPath_GetDrawMode(shape.raw, ctypes.byref(fill), ctypes.byref(stroke)):
        return False
    if not fill.value and not stroke.value:
        return False
    colour = [ctypes.c_uint() for _ in range(4)]
    told = raw.FPDFPageObj_GetStrokeColor if stroke.value else raw.FPDFPageObj_GetFillColor
    if not told(shape.raw, *(ctypes.byref(part) for part in colour)):
        return True
    *light, alpha = (part.value for part in colour)
    return alpha > 0 and min(light) < _WHITE


def _tables(across: list[_Line], down: list[_Line]) -> list[_Table]:
    """The grids that lines form: those connected by crossings."""
    lines = [*across, *down]
    group = list(range(len(lines)))

    def root(one: int) -> int:
        while group[one] != one:
            group[one] = group[group[one]]
            one = group[one]
        return one

    for first, line in enumerate(across):
        for second, other in enumerate(down, len(across)):
            if (
                other.start - _NEAR <= line.at <= other.end + _NEAR
                and line.start - _NEAR <= other.at <= line.end + _NEAR
            ):
                group[root(first)] = root(second)
    found: dict[int, tuple[list[float], list[float]]] = {}
    for index, line in enumerate(lines):
        rows, columns = found.setdefault(root(index), ([], []))
        (rows if index < len(across) else columns).append(-line.at if index < len(across) else line.at)
    tables = [_Table(_merged(columns), _merged(rows)) for rows, columns in found.values()]
    return [
        table
        for table in tables
        if len(table.columns) > 2 and len(table.rows) > 2 and len(table.columns) * len(table.rows) < _MOST_CELLS  # noqa: PLR2004 (two rows and columns at least)
    ]


def _merged(positions: list[float]) -> list[float]:
    merged: list[float] = []
    for position in sorted(positions):
        if not merged or position - merged[-1] > _NEAR:
            merged.append(position)
    return merged


def _written(page: Any, words: Any, tables: list[_Table], pdfium: Any) -> str | None:
    """The page's text with its tables row by row; None if what stands in them is no table's text."""
    cells: list[dict[tuple[int, int], list[str]]] = [{} for _ in tables]
    pieces: list[str] = []
    begun: set[int] = set()
    at: tuple[int, tuple[int, int]] | None = None
    apart, crossings = True, 0
    for character, middle in _characters(page, words, pdfium):
        if middle is not None:
            before = at
            at = next(((number, cell) for number, table in enumerate(tables) if (cell := table.cell(*middle))), None)
            crossings += not apart and at != before and not character.isspace()
        apart = middle is None or character.isspace()
        if at is None:
            pieces.append(character)
            continue
        number, cell = at
        if number not in begun:
            begun.add(number)
            pieces.append(f"{_HERE}{number}{_HERE}")
        cells[number].setdefault(cell, []).append(character)
    rows = [_rows(table, cells[number]) for number, table in enumerate(tables)]
    if crossings > _MOST_CROSSINGS or any(row is None for row in rows):
        return None
    return _MARK.sub(lambda match: f"\r\n{rows[int(match[1])]}\r\n", "".join(pieces))


def _characters(page: Any, words: Any, pdfium: Any) -> Iterator[tuple[str, tuple[float, float] | None]]:
    """The characters on the page, each with its middle; those that PDFium puts between words have none."""
    raw = pdfium.raw
    left, bottom, right, top = page.get_bbox()
    box = [ctypes.c_double() for _ in range(4)]
    sides = [ctypes.byref(side) for side in box]
    for index in range(words.count_chars()):
        character = chr(raw.FPDFText_GetUnicode(words.raw, index) or _UNKNOWN)
        if raw.FPDFText_IsGenerated(words.raw, index) == 1 or not raw.FPDFText_GetCharBox(words.raw, index, *sides):
            yield character, None
            continue
        x, y = (box[0].value + box[1].value) / 2, (box[2].value + box[3].value) / 2
        if left <= x <= right and bottom <= y <= top:
            yield character, (x, y)


def _rows(table: _Table, cells: dict[tuple[int, int], list[str]]) -> str | None:
    lines = []
    for row in range(len(table.rows) - 1):
        texts = [" ".join("".join(cells.get((row, column), ())).split()) for column in range(len(table.columns) - 1)]
        if any(len(text) > _LONGEST_CELL for text in texts):
            return None
        if any(texts):
            lines.append(" | ".join(texts))
    return "\r\n".join(lines)
