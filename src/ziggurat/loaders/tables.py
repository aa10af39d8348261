"""Comma and tab separated values, one line a row.

What parts the cells is told by the first rows: the mark that gives most of them the same number of
cells. A file whose rows agree on none is one column. Knows nothing of which row is a header.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.rows import cells, described
from ziggurat.loaders.text import decode, one_line_end

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_MARKS = ";\t|,"
"""Marks that part cells; the rarer in texts first, so that it wins where two fit as well."""
_LOOKED_AT = 200
_AGREE = 0.7
_NO_MARK = "\x1f"


def parse_csv(blob: Blob, *, encoding: str | None = None, delimiter: str | None = None) -> Iterator[SourceDocument]:
    """Comma separated values, or semicolon, bar or tab.

    Args:
        blob: The file.
        encoding: As for `text.parse_text`.
        delimiter: What parts the cells; None finds it.
    """
    yield _table(blob, encoding, delimiter)


def parse_tsv(blob: Blob, *, encoding: str | None = None) -> Iterator[SourceDocument]:
    """Tab separated values."""
    yield _table(blob, encoding, "\t")


def _table(blob: Blob, named: str | None, delimiter: str | None) -> SourceDocument:
    where, data = str(blob.source), blob.as_bytes()
    text, encoding = decode(data, where, named)
    text, said = _declared(one_line_end(text))
    delimiter = delimiter or said or delimiter_of(text)
    rows, metadata = _rows(text, delimiter, where)
    draft = Draft(where)
    skipped = 1 if said else 0
    for number, line in described((number + skipped, cells(row)) for number, row in enumerate(rows, 1)):
        draft.place(row=number)
        draft.add(line, "\n")
    if encoding != "utf-8":
        metadata["encoding"] = encoding
    return draft.document("table", {"rows": len(rows), **metadata})


def delimiter_of(text: str) -> str:
    """What parts the cells of a table."""
    best, most = _NO_MARK, (0.0, 0)
    for mark in _MARKS:
        try:
            rows = [
                row
                for row, _ in zip(csv.reader(io.StringIO(text), delimiter=mark), range(_LOOKED_AT), strict=False)
                if row
            ]
        except csv.Error:
            continue
        counts = Counter(len(row) for row in rows if len(row) > 1)
        if not counts:
            continue
        columns, agreeing = counts.most_common(1)[0]
        score = (agreeing / len(rows), columns)
        if score[0] >= _AGREE and score[0] > most[0]:
            best, most = mark, score
    return best


def _rows(text: str, delimiter: str, where: str) -> tuple[list[list[str]], dict[str, Any]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)), {}
    except csv.Error as error:
        if "field larger" in str(error):
            raise UnreadableDocument(
                f"The table is damaged: {error}.", where=where, fix="is a quotation mark left open?"
            ) from error
    # Quotation marks that quote nothing, as inches have them: read as what they are, a line a row.
    rows = [line.split(delimiter) for line in text.split("\n")]
    return rows, {"quotation_marks": "read as they stand: they do not match"}


def _declared(text: str) -> tuple[str, str | None]:
    """Excel's first line ``sep=;`` tells what parts the cells, and is no row."""
    first, _, rest = text.partition("\n")
    if len(first) == len("sep=;") and first.lower().startswith("sep="):
        return rest, first[-1]
    return text, None
