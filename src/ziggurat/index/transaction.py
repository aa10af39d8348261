"""The statements of one commit: chunks, documents, vectors and words, added and removed together.

Runs inside `Store.writing`, which begins and ends the transaction; checks nothing about the values
(`inputs` has) and knows no model. Invariant: chunks, vectors and words hold the same rows, and a
document's ``chunks`` column is the number of its rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

from ziggurat.index.inputs import Vectors
from ziggurat.index.names import Name, names_of
from ziggurat.index.words import index_terms

DIGEST_BYTES = 16
STAMP_BYTES = 16


class Version(NamedTuple):
    """A generation and the stamp of the commit that made it."""

    generation: int
    stamp: bytes


class Chunk(NamedTuple):
    """A chunk to be stored.

    Attributes:
        id: Unique in the index; an earlier chunk with it is replaced.
        text: What is embedded and searched.
        metadata: A JSON object.
        first_char: Offset in the document's text.
        end_char: Offset after the last character.
        first_line: From 1.
        last_line: From 1.
        headings: A JSON list.
        places: A JSON list of ``[offset in the chunk, {"page": 3}]``.
        names: What its document can be called, see `ziggurat.index.names`; empty but for the first
            chunk of a document.
    """

    id: str
    text: str
    metadata: str
    first_char: int
    end_char: int
    first_line: int
    last_line: int
    headings: str
    places: str = "[]"
    names: tuple[Name, ...] = ()


class BareChunks(Sequence[Chunk]):
    """Texts that are their own documents, each made a chunk when it is asked for.

    Tens of thousands of tuples kept at once would have Python's collector look through everything
    else the process holds: a tenth of a second beside a few large libraries.

    Args:
        ids: Unique in the index.
        texts: As many.
        metadatas: As many JSON objects.
    """

    def __init__(self, ids: Sequence[str], texts: Sequence[str], metadatas: Sequence[str]) -> None:
        self._parts = (ids, texts, metadatas)

    def __len__(self) -> int:
        return len(self._parts[0])

    @overload
    def __getitem__(self, at: int) -> Chunk: ...

    @overload
    def __getitem__(self, at: slice) -> BareChunks: ...

    def __getitem__(self, at: int | slice) -> Chunk | BareChunks:
        ids, texts, metadatas = self._parts
        if isinstance(at, slice):
            return BareChunks(ids[at], texts[at], metadatas[at])
        return bare_chunk(ids[at], texts[at], metadatas[at])

    def __iter__(self) -> Iterator[Chunk]:
        return map(bare_chunk, *self._parts)


def bare_chunk(chunk_id: str, text: str, metadata: str) -> Chunk:
    """A text that is its own document."""
    title = json.loads(metadata).get("title") if '"title"' in metadata else None
    names = names_of(title) if isinstance(title, str) else ()
    return Chunk(chunk_id, text, metadata, 0, len(text), 1, text.count("\n") + 1, "[]", "[]", names)


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A loaded document to be stored with its chunks.

    Attributes:
        id: Unique in the index; an earlier document with it is replaced, chunks and all.
        source: As it was given.
        text: All of it.
        kind: How the text is structured.
        metadata: A JSON object.
        item: The row of the item it was read from; None where it was given as it is.
    """

    id: str
    source: str
    text: str
    kind: str
    metadata: str
    item: int | None = None


def digest(text: str) -> bytes:
    """BLAKE2b of the UTF-8 text, 16 bytes."""
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()


