"""What a search reads from SQLite: the words leg, the rows a filter lets through, the chunks found.

Plain functions over a connection inside `Store.reading`; they see one generation and change
nothing. Knows the tables; knows nothing of vectors, ranks of the other leg, or LangChain.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic_core import from_json

from ziggurat.index.filters import Condition
from ziggurat.index.fusion import Fused
from ziggurat.index.hits import Hit, Position
from ziggurat.index.searcher import Positions
from ziggurat.loaders.document import Place

_AT_ONCE = 500
_COLUMNS = """chunks.row, chunks.id, documents.id, documents.source, chunks.text, chunks.metadata,
  chunks.first_char, chunks.end_char, chunks.first_line, chunks.last_line, chunks.headings, chunks.places"""
_FROM = "FROM chunks LEFT JOIN documents ON documents.doc = chunks.doc"


class StoredChunk(NamedTuple):
    """A chunk as it was read.

    Attributes:
        row: Its row number.
        id: Its id.
        document: The id of its document; None for a bare text.
        source: The source of its document; None for a bare text.
        text: The chunk.
        metadata: A JSON object.
        first_char: Offset in the document's text.
        end_char: Offset after the last character.
        first_line: From 1.
        last_line: From 1.
        headings: A JSON list.
        places: A JSON list of ``[offset in the chunk, {"page": 3}]``.
    """

    row: int
    id: str
    document: str | None
    source: str | None
    text: str
    metadata: str
    first_char: int
    end_char: int
    first_line: int
    last_line: int
    headings: str
    places: str

    def langchain_metadata(self) -> dict[str, Any]:
        """The metadata of a LangChain document: as given, and for a loaded document its place."""
        metadata: dict[str, Any] = from_json(self.metadata)
        if self.document is not None:
            metadata["document_id"] = self.document
            metadata["start_index"] = self.first_char
            metadata["end_index"] = self.end_char
            metadata["first_line"] = self.first_line
            metadata["last_line"] = self.last_line
            if self.places != "[]":
                metadata["places"] = from_json(self.places)
        return metadata

    def hit(self, found: Fused) -> Hit:
        """This chunk as it was found."""
        metadata = from_json(self.metadata)
        source = self.source if self.document is not None else metadata.get("source")
        return Hit(
            document_id=self.document if self.document is not None else self.id,
            chunk_id=self.id,
            text=self.text,
            score=found.score,
            dense=found.dense,
            words=found.words,
            path=found.path,
            metadata=metadata,
            position=Position(
                source=source if isinstance(source, str) else None,
                start=self.first_char,
                end=self.end_char,
                first_line=self.first_line,
                last_line=self.last_line,
                headings=tuple(from_json(self.headings)),
                places=() if self.places == "[]" else tuple(Place(at, said) for at, said in from_json(self.places)),
            ),
        )


def fetch(connection: sqlite3.Connection, rows: Sequence[int]) -> list[StoredChunk]:
    """Chunks by row, in the order asked for; rows that are not there are left out."""
    found: dict[int, StoredChunk] = {}
    for at in range(0, len(rows), _AT_ONCE):
        part = list(rows[at : at + _AT_ONCE])
        marks = ",".join("?" * len(part))
        for values in connection.execute(f"SELECT {_COLUMNS} {_FROM} WHERE chunks.row IN ({marks})", part):
            found[values[0]] = StoredChunk(*values)
    return [found[row] for row in rows if row in found]


def fetch_by_ids(connection: sqlite3.Connection, ids: Iterable[str]) -> list[StoredChunk]:
    """Chunks by id, in the order asked for, each once; unknown ids are left out."""
    wanted = list(dict.fromkeys(ids))
    rows = connection.execute(
        f"SELECT {_COLUMNS} {_FROM} WHERE chunks.id IN (SELECT value FROM json_each(?))",  # noqa: S608 (our own columns)
        (json.dumps(wanted),),
    )
    found = {values[1]: StoredChunk(*values) for values in rows}
    return [found[chunk_id] for chunk_id in wanted if chunk_id in found]


def words_ranking(
    connection: sqlite3.Connection, expression: str, k: int, condition: Condition | None
) -> list[tuple[int, float]]:
    """The ``k`` best rows by BM25, best first; scores are positive."""
    if condition is None:
        found = connection.execute(
            "SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (expression, k)
        )
    else:
        found = connection.execute(
            "SELECT words.rowid, words.rank FROM words JOIN chunks ON chunks.row = words.rowid "  # noqa: S608 (values are parameters)
            f"WHERE words MATCH ? AND {condition.sql} ORDER BY words.rank LIMIT ?",
            (expression, *condition.parameters, k),
        )
    return [(row, -score) for row, score in found]


def rows_matching(connection: sqlite3.Connection, condition: Condition) -> Positions:
    """The rows a filter lets through, ascending."""
    found = connection.execute(
        f"SELECT row FROM chunks WHERE {condition.sql} ORDER BY row",  # noqa: S608 (values are parameters)
        condition.parameters,
    )
    return np.fromiter((row for (row,) in found), dtype=np.int64)


def count_chunks(connection: sqlite3.Connection) -> int:
    """How many chunks there are."""
    return int(connection.execute("SELECT count(*) FROM chunks").fetchone()[0])


def count_documents(connection: sqlite3.Connection) -> int:
    """How many loaded documents there are; bare texts are not counted."""
    return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])
