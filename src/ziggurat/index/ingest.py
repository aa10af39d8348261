"""Documents into an index: embedded in batches, committed whole.

Whole items are gathered until they fill a batch, embedded together and committed together, so a
killed ingest leaves whole items only. A text that the index has a vector for already is not embedded
again. What is read, and whether it changed, is `sync`'s business.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ziggurat.index.chunking import chunks_of, document_row
from ziggurat.index.embedder import BATCH, Embedder, batched
from ziggurat.index.engine import Engine
from ziggurat.index.hits import IngestReport
from ziggurat.index.inputs import Vectors
from ziggurat.index.items import ItemRow, put_item
from ziggurat.index.splitting import Splitter
from ziggurat.index.transaction import Chunk, DocumentRow, Transaction, digest
from ziggurat.loaders.document import SourceDocument

_AT_ONCE = 500


@dataclass(slots=True)
class Prepared:
    """One item, read and split.

    Attributes:
        documents: Each with its chunks.
        item: What is remembered of where it was read; None for a document given as it is.
        before: What was remembered before, as this process saw it.
        vectors: Of all its chunks, where they were made elsewhere; shape (chunks, dimensions).
        embedded: How many of those were made for it.
    """

    documents: list[tuple[DocumentRow, list[Chunk]]] = field(default_factory=list)
    item: ItemRow | None = None
    before: ItemRow | None = None
    vectors: Vectors | None = None
    embedded: int = 0


def prepared(documents: Sequence[SourceDocument], splitter: Splitter) -> list[tuple[DocumentRow, list[Chunk]]]:
    """Documents ready to be embedded.

    Raises:
        UnreadableDocument: If one of them has no text.
        InputError: If metadata is not JSON.
    """
    return [(document_row(document), chunks_of(document, splitter)) for document in documents]


class Ingest:
    """Items that wait to be embedded and committed together.

    Args:
        engine: The open index.
        report: Told what was committed.
    """

    def __init__(self, engine: Engine, report: IngestReport) -> None:
        self._engine = engine
        self._report = report
        self._waiting: list[Prepared] = []
        self._chunks = 0

    def add(self, one: Prepared) -> None:
        """Take one more item; a full batch is embedded and committed at once."""
        self._waiting.append(one)
        self._chunks += sum(len(chunks) for _, chunks in one.documents)
        if self._chunks >= BATCH or len(self._waiting) >= BATCH * 2:
            self.commit()

    def commit(self) -> None:
        """Embed and commit what waits.

        Whatever stops it leaves all of these items as they were, and those before in.
        """
        waiting, self._waiting, self._chunks = self._waiting, [], 0
        if not waiting:
            return
        chunks = [chunk for one in waiting for _, parts in one.documents for chunk in parts]
        vectors, embedded = _given_vectors(waiting) or self._vectors(chunks)

        def write(transaction: Transaction) -> list[Prepared]:
            at, done = 0, []
            for one in waiting:
                count = sum(len(parts) for _, parts in one.documents)
                if _store(transaction, one, vectors[at : at + count]):
                    done.append(one)
                at += count
            return done

        for one in self._engine.commit(write, vectors, embedded=len(chunks) > 0, condense=False):
            ids = [row.id for row, _ in one.documents]
            (self._report.added if one.before is None else self._report.changed).extend(ids)
            self._report.chunks += sum(len(parts) for _, parts in one.documents)
        self._report.embedded += embedded

    def end(self) -> None:
        """Commit what waits, and write a snapshot if one is due."""
        self.commit()
        self._engine.condense_if_due()

    def _vectors(self, chunks: list[Chunk]) -> tuple[Vectors, int]:
        """A vector for every chunk, and how many of them had to be made."""
        self._engine.look()
        dimensions = self._engine.manifest.dimensions
        known = known_vectors(self._engine, chunks)
        return vectors_of(chunks, known, self._engine.embedder, dimensions)


def known_vectors(engine: Engine, chunks: Sequence[Chunk]) -> dict[bytes, bytes]:
    """The vectors that an index has already, by the digests of their texts; damaged ones are left out."""
    dimensions = engine.manifest.dimensions
    if dimensions is None or not chunks:
        return {}
    with engine.store.reading() as connection:
        known = _stored_vectors(connection, {digest(chunk.text) for chunk in chunks})
    return {one: vector for one, vector in known.items() if len(vector) == 4 * dimensions}


def vectors_of(
    chunks: Sequence[Chunk], known: Mapping[bytes, bytes], embedder: Embedder, dimensions: int | None
) -> tuple[Vectors, int]:
    """A vector for every chunk, each text embedded once, and how many texts were.

    Args:
        chunks: In order.
        known: Vectors that need not be made, by the digests of their texts.
        embedder: Makes the others.
        dimensions: That they must have, where it is known.
    """
    digests = [digest(chunk.text) for chunk in chunks]
    fresh = {one: chunk.text for one, chunk in zip(digests, chunks, strict=True) if one not in known}
    made = embedder.passages(list(fresh.values()), dimensions)
    if len(fresh) == len(chunks):
        return made, len(fresh)
    place = {one: at for at, one in enumerate(fresh)}
    rows = [made[place[one]] if one in place else np.frombuffer(known[one], dtype="<f4") for one in digests]
    return (np.stack(rows) if rows else np.empty((0, dimensions or 0), dtype=np.float32)), len(fresh)


def _given_vectors(waiting: Sequence[Prepared]) -> tuple[Vectors, int] | None:
    """The vectors of items that all came with theirs."""
    given = [one.vectors for one in waiting if one.vectors is not None]
    if len(given) < len(waiting):
        return None
    return np.concatenate(given), sum(one.embedded for one in waiting)


def add_document(engine: Engine, document: SourceDocument, *, splitter: Splitter) -> IngestReport:
    """Index one document that was loaded elsewhere."""
    report = IngestReport()
    ingest = Ingest(engine, report)
    ingest.add(Prepared(prepared([document], splitter)))
    ingest.end()
    return report


def _store(transaction: Transaction, one: Prepared, vectors: Vectors) -> bool:
    """Store one item; False if another process has brought it up to date meanwhile."""
    item = None
    if one.item is not None:
        item = put_item(transaction, one.item, one.before)
        if item is None:
            return False
        transaction.remove_documents_of(item)
    at = 0
    for row, chunks in one.documents:
        transaction.put_document(replace(row, item=item), chunks, vectors[at : at + len(chunks)])
        at += len(chunks)
    return True


def _stored_vectors(connection: sqlite3.Connection, digests: set[bytes]) -> dict[bytes, bytes]:
    known: dict[bytes, bytes] = {}
    for part in batched(list(digests), _AT_ONCE):
        known.update(
            connection.execute(
                "SELECT chunks.digest, vectors.vector FROM chunks JOIN vectors ON vectors.row = chunks.row "  # noqa: S608 (question marks)
                f"WHERE chunks.doc IS NOT NULL AND chunks.digest IN ({','.join('?' * len(part))})",
                part,
            )
        )
    return known
