"""An index read from end to end, and told whose vectors it holds: what moving knowledge needs.

Plain functions over an open engine. Reading has a connection of its own, so that a long copy sees
one generation whole and keeps no search waiting. Knows nothing of other stores.
Invariant: what `records` yields can be given to ``add_vectors`` and comes back equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ziggurat.errors import EmbeddingMismatch, IndexCorrupt
from ziggurat.index import reads
from ziggurat.index.embedder import Embedder
from ziggurat.index.engine import Engine
from ziggurat.index.inputs import Vectors, check_k
from ziggurat.index.schema import open_reading, translated
from ziggurat.index.store import read_manifest

_AT_ONCE = 500


class Records(NamedTuple):
    """Some stored texts with all that belongs to them, in one order.

    Attributes:
        ids: Of the texts, all different.
        texts: As they were stored.
        metadatas: As LangChain documents carry them.
        vectors: Shape (len(ids), dimensions).
    """

    ids: list[str]
    texts: list[str]
    metadatas: list[dict[str, Any]]
    vectors: Vectors


def records(engine: Engine, batch: int = 256) -> Iterator[Records]:
    """Everything that is stored, in row order, all of one generation.

    Args:
        engine: An open index.
        batch: How many at a time, at most.

    Raises:
        InputError: If ``batch`` is not positive.
        IndexCorrupt: If a chunk lacks its vector or a vector has the wrong length.
    """
    return _records(engine, check_k(batch, "batch"))


def _records(engine: Engine, batch: int) -> Iterator[Records]:
    with translated(engine.path):
        connection = open_reading(engine.path)
        try:
            connection.execute("BEGIN")
            dimensions = read_manifest(connection, engine.path).dimensions or 0
            last = 0
            while True:
                found = connection.execute(
                    "SELECT chunks.row, vectors.vector FROM chunks LEFT JOIN vectors ON vectors.row = chunks.row "
                    "WHERE chunks.row > ? ORDER BY chunks.row LIMIT ?",
                    (last, batch),
                ).fetchall()
                if not found:
                    return
                last = found[-1][0]
                chunks = reads.fetch(connection, [row for row, _ in found])
                yield _records_of(chunks, [vector for _, vector in found], dimensions, engine)
        finally:
            connection.close()


def fetch(engine: Engine, ids: Sequence[str]) -> Records:
    """Those of the ids that are there, in the order asked for, each once.

    Args:
        engine: An open index.
        ids: Of chunks.

    Raises:
        IndexCorrupt: If a chunk lacks its vector or a vector has the wrong length.
    """
    with engine.store.reading() as connection:
        dimensions = read_manifest(connection, engine.path).dimensions or 0
        chunks = reads.fetch_by_ids(connection, ids)
        vectors: dict[int, bytes | None] = {}
        for at in range(0, len(chunks), _AT_ONCE):
            rows = [chunk.row for chunk in chunks[at : at + _AT_ONCE]]
            marks = ",".join("?" * len(rows))
            found = connection.execute(f"SELECT row, vector FROM vectors WHERE row IN ({marks})", rows)  # noqa: S608 (only question marks)
            vectors.update(found.fetchall())
    return _records_of(chunks, [vectors.get(chunk.row) for chunk in chunks], dimensions, engine)


def _records_of(
    chunks: Sequence[reads.StoredChunk], vectors: Sequence[bytes | None], dimensions: int, engine: Engine
) -> Records:
    whole = [vector for vector in vectors if vector is not None and len(vector) == 4 * dimensions]
    if len(whole) != len(chunks):
        raise IndexCorrupt(
            "A chunk has no vector, or one of the wrong length.",
            where=str(engine.path),
            fix="repair() embeds the chunks of damaged vectors again",
        )
    return Records(
        [chunk.id for chunk in chunks],
        [chunk.text for chunk in chunks],
        [chunk.langchain_metadata() for chunk in chunks],
        np.frombuffer(b"".join(whole), dtype="<f4").reshape(len(chunks), dimensions).astype(np.float32, copy=False),
    )


def adopt(engine: Engine, fingerprint: str, spec: str | None) -> None:
    """Write down which model made the vectors that were, or are about to be, given to an index.

    Args:
        engine: An open index.
        fingerprint: Of the model.
        spec: What opens the model, where that is known.

    Raises:
        EmbeddingMismatch: If the index holds another model's vectors.
    """
    with engine.store.writing() as transaction:
        manifest = read_manifest(transaction.connection, engine.path)
        if manifest.fingerprint == fingerprint:
            return
        if manifest.fingerprint is not None:
            raise EmbeddingMismatch(
                f"The index was built with {manifest.embedding_spec or manifest.fingerprint}, not with {spec or fingerprint}.",
                where=str(engine.path),
                fix="build a new index",
            )
        transaction.set_manifest(fingerprint=fingerprint, embedding_spec=spec)
    engine.took(
        manifest._replace(fingerprint=fingerprint, embedding_spec=spec),
        Embedder(engine.embedder.opened, spec=spec, fingerprint=fingerprint, where=str(engine.path)),
    )
