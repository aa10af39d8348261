"""Tables with merged cells, row by row, as HTML, Word, slides and OpenDocument describe them.

A merged cell's text stands once, where the cell begins; what it covers is empty, so that columns stay
in line. Knows no format.
"""

from __future__ import annotations

_WIDEST = 1000


class Grid:
    """A table as it is read."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self._covered: dict[int, int] = {}
        """Columns that a cell of a row above still covers, and for how many rows."""

    def row(self) -> None:
        """Begin a row."""
        self._covered = {column: left - 1 for column, left in self._covered.items() if left > 1}
        self.rows.append([])

    def cell(self, text: str, *, columns: int = 1, rows: int = 1) -> None:
        """Add a cell to the row.

        Args:
            text: What is in it.
            columns: How many it is wide.
            rows: How many it is high.
        """
        if not self.rows:
            self.row()
        row = self.rows[-1]
        while len(row) in self._covered and len(row) < _WIDEST:
            row.append("")
        columns = max(1, min(columns, _WIDEST - len(row)))
        for column in range(len(row), len(row) + columns):
            if rows > 1:
                self._covered[column] = rows
        row.extend([text, *[""] * (columns - 1)])
