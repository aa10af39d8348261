"""Small chunks to find, large passages to read: each hit widened to the part of its document it stands in.

A short chunk is found precisely and says little; a model answers better from the whole section. The
document's text is split again with a larger size, at headings and paragraphs as always, and each hit
is replaced by the part that holds it. Hits of one part become one. Nothing of this is stored, so any
size can be asked for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from ziggurat.errors import InputError
from ziggurat.index.fusion import Fused
from ziggurat.index.reads import StoredChunk
from ziggurat.index.splitting import SMALLEST_SIZE, Lines, Piece, StructureSplitter

SEARCHED = 4
"""Hits looked at for each part that is wanted, since several may stand in one."""

Found = tuple[Fused, StoredChunk]


def check_parent(size: object) -> int:
    """A size of the parts, in characters.

    Raises:
        InputError: If it is no number that a splitter can use.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < SMALLEST_SIZE:
        raise InputError(f"parent is a size in characters, {SMALLEST_SIZE} or more, not {size!r}.")
    return size


def widened(connection: sqlite3.Connection, found: Iterable[Found], size: int, k: int) -> list[Found]:
    """The parts that hold the hits, in the order of their best hits, at most ``k``.

    A bare text is its own part. A part keeps the id, the metadata and the scores of its best hit.

    Args:
        connection: Inside the read transaction the hits come from.
        found: Hits, best first.
        size: The most a part may weigh, as a splitter counts.
        k: How many.
    """
    parts: dict[tuple[str | None, int | str], Found] = {}
    documents: dict[str, tuple[str, list[Piece]]] = {}
    for fused, chunk in found:
        if chunk.document is None:
            parts.setdefault((None, chunk.id), (fused, chunk))
        else:
            if chunk.document not in documents:
                documents[chunk.document] = _document(connection, chunk.document, size)
            text, pieces = documents[chunk.document]
            piece = max(pieces, key=lambda one: min(one.end, chunk.end_char) - max(one.start, chunk.first_char))
            key = (chunk.document, piece.start)
            if key not in parts:
                parts[key] = fused, _part(connection, chunk, text, piece)
        if len(parts) == k:
            break
    return list(parts.values())


def _document(connection: sqlite3.Connection, document: str, size: int) -> tuple[str, list[Piece]]:
    text, kind = connection.execute("SELECT text, kind FROM documents WHERE id = ?", (document,)).fetchone()
    return text, StructureSplitter(size=size, overlap=0).split(text, kind)


def _part(connection: sqlite3.Connection, chunk: StoredChunk, text: str, piece: Piece) -> StoredChunk:
    if piece.start >= chunk.first_char and piece.end <= chunk.end_char:
        return chunk  # the chunk is larger than what was asked for
    lines = Lines(text)
    return chunk._replace(
        text=text[piece.start : piece.end],
        first_char=piece.start,
        end_char=piece.end,
        first_line=lines.of(piece.start),
        last_line=lines.of(piece.end - 1),
        headings=json.dumps(piece.headings, ensure_ascii=False),
        places=json.dumps(list(_places(connection, chunk, piece)), ensure_ascii=False),
    )


def _places(connection: sqlite3.Connection, chunk: StoredChunk, piece: Piece) -> Iterator[tuple[int, object]]:
    """The places of the chunks within a part, counted from the part's start."""
    found = connection.execute(
        "SELECT first_char, places FROM chunks WHERE doc = (SELECT doc FROM documents WHERE id = ?) "
        "AND end_char > ? AND first_char < ? AND places <> '[]' ORDER BY first_char",
        (chunk.document, piece.start, piece.end),
    )
    last: object = None
    for first, places in found:
        for offset, at in json.loads(places):
            if at != last and first + offset < piece.end:
                yield max(first + offset - piece.start, 0), at
                last = at
