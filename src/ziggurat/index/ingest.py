"""Files into an index: load, split, embed in batches, commit whole documents.

The only place that knows both loaders and the engine. Documents are gathered until they fill a
batch, embedded together and committed together, so a killed ingest leaves whole documents only,
and one bad file costs one line of the report.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ziggurat.errors import InputError, UnreadableDocument, UnsupportedDocument
from ziggurat.index.embedder import BATCH
from ziggurat.index.engine import Engine, Prepared
from ziggurat.index.hits import IngestReport, LeftOut
from ziggurat.index.inputs import check_unicode, encode_metadata
from ziggurat.index.splitting import Lines, Splitter
from ziggurat.index.transaction import Chunk, DocumentRow, digest
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.folder import read_file, walk
from ziggurat.loaders.parsers import Parser
from ziggurat.progress import Progress

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def add_files(
    engine: Engine, paths: Paths, *, splitter: Splitter, parsers: Mapping[str, Parser], progress: Progress
) -> IngestReport:
    """Index files and folders.

    Args:
        engine: The open index.
        paths: Files, folders, or both.
        splitter: How documents become chunks.
        parsers: Which suffix is read by what.
        progress: Told of every file.

    Raises:
        InputError: If a path does not exist; nothing was indexed then.
    """
    files = _files(paths)
    report = IngestReport()
    waiting = _Waiting(engine, report)
    with progress("Indexing", len(files)) as counter:
        for file in files:
            try:
                for document in read_file(file, parsers=parsers):
                    waiting.add(document, _chunks(document, splitter))
            except UnsupportedDocument as error:
                report.unsupported.append(LeftOut(str(file), error.what))
            except UnreadableDocument as error:
                report.unreadable.append(LeftOut(str(file), error.what))
            counter.advance()
        waiting.commit()
    return report


def add_document(engine: Engine, document: SourceDocument, *, splitter: Splitter) -> IngestReport:
    """Index one document that was loaded elsewhere."""
    report = IngestReport()
    waiting = _Waiting(engine, report)
    waiting.add(document, _chunks(document, splitter))
    waiting.commit()
    return report


def _files(paths: Paths) -> list[Path]:
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    return list(dict.fromkeys(file for path in given for file in walk(path)))


def _chunks(document: SourceDocument, splitter: Splitter) -> list[Chunk]:
    where = document.source
    try:
        check_unicode(document.text, where)
        check_unicode(document.source, where)
    except InputError as error:
        raise UnreadableDocument(error.what, where=ascii(where)) from error
    lines = Lines(document.text)
    chunks = []
    for number, piece in enumerate(splitter.split(document.text, document.kind)):
        metadata = dict(document.metadata)
        if piece.headings:
            metadata["headings"] = list(piece.headings)
        chunks.append(
            Chunk(
                id=f"{document.source}#{number}",
                text=document.text[piece.start : piece.end],
                metadata=encode_metadata(metadata, where),
                first_char=piece.start,
                end_char=piece.end,
                first_line=lines.of(piece.start),
                last_line=lines.of(piece.end - 1),
                headings=json.dumps(piece.headings, ensure_ascii=False),
            )
        )
    if not chunks:
        raise UnreadableDocument("There is no text in it.", where=where)
    return chunks


class _Waiting:
    """Documents that wait to be embedded and committed together."""

    def __init__(self, engine: Engine, report: IngestReport) -> None:
        self._engine = engine
        self._report = report
        self._documents: list[tuple[SourceDocument, list[Chunk]]] = []
        self._chunks = 0

    def add(self, document: SourceDocument, chunks: list[Chunk]) -> None:
        self._documents.append((document, chunks))
        self._chunks += len(chunks)
        if self._chunks >= BATCH:
            self.commit()

    def commit(self) -> None:
        """Embed and commit what waits.

        Whatever stops it leaves all of these documents out, and those before in.
        """
        documents, self._documents, self._chunks = self._documents, [], 0
        if not documents:
            return
        texts = [chunk.text for _, chunks in documents for chunk in chunks]
        vectors = self._engine.embedder.passages(texts, self._engine.manifest.dimensions)
        prepared, at = [], 0
        for document, chunks in documents:
            row = DocumentRow(
                id=document.source,
                source=document.source,
                digest=digest(document.text),
                characters=len(document.text),
                metadata=encode_metadata(document.metadata, document.source),
            )
            prepared.append(Prepared(row, chunks, vectors[at : at + len(chunks)]))
            at += len(chunks)
        self._engine.commit_documents(prepared)
        self._report.documents.extend(document.source for document, _ in documents)
        self._report.chunks += len(texts)