class Transaction:
    """What can be done in one commit.

    Attributes:
        generation: The generation this commit will be.
        changed: Whether anything was added or removed; else no generation is made.
        added: The rows that were given to chunks, one range for each call.
        removed: Whether a row was removed.
        stamp: What tells this commit from every other of its generation.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        newest = connection.execute("SELECT max(generation) FROM commits").fetchone()[0]
        self.generation: int = (newest or 0) + 1
        self.changed = False
        self.added: list[range] = []
        self.removed = False
        self.stamp = os.urandom(STAMP_BYTES)

    @property
    def version(self) -> Version:
        """What the index is at once this is committed."""
        return Version(self.generation, self.stamp)

    @property
    def is_first(self) -> bool:
        """Whether there are no chunks yet."""
        return self._db.execute("SELECT 1 FROM chunks LIMIT 1").fetchone() is None

    @property
    def connection(self) -> sqlite3.Connection:
        """For reading what this transaction sees."""
        return self._db

    def set_manifest(self, **values: Any) -> None:
        """Overwrite parts of the manifest."""
        rows = [(json.dumps(value), key) for key, value in values.items()]
        self._db.executemany("UPDATE manifest SET value = ? WHERE key = ?", rows)

    def add_chunks(self, chunks: Sequence[Chunk], vectors: Vectors, *, doc: int | None = None) -> None:
        """Store chunks with their vectors and words, replacing those of the same ids.

        Args:
            chunks: Their ids differ from one another.
            vectors: Unit rows, shape (len(chunks), dimensions).
            doc: The document they belong to.
        """
        if not chunks:
            return
        self.changed = True
        if not self.is_first:
            self.remove_chunks([chunk.id for chunk in chunks])
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
        first = (row[0] if row else 0) + 1
        self.added.append(range(first, first + len(chunks)))
        texts: list[str] = []
        names: list[tuple[str, int, int]] = []

        def rows() -> Iterator[tuple[object, ...]]:
            for at, c in enumerate(chunks, start=first):
                texts.append(c.text)
                names.extend((name, kind, at) for name, kind in c.names)
                yield (
                    at, c.id, doc, c.text, digest(c.text), c.metadata, c.first_char, c.end_char,
                    c.first_line, c.last_line, c.headings, c.places,
                )  # fmt: skip

        self._db.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows())
        self._db.executemany(
            "INSERT INTO vectors VALUES (?, ?)",
            ((at, vector.data) for at, vector in enumerate(vectors, start=first)),
        )
        self._db.executemany(
            "INSERT INTO words (rowid, terms) VALUES (?, ?)",
            ((at, index_terms(text)) for at, text in enumerate(texts, start=first)),
        )
        self._db.executemany("INSERT OR IGNORE INTO names VALUES (?, ?, ?)", names)

    def put_document(self, document: DocumentRow, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Store a document whole, replacing the one of the same id."""
        self.remove_documents([document.id])
        self.changed = True
        doc = self._db.execute(
            "INSERT INTO documents (id, source, text, kind, digest, chunks, metadata, item) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                document.id,
                document.source,
                document.text,
                document.kind,
                digest(document.text),
                len(chunks),
                document.metadata,
                document.item,
            ),
        ).lastrowid
        self.add_chunks(chunks, vectors, doc=doc)

    def remove_documents(self, ids: Sequence[str]) -> int:
        """Remove documents with all their chunks; returns how many documents there were."""
        found = self._db.execute(
            "SELECT doc FROM documents WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
        ).fetchall()
        for (doc,) in found:
            self._remove(self._db.execute("SELECT row, text, doc FROM chunks WHERE doc = ?", (doc,)).fetchall())
            self._db.execute("DELETE FROM documents WHERE doc = ?", (doc,))
            self.changed = True
        return len(found)

    def remove_documents_of(self, item: int) -> None:
        """Remove the documents that were read from an item."""
        found = self._db.execute("SELECT id FROM documents WHERE item = ?", (item,)).fetchall()
        self.remove_documents([one for (one,) in found])

    def remove_chunks(self, ids: Iterable[str]) -> int:
        """Remove chunks; a document that loses its last chunk goes too. Returns how many there were."""
        found = self._db.execute(
            "SELECT row, text, doc FROM chunks WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
        ).fetchall()
        self._remove(found)
        return len(found)

    def remove_everything(self) -> None:
        """Empty the index; the manifest stays."""
        self.changed = self.removed = True
        self._db.execute("INSERT INTO removed SELECT row, ? FROM chunks", (self.generation,))
        self._db.execute("INSERT INTO words (words) VALUES ('delete-all')")
        for table in ("vectors", "next_vectors", "names", "chunks", "documents", "items", "sources"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 (names of our own tables)

    def _remove(self, found: Sequence[tuple[int, str, int | None]]) -> None:
        if not found:
            return
        self.changed = self.removed = True
        rows = [(row,) for row, _, _ in found]
        self._db.executemany(
            "INSERT INTO words (words, rowid, terms) VALUES ('delete', ?, ?)",
            [(row, index_terms(text)) for row, text, _ in found],
        )
        self._db.executemany("DELETE FROM vectors WHERE row = ?", rows)
        self._db.executemany("DELETE FROM next_vectors WHERE row = ?", rows)
        self._db.executemany("DELETE FROM names WHERE row = ?", rows)
        self._db.executemany("DELETE FROM chunks WHERE row = ?", rows)
        self._db.executemany("INSERT INTO removed VALUES (?, ?)", [(row, self.generation) for row, _, _ in found])
        documents = [(doc,) for _, _, doc in found if doc is not None]
        self._db.executemany("UPDATE documents SET chunks = chunks - 1 WHERE doc = ?", documents)
        self._db.executemany("DELETE FROM documents WHERE doc = ? AND chunks <= 0", documents)

    def rebuild_words(self) -> None:
        """Compute the words of every chunk again."""
        self.changed = True
        self._db.execute("INSERT INTO words (words) VALUES ('delete-all')")
        self._db.create_function("ziggurat_terms", 1, index_terms, deterministic=True)
        self._db.execute("INSERT INTO words (rowid, terms) SELECT row, ziggurat_terms(text) FROM chunks")

    def replace_vectors(self, rows: Sequence[int], vectors: Vectors) -> None:
        """Overwrite vectors in place; the snapshot must be rebuilt after."""
        self.changed = True
        self._db.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
            ((row, vector.data) for row, vector in zip(rows, vectors, strict=True)),
        )

    def exchange_vectors(self) -> None:
        """Let the vectors of the next model be the vectors; every chunk has one."""
        self.changed = True
        self._db.execute("DROP TABLE vectors")
        self._db.execute("ALTER TABLE next_vectors RENAME TO vectors")
        self._db.execute("CREATE TABLE next_vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL)")

    def forget_before(self, generation: int) -> None:
        """Drop the history that only older snapshots need."""
        self._db.execute("DELETE FROM commits WHERE generation < ?", (generation,))
        self._db.execute("DELETE FROM removed WHERE generation <= ?", (generation,))
