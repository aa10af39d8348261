"""Is the index well, and what can be done if not.

`verify` compares everything that is stored twice or can be computed again; it changes nothing.
`repair` rebuilds from the stored texts: words, damaged vectors, the snapshot; a document of which a
part is missing is removed whole and named, for half a document is the one thing an index must not
hold. Knows the engine and the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from ziggurat.errors import IndexFault
from ziggurat.index import reads, snapshot
from ziggurat.index.dense import open_view
from ziggurat.index.drift import sources
from ziggurat.index.embedder import batched
from ziggurat.index.engine import Engine
from ziggurat.index.hits import Check, HealthReport, IndexStats, RepairReport
from ziggurat.index.schema import WORDS_TABLE
from ziggurat.index.store import knows_version, read_manifest
from ziggurat.index.transaction import Version, digest
from ziggurat.index.words import VERSION as WORDS_VERSION
from ziggurat.index.words import index_terms, match_expression

_AT_ONCE = 4096
_WORDS_PROBES = 64
_SAME = 0.98
"""The cosine of a vector and its re-embedding; quantised engines differ a little between batches."""

_NORM_TOLERANCE = 1e-3


def stats(engine: Engine) -> IndexStats:
    """The index in numbers."""
    with engine.store.reading() as connection:
        view = engine.refresh(connection)
        manifest = read_manifest(connection, engine.path)
        return IndexStats(
            path=engine.path,
            generation=engine.version().generation,
            documents=reads.count_documents(connection),
            chunks=reads.count_chunks(connection),
            dimensions=manifest.dimensions,
            embedding=manifest.fingerprint or manifest.embedding_spec,
            searcher="flat" if view is None else view.searcher.name,
            snapshot_rows=0 if view is None else len(view.rows),
            tail_rows=0 if view is None else len(view.tail_rows),
            disk_bytes=engine.store.disk_bytes(),
            snapshot_problem=engine.snapshot_problem,
            sources=sources(engine),
            next_embedding=(manifest.next_embedding or {}).get("fingerprint"),
        )


def verify(engine: Engine, *, probe: int) -> HealthReport:
    """Check everything; see `VectorIndex.verify`."""
    with engine.store.reading() as connection:
        try:
            found = connection.execute("PRAGMA integrity_check(5)").fetchall()
        except sqlite3.DatabaseError as error:
            found = [(str(error),)]
        if found != [("ok",)]:
            # Nothing else can be trusted, or even read, when the file itself is damaged.
            return HealthReport((Check("database", ok=False, detail="; ".join(str(row[0]) for row in found)),))
        checks = [
            Check("database", ok=True, detail="SQLite's integrity check found nothing"),
            _manifest(engine, connection),
            _documents(connection),
            _texts(connection),
            _words(connection),
            _vectors(engine, connection),
            _snapshot(engine, connection),
        ]
        if probe > 0:
            checks.append(_probe(engine, connection, probe))
    if not engine.store.read_only:
        checks.append(_words_structure(engine))
    return HealthReport(tuple(checks))


def repair(engine: Engine) -> RepairReport:
    """Rebuild what can be rebuilt; see `VectorIndex.repair`.

    Raises:
        IndexCorrupt: If the database itself is damaged; then only a copy or a new index helps.
    """
    done: list[str] = []
    with engine.store.writing() as transaction:
        connection = transaction.connection
        # First of all: a chunk whose words are lost could not be removed.
        transaction.rebuild_words()
        transaction.set_manifest(words_version=WORDS_VERSION)
        done.append("rebuilt the words")
        halves = _half_documents(connection)
        if halves:
            transaction.remove_documents(halves)
            done.append(f"removed {len(halves)} documents of which a part was missing")
        strays = connection.execute("DELETE FROM vectors WHERE row NOT IN (SELECT row FROM chunks)").rowcount
        if strays:
            done.append(f"removed {strays} vectors without a chunk")
        bad = list(_bad_vectors(engine, connection))
        if bad:
            chunks = reads.fetch(connection, bad)
            vectors = engine.embedder.passages([chunk.text for chunk in chunks], engine.manifest.dimensions)
            transaction.replace_vectors([chunk.row for chunk in chunks], vectors)
            done.append(f"embedded {len(bad)} chunks again")
        # Vectors may have changed in place: whoever holds an older view must read anew.
        transaction.forget_before(transaction.generation)
    engine.rebuild_snapshot()
    done.append("rebuilt the snapshot")
    return RepairReport(tuple(done), tuple(halves), verify(engine, probe=0))


def _manifest(engine: Engine, connection: sqlite3.Connection) -> Check:
    try:
        manifest = read_manifest(connection, engine.path)
    except IndexFault as error:
        return Check("manifest", ok=False, detail=error.what)
    if manifest.words_version != WORDS_VERSION:
        return Check("manifest", ok=False, detail="the words were made by another version; repair() makes them anew")
    return Check(
        "manifest",
        ok=True,
        detail=f"{manifest.fingerprint or manifest.embedding_spec}, {manifest.dimensions} dimensions",
    )


def _half_documents(connection: sqlite3.Connection) -> list[str]:
    return [
        row[0]
        for row in connection.execute(
            "SELECT documents.id FROM documents LEFT JOIN chunks ON chunks.doc = documents.doc "
            "GROUP BY documents.doc HAVING count(chunks.row) <> documents.chunks OR count(chunks.row) = 0"
        )
    ]


def _documents(connection: sqlite3.Connection) -> Check:
    halves = _half_documents(connection)
    orphans = connection.execute(
        "SELECT count(*) FROM chunks WHERE doc IS NOT NULL AND doc NOT IN (SELECT doc FROM documents)"
    ).fetchone()[0]
    if halves or orphans:
        return Check("documents", ok=False, detail=f"incomplete: {halves[:5]}; chunks without a document: {orphans}")
    return Check("documents", ok=True, detail=f"{reads.count_documents(connection)} documents, each whole")


def _texts(connection: sqlite3.Connection) -> Check:
    changed, count = [], 0
    for chunk_id, text, stored in connection.execute("SELECT id, text, digest FROM chunks"):
        count += 1
        if digest(text) != stored:
            changed.append(chunk_id)
    if changed:
        return Check("texts", ok=False, detail=f"{len(changed)} texts differ from their hash: {changed[:5]}")
    return Check("texts", ok=True, detail=f"{count} chunks agree with their hashes")


def _words(connection: sqlite3.Connection) -> Check:
    missing = connection.execute(
        "SELECT count(*) FROM chunks WHERE row NOT IN (SELECT id FROM words_docsize)"
    ).fetchone()[0]
    strays = connection.execute(
        "SELECT count(*) FROM words_docsize WHERE id NOT IN (SELECT row FROM chunks)"
    ).fetchone()[0]
    if missing or strays:
        return Check("words", ok=False, detail=f"{missing} chunks without words, {strays} words without a chunk")
    probes = connection.execute("SELECT row, text FROM chunks ORDER BY row DESC LIMIT ?", (_WORDS_PROBES,)).fetchall()
    lost = []
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.execute(WORDS_TABLE)
        fresh.executemany("INSERT INTO words (rowid, terms) VALUES (?, ?)", ((r, index_terms(t)) for r, t in probes))
        for row, text in probes:
            # What a fresh table finds, ours must find; letters newer than SQLite's tables neither does.
            expression = match_expression(text)
            if expression and _finds(fresh, expression, row) and not _finds(connection, expression, row):
                lost.append(row)
    if lost:
        return Check("words", ok=False, detail=f"{len(lost)} of {len(probes)} chunks are not found by their own words")
    return Check("words", ok=True, detail=f"every chunk has its words; {len(probes)} were found by them")


def _finds(connection: sqlite3.Connection, expression: str, row: int) -> bool:
    found = connection.execute("SELECT 1 FROM words WHERE words MATCH ? AND rowid = ?", (expression, row))
    return found.fetchone() is not None


def _words_structure(engine: Engine) -> Check:
    try:
        with engine.store.writing() as transaction:
            transaction.connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    except IndexFault as error:
        return Check("words structure", ok=False, detail=error.what)
    return Check("words structure", ok=True, detail="FTS5's integrity check found nothing")


def _bad_vectors(engine: Engine, connection: sqlite3.Connection) -> Iterator[int]:
    """Rows of chunks whose vector is missing, of the wrong length, not finite or not of length 1."""
    size = (read_manifest(connection, engine.path).dimensions or 0) * 4
    cursor = connection.execute("SELECT chunks.row, vector FROM chunks LEFT JOIN vectors USING (row) ORDER BY row")
    while part := cursor.fetchmany(_AT_ONCE):
        whole = [(row, vector) for row, vector in part if vector is not None and len(vector) == size > 0]
        yield from sorted({row for row, _ in part} - {row for row, _ in whole})
        if whole:
            matrix = np.frombuffer(b"".join(vector for _, vector in whole), dtype="<f4").reshape(len(whole), -1)
            norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
            well = (np.abs(norms - 1) < _NORM_TOLERANCE) | (norms == 0)
            yield from (whole[at][0] for at in np.flatnonzero(~well))


def _vectors(engine: Engine, connection: sqlite3.Connection) -> Check:
    bad = list(_bad_vectors(engine, connection))
    strays = connection.execute("SELECT count(*) FROM vectors WHERE row NOT IN (SELECT row FROM chunks)").fetchone()[0]
    if bad or strays:
        return Check("vectors", ok=False, detail=f"{len(bad)} missing or damaged, {strays} without a chunk")
    return Check("vectors", ok=True, detail="every chunk has one, of the right length and norm")


def _snapshot(engine: Engine, connection: sqlite3.Connection) -> Check:
    dimensions = read_manifest(connection, engine.path).dimensions
    found = snapshot.read(engine.path, thorough=True)
    if found is None:
        torn = (engine.path / snapshot.FILE).exists()
        detail = "the file is torn; SQLite is searched instead" if torn else "none yet; none is needed"
        return Check("snapshot", ok=not torn, detail=detail)
    if not knows_version(connection, Version(found.generation, found.stamp)):
        return Check("snapshot", ok=False, detail="it is of another past; SQLite is searched instead")
    if dimensions is None:
        return Check("snapshot", ok=False, detail="it holds vectors and the index has none")
    try:
        rows, vectors = open_view(connection, engine.path, dimensions).everything()
    except IndexFault as error:
        return Check("snapshot", ok=False, detail=error.what)
    stored = connection.execute("SELECT row, vector FROM vectors ORDER BY row")
    at = 0
    while part := stored.fetchmany(_AT_ONCE):
        mine = vectors[at : at + len(part)].tobytes()
        if [row for row, _ in part] != rows[at : at + len(part)].tolist() or b"".join(v for _, v in part) != mine:
            return Check("snapshot", ok=False, detail="it does not agree with the database")
        at += len(part)
    if at != len(rows):
        return Check("snapshot", ok=False, detail=f"it holds {len(rows) - at} rows too many")
    return Check("snapshot", ok=True, detail=f"generation {found.generation}, {len(found.rows)} vectors, agrees")


def _probe(engine: Engine, connection: sqlite3.Connection, count: int) -> Check:
    rows = [row for (row,) in connection.execute("SELECT row FROM chunks ORDER BY digest LIMIT ?", (count,))]
    worst = 1.0
    dimensions = read_manifest(connection, engine.path).dimensions
    for part in batched(reads.fetch(connection, rows), _AT_ONCE):
        fresh = engine.embedder.passages([chunk.text for chunk in part], dimensions)
        for chunk, vector in zip(part, fresh, strict=True):
            (stored,) = connection.execute("SELECT vector FROM vectors WHERE row = ?", (chunk.row,)).fetchone()
            worst = min(worst, float(np.frombuffer(stored, dtype="<f4") @ vector))
    return Check("probe", ok=worst >= _SAME, detail=f"{len(rows)} chunks embedded again, lowest cosine {worst:.4f}")
