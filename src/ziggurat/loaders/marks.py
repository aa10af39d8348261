"""Markdown's marks, as the readers of structured formats write them.

Word, HTML, slides, books and notes all come out as the same few marks: headings, list items, pipe
tables, fences, quotes. Nothing here reads a format, and nothing here escapes a text beyond what keeps
a table's rows apart: the words stay as the file has them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ziggurat.loaders.draft import PAGE_MARK

_SPACE = re.compile(rf"[^\S{PAGE_MARK}]+")
_TICKS = re.compile(r"`{3,}")
_DEEPEST_HEADING = 6
_WIDEST = 512


def one_line(text: str) -> str:
    """The text on one line, runs of white space as one space; a page mark stays."""
    return _SPACE.sub(" ", text).strip(" ")


def heading(level: int, text: str) -> str:
    """A heading; deeper ones than Markdown has become its deepest."""
    text = one_line(text)
    return f"{'#' * min(max(level, 1), _DEEPEST_HEADING)} {text}" if text.strip(PAGE_MARK) else text


def item(depth: int, marker: str, text: str) -> str:
    """A list item.

    Args:
        depth: 0 for the outermost list.
        marker: ``-``, or the number as the file shows it.
        text: Further lines of it are indented under the first.
    """
    indent = "  " * depth
    return f"{indent}{marker} " + text.strip(" \t\n").replace("\n", f"\n{indent}{' ' * (len(marker) + 1)}")


def fence(text: str, language: str = "") -> str:
    """Text kept as it is."""
    longest = max((len(run) for run in _TICKS.findall(text)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks}{language}\n{text.strip(chr(10))}\n{ticks}"


def quote(text: str) -> str:
    """A quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def table(rows: Sequence[Sequence[str]]) -> str:
    """A pipe table; its first row is the header.

    Rows and columns that are empty all through are left out; one column alone becomes paragraphs.
    """
    cells = [[one_line(cell).replace("|", "\\|") for cell in row[:_WIDEST]] for row in rows]
    cells = [row for row in cells if any(row)]
    width = max((len(row) for row in cells), default=0)
    cells = [row + [""] * (width - len(row)) for row in cells]
    kept = [column for column in range(width) if any(row[column] for row in cells)]
    if len(kept) < 2:  # noqa: PLR2004 (one column is no table)
        return "\n\n".join(row[column].replace("\\|", "|") for row in cells for column in kept if row[column])
    lines = ["| " + " | ".join(row[column] for column in kept) + " |" for row in cells]
    return "\n".join([lines[0], "| " + " | ".join("---" for _ in kept) + " |", *lines[1:]])
