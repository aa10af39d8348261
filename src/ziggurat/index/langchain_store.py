"""What LangChain expects of a ``VectorStore``, over an open engine.

Turns texts, documents and questions into what `engine` works with, and rows into LangChain
documents. Opens and closes nothing. Following LangChain, ``similarity_search`` and its kin are
dense; the retriever is hybrid. The async forms not defined here are LangChain's own, which run the
sync ones in a worker thread.
Invariant: bad input is refused before a model is called or a byte is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast, get_args

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from numpy.typing import ArrayLike

from ziggurat.errors import InputError
from ziggurat.index import reads
from ziggurat.index.diversity import most_marginal
from ziggurat.index.engine import Engine
from ziggurat.index.filters import Condition, Filter, compile_filter
from ziggurat.index.fusion import Fused
from ziggurat.index.hits import SearchMode
from ziggurat.index.inputs import (
    Vectors,
    check_ids,
    check_k,
    check_metadatas,
    check_query,
    check_texts,
    check_vectors,
)
from ziggurat.index.parents import SEARCHED, Found, check_parent, widened
from ziggurat.index.reads import StoredChunk
from ziggurat.index.retriever import VectorIndexRetriever
from ziggurat.index.transaction import BareChunks, Chunk, Transaction

Metadatas = Sequence[Mapping[str, Any] | None]


class EngineStore(VectorStore):
    """The LangChain side of `VectorIndex`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def embeddings(self) -> Embeddings | None:
        """The embedding model; None while it has not been needed and cannot be told without loading it."""
        return self._engine.embedder.opened

    # Adding and removing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Metadatas | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed and store texts, each as one chunk; all of them in one commit or none.

        Args:
            texts: None of them blank.
            metadatas: One dict of JSON values for each.
            ids: One for each, or None to make one up. A text with an id that is there already
                replaces the old one; of two with the same id the later counts.
            **kwargs: ``batch_size`` is accepted, as LangChain's indexing passes it.

        Returns:
            The ids, one for each text.

        Raises:
            InputError: If anything of it cannot be stored.
        """
        kwargs.pop("batch_size", None)
        refuse_unknown(kwargs)
        return self._add(texts, None, metadatas, ids)

    def add_vectors(
        self,
        texts: Iterable[str],
        vectors: ArrayLike,
        metadatas: Metadatas | None = None,
        *,
        ids: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Store texts whose vectors are known already.

        Args:
            texts: As in `add_texts`.
            vectors: Shape (len(texts), dimensions); made by the index's embedding model. They are
                scaled to length 1.
            metadatas: As in `add_texts`.
            ids: As in `add_texts`.

        Raises:
            InputError: If shapes do not agree or a value is not finite.
        """
        return self._add(texts, vectors, metadatas, ids)

    async def aadd_vectors(
        self,
        texts: Iterable[str],
        vectors: ArrayLike,
        metadatas: Metadatas | None = None,
        *,
        ids: Sequence[str | None] | None = None,
    ) -> list[str]:
        """`add_vectors` in a worker thread."""
        return await asyncio.to_thread(self.add_vectors, texts, vectors, metadatas, ids=ids)

    def _add(
        self,
        texts: Iterable[str],
        given: ArrayLike | None,
        metadatas: Metadatas | None,
        ids: Sequence[str | None] | None,
    ) -> list[str]:
        checked = check_texts(texts if isinstance(texts, str) else list(texts))
        encoded = check_metadatas(metadatas, len(checked))
        named = check_ids(ids, len(checked))
        self._engine.look()
        dimensions = self._engine.manifest.dimensions
        vectors = None if given is None else check_vectors(given, len(checked), dimensions)
        if not checked:
            return []
        last = {chunk_id: at for at, chunk_id in enumerate(named)}
        kept = list(last.values())
        chunks: Sequence[Chunk] = BareChunks(
            [named[at] for at in kept], [checked[at] for at in kept], [encoded[at] for at in kept]
        )
        if vectors is None:
            stored = self._engine.embedder.passages([chunk.text for chunk in chunks], dimensions)
        else:
            stored = vectors if len(kept) == len(checked) else vectors[kept]

        def write(transaction: Transaction) -> None:
            transaction.add_chunks(chunks, stored)

        self._engine.commit(write, stored, embedded=given is None)
        return named

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        """Remove chunks by id, or whole documents by theirs.

        Args:
            ids: Of chunks or documents; unknown ones are passed over. None removes everything.
            **kwargs: None are known.

        Returns:
            True.
        """
        refuse_unknown(kwargs)
        if isinstance(ids, str):
            raise InputError("Ids are a list of strings, not one string.", fix="write [id]")
        known = None if ids is None else list(ids)
        for given in cast("list[object]", known or []):
            if not isinstance(given, str):
                raise InputError(f"An id is a string, not {given!r}.")

        def write(transaction: Transaction) -> None:
            if known is None:
                transaction.remove_everything()
            else:
                transaction.remove_documents(known)
                transaction.remove_chunks(known)

        self._engine.commit(write, None, embedded=False)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Chunks by id, in the order asked for, each once; unknown ids are left out."""
        with self._engine.store.reading() as connection:
            return [document_of(chunk) for chunk in reads.fetch_by_ids(connection, ids)]

    # Searching

    def similarity_search(self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any) -> list[Document]:  # noqa: A002 (LangChain's name for it)
        """The ``k`` chunks nearest to the question by cosine."""
        return [document for document, _ in self.similarity_search_with_score(query, k, filter=filter, **kwargs)]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """The same with their cosines, -1 to 1, higher is nearer."""
        refuse_unknown(kwargs)
        return [(document_of(chunk), found.score) for found, chunk in self._found(query, k, "dense", filter)]

    def similarity_search_by_vector(
        self,
        embedding: ArrayLike,
        k: int = 4,
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        **kwargs: Any,
    ) -> list[Document]:
        """The ``k`` chunks nearest to a vector by cosine."""
        found = self.similarity_search_with_score_by_vector(embedding, k, filter, **kwargs)
        return [document for document, _ in found]

    def similarity_search_with_score_by_vector(
        self,
        embedding: ArrayLike,
        k: int = 4,
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """The same with their cosines."""
        refuse_unknown(kwargs)
        check_k(k)
        condition = condition_of(filter)
        vector = self._vector(embedding)
        with self._engine.store.reading() as connection:
            found = self._engine.dense(connection, vector, k, condition)
            chunks = reads.fetch(connection, [one.row for one in found])
        return [(document_of(chunk), one.score) for one, chunk in zip(found, chunks, strict=True)]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        **kwargs: Any,
    ) -> list[Document]:
        """``k`` of the ``fetch_k`` nearest chunks, near the question and far from one another."""
        check_query(query)
        check_k(k)
        condition = condition_of(filter)
        if self._engine.is_empty():
            return []
        vector = self._engine.embedder.query(query, self._engine.manifest.dimensions)
        return self._marginal(vector, k, fetch_k, lambda_mult, condition, kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: ArrayLike,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        **kwargs: Any,
    ) -> list[Document]:
        """The same for a vector."""
        return self._marginal(self._vector(embedding), k, fetch_k, lambda_mult, condition_of(filter), kwargs)

    def _marginal(
        self,
        vector: Vectors,
        k: int,
        fetch_k: int,
        lambda_mult: float,
        condition: Condition | None,
        kwargs: dict[str, Any],
    ) -> list[Document]:
        refuse_unknown(kwargs)
        check_k(k)
        check_k(fetch_k, "fetch_k")
        if not 0 <= lambda_mult <= 1:
            raise InputError(f"lambda_mult is between 0 and 1, not {lambda_mult!r}.")
        with self._engine.store.reading() as connection:
            rows = [one.row for one in self._engine.dense(connection, vector, max(k, fetch_k), condition)]
            view = self._engine.refresh(connection)
            if view is None or not rows:
                return []
            candidates = view.vectors(np.array(rows, dtype=np.int64))
            chosen = [rows[at] for at in most_marginal(vector, candidates, k, lambda_mult)]
            return [document_of(chunk) for chunk in reads.fetch(connection, chosen)]

    def search_documents(
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        parent: int | None = None,
    ) -> list[Document]:
        """What `VectorIndex.search` finds, as LangChain documents."""
        return [document_of(chunk, found) for found, chunk in self._found(query, k, mode, filter, parent)]

    async def asearch_documents(
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        parent: int | None = None,
    ) -> list[Document]:
        """The same in a worker thread."""
        return await asyncio.to_thread(self.search_documents, query, k, mode, filter, parent)

    def as_retriever(self, **kwargs: Any) -> VectorIndexRetriever:
        """A LangChain retriever over this index; hybrid unless ``search_type`` says otherwise."""
        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return VectorIndexRetriever(vectorstore=self, tags=tags, **kwargs)

    def _found(
        self, query: str, k: int, mode: SearchMode, given_filter: Filter | None, parent: int | None = None
    ) -> list[Found]:
        check_query(query)
        check_k(k)
        condition = condition_of(given_filter)
        if mode not in get_args(SearchMode):
            raise InputError(f"Unknown search mode {mode!r}.", fix=f"use {', '.join(get_args(SearchMode))}")
        size = None if parent is None else check_parent(parent)
        depth = k if size is None else SEARCHED * k
        engine = self._engine
        while mode == "words" or not engine.is_empty():
            embedder = engine.embedder
            # Outside the transaction: a model may take long, and nobody should wait for it.
            vector = None if mode == "words" else embedder.query(query, engine.manifest.dimensions)
            with engine.store.reading() as connection:
                engine.refresh(connection)
                if engine.embedder is not embedder:
                    continue  # the index was embedded anew with another model meanwhile
                ranking = engine.ranking(connection, query, vector, depth, mode, condition)
                found = list(zip(ranking, reads.fetch(connection, [one.row for one in ranking]), strict=True))
                return found if size is None else widened(connection, found, size, k)
        return []

    def _vector(self, embedding: ArrayLike) -> Vectors:
        row: Vectors = check_vectors(np.asarray(embedding)[None], 1, self._engine.manifest.dimensions)[0]
        return row

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return _relevance


def refuse_unknown(kwargs: Mapping[str, Any]) -> None:
    """Refuse parameters nobody reads, so that a misspelt ``filter`` is not a search without one.

    Raises:
        InputError: If there are any.
    """
    if kwargs:
        raise InputError(f"Unknown parameters: {', '.join(sorted(kwargs))}.")


def condition_of(given: Filter | None) -> Condition | None:
    """What a filter asks of the database; None where it asks nothing."""
    return None if given is None or given == {} else compile_filter(given)


def document_of(chunk: StoredChunk, found: Fused | None = None) -> Document:
    """A chunk as a LangChain document, with the path that led to it."""
    metadata = chunk.langchain_metadata()
    if found is not None and found.path:
        metadata["path"] = [str(hop) for hop in found.path]
    return Document(id=chunk.id, page_content=chunk.text, metadata=metadata)


def _relevance(cosine: float) -> float:
    """A cosine as LangChain's relevance, 0 to 1."""
    return min(1.0, max(0.0, (1.0 + cosine) / 2.0))
