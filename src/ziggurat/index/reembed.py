"""Another embedding model for an index, while the vectors of the present one go on serving.

The new vectors are made in small commits beside the old ones; searches and other writers see nothing
of them. When every chunk has one, a single commit exchanges them and names the new model: whoever
searches next searches with it. A process that is killed goes on where it was when it is started again
with the same model.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from ziggurat.errors import InputError
from ziggurat.index import reads
from ziggurat.index.embedder import Embedder, fingerprint_of
from ziggurat.index.engine import Engine
from ziggurat.index.hits import ReembedReport
from ziggurat.index.store import Manifest, read_manifest
from ziggurat.progress import Progress

BATCH = 256
"""Chunks of one commit."""


def reembed(engine: Engine, embedder: Embedder, *, progress: Progress) -> ReembedReport:
    """Embed every chunk with another model, then change over.

    Args:
        engine: The open index.
        embedder: The new model.
        progress: Told of every chunk.

    Raises:
        InputError: If another model's vectors are being made at the same time.
    """
    fingerprint = fingerprint_of(embedder.model)
    spec = embedder.spec
    with engine.store.unpinned():
        if engine.manifest.fingerprint == fingerprint:
            return ReembedReport(fingerprint, fingerprint, 0, 0)
        before = engine.manifest.fingerprint
        _begin(engine, {"spec": spec, "fingerprint": fingerprint})
        with engine.store.reading() as connection:
            total, done = reads.count_chunks(connection), _count(connection)
        made = 0
        with progress("Embedding", total) as counter:
            counter.advance(done)
            while True:
                for rows, texts in _missing(engine):
                    vectors = embedder.passages(texts, None)
                    _keep(engine, fingerprint, rows, [vector.tobytes() for vector in vectors])
                    made += len(rows)
                    counter.advance(len(rows))
                manifest = _exchange(engine, spec, fingerprint)
                if manifest is not None:
                    break
        embedder.expect(fingerprint)
        engine.took(manifest, embedder)
        engine.rebuild_snapshot()
    return ReembedReport(before, fingerprint, made, done)


def _begin(engine: Engine, wanted: dict[str, Any]) -> None:
    with engine.store.writing() as transaction:
        manifest = read_manifest(transaction.connection, engine.path)
        if manifest.next_embedding != wanted:
            # Vectors of a model that was given up are of no use.
            transaction.connection.execute("DELETE FROM next_vectors")
            transaction.set_manifest(next_embedding=wanted)


def _missing(engine: Engine) -> Iterator[tuple[list[int], list[str]]]:
    """Chunks that have no new vector yet, some at a time."""
    last = 0
    while True:
        with engine.store.reading() as connection:
            found = connection.execute(
                "SELECT row, text FROM chunks WHERE row > ? AND row NOT IN (SELECT row FROM next_vectors) "
                "ORDER BY row LIMIT ?",
                (last, BATCH),
            ).fetchall()
        if not found:
            return
        last = found[-1][0]
        yield [row for row, _ in found], [text for _, text in found]


def _keep(engine: Engine, fingerprint: str, rows: list[int], vectors: list[bytes]) -> None:
    with engine.store.writing() as transaction:
        manifest = read_manifest(transaction.connection, engine.path)
        if (manifest.next_embedding or {}).get("fingerprint") != fingerprint:
            raise InputError(
                "Another process has begun to embed this index with another model.",
                where=str(engine.path),
                fix="let one of them finish",
            )
        # A chunk may have been removed since its text was read.
        transaction.connection.executemany(
            "INSERT OR REPLACE INTO next_vectors SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM chunks WHERE row = ?1)",
            zip(rows, vectors, strict=True),
        )


def _exchange(engine: Engine, spec: str | None, fingerprint: str) -> Manifest | None:
    """Change over; None if a chunk was added meanwhile, and nothing was done."""
    with engine.store.writing() as transaction:
        db = transaction.connection
        if db.execute("SELECT 1 FROM chunks WHERE row NOT IN (SELECT row FROM next_vectors) LIMIT 1").fetchone():
            return None
        size = db.execute("SELECT length(vector) FROM next_vectors LIMIT 1").fetchone()
        manifest = read_manifest(db, engine.path)._replace(
            embedding_spec=spec, fingerprint=fingerprint, dimensions=size[0] // 4 if size else None, next_embedding=None
        )
        transaction.exchange_vectors()
        transaction.set_manifest(**manifest._asdict())
        # Whoever holds vectors of before must read anew: no snapshot of the past leads here.
        transaction.forget_before(transaction.generation)
    return manifest


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM next_vectors").fetchone()[0])
