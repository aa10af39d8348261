"""`Retrieve`: the passages a question finds, as a stage of its own.

For chains that look at passages before they answer: retrieve, rerank, then `RetrievalQA` over what is
left. The stages that rewrite a question first (`rewriting`), hop (`multihop`) and rerank (`rerank`)
build on it. How passages are found is the retriever's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.vectorstores import VectorStore
from pydantic import Field

from ziggurat.chain.spec.registry import FolderPath, StageSettings
from ziggurat.chain.stage import Param
from ziggurat.errors import InputError
from ziggurat.index.retriever import VectorIndexRetriever
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.evidence import content
from ziggurat.stages.settings import open_index

if TYPE_CHECKING:
    from collections.abc import Iterable

Documents = list[Document]
Retriever = BaseRetriever | VectorStore | Runnable[str, Documents]
Search = Literal["hybrid", "words", "similarity", "mmr", "multihop"]

_RANK_SMOOTHING = 60
"""Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion", 2009."""


class Searching(StageSettings):
    """How an index is searched."""

    k: Annotated[int, Field(ge=1)] = Field(4, description="Passages to return.")
    search: Search = Field("hybrid", description="How the index is searched.")
    parent: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Widen each passage to the part of its document it stands in, of so many characters."
    )
    filter: dict[str, Any] | None = Field(None, description="A condition on the metadata of the passages.")
    name: str | None = Field(None, description="What it is called in traces.")

    def over(self, index: Path) -> VectorIndexRetriever:
        """The retriever over the index in a folder, opened for reading."""
        more = {key: value for key, value in (("parent", self.parent), ("filter", self.filter)) if value is not None}
        return open_index(index).as_retriever(search_type=self.search, search_kwargs={"k": self.k, **more})


class SearchSettings(Searching):
    """An index and how it is searched."""

    index: FolderPath = Field(description="The folder of the index to search.")

    def open(self) -> VectorIndexRetriever:
        """The retriever these settings describe."""
        return self.over(self.index)


def search_settings(retriever: Any, stage: str) -> dict[str, Any]:
    """What of `SearchSettings` describes a retriever.

    Raises:
        InputError: If it is no search of an index that a file can name.
    """
    from ziggurat.index import VectorIndex

    if not isinstance(retriever, VectorIndexRetriever) or not isinstance(retriever.vectorstore, VectorIndex):
        raise InputError(
            f"{stage} was given its retriever as an open {type(retriever).__name__}",
            fix="a file can name a VectorIndex, by its folder",
        )
    asked = {"k": retriever.k, **retriever.search_kwargs}
    unknown = sorted(asked.keys() - {"k", "parent", "filter"})
    if unknown:
        raise InputError(f"{stage} was given a retriever with {', '.join(unknown)}, which files do not have")
    return {"index": retriever.vectorstore.path.resolve(), "search": retriever.search_type, **asked}


def index_setting(retriever: Any, k: int, stage: str) -> Path:
    """The folder of the index that a retriever searches in the default way.

    Raises:
        InputError: If it is another retriever, or searches otherwise.
    """
    found = search_settings(retriever, stage)
    index: Path = found.pop("index")
    if found != {"search": "hybrid", "k": k}:
        raise InputError(f"{stage} was given a retriever with a search of its own", fix="give it the VectorIndex")
    return index


def pinned(retriever: Any) -> AbstractContextManager[Any]:
    """What a retriever reads, held still for the length of a run; nothing is held where it cannot be."""
    pin = getattr(retriever, "stage_pin", nullcontext)
    return cast("AbstractContextManager[Any]", pin())


def as_retriever(given: Retriever, k: int) -> Runnable[str, Documents]:
    """Anything from a question to documents; a vector store is asked for ``k`` of them.

    Raises:
        InputError: If it cannot retrieve.
    """
    if isinstance(given, VectorStore):
        return given.as_retriever(search_kwargs={"k": k})
    if not isinstance(given, Runnable):
        raise InputError(
            f"{type(given).__name__} cannot retrieve.", fix="give a retriever, a vector store or a Runnable"
        )
    return given


