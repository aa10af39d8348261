"""Word: paragraphs, headings, lists, tables, notes, text boxes, headers and footers, as the page shows them.

The package opens the file and its parts; the body is read from the XML itself, because much that a
page shows (content controls, text boxes, tracked insertions, numbers of lists) has no other way.
Deleted and hidden text is left out. Pages are told only where the file's own count of its pages agrees
with the breaks it marks: a wrong page is worse than none.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders import marks
from ziggurat.loaders.archive import Archive, check_archive
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import PAGE_MARK, fit, known, pages_marked
from ziggurat.loaders.grid import Grid
from ziggurat.loaders.numbering import Numbering, W, value
from ziggurat.loaders.ooxml import core_properties, plain_package
from ziggurat.loaders.word_text import paragraph_text
from ziggurat.loaders.xml import local, parse_xml
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_NUMBERED_STYLE = re.compile(r"heading (\d)$", re.IGNORECASE)
_TITLES = {"title": 1, "subtitle": 2}
_TRANSPARENT = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "AlternateContent", "Choice"})
_BODY_TEXT = 9
_BLANK = " \t\n"
_OUTLINE_LEVELS = 9


def parse_word(blob: Blob) -> Iterator[SourceDocument]:
    """A Word document."""
    where, data = str(blob.source), blob.as_bytes()
    archive = check_archive(data, where)
    docx = require("docx", for_="reading Word files", extra="documents")
    document = docx.Document(io.BytesIO(plain_package(data, _MAIN)))
    reader = _Reader(document)
    blocks = [*reader.margins("header"), *reader.blocks(document.element.body)]
    blocks += [*reader.margins("footer"), *reader.notes("footnotes"), *reader.notes("endnotes"), *reader.comments()]
    about = core_properties(archive, where)
    about["title"] = about.get("title") or reader.title
    yield _made(where, blocks, about, _pages_told(archive, where))


def _made(where: str, blocks: list[str], about: dict[str, Any], pages: int | None) -> SourceDocument:
    joined = "\n\n".join(block for block in blocks if block.strip(_BLANK))
    fitted = PAGE_MARK.join(fit(piece) for piece in joined.split(PAGE_MARK)).strip(_BLANK)
    text, places = pages_marked(fitted)
    if not text.strip():
        raise UnreadableDocument("There is no text in it.", where=where)
    if pages != len(places) or pages == 1:  # a page count of one is also what programs write that never counted
        return SourceDocument(where, text, "markdown", known(where, about))
    return SourceDocument(where, text, "markdown", known(where, {**about, "pages": pages}), tuple(places))


def _pages_told(archive: Archive, where: str) -> int | None:
    """How many pages Word counted when it saved the file."""
    if "docProps/app.xml" not in archive:
        return None
    for element in parse_xml(archive.read("docProps/app.xml"), where):
        if local(element) == "Pages" and element.text and element.text.strip().isdecimal():
            return int(element.text)
    return None


class _Reader:
    """One pass through a document."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._numbering = Numbering(self._part("numbering"))
        self._styles = {style.get(f"{W}styleId"): style for style in document.styles.element.iterfind(f"{W}style")}
        self.title: str | None = None

    def _part(self, kind: str) -> Any:
        """The root of a part that the document relates to, or None."""
        for relation in self._document.part.rels.values():
            if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
                return parse_xml(relation.target_part.blob, kind)
        return None

    def blocks(self, container: Any) -> Iterator[str]:
        """The blocks of a body, a cell, a note or a text box."""
        items: list[str] = []
        for element in _blocks_of(container):
            if local(element) == "tbl":
                yield from self._gathered(items)
                yield self._table(element)
                continue
            text, boxes = paragraph_text(element)
            if text.strip(_BLANK + PAGE_MARK):
                block, listed = self._paragraph(element, text)
                if listed:
                    items.append(block)
                else:
                    yield from self._gathered(items)
                    yield block
            elif text.strip(_BLANK):
                yield from self._gathered(items)
                yield text.strip(_BLANK)
            for box in boxes:
                yield from self._gathered(items)
                yield from self.blocks(box)
        yield from self._gathered(items)

    @staticmethod
    def _gathered(items: list[str]) -> Iterator[str]:
        if items:
            yield "\n".join(items)
            items.clear()

    def _paragraph(self, element: Any, text: str) -> tuple[str, bool]:
        text = text.strip(_BLANK)
        properties = element.find(f"{W}pPr")
        level = self._heading_level(properties)
        marker, depth = self._marker(properties)
        if level is not None:
            plain = marks.one_line(text.replace(PAGE_MARK, ""))
            self.title = self.title or plain
            return marks.heading(level, f"{marker} {text}" if marker and marker != "-" else text), False
        if marker is not None:
            return marks.item(depth, marker, text), True
        return text, False

    def _heading_level(self, properties: Any) -> int | None:
        own = value(properties.find(f"{W}outlineLvl")) if properties is not None else None
        if own is not None and own.isdecimal():
            return int(own) + 1 if int(own) < _BODY_TEXT else None
        for style in self._lineage(properties):
            name = (value(style.find(f"{W}name")) or "").strip().lower()
            numbered = _NUMBERED_STYLE.match(name)
            if numbered:
                return int(numbered[1])
            if name in _TITLES:
                return _TITLES[name]
            outline = value(style.find(f"{W}pPr/{W}outlineLvl"))
            if outline is not None and outline.isdecimal():
                return int(outline) + 1 if int(outline) < _OUTLINE_LEVELS else None
        return None

    def _marker(self, properties: Any) -> tuple[str | None, int]:
        name, level = _numbered(properties)
        for style in self._lineage(properties):
            if name is not None:
                break
            name, of_style = _numbered(style.find(f"{W}pPr"))
            level = of_style if level is None else level
        if name is None or name == "0":
            return None, 0
        return self._numbering.marker(name, level or 0), level or 0

    def _lineage(self, properties: Any) -> Iterator[Any]:
        """A paragraph's style, the style that one is based on, and so on; a circle ends it."""
        name = value(properties.find(f"{W}pStyle")) if properties is not None else None
        seen: set[str] = set()
        while name is not None and name in self._styles and name not in seen:
            seen.add(name)
            style = self._styles[name]
            yield style
            name = value(style.find(f"{W}basedOn"))

    def _table(self, table: Any) -> str:
        grid = Grid()
        for row in _rows_of(table):
            grid.row()
            before = value(row.find(f"{W}trPr/{W}gridBefore"))
            for _ in range(int(before) if before and before.isdecimal() else 0):
                grid.cell("")
            for cell in _cells_of(row):
                span = value(cell.find(f"{W}tcPr/{W}gridSpan"))
                merged = cell.find(f"{W}tcPr/{W}vMerge")
                goes_on = merged is not None and (value(merged) or "continue") == "continue"
                text = "" if goes_on else " ".join(self._in_cell(cell))
                grid.cell(text, columns=int(span) if span and span.isdecimal() else 1)
        return marks.table(grid.rows)

    def _in_cell(self, cell: Any) -> Iterator[str]:
        """The blocks of a cell; a table inside is its words, since Markdown has no tables in tables."""
        for element in _blocks_of(cell):
            if local(element) == "tbl":
                for row in _rows_of(element):
                    yield ", ".join(filter(None, (" ".join(self._in_cell(inner)) for inner in _cells_of(row)))) + ";"
            else:
                text, boxes = paragraph_text(element)
                yield text.strip(_BLANK)
                for box in boxes:
                    yield from self.blocks(box)

    def margins(self, kind: str) -> Iterator[str]:
        """What stands in the headers or footers, each text once."""
        seen: set[str] = set()
        for relation in self._document.part.rels.values():
            if relation.is_external or not relation.reltype.endswith(f"/{kind}"):
                continue
            blocks = [block.replace(PAGE_MARK, "") for block in self.blocks(parse_xml(relation.target_part.blob, kind))]
            text = "\n\n".join(blocks)
            if text and text not in seen and not text.strip().isdecimal():
                seen.add(text)
                yield text

    def notes(self, kind: str) -> Iterator[str]:
        """The footnotes or endnotes, each with the mark that the text has for it."""
        root = self._part(kind)
        for note in root if root is not None else ():
            if note.get(f"{W}type") in (None, "normal") and local(note) in ("footnote", "endnote"):
                text = " ".join(self.blocks(note)).replace(PAGE_MARK, "").strip()
                if text:
                    yield f"[^{note.get(f'{W}id')}]: {text}"

    def comments(self) -> Iterator[str]:
        """What readers wrote in the margin."""
        root = self._part("comments")
        for comment in root if root is not None else ():
            text = " ".join(self.blocks(comment)).replace(PAGE_MARK, "").strip()
            if text:
                author = (comment.get(f"{W}author") or "").strip()
                yield f"Comment by {author}: {text}" if author else f"Comment: {text}"


def _blocks_of(container: Any) -> Iterator[Any]:
    for element in container:
        name = local(element)
        if name in ("p", "tbl"):
            yield element
        elif name in _TRANSPARENT:
            yield from _blocks_of(element)


def _rows_of(table: Any) -> Iterator[Any]:
    for element in table:
        if local(element) == "tr":
            if element.find(f"{W}trPr/{W}del") is None:
                yield element
        elif local(element) in _TRANSPARENT:
            yield from _rows_of(element)


def _cells_of(row: Any) -> Iterator[Any]:
    for element in row:
        if local(element) == "tc":
            yield element
        elif local(element) in _TRANSPARENT:
            yield from _cells_of(element)


def _numbered(properties: Any) -> tuple[str | None, int | None]:
    found = properties.find(f"{W}numPr") if properties is not None else None
    if found is None:
        return None, None
    level = value(found.find(f"{W}ilvl"))
    return value(found.find(f"{W}numId")), int(level) if level and level.isdecimal() else None
