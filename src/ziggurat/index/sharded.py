"""`ShardedIndex`: a directory of indexes that are searched as one, for what one index would not hold.

Each shard is a `VectorIndex`; they are opened read-only, so that many processes can search them at once.
Both legs rank globally: cosines are the same wherever a vector lies, and BM25 counts words over all shards
(`shard_words`). Filling is not done here: whoever builds a shard opens it as a `VectorIndex`.
Invariant: what is found in any number of shards is what one index of the same texts would find, but for
the order of equal scores, which is by document and place.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn, Self, get_args

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from numpy.typing import ArrayLike

from ziggurat.errors import EmbeddingMismatch, IndexCorrupt, InputError
from ziggurat.index import reads
from ziggurat.index.diversity import most_marginal
from ziggurat.index.filters import Condition, Filter
from ziggurat.index.fusion import DEPTH, Fused, fuse
from ziggurat.index.hits import Hit, Leg, SearchMode
from ziggurat.index.inputs import Vectors, check_k, check_query, check_vectors
from ziggurat.index.langchain_store import condition_of, document_of, refuse_unknown
from ziggurat.index.parents import SEARCHED, Found, check_parent, widened
from ziggurat.index.rarity import asked_terms, frequency
from ziggurat.index.retriever import VectorIndexRetriever
from ziggurat.index.shard_list import shard_names
from ziggurat.index.shard_words import rankings
from ziggurat.index.vector_index import VectorIndex
from ziggurat.index.words import question_terms

_SHIFT = 44
"""A row of a shard is told from another shard's by the bits above these."""

Ranking = list[tuple[int, float]]


