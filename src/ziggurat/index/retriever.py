"""The index as a LangChain retriever: hybrid by default.

Adds three search types, ``hybrid``, ``words`` and ``multihop``, to LangChain's own three, and ``k`` as a setting of
its own. Everything else is `VectorStoreRetriever`'s.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Protocol, cast

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStoreRetriever

from ziggurat.index.hits import SearchMode

_MODES: dict[str, SearchMode] = {"hybrid": "hybrid", "words": "words", "multihop": "multihop"}


class DocumentSearch(Protocol):
    """What the retriever needs of its store beyond LangChain's interface."""

    def search_documents(self, query: str, *, mode: SearchMode, **kwargs: Any) -> list[Document]:
        """Documents by one search mode."""

    async def asearch_documents(self, query: str, *, mode: SearchMode, **kwargs: Any) -> list[Document]:
        """The same without blocking."""


class VectorIndexRetriever(VectorStoreRetriever):
    """Finds documents in a `VectorIndex`.

    Attributes:
        search_type: ``hybrid`` (the default), ``words``, ``multihop``, or one of LangChain's: ``similarity``,
            ``mmr``, ``similarity_score_threshold``.
        k: How many documents; ``search_kwargs["k"]`` and ``invoke(..., k=)`` come first.
        search_kwargs: ``filter``; ``parent`` for our own search types: widen each hit to the part of its
            document it stands in, of at most so many characters; and what LangChain's search types take.
    """

    search_type: str = "hybrid"
    k: int = 4

    allowed_search_types: ClassVar[Collection[str]] = (*_MODES, *VectorStoreRetriever.allowed_search_types)

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The index at its newest generation, and how it is searched; None for a filter that is no plain data."""
        index = getattr(self.vectorstore, "stage_identity", None)
        try:
            asked = json.loads(json.dumps(self.search_kwargs, sort_keys=True))
        except (TypeError, ValueError):
            return None
        if index is None:
            return None
        kind = "ziggurat.index.retriever.VectorIndexRetriever"
        return {"class": kind, "index": index, "search_type": self.search_type, "k": self.k, "search": asked}

    def stage_pin(self) -> AbstractContextManager[None]:
        """The index held at one generation for the length of a run."""
        pin = getattr(self.vectorstore, "stage_pin", nullcontext)
        return cast("AbstractContextManager[None]", pin())

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        asked = self._asked(kwargs)
        mode = _MODES.get(self.search_type)
        if mode is None:
            return super()._get_relevant_documents(query, run_manager=run_manager, **asked)
        return self._index().search_documents(query, mode=mode, **asked)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        asked = self._asked(kwargs)
        mode = _MODES.get(self.search_type)
        if mode is None:
            return await super()._aget_relevant_documents(query, run_manager=run_manager, **asked)
        return await self._index().asearch_documents(query, mode=mode, **asked)

    def _asked(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"k": self.k, **self.search_kwargs, **kwargs}

    def _index(self) -> DocumentSearch:
        return cast("DocumentSearch", self.vectorstore)
