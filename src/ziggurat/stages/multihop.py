"""`MultiHop`: passages found in several steps, each step led by what the one before found.

Without a model an index follows the names that stand in its passages (`ziggurat.index.hops`). With a
model each round reads what was found and says what to look for next, as in Trivedi et al.,
"Interleaving Retrieval with Chain-of-Thought Reasoning", 2022; every round's search follows names too
where the retriever can. The path is told in each document's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig
from langchain_core.vectorstores import VectorStore
from pydantic import Field

from ziggurat import models
from ziggurat.chain.spec.registry import ModelName
from ziggurat.chain.stage import CallBound
from ziggurat.stages import prompts
from ziggurat.stages.language import language_of
from ziggurat.stages.prompt_settings import Prompt, open_prompt
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.retrieve import (
    Documents,
    RetrievalStage,
    Retriever,
    Search,
    SearchSettings,
    fused,
    search_settings,
)
from ziggurat.stages.settings import call_bound, model_identity, spec_setting

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

ENOUGH = "ENOUGH"
_READ_OF_A_PASSAGE = 600
_LONGEST_QUERY = 300


class MultiHopSettings(SearchSettings):
    """An index, and a model if one is to lead."""

    k: Annotated[int, Field(ge=1)] = Field(8, description="Passages to return.")
    search: Search = Field("multihop", description="How the index is searched in each round.")
    model: ModelName | None = Field(None, description="The spec of the model that leads; left out, names are followed.")
    hops: Annotated[int, Field(ge=1, le=8)] = Field(3, description="Rounds of a model at most.")
    prompt: Prompt | None = Field(
        None, description="Replaces the prompt multi_hop; variables: language, enough, question, passages, asked."
    )


class MultiHop(RetrievalStage):
    """Find passages in several steps.

    Args:
        retriever: See `RetrievalStage`; a `VectorIndex` follows the names in its passages.
        model: A model spec or a LangChain chat model that says what to look for next; None asks none.
        k: Passages to return.
        hops: How often the model is asked at most.
        prompt: Replaces the prompt ``multi_hop``; its variables are those of the shipped one.
        name: What to call it in traces.

    Input: ``question`` (str). Output: LangChain documents, best first; ``path`` in the metadata of
    those that the question did not find by itself.

    Raises:
        InputError: For a question without words, or a prompt with other variables.
    """

    def __init__(
        self,
        retriever: Retriever,
        model: str | BaseChatModel | None = None,
        *,
        k: int = 8,
        hops: int = 3,
        prompt: GivenPrompt = None,
        name: str | None = None,
    ) -> None:
        from ziggurat.index import VectorIndex

        if isinstance(retriever, VectorStore) and isinstance(retriever, VectorIndex):
            retriever = retriever.as_retriever(search_type="multihop", search_kwargs={"k": k})
        super().__init__(retriever, k=k, name=name)
        self.model = None if model is None else models.chat(model)
        self._given = model
        self.hops = hops
        self.prompt = StagePrompt("multi_hop", prompt)

    Settings = MultiHopSettings

    @classmethod
    def from_settings(cls, settings: MultiHopSettings) -> Self:
        """The stage that settings describe."""
        return cls(
            settings.open(),
            settings.model,
            k=settings.k,
            hops=settings.hops,
            prompt=open_prompt(settings.prompt),
            name=settings.name,
        )

    def settings(self) -> MultiHopSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model or its retriever was given open, or its prompt has no written form.
        """
        return MultiHopSettings(
            **search_settings(self.retriever, "MultiHop"),
            model=spec_setting(self._given, "model", "MultiHop"),
            hops=self.hops,
            prompt=self.prompt.settings(),
            name=self._own_name(),
        )

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The index at its generation, how it is searched, and the model that leads."""
        led = {} if self.model is None else {"model": model_identity(self._given, {}, self.model)}
        return self._identity(
            retriever=getattr(self.retriever, "stage_identity", None),
            prompt=self.prompt.identity,
            hops=self.hops,
            k=self.k,
            **led,
        )

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """As many calls as hops, each with all passages; none without a model."""
        if self.model is None:
            return []
        question = inputs["question"] if inputs else ""
        asked = self._prompt(question, [], [question]).to_string() + "x" * (self.k * _READ_OF_A_PASSAGE)
        return [call_bound(self.model, asked, 60)] * self.hops

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Documents:
        question = self._question(inputs)
        rankings = [await self.retriever.ainvoke(question, config)]
        asked = [question]
        for _ in range(self.hops if self.model is not None else 0):
            found = fused(rankings, self.k)
            query = await self._next(question, found, asked, config)
            if query is None:
                break
            asked.append(query)
            known = {document.id or document.page_content for document in found}
            ranking = await self.retriever.ainvoke(query, config)
            rankings.append([_led(one, query, new=(one.id or one.page_content) not in known) for one in ranking])
        return _interleaved(rankings, self.k) if len(rankings) > 1 else rankings[0][: self.k]

    async def _next(self, question: str, found: Documents, asked: list[str], config: RunnableConfig) -> str | None:
        """What the model wants to look for; None if it has enough, or asks again what it asked."""
        if self.model is None:
            return None
        message = await self.model.ainvoke(self._prompt(question, found, asked), config, max_tokens=60)
        lines = [line.strip().strip('"“”-*• ') for line in str(message.text).splitlines() if line.strip()]
        if not lines or ENOUGH in lines[0] or not any(letter.isalnum() for letter in lines[0]):
            return None
        query = lines[0][:_LONGEST_QUERY]
        return None if query.casefold() in (one.casefold() for one in asked) else query

    def _prompt(self, question: str, found: Documents, asked: list[str]) -> Any:
        passages = "\n".join(f"[{at}] {one.page_content[:_READ_OF_A_PASSAGE]}" for at, one in enumerate(found, 1))
        language = language_of(question)
        return self.prompt.filled(
            language,
            language=prompts.ANSWER_LANGUAGE[language],
            enough=ENOUGH,
            question=question,
            passages=passages,
            asked="\n".join(asked),
        )


def _led(document: Document, query: str, *, new: bool) -> Document:
    """A document with the search that led to it at the head of its path."""
    if not new:
        return document
    path = [f"searched for “{query}”", *document.metadata.get("path", [])]
    return document.model_copy(update={"metadata": {**document.metadata, "path": path}})


def _interleaved(rankings: list[Documents], k: int) -> Documents:
    """The best of each round in turn: what only a late round could find must not drown in the first one's rest."""
    taken: dict[str, Document] = {}
    for rank in range(max(map(len, rankings))):
        for ranking in rankings:
            if rank < len(ranking):
                document = ranking[rank]
                taken.setdefault(document.id or document.page_content, document)
    return list(taken.values())[:k]
