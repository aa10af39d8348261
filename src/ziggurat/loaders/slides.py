"""PowerPoint: slide by slide, titles, texts, tables, charts and notes.

Shapes come in the order the file has them, the title first; groups are opened. Pictures count only by
their description.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.loaders import marks
from ziggurat.loaders.archive import check_archive
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.grid import Grid
from ziggurat.loaders.ooxml import core_properties, plain_package
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_BODY = frozenset({"BODY", "OBJECT", "VERTICAL_BODY", "VERTICAL_OBJECT"})
_TITLES = frozenset({"TITLE", "CENTER_TITLE", "VERTICAL_TITLE"})
_LONGEST_TITLE = 200
_NO_WORDS = frozenset({"SLIDE_NUMBER", "DATE"})
_MAIN = "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"


def parse_slides(blob: Blob) -> Iterator[SourceDocument]:
    """A PowerPoint presentation."""
    where, data = str(blob.source), blob.as_bytes()
    archive = check_archive(data, where)
    pptx = require("pptx", for_="reading PowerPoint files", extra="documents")
    deck = pptx.Presentation(io.BytesIO(plain_package(data, _MAIN)))
    draft = Draft(where)
    title: str | None = None
    for number, slide in enumerate(deck.slides, 1):
        draft.place(slide=number)
        heading = _heading(slide)
        said = marks.one_line(heading.text_frame.text) if heading is not None else ""
        title = title or said or None
        draft.add(marks.heading(1, said))
        for shape in slide.shapes:
            if heading is None or shape.shape_id != heading.shape_id:
                draft.add_all(_shape(shape))
        draft.add_all(_notes(slide))
    about = core_properties(archive, where)
    yield draft.document("markdown", {**about, "title": about.get("title") or title, "slides": len(deck.slides)})


def _heading(slide: Any) -> Any:
    """The shape that holds the title; the library takes the first placeholder for one, whatever it is."""
    shape = slide.shapes.title
    if shape is None or not shape.has_text_frame or len(shape.text_frame.text) > _LONGEST_TITLE:
        return None
    return shape if getattr(shape.placeholder_format.type, "name", "") in _TITLES else None


def _shape(shape: Any) -> Iterator[str]:
    if hasattr(shape, "shapes"):
        for inner in shape.shapes:
            yield from _shape(inner)
        return
    placeholder = shape.placeholder_format.type if shape.is_placeholder else None
    kind = getattr(placeholder, "name", "")
    if kind in _NO_WORDS:
        return
    if getattr(shape, "has_table", False):
        yield _table(shape.table)
    elif getattr(shape, "has_chart", False):
        yield from _chart(shape.chart)
    elif shape.has_text_frame:
        yield _text(shape.text_frame, listed=kind in _BODY)
    else:
        yield from _diagram(shape)
        described = shape._element.xpath("./*/*[local-name()='cNvPr']/@descr")  # noqa: SLF001 (the library has no other way)
        if described and described[0].strip():
            yield f"![{marks.one_line(described[0])}]"


def _text(frame: Any, *, listed: bool) -> str:
    lines = []
    for paragraph in frame.paragraphs:
        text = paragraph.text.replace("\v", "\n").strip()
        if not text:
            continue
        numbered = paragraph._p.find(f"{_DRAWING}pPr/{_DRAWING}buNone") is None  # noqa: SLF001 (the same)
        marked = paragraph._p.find(f"{_DRAWING}pPr/{_DRAWING}buChar") is not None  # noqa: SLF001 (the same)
        lines.append(marks.item(paragraph.level, "-", text) if marked or (listed and numbered) else text)
    return "\n".join(lines)


def _table(table: Any) -> str:
    grid = Grid()
    for row in table.rows:
        grid.row()
        for cell in row.cells:
            grid.cell("" if cell.is_spanned else cell.text_frame.text)
    return marks.table(grid.rows)


def _chart(chart: Any) -> Iterator[str]:
    if chart.has_title and chart.chart_title.has_text_frame:
        yield chart.chart_title.text_frame.text
    for plot in chart.plots:
        names = [str(category) for category in plot.categories]
        rows = [["", *names]]
        for series in plot.series:
            rows.append([series.name or "", *("" if value is None else f"{value:.15g}" for value in series.values)])  # noqa: PERF401 (reads as a table)
        yield marks.table(rows)


def _diagram(shape: Any) -> Iterator[str]:
    """The words of a SmartArt diagram, which stand in a part of their own."""
    for name in shape._element.xpath(".//@*[local-name()='dm']"):  # noqa: SLF001 (the library has no other way)
        part = shape.part.related_part(name)
        etree = require("lxml.etree", for_="reading PowerPoint files", extra="documents")
        root = etree.fromstring(part.blob, parser=etree.XMLParser(resolve_entities=False, no_network=True))
        lines = ["".join(paragraph.itertext(f"{_DRAWING}t")).strip() for paragraph in root.iter(f"{_DRAWING}p")]
        yield "\n".join(marks.item(0, "-", line) for line in lines if line)


def _notes(slide: Any) -> Iterator[str]:
    if not slide.has_notes_slide:
        return
    frame = slide.notes_slide.notes_text_frame
    text = frame.text.replace("\v", "\n").strip() if frame is not None else ""
    if text:
        yield f"Notes: {text}"
