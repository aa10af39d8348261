"""`Rerank`: the passages that a model, reading each beside the question, finds best.

A search compares texts that were read apart; a cross-encoder reads a question and a passage together, which is
better and far slower, so it is given the best twenty of a search or what another stage found. Any LangChain
document compressor does as well, and `Compressor` makes ours one of those. How a score comes to be is the
reranker's business. The invariant: what is returned is in the order of its scores, equal ones as they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Self

import numpy as np
from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict, Field

from ziggurat import models
from ziggurat.chain.spec.registry import FolderPath, ModelName
from ziggurat.chain.stage import Param
from ziggurat.errors import InputError, ModelError
from ziggurat.specs import Reranker
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.evidence import content
from ziggurat.stages.retrieve import Documents, Retriever, Searching, as_retriever, pinned, search_settings
from ziggurat.stages.settings import spec_setting

SCORE = "rerank_score"
"""The key of a document's metadata that holds its score."""


class RerankSettings(Searching):
    """A reranker, and an index if it is to search one."""

    reranker: ModelName | None = Field(
        None, description="The reranker's spec, such as local:bge-reranker-v2-m3; left out, the local default."
    )
    index: FolderPath | None = Field(
        None, description="The folder of the index to search; left out, the passages are the input 'documents'."
    )
    fetch: Annotated[int, Field(ge=1)] = Field(20, description="Passages that are searched for and scored.")


class Rerank(StageRunnable[Documents]):
    """Keep the passages that answer a question best.

    Args:
        retriever: A LangChain retriever, a vector store (ours among them), or any Runnable from a
            question to documents. None: the passages are an input, ``documents``, which another stage gives.
        reranker: A spec such as ``local:bge-reranker-v2-m3``, a `Reranker`, or a LangChain document
            compressor, which may also shorten passages or leave some out; the local default when none.
        k: Passages to return.
        fetch: Passages to search for, where ``retriever`` is a vector store; all that come are scored.
        name: What to call it in traces.

    Input: ``question`` (str), and ``documents`` where there is no retriever. Output: LangChain
    documents, best first, each with ``rerank_score`` in its metadata (of a compressor, if it tells one).

    Raises:
        InputError: For a question without words, or documents that are none.
        ModelError: If the reranker gives no score for each document.
    """

    def __init__(
        self,
        retriever: Retriever | None = None,
        reranker: str | Reranker | BaseDocumentCompressor | None = None,
        *,
        k: int = 4,
        fetch: int = 20,
        name: str | None = None,
    ) -> None:
        if k < 1 or fetch < k:
            raise InputError(f"The best {k} of {fetch} passages cannot be had.", fix="1 or more, and fetch as many")
        self.retriever = None if retriever is None else as_retriever(retriever, fetch)
        self.reranker = _opened(reranker)
        self._given = reranker
        self.k, self._fetch = k, fetch
        self.name = name or "Rerank"

    Settings = RerankSettings

    @classmethod
    def from_settings(cls, settings: RerankSettings) -> Self:
        """The stage that settings describe; its index is opened for reading."""
        return cls(
            None if settings.index is None else settings.model_copy(update={"k": settings.fetch}).over(settings.index),
            settings.reranker,
            k=settings.k,
            fetch=settings.fetch,
            name=settings.name,
        )

    def settings(self) -> RerankSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its reranker or its retriever was given open.
        """
        found = {"k": self._fetch} if self.retriever is None else search_settings(self.retriever, "Rerank")
        fetch = found.pop("k")
        return RerankSettings(
            **found,
            reranker=spec_setting(self._given, "reranker", "Rerank"),
            k=self.k,
            fetch=fetch,
            name=None if self.name == "Rerank" else self.name,
        )

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The question, and the documents where no retriever finds them."""
        asked = Param("question", str)
        return (asked,) if self.retriever is not None else (asked, Param("documents", Documents))

    @property
    def stage_output(self) -> Any:
        """LangChain documents, best first."""
        return Documents

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The index at its generation, the reranker, and how many are kept; None for a compressor."""
        return self._identity(
            retriever="documents" if self.retriever is None else getattr(self.retriever, "stage_identity", None),
            reranker=None if isinstance(self.reranker, BaseDocumentCompressor) else self.reranker.fingerprint,
            k=self.k,
        )

    def stage_pin(self) -> AbstractContextManager[Any]:
        """What the retriever reads, held still for the length of a run."""
        return pinned(self.retriever)

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Documents:
        question = inputs["question"]
        if not isinstance(question, str) or not content(question):
            raise InputError(f"{question!r} is not a question.", where=self.get_name(), fix="ask in words")
        found = await self._found(question, inputs, config)
        if isinstance(self.reranker, BaseDocumentCompressor):
            kept = await self.reranker.acompress_documents(found, question, config.get("callbacks"))
            return [_named(document) for document in kept[: self.k]]
        if not found:
            return []
        return best(found, await self.reranker.ascore(question, [one.page_content for one in found]), self.k)

    async def _found(self, question: str, inputs: Mapping[str, Any], config: RunnableConfig) -> Sequence[Document]:
        if self.retriever is not None:
            return await self.retriever.ainvoke(question, config)
        given = inputs["documents"]
        if not isinstance(given, Sequence) or not all(isinstance(one, Document) for one in given):
            raise InputError("The documents to rerank are no list of LangChain documents.", where=self.get_name())
        return given


class Compressor(BaseDocumentCompressor):
    """A reranker as LangChain's document compressor, for its contextual compression retriever and others.

    Attributes:
        reranker: A spec, or a `Reranker`; the local default when none.
        k: Passages to keep.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    reranker: Any = None
    k: int = Field(4, ge=1)

    def model_post_init(self, _context: Any, /) -> None:
        """Open the reranker."""
        self.reranker = models.reranker(self.reranker)

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002 (LangChain passes it by name)
    ) -> Documents:
        """The best documents, best first, with ``rerank_score`` in their metadata."""
        if not documents:
            return []
        return best(documents, self.reranker.score(query, [one.page_content for one in documents]), self.k)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Documents:
        """The same in a worker thread."""
        return await asyncio.to_thread(self.compress_documents, documents, query, callbacks)


def best(documents: Sequence[Document], scores: Any, k: int) -> Documents:
    """The ``k`` documents of the largest scores, as copies that tell them; equal ones in the order they came.

    Raises:
        ModelError: If there is not one finite score for each document.
    """
    numbers = np.asarray(scores, np.float32).reshape(-1)
    if len(numbers) != len(documents) or not np.isfinite(numbers).all():
        raise ModelError(f"The reranker gave no score for each of {len(documents)} documents, but {len(numbers)}.")
    order = np.argsort(-numbers, kind="stable")[:k].tolist()
    return [_scored(documents[at], float(numbers[at])) for at in order]


def _scored(document: Document, score: float) -> Document:
    return document.model_copy(update={"metadata": {**document.metadata, SCORE: score}})


def _named(document: Document) -> Document:
    """A compressor's document; the score that LangChain's own rerankers tell has our name too."""
    score = document.metadata.get("relevance_score")
    return document if score is None else _scored(document, float(score))


def _opened(reranker: str | Reranker | BaseDocumentCompressor | None) -> Reranker | BaseDocumentCompressor:
    if isinstance(reranker, BaseDocumentCompressor):
        return reranker
    opened = models.reranker(reranker)
    if not isinstance(opened, Reranker):
        raise InputError(
            f"{type(opened).__name__} cannot rerank.", fix="give a spec, a Reranker or a LangChain document compressor"
        )
    return opened
