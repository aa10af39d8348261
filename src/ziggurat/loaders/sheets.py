"""Excel workbooks: every sheet, a line a row, values as they were last computed.

Dates come out in ISO form, percentages as percentages, other numbers in full. Formulas that no program
ever computed have no value: they are counted in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.archive import MAX_TOTAL, check_archive
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.ooxml import core_properties
from ziggurat.loaders.rows import described
from ziggurat.loaders.workbook import Workbook

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob


def parse_excel(blob: Blob) -> Iterator[SourceDocument]:
    """An Excel workbook; where it has several sheets, each begins with a line that names it."""
    where = str(blob.source)
    archive = check_archive(blob.as_bytes(), where, limit=MAX_TOTAL)
    book = Workbook(archive, where)
    draft = Draft(where)
    for name, inside in book.sheets:
        begun = len(book.sheets) == 1
        for number, line in described(book.rows(inside)):
            if not begun:
                begun = True
                draft.place(sheet=name)
                draft.add(f"Sheet: {name}", "\n")
            draft.place(sheet=name, row=number)
            draft.add(line, "\n")
    if draft.empty:
        count = book.never_computed
        said = f" but {count:,} formulas that were never computed" if count else ""
        raise UnreadableDocument(f"There is nothing in its sheets{said}.", where=where)
    yield draft.document(
        "table",
        {
            **core_properties(archive, where),
            "sheets": [name for name, _ in book.sheets],
            "formulas_without_values": book.never_computed or None,
        },
    )