def fused(rankings: Iterable[Sequence[Document]], k: int) -> Documents:
    """The ``k`` best documents of several rankings, by reciprocal ranks; equal ones in the order first seen."""
    scores: dict[str, float] = {}
    documents: dict[str, Document] = {}
    for ranking in rankings:
        for rank, document in enumerate(ranking, start=1):
            key = document.id or document.page_content
            documents.setdefault(key, document)
            scores[key] = scores.get(key, 0.0) + 1 / (_RANK_SMOOTHING + rank)
    best = sorted(scores, key=lambda key: -scores[key])  # stable: ties stay in the order first seen
    return [documents[key] for key in best[:k]]


class RetrievalStage(StageRunnable[Documents]):
    """What all stages from a question to passages share: their input, their output, their index held still.

    Args:
        retriever: A LangChain retriever, a vector store (ours among them), or any Runnable from a
            question to documents.
        k: Passages to return.
        name: What to call it in traces.
    """

    def __init__(self, retriever: Retriever, *, k: int, fetch: int | None = None, name: str | None = None) -> None:
        if k < 1:
            raise InputError(f"k is a positive number of passages, not {k}.")
        self.retriever = as_retriever(retriever, fetch or k)
        self.k = k
        self.name = name or type(self).__name__

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The question."""
        return (Param("question", str),)

    @property
    def stage_output(self) -> Any:
        """LangChain documents, best first."""
        return Documents

    def stage_pin(self) -> AbstractContextManager[Any]:
        """What the retriever reads, held still for the length of a run."""
        return pinned(self.retriever)

    def _question(self, inputs: Mapping[str, Any]) -> str:
        question = inputs["question"]
        if not isinstance(question, str) or not content(question):
            raise InputError(f"{question!r} is not a question.", where=self.get_name(), fix="ask in words")
        return question

    def _own_name(self) -> str | None:
        return None if self.name == type(self).__name__ else self.name


class Retrieve(RetrievalStage):
    """Find passages.

    Args:
        retriever: See `RetrievalStage`.
        k: Passages to return.
        search: How a `VectorIndex` given as it is searched: ``hybrid``, ``words``, ``similarity``,
            ``mmr`` or ``multihop``.
        parent: Widen each passage to the part of its document it stands in, of so many characters.
        filter: A condition on the metadata, as `VectorIndex.search` takes it.
        name: What to call it in traces.

    Input: ``question`` (str). Output: LangChain documents, best first; in a multi-hop search those
    that were hopped to tell their ``path`` in their metadata.

    Raises:
        InputError: For a search that the store does not know, or a question without words.
    """

    def __init__(
        self,
        retriever: Retriever,
        *,
        k: int = 4,
        search: Search | None = None,
        parent: int | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 (LangChain's name for it)
        name: str | None = None,
    ) -> None:
        if isinstance(retriever, VectorStore):
            more = {key: value for key, value in (("parent", parent), ("filter", filter)) if value is not None}
            kinds = {} if search is None else {"search_type": search}
            retriever = retriever.as_retriever(search_kwargs={"k": k, **more}, **kinds)
        elif search is not None or parent is not None or filter is not None:
            raise InputError(
                f"A {type(retriever).__name__} searches in its own way.",
                fix="set search, parent and filter where it is made",
            )
        super().__init__(retriever, k=k, name=name)

    Settings = SearchSettings

    @classmethod
    def from_settings(cls, settings: SearchSettings) -> Self:
        """The stage that settings describe."""
        return cls(settings.open(), k=settings.k, name=settings.name)

    def settings(self) -> SearchSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its retriever has no written form.
        """
        return SearchSettings(**search_settings(self.retriever, "Retrieve"), name=self._own_name())

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The index at its generation, and how it is searched."""
        return self._identity(retriever=getattr(self.retriever, "stage_identity", None), k=self.k)

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Documents:
        return (await self.retriever.ainvoke(self._question(inputs), config))[: self.k]
