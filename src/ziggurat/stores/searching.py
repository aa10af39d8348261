"""Searching a connected store: by vectors, marginal relevance, words, or both legs.

What is found is scored by the cosine of the vectors themselves, so a score means the same whatever the
store's own metric. A filter is compiled to the store's form before any model is asked, and applied inside
the search. Following LangChain, ``similarity_search`` and its kin go by vectors; `search_documents` goes
by the mode it is given. Adds and removes nothing.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from numpy.typing import ArrayLike

from ziggurat.errors import InputError
from ziggurat.index.diversity import most_marginal
from ziggurat.index.embedder import Embedder
from ziggurat.index.filters import Filter
from ziggurat.index.fusion import DEPTH, fuse
from ziggurat.index.hits import SearchMode
from ziggurat.index.inputs import Vectors, check_k, check_query, check_vectors
from ziggurat.index.langchain_store import refuse_unknown
from ziggurat.index.records import Records
from ziggurat.stores.backend import Backend, WordsBackend, nothing, picked
from ziggurat.stores.conditions import EVERYTHING, NOTHING, read_filter
from ziggurat.stores.retriever import StoreRetriever

_BY_VECTORS = ("similarity", "mmr", "similarity_score_threshold")
_BY_WORDS = ("hybrid", "words")


class SearchingStore(VectorStore):
    """The searching side of `ConnectedStore`."""

    _backend: Backend
    _embedder: Embedder

    @property
    def search_types(self) -> tuple[str, ...]:
        """What the retriever can search by, its default first."""
        return (*_BY_WORDS, *_BY_VECTORS) if hasattr(self._backend, "words") else _BY_VECTORS

    def similarity_search(self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any) -> list[Document]:  # noqa: A002 (LangChain's name for it)
        """The ``k`` records nearest to the question by cosine."""
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
        check_query(query)
        return _scored(self._nearest(lambda: self._query(query), k, filter))

    def similarity_search_by_vector(
        self,
        embedding: ArrayLike,
        k: int = 4,
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        **kwargs: Any,
    ) -> list[Document]:
        """The ``k`` records nearest to a vector by cosine."""
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
        vector = self._vector(embedding)
        return _scored(self._nearest(lambda: vector, k, filter))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        **kwargs: Any,
    ) -> list[Document]:
        """``k`` of the ``fetch_k`` nearest records, near the question and far from one another."""
        check_query(query)
        return self._marginal(lambda: self._query(query), k, fetch_k, lambda_mult, filter, kwargs)

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
        vector = self._vector(embedding)
        return self._marginal(lambda: vector, k, fetch_k, lambda_mult, filter, kwargs)

    def _marginal(
        self,
        vector: Callable[[], Vectors],
        k: int,
        fetch_k: int,
        lambda_mult: float,
        given: Filter | None,
        kwargs: dict[str, Any],
    ) -> list[Document]:
        refuse_unknown(kwargs)
        check_k(k)
        check_k(fetch_k, "fetch_k")
        if not 0 <= lambda_mult <= 1:
            raise InputError(f"lambda_mult is between 0 and 1, not {lambda_mult!r}.")
        near = self._nearest(vector, max(k, fetch_k), given)
        if near is None:
            return []
        return documents_of(picked(near.records, most_marginal(near.query, near.records.vectors, k, lambda_mult)))

    def search_documents(
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
    ) -> list[Document]:
        """The ``k`` best records by one mode.

        Args:
            query: A question or some words.
            k: How many.
            mode: ``hybrid`` and ``words`` where the store can search words, or ``dense``.
            filter: As in `ziggurat.index.filters`.

        Raises:
            InputError: If the store has no such mode, or cannot express the filter.
        """
        check_query(query)
        check_k(k)
        if mode == "dense":
            return self.similarity_search(query, k, filter)
        if mode not in _BY_WORDS or mode not in self.search_types:
            raise InputError(
                f"This store cannot search by {mode!r}.",
                where=self._backend.where,
                fix=f"it can by {', '.join(one for one in self.search_types if one in _BY_WORDS) or 'dense'}",
            )
        condition = self._compiled(filter)
        if condition is _NOTHING_PASSES:
            return []
        backend = cast("WordsBackend", self._backend)
        if mode == "words":
            return documents_of(backend.words(query, k, condition)[0])
        return self._both(query, k, filter, *backend.words(query, max(k, DEPTH), condition))

    async def asearch_documents(
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
    ) -> list[Document]:
        """The same in a worker thread."""
        return await asyncio.to_thread(self.search_documents, query, k, mode, filter)

    def as_retriever(self, **kwargs: Any) -> StoreRetriever:
        """A LangChain retriever over this store; hybrid where the store can, unless ``search_type`` says otherwise."""
        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return StoreRetriever(vectorstore=self, tags=tags, **kwargs)

    def _both(self, query: str, k: int, given: Filter | None, words: Records, scores: list[float]) -> list[Document]:
        near = self._nearest(lambda: self._query(query), max(k, DEPTH), given)
        dense = near.records if near is not None else nothing()
        rows = {one: at for at, one in enumerate(dict.fromkeys((*dense.ids, *words.ids)))}
        found = {document.id: document for document in (*documents_of(words), *documents_of(dense))}
        by_row = list(rows)
        fused = fuse(
            [(rows[one], score) for one, score in zip(dense.ids, near.scores if near else (), strict=True)],
            [(rows[one], score) for one, score in zip(words.ids, scores, strict=True)],
            k,
        )
        return [found[by_row[one.row]] for one in fused]

    def _nearest(self, vector: Callable[[], Vectors], k: int, given: Filter | None) -> _Near | None:
        """The ``k`` nearest that pass, nearest first; the vector is made only if there is something to find."""
        check_k(k)
        condition = self._compiled(given)
        if condition is _NOTHING_PASSES or self._backend.dimensions() is None:
            return None
        query = vector()
        found = self._backend.search(query, k, condition)
        if not found.ids:
            return None
        cosines = found.vectors @ query
        order = np.argsort(-cosines, kind="stable")[:k]
        return _Near(query, picked(found, order.tolist()), cosines[order].tolist())

    def _compiled(self, given: Filter | None) -> Any:
        condition = read_filter(given)
        if condition == EVERYTHING:
            return None
        return _NOTHING_PASSES if condition == NOTHING else self._backend.compile(condition)

    def _query(self, query: str) -> Vectors:
        self._model()
        return self._embedder.query(query, self._backend.dimensions())

    def _vector(self, embedding: ArrayLike) -> Vectors:
        row: Vectors = check_vectors(np.asarray(embedding)[None], 1, self._backend.dimensions())[0]
        return row

    @abstractmethod
    def _model(self) -> Embeddings:
        """The embedding model, opened now if it has not been."""

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return _relevance


class _Near(NamedTuple):
    """What lies near a vector, nearest first, with its cosines."""

    query: Vectors
    records: Records
    scores: list[float]


_NOTHING_PASSES: Any = object()
"""The compiled form of a filter that nothing passes: no store is asked."""


def documents_of(found: Records) -> list[Document]:
    """Records as LangChain documents."""
    rows = zip(found.ids, found.texts, found.metadatas, strict=True)
    return [Document(id=one, page_content=text, metadata=metadata) for one, text, metadata in rows]


def _scored(near: _Near | None) -> list[tuple[Document, float]]:
    return [] if near is None else list(zip(documents_of(near.records), near.scores, strict=True))


def _relevance(cosine: float) -> float:
    """A cosine as LangChain's relevance, 0 to 1."""
    return min(1.0, max(0.0, (1.0 + cosine) / 2.0))
