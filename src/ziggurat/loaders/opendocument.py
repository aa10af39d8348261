"""OpenDocument: texts, spreadsheets and presentations, as LibreOffice writes them.

One XML file holds it all. Deleted text is left out; notes and comments stand behind what they belong
to. Repeated cells and rows are counted, not copied without bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders import marks
from ziggurat.loaders.archive import Archive
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.grid import Grid
from ziggurat.loaders.rows import Cells, described
from ziggurat.loaders.xml import attribute, local, parse_xml

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_MOST_REPEATED = 1000
_LAST = 10_000_000
_LEFT_OUT = frozenset(
    "tracked-changes forms sequence-decls variable-decls user-field-decls annotation-end bookmark note-citation"
    " shapes scripts alphabetical-index-source table-of-content-source".split()
)
_DEEPEST_LIST = 20


def parse_odt(blob: Blob) -> Iterator[SourceDocument]:
    """An OpenDocument text."""
    body, about, draft = _opened(blob)
    reader = _Reader()
    draft.add_all(reader.blocks(body))
    yield draft.document("markdown", about | {"title": about.get("title") or reader.title})


def parse_odp(blob: Blob) -> Iterator[SourceDocument]:
    """An OpenDocument presentation."""
    body, about, draft = _opened(blob)
    reader = _Reader()
    for number, page in enumerate((one for one in body.iter() if local(one) == "page"), 1):
        draft.place(slide=number)
        draft.add_all(reader.blocks(page))
    yield draft.document("markdown", about)


def parse_ods(blob: Blob) -> Iterator[SourceDocument]:
    """An OpenDocument spreadsheet, a line a row."""
    body, about, draft = _opened(blob)
    tables = [one for one in body.iter() if local(one) == "table"]
    for table in tables:
        name = attribute(table, "name") or ""
        begun = len(tables) == 1
        for number, line in described(_rows(table)):
            if not begun:
                begun = True
                draft.place(sheet=name)
                draft.add(f"Sheet: {name}", "\n")
            draft.place(sheet=name, row=number)
            draft.add(line, "\n")
    yield draft.document("table", about | {"sheets": [attribute(table, "name") for table in tables]})


def _opened(blob: Blob) -> tuple[Any, dict[str, Any], Draft]:
    where = str(blob.source)
    archive = Archive(blob.as_bytes(), where)
    if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise UnreadableDocument("The file is protected with a password.", where=where)
    root = parse_xml(archive.read("content.xml"), where, huge=True)
    body = next((one for one in root if local(one) == "body"), None)
    if body is None:
        raise UnreadableDocument("The file is damaged: there is no body in it.", where=where)
    return body, _about(archive, where), Draft(where)


def _about(archive: Archive, where: str) -> dict[str, Any]:
    names = {
        "title": "title",
        "creator": "author",
        "initial-creator": "author",
        "creation-date": "created",
        "date": "modified",
    }
    said: dict[str, Any] = {}
    if "meta.xml" in archive:
        for element in parse_xml(archive.read("meta.xml"), where).iter():
            name = names.get(local(element))
            if name and element.text and element.text.strip():
                said.setdefault(name, element.text.strip())
    return said


class _Reader:
    """One pass through a document."""

    def __init__(self) -> None:
        self.title: str | None = None

    def blocks(self, container: Any) -> Iterator[str]:
        """The blocks of a body, a section, a cell or a frame."""
        for element in container:
            name = local(element)
            if name in _LEFT_OUT or not name:
                continue
            if name in ("p", "h"):
                yield from self._paragraph(element, name)
            elif name == "list":
                lines = list(self._items(element, 0))
                if lines:
                    yield "\n".join(lines)
            elif name == "table":
                yield self._table(element)
            elif name == "notes":
                said = "\n".join(block for block in self.blocks(element) if block)
                if said:
                    yield f"Notes: {said}"
            else:
                yield from self.blocks(element)

    def _paragraph(self, element: Any, name: str) -> Iterator[str]:
        boxes: list[Any] = []
        text = self._text(element, boxes).strip()
        if text and name == "h":
            level = attribute(element, "outline-level") or "1"
            self.title = self.title or marks.one_line(text)
            yield marks.heading(int(level) if level.isdecimal() else 1, text)
        elif text:
            if self.title is None and "title" in (attribute(element, "style-name") or "").lower():
                self.title = marks.one_line(text)
            yield text
        for box in boxes:
            yield from self.blocks(box)

    def _items(self, element: Any, depth: int) -> Iterator[str]:
        for entry in element:
            if local(entry) not in ("list-item", "list-header"):
                continue
            own: list[str] = []
            inner: list[str] = []
            for child in entry:
                if local(child) == "list" and depth < _DEEPEST_LIST:
                    inner.extend(self._items(child, depth + 1))
                else:
                    own.extend(self.blocks([child]))
            if own:
                yield marks.item(depth, "-", "\n".join(own))
            yield from inner

    def _table(self, table: Any) -> str:
        grid = Grid()
        for row in _within(table, "table-row"):
            grid.row()
            for cell in row:
                if local(cell) in ("table-cell", "covered-table-cell"):
                    text = " ".join(self.blocks(cell))
                    for _ in range(_times(cell, "number-columns-repeated")):
                        grid.cell(text)
        return marks.table(grid.rows)

    def _text(self, element: Any, boxes: list[Any]) -> str:
        pieces = [_collapsed(element.text)]
        for child in element:
            name = local(child)
            if name == "s":
                pieces.append(" " * _times(child, "c"))
            elif name == "tab":
                pieces.append("\t")
            elif name == "line-break":
                pieces.append("\n")
            elif name in ("frame", "custom-shape", "g", "rect"):
                boxes.append(child)
            elif name == "note":
                pieces.append(f" ({' '.join(self.blocks(child))})")
            elif name == "annotation":
                pieces.append(f" (Comment: {' '.join(self.blocks(child))})")
            elif name and name not in _LEFT_OUT:
                pieces.append(self._text(child, boxes))
            pieces.append(_collapsed(child.tail))
        return "".join(pieces)


def _rows(table: Any) -> Iterator[tuple[int, Cells]]:
    reader = _Reader()
    number = 1
    for row in _within(table, "table-row"):
        cells: Cells = {}
        column = 0
        for cell in row:
            if local(cell) in ("table-cell", "covered-table-cell"):
                said = marks.one_line(_value(cell, reader))
                times = _times(cell, "number-columns-repeated", _LAST)
                if said:
                    cells.update(dict.fromkeys(range(column, column + min(times, _MOST_REPEATED)), said))
                column += times
        times = _times(row, "number-rows-repeated", _LAST)
        if cells:
            for offset in range(min(times, _MOST_REPEATED)):
                yield number + offset, cells
        number += times


def _value(cell: Any, reader: _Reader) -> str:
    """A cell's value: dates and numbers in full, whatever form they are shown in."""
    kind = attribute(cell, "value-type")
    if kind == "date":
        return attribute(cell, "date-value") or ""
    shown = " ".join(reader.blocks(cell))
    if kind == "float":
        return attribute(cell, "value") or shown
    return shown


def _within(table: Any, name: str) -> Iterator[Any]:
    """The rows of a table, also those in groups and headers, not those of tables inside."""
    for element in table:
        if local(element) == name:
            yield element
        elif local(element) in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _within(element, name)


def _times(element: Any, name: str, most: int = _MOST_REPEATED) -> int:
    text = attribute(element, name) or "1"
    return min(int(text), most) if text.isdecimal() and len(text) < 10 else 1  # noqa: PLR2004 (longer than any sheet)


def _collapsed(text: str | None) -> str:
    """White space in OpenDocument is one space; more of it has elements of its own."""
    if not text:
        return ""
    words = " ".join(text.split())
    lead = " " if text[:1].isspace() else ""
    return f"{lead}{words}{' ' if words and text[-1:].isspace() else ''}"
