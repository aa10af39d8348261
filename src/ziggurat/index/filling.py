"""Filling an index: from files, sites and buckets, from documents, and with another model's vectors.

The part of `VectorIndex` that reads sources; the work is done in `sync`, `ingest` and `reembed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from langchain_core.embeddings import Embeddings

from ziggurat.index import ingest, reembed, sync
from ziggurat.index.embedder import Embedder
from ziggurat.index.engine import Engine
from ziggurat.index.hits import IngestReport, ReembedReport
from ziggurat.index.items import as_first_given
from ziggurat.index.langchain_store import EngineStore
from ziggurat.index.splitting import Splitter, counted, open_splitter
from ziggurat.index.sync import Sync
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.parsers import PARSERS, Parser
from ziggurat.loaders.source import open_source
from ziggurat.progress import Progress, default_progress


class FilledStore(EngineStore):
    """The side of `VectorIndex` that sources and models are given to."""

    def __init__(self, engine: Engine, splitter: object | None) -> None:
        super().__init__(engine)
        self._given_splitter = splitter

    def sync(self, source: Any, *, progress: Progress | None = None, **options: Any) -> IngestReport:
        """Make the index hold what a source holds: add what is new, replace what changed, remove what left.

        What has not changed is neither read nor embedded. A sync may be killed and run again, and two
        may run at once.

        Args:
            source: A folder or file, a web address, a bucket, a LangChain loader, or several of these
                in a list; see `ziggurat.loaders.open_source`.
            progress: Where progress is shown; by default a bar when a person watches.
            **options: For the kind of source, such as ``include`` of a folder.

        Returns:
            What was added, changed and removed, and each item left out with its reason.

        Raises:
            InputError: If there is no such source; nothing was changed then.
        """
        return self._read(source, options, progress, remove=True, label="Syncing")

    def add(self, source: Any, *, progress: Progress | None = None, **options: Any) -> IngestReport:
        """The same, but what left the source stays in the index."""
        return self._read(source, options, progress, remove=False, label="Indexing")

    def add_files(
        self, paths: Any, *, progress: Progress | None = None, parsers: Mapping[str, Parser] = PARSERS
    ) -> IngestReport:
        """`add` for files and folders.

        A document is wholly in the index or wholly out of it, also when the process is killed.

        Args:
            paths: Files, folders, or both; folders are walked in sorted order.
            progress: Where progress is shown.
            parsers: Which suffix is read by what.

        Raises:
            InputError: If a path does not exist; nothing was indexed then.
        """
        return self._read(paths, {"parsers": parsers}, progress, remove=False, label="Indexing")

    async def aadd(self, source: Any, *, progress: Progress | None = None, **options: Any) -> IngestReport:
        """`add` in a worker thread."""
        return await asyncio.to_thread(self.add, source, progress=progress, **options)

    async def aadd_files(
        self, paths: Any, *, progress: Progress | None = None, parsers: Mapping[str, Parser] = PARSERS
    ) -> IngestReport:
        """`add_files` in a worker thread."""
        return await asyncio.to_thread(self.add_files, paths, progress=progress, parsers=parsers)

    def _read(
        self, source: Any, options: Mapping[str, Any], progress: Progress | None, *, remove: bool, label: str
    ) -> IngestReport:
        opened = open_source(source, **options)
        return sync.sync(
            self._engine,
            opened,
            splitter=self._splitter(),
            progress=progress or default_progress(),
            remove=remove,
            label=label,
        )

    @contextmanager
    def syncing(self, source: Any, **options: Any) -> Iterator[Sync]:
        """A sync whose items are read elsewhere, for a ``with`` block; see `ziggurat.index.sync.Sync`.

        Args:
            source: As for `sync`.
            **options: As for `sync`.

        Raises:
            InputError: If there is no such source.
        """
        opened = open_source(source, **options)
        with self._engine.store.unpinned():
            with self._engine.store.reading() as connection:
                opened = as_first_given(connection, opened)
            yield Sync(self._engine, opened, self._splitter())

    def add_source(self, document: SourceDocument) -> IngestReport:
        """Split, embed and commit one document that was loaded elsewhere.

        Raises:
            UnreadableDocument: If there is no text in it.
        """
        return ingest.add_document(self._engine, document, splitter=self._splitter())

    def _splitter(self) -> Splitter:
        splitter = open_splitter(self._given_splitter, self._engine.manifest.splitter)
        return counted(splitter, lambda: self._engine.embedder.model)

    def reembed(self, embedding: Embeddings | str, *, progress: Progress | None = None) -> ReembedReport:
        """Embed every chunk with another model; until that is done the present one goes on serving.

        May take long: run it in a thread or process of its own. One that is killed goes on where it
        was when it is called again with the same model. Handles of other processes change over with
        their next search, unless they were opened with a model object.

        Args:
            embedding: The new model, or its spec.
            progress: Where progress is shown.

        Raises:
            InputError: If another process embeds the index with a third model.
        """
        embedder = Embedder(embedding, spec=None, fingerprint=None, where=str(self._engine.path))
        return reembed.reembed(self._engine, embedder, progress=progress or default_progress())