class ShardedIndex(VectorStore):
    """Several indexes, searched as one; open one with `open`.

    Example:
        >>> with ShardedIndex.open("manuals") as index:  # doctest: +SKIP
        ...     index.search("How is the belt changed?", k=8)
    """

    def __init__(self, path: Path, shards: Sequence[VectorIndex]) -> None:
        self.path = path
        self.shards = tuple(shards)
        self._engines = [shard._engine for shard in shards]  # noqa: SLF001 (the same room)

    @classmethod
    def open(cls, path: str | os.PathLike[str], embedding: Embeddings | str | None = None) -> Self:
        """Open all shards for reading.

        Args:
            path: The directory.
            embedding: The model they were built with; None opens the one they name, when needed.

        Raises:
            IndexNotFound: If it is not there, or a shard is missing.
            EmbeddingMismatch: If a shard was built with another model.
        """
        directory = Path(path)
        with ExitStack() as opened:
            shards = [
                opened.enter_context(VectorIndex.open(directory / name, embedding, read_only=True))
                for name in shard_names(directory)
            ]
            made_by = {
                (manifest.fingerprint, manifest.dimensions)
                for manifest in (shard._engine.manifest for shard in shards)  # noqa: SLF001 (the same room)
                if manifest.dimensions is not None
            }
            if len(made_by) > 1:
                raise EmbeddingMismatch(
                    "The shards were built with different embedding models.",
                    where=str(directory),
                    fix="build the index again with one",
                )
            opened.pop_all()
            return cls(directory, shards)

    def close(self) -> None:
        """Let go of the files; closing twice is harmless."""
        for shard in self.shards:
            shard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What it is

    @property
    def embeddings(self) -> Embeddings | None:
        """The embedding model; None while it has not been needed."""
        return self._model_shard().embeddings

    @property
    def stage_identity(self) -> Mapping[str, Any]:
        """What decides what is found: the identities of the shards."""
        return {
            "class": "ziggurat.index.sharded.ShardedIndex",
            "shards": [shard.stage_identity for shard in self.shards],
        }

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """A block within which every search sees the generations the block began with."""
        with ExitStack() as pins:
            for shard in self.shards:
                pins.enter_context(shard.pinned())
            yield

    def stage_pin(self) -> AbstractContextManager[None]:
        """The same, under the name that a chain asks for."""
        return self.pinned()

    def __len__(self) -> int:
        return sum(len(shard) for shard in self.shards)

    def __bool__(self) -> bool:
        return True  # an empty index is still an index

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Chunks by id, in the order asked for, each once; unknown ids are left out."""
        found = {str(one.id): one for shard in self.shards for one in shard.get_by_ids(ids)}
        return [found[one] for one in dict.fromkeys(ids) if one in found]

    # Searching

    def search(  # type: ignore[override]  # as `VectorIndex.search`: hits, not documents
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        parent: int | None = None,
    ) -> list[Hit]:
        """The chunks that answer a question best, of all shards; as `VectorIndex.search`.

        Raises:
            InputError: If the query is blank, ``k`` is not positive, or ``mode`` is ``multihop``, which
                follows the links within one index.
        """
        return [chunk.hit(found) for found, chunk in self._found(query, k, mode, filter, parent)]

    def search_documents(
        self,
        query: str,
        k: int = 4,
        mode: SearchMode = "hybrid",
        filter: Filter | None = None,  # noqa: A002 (LangChain's name for it)
        parent: int | None = None,
    ) -> list[Document]:
        """What `search` finds, as LangChain documents."""
        return [document_of(chunk, found) for found, chunk in self._found(query, k, mode, filter, parent)]

    async def asearch_documents(self, query: str, **kwargs: Any) -> list[Document]:
        """The same in a worker thread."""
        return await asyncio.to_thread(self.search_documents, query, **kwargs)

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
        refuse_unknown(kwargs)
        check_k(k)
        vector = check_vectors(np.asarray(embedding)[None], 1, self._dimensions())[0]
        condition = condition_of(filter)
        with self._reading() as connections:
            ranking = self._dense(connections, vector, k, condition)
            return [document_of(chunk) for _, chunk in self._fetched(connections, _ranked(ranking, words=False))]

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
        refuse_unknown(kwargs)
        check_k(fetch_k, "fetch_k")
        if not 0 <= lambda_mult <= 1:
            raise InputError(f"lambda_mult is between 0 and 1, not {lambda_mult!r}.")
        check_query(query)
        condition = condition_of(filter)
        if self._dimensions() is None:
            return []
        vector = self._model_shard()._engine.embedder.query(query, self._dimensions())  # noqa: SLF001 (the same room)
        with self._reading() as connections:
            ranking = self._dense(connections, vector, max(check_k(k), fetch_k), condition)
            if not ranking:
                return []
            candidates = np.stack([self._vector(connections, row) for row, _ in ranking])
            chosen = [ranking[at] for at in most_marginal(vector, candidates, k, lambda_mult)]
            return [document_of(chunk) for _, chunk in self._fetched(connections, _ranked(chosen, words=False))]

    def _vector(self, connections: Sequence[sqlite3.Connection], row: int) -> Vectors:
        view = self._engines[row >> _SHIFT].refresh(connections[row >> _SHIFT])
        if view is None:
            raise IndexCorrupt("A shard has lost its vectors.", where=str(self.path), fix="repair() it")
        found: Vectors = view.vectors(np.array([row & (1 << _SHIFT) - 1], dtype=np.int64))[0]
        return found

    def as_retriever(self, **kwargs: Any) -> VectorIndexRetriever:
        """A LangChain retriever over all shards; hybrid unless ``search_type`` says otherwise."""
        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return VectorIndexRetriever(vectorstore=self, tags=tags, **kwargs)

    def _found(
        self, query: str, k: int, mode: SearchMode, given: Filter | None, parent: int | None = None
    ) -> list[Found]:
        check_query(query)
        check_k(k)
        condition = condition_of(given)
        if mode not in get_args(SearchMode) or mode == "multihop":
            raise InputError(f"A sharded index is not searched by {mode!r}.", fix="use hybrid, dense or words")
        size = None if parent is None else check_parent(parent)
        depth = k if size is None else SEARCHED * k
        vector = None
        if mode != "words":
            if self._dimensions() is None:
                return []
            vector = self._model_shard()._engine.embedder.query(query, self._dimensions())  # noqa: SLF001 (the same room)
        with self._reading() as connections:
            found = self._fetched(connections, self._ranking(connections, query, vector, depth, condition, mode))
            return found if size is None else _widened(connections, found, size, k)

    def _ranking(
        self,
        connections: Sequence[sqlite3.Connection],
        question: str,
        vector: Vectors | None,
        k: int,
        condition: Condition | None,
        mode: SearchMode,
    ) -> list[Fused]:
        if vector is None:
            return _ranked(self._words(connections, question, k, condition), words=True)
        if mode == "dense":
            return _ranked(self._dense(connections, vector, k, condition), words=False)
        depth = max(k, DEPTH)
        words = self._words(connections, question, depth, condition)
        return fuse(self._dense(connections, vector, depth, condition), words, k)

    def _dense(
        self, connections: Sequence[sqlite3.Connection], vector: Vectors, k: int, condition: Condition | None
    ) -> Ranking:
        found = [
            (number << _SHIFT | one.row, one.score)
            for number, (engine, connection) in enumerate(zip(self._engines, connections, strict=True))
            for one in engine.dense(connection, vector, k, condition)
        ]
        return _best(connections, found, k)

    def _words(
        self, connections: Sequence[sqlite3.Connection], question: str, k: int, condition: Condition | None
    ) -> Ranking:
        def count(term: str, at_most: int) -> int:
            return min(at_most, sum(frequency(connection, term, at_most) for connection in connections))

        asked = asked_terms(count, question_terms(question), {})
        found = [
            (number << _SHIFT | row, score)
            for number, scores in enumerate(rankings(connections, asked, condition))
            for row, score in scores.items()
        ]
        return _best(connections, found, k)

    @contextmanager
    def _reading(self) -> Iterator[list[sqlite3.Connection]]:
        """A read transaction on every shard."""
        with ExitStack() as open_now:
            yield [open_now.enter_context(engine.store.reading()) for engine in self._engines]

    def _fetched(self, connections: Sequence[sqlite3.Connection], ranking: Sequence[Fused]) -> list[Found]:
        chunks: dict[int, reads.StoredChunk] = {}
        for number, connection in enumerate(connections):
            rows = [one.row & (1 << _SHIFT) - 1 for one in ranking if one.row >> _SHIFT == number]
            chunks |= {number << _SHIFT | chunk.row: chunk for chunk in reads.fetch(connection, rows)}
        return [(one, chunks[one.row]) for one in ranking if one.row in chunks]

    def _model_shard(self) -> VectorIndex:
        """A shard that has vectors, whose model speaks for all."""
        return next((one for one in self.shards if one._engine.manifest.dimensions), self.shards[0])  # noqa: SLF001 (the same room)

    def _dimensions(self) -> int | None:
        return self._model_shard()._engine.manifest.dimensions  # noqa: SLF001 (the same room)

    # What a LangChain store has, and this one leaves to its shards

    def add_texts(self, texts: Iterable[str], metadatas: list[dict[str, Any]] | None = None, **_: Any) -> NoReturn:  # noqa: ARG002 (LangChain's interface)
        """Refused: a sharded index is built, not added to.

        Raises:
            InputError: Always.
        """
        raise InputError("A sharded index is not added to.", where=str(self.path), fix="build it again from its source")

    @classmethod
    def from_texts(cls, *_: Any, **__: Any) -> NoReturn:
        """Refused, like `add_texts`.

        Raises:
            InputError: Always.
        """
        raise InputError("A sharded index is built from a source.", fix="build_index(source, path, shards=N)")


def _best(connections: Sequence[sqlite3.Connection], found: Ranking, k: int) -> Ranking:
    """The ``k`` best of rows of all shards; equal scores by document and place."""
    found.sort(key=lambda one: (-one[1], one[0]))
    if len(found) > k:
        last = found[k - 1][1]
        found = [one for one in found if one[1] >= last]
    scores = [score for _, score in found]
    if len(set(scores)) == len(scores):
        return found[:k]
    tied = {score for at, score in enumerate(scores) if score in scores[at + 1 : at + 2]}
    places: dict[int, tuple[str, int]] = {}
    for number, connection in enumerate(connections):
        rows = [row & (1 << _SHIFT) - 1 for row, score in found if score in tied and row >> _SHIFT == number]
        for chunk in reads.fetch(connection, rows):
            places[number << _SHIFT | chunk.row] = (chunk.document or chunk.id, chunk.first_char)
    found.sort(key=lambda one: (-one[1], places.get(one[0], ("", 0)), one[0]))
    return found[:k]


def _ranked(ranking: Ranking, *, words: bool) -> list[Fused]:
    """One leg's ranking as the whole search's."""
    return [
        Fused(row, score, None if words else Leg(rank, score), Leg(rank, score) if words else None)
        for rank, (row, score) in enumerate(ranking, start=1)
    ]


def _widened(connections: Sequence[sqlite3.Connection], found: Sequence[Found], size: int, k: int) -> list[Found]:
    """`parents.widened` in each shard, the parts in the order of their best hits."""
    place = {one.row: at for at, (one, _) in enumerate(found)}
    parts = [
        part
        for number, connection in enumerate(connections)
        for part in widened(connection, [one for one in found if one[0].row >> _SHIFT == number], size, k)
    ]
    parts.sort(key=lambda part: place[part[0].row])
    return parts[:k]
