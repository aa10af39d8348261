"""`VectorIndex`, the facade: opening an index, filling it with files, searching it, looking after it.

What LangChain expects of a ``VectorStore`` is inherited from `langchain_store`; the work is done in
`engine`, `ingest` and `health`. Keeps no state of its own beyond the open engine.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from ziggurat.errors import InputError
from ziggurat.index import drift, health, reads, records
from ziggurat.index.embedder import Embedder, fingerprint_of, spec_of
from ziggurat.index.engine import Engine
from ziggurat.index.filling import FilledStore
from ziggurat.index.filters import Filter
from ziggurat.index.hits import Difference, Drift, HealthReport, Hit, IndexStats, RepairReport, SearchMode
from ziggurat.index.langchain_store import refuse_unknown
from ziggurat.index.records import Records
from ziggurat.index.schema import is_index
from ziggurat.index.splitting import open_splitter
from ziggurat.index.store import Manifest, Store, read_manifest, read_version
from ziggurat.index.words import VERSION as WORDS_VERSION
from ziggurat.loaders.source import open_source
from ziggurat.progress import Progress, default_progress
from ziggurat.specs import DEFAULTS

PathLike = str | os.PathLike[str]


class VectorIndex(FilledStore):
    """Documents, chunks, vectors and words in one directory, searched together.

    Open one with `create`, `open`, `open_or_create` or `from_texts`. Many processes may read while
    one writes; each search sees one generation whole. A commit survives a killed process.

    Example:
        >>> with VectorIndex.create("notes") as index:  # doctest: +SKIP
        ...     index.add_files("documents/")
        ...     index.search("Who wrote the handbook?")
    """

    def __init__(self, engine: Engine, splitter: object | None) -> None:
        super().__init__(engine, splitter)
        self._close: Callable[[], object] = weakref.finalize(self, engine.close)

    def _take(self, folder: tempfile.TemporaryDirectory[str]) -> None:
        """Remove the folder when the index goes."""
        self._close = weakref.finalize(self, _close_and_remove, self._engine, folder)

    # Opening

    @classmethod
    def create(
        cls,
        path: PathLike,
        embedding: Embeddings | str | None = None,
        *,
        splitter: object | None = None,
        exist_ok: bool = False,
    ) -> Self:
        """Make a new index.

        Args:
            path: Its directory, made if need be.
            embedding: A LangChain ``Embeddings``, a model spec, or None for the local default,
                which is opened when the first text is added.
            splitter: How `add_files` splits documents: a LangChain ``TextSplitter`` or a `Splitter`.
            exist_ok: Open an index that is there already instead of refusing.

        Raises:
            InputError: If there is an index already, or the path is a file.
            IndexWriteError: If the directory cannot be written to.
        """
        directory = Path(path)
        described = open_splitter(splitter).describe()
        model = None if isinstance(embedding, str) else embedding
        spec = embedding if isinstance(embedding, str) else DEFAULTS["embeddings"]
        manifest = Manifest(
            embedding_spec=spec if model is None else spec_of(model),
            fingerprint=None if model is None else fingerprint_of(model),
            dimensions=None,
            splitter=described,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            words_version=WORDS_VERSION,
        )
        made = Store.create(directory, manifest)
        if not made and not exist_ok:
            raise InputError(
                "There is an index in this directory already.", where=str(directory), fix="VectorIndex.open(path)"
            )
        return cls.open(directory, embedding, splitter=splitter)

    @classmethod
    def open(
        cls,
        path: PathLike,
        embedding: Embeddings | str | None = None,
        *,
        read_only: bool = False,
        splitter: object | None = None,
    ) -> Self:
        """Open an index.

        Args:
            path: Its directory.
            embedding: The model it was built with; None opens the one its manifest names, when needed.
            read_only: Refuse writing; works in a directory that cannot be written to.
            splitter: Needed again only by an index made with a splitter that is not ours.

        Raises:
            IndexNotFound: If there is none.
            EmbeddingMismatch: If it was built with another model.
            IndexCorrupt: If its database is damaged.
        """
        directory = Path(path)
        store = Store(directory, read_only=read_only)
        try:
            with store.reading() as connection:
                manifest = read_manifest(connection, directory)
            embedder = Embedder(
                embedding, spec=manifest.embedding_spec, fingerprint=manifest.fingerprint, where=str(directory)
            )
            if isinstance(embedding, str) and manifest.fingerprint and embedding != manifest.embedding_spec:
                _ = embedder.model  # another spec may still be the same model; only opening it tells
            engine = Engine(store, embedder, manifest)
            if not read_only:
                engine.condense_if_due()
            return cls(engine, splitter)
        except BaseException:
            store.close()
            raise

    @classmethod
    def open_or_create(
        cls, path: PathLike, embedding: Embeddings | str | None = None, *, splitter: object | None = None
    ) -> Self:
        """Open the index in a directory, or make one there."""
        if is_index(Path(path)):
            return cls.open(path, embedding, splitter=splitter)
        return cls.create(path, embedding, splitter=splitter, exist_ok=True)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | str | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: PathLike | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new index of some texts; without a path in a temporary directory that goes with it."""
        refuse_unknown(kwargs)
        if path is None:
            folder = tempfile.TemporaryDirectory(prefix="ziggurat-index-")
            index = cls.create(folder.name, embedding)
            index._take(folder)  # noqa: SLF001 (our own)
        else:
            index = cls.create(path, embedding)
        try:
            index.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            index.close()
            raise
        return index

    def close(self) -> None:
        """Let go of the files; the index cannot be used afterwards. Closing twice is harmless."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What it is

    @property
    def path(self) -> Path:
        """Its directory."""
        return self._engine.path

    @property
    def generation(self) -> int:
        """How many commits it has seen."""
        return self._engine.version().generation

    @property
    def stage_identity(self) -> Mapping[str, Any]:
        """What decides what is found, read afresh: the embedding's fingerprint, the generation and its stamp.

        The stamp is random and new with each commit, so no two contents share it, wherever they lie.
        """
        with self._engine.store.reading() as connection:
            version, manifest = read_version(connection), read_manifest(connection, self.path)
        return {
            "class": "ziggurat.index.vector_index.VectorIndex",
            "embedding": manifest.fingerprint,
            "generation": version.generation,
            "stamp": version.stamp.hex(),
        }

    def pinned(self) -> AbstractContextManager[None]:
        """A block within which every search sees the generation the block began with.

        Commits by others go on and are not seen. A chain pins each index it reads for the length of a
        run, through ``stage_pin``.
        """
        return self._engine.pinned()

    stage_pin = pinned

    def __len__(self) -> int:
        with self._engine.store.reading() as connection:
            return reads.count_chunks(connection)

    def __bool__(self) -> bool:
        return True  # an empty index is still an index

    def document_ids(self) -> list[str]:
        """Ids of the loaded documents, sorted."""
        with self._engine.store.reading() as connection:
            return [row[0] for row in connection.execute("SELECT id FROM documents ORDER BY id")]

    def stats(self) -> IndexStats:
        """The index in numbers."""
        return health.stats(self._engine)

    def verify(self, *, probe: int = 0) -> HealthReport:
        """Check everything against everything.

        Args:
            probe: How many chunks to embed again and compare with their stored vectors.
        """
        return health.verify(self._engine, probe=probe)

    def condense(self) -> None:
        """Write the snapshot now, so that nothing is searched from memory; else that is done when it pays."""
        self._engine.condense()

    def repair(self) -> RepairReport:
        """Rebuild what can be rebuilt from the stored texts, then verify."""
        return health.repair(self._engine)

    def drift(self, source: Any, *, thorough: bool = False, progress: Progress | None = None, **options: Any) -> Drift:
        """What `sync` would do with a source; nothing is changed.

        Args:
            source: As for `sync`.
            thorough: Read every item, also one whose size and time are what they were.
            progress: Where progress is shown.
            **options: As for `sync`.
        """
        return drift.drift(
            self._engine, open_source(source, **options), thorough=thorough, progress=progress or default_progress()
        )

    def compare(self, other: VectorIndex) -> Difference:
        """Which documents two indexes share, and which only one of them has."""
        return drift.compare(self._engine, other._engine)

    def records(self, batch: int = 256) -> Iterator[Records]:
        """Everything that is stored, with vectors, in the order it was stored; all of one generation.

        Args:
            batch: How many at a time, at most.
        """
        return records.records(self._engine, batch)

    # Searching

    @overload
    def search(
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,
        parent: int | None = None,
    ) -> list[Hit]: ...

    @overload
    def search(self, query: str, search_type: str, **kwargs: Any) -> list[Document]: ...

    def search(self, query: str, *args: Any, **kwargs: Any) -> list[Hit] | list[Document]:
        """The chunks that answer a question best.

        LangChain's own form, ``search(query, search_type, **kwargs)``, is understood as well and
        returns LangChain documents.

        Args:
            query: A question or some words.
            *args: ``k``, ``mode``, ``filter`` and ``parent`` in this order.
            **kwargs: ``k``: how many hits. ``mode``: ``hybrid`` (both legs, see `fusion`),
                ``dense`` (cosine), ``words`` (BM25; needs no embedding model) or ``multihop`` (on
                from what is found to what that names, see `hops`). ``filter``: a condition on the
                metadata, see `filters`.

        Returns:
            At most ``k`` hits, best first.

        Raises:
            InputError: If the query is blank, ``k`` is not positive, or the filter is not understood.
        """
        if "search_type" in kwargs or (args and isinstance(args[0], str)):
            search_type = kwargs.pop("search_type", None) or args[0]
            return super().search(query, search_type, **kwargs)
        return self._hits(query, *args, **kwargs)

    @overload
    async def asearch(
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,
        parent: int | None = None,
    ) -> list[Hit]: ...

    @overload
    async def asearch(self, query: str, search_type: str, **kwargs: Any) -> list[Document]: ...

    async def asearch(self, query: str, *args: Any, **kwargs: Any) -> list[Hit] | list[Document]:
        """`search` in a worker thread."""
        return await asyncio.to_thread(self.search, query, *args, **kwargs)

    def _hits(
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        parent: int | None = None,
    ) -> list[Hit]:
        return [chunk.hit(f) for f, chunk in self._found(query, k, mode, filter, parent)]


def _close_and_remove(engine: Engine, folder: tempfile.TemporaryDirectory[str]) -> None:
    engine.close()
    folder.cleanup()
