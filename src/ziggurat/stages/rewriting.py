"""Stages that let a model say a question otherwise before it is searched for.

`MultiQuery` asks for other wordings and searches with each; `HypotheticalDocument` asks for a passage
that would answer and searches with that, which is written like the passages are (Gao et al., "Precise
Zero-Shot Dense Retrieval without Relevance Labels", 2022). The question itself is always searched for
too, so a model that writes nonsense costs time and loses nothing.
"""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from langchain_core.runnables import RunnableConfig
from pydantic import Field

from ziggurat import models
from ziggurat.chain.spec.registry import ModelName
from ziggurat.chain.stage import CallBound
from ziggurat.stages import prompts
from ziggurat.stages.language import language_of
from ziggurat.stages.prompt_settings import Prompt, open_prompt
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.retrieve import Documents, RetrievalStage, Retriever, SearchSettings, fused, search_settings
from ziggurat.stages.settings import call_bound, model_identity, spec_setting

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.prompt_values import PromptValue

_MARK = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s*")
_LONGEST_QUERY = 400
_LONGEST_PASSAGE = 1200


class RewritingSettings(SearchSettings):
    """An index, how it is searched, and the model that rewrites."""

    model: ModelName | None = Field(
        None, description="The model's spec, such as openai:gpt-4.1; left out, the local one."
    )
    max_tokens: Annotated[int, Field(ge=1)] = Field(160, description="Tokens it writes at most.")
    prompt: Prompt | None = Field(None, description="Replaces the prompt; its variables are those of the default one.")


class MultiQuerySettings(RewritingSettings):
    """The same, and how many wordings."""

    queries: Annotated[int, Field(ge=1, le=10)] = Field(3, description="Other wordings to search with.")


class _Rewriting(RetrievalStage):
    """One call of a model, then a search with each text it wrote and with the question."""

    _prompt_name: str

    def __init__(
        self,
        retriever: Retriever,
        model: str | BaseChatModel | None,
        *,
        k: int,
        max_tokens: int,
        prompt: GivenPrompt,
        name: str | None,
    ) -> None:
        super().__init__(retriever, k=k, name=name)
        self.model = models.chat(model)
        self._given = model
        self.max_tokens = max_tokens
        self.prompt = StagePrompt(self._prompt_name, prompt)

    @abstractmethod
    def _variables(self, question: str) -> dict[str, Any]:
        """What the prompt is filled with."""

    @abstractmethod
    def _queries(self, written: str) -> list[str]:
        """What to search with, out of what the model wrote."""

    def _settings(self) -> dict[str, Any]:
        return {
            **search_settings(self.retriever, type(self).__name__),
            "model": spec_setting(self._given, "model", type(self).__name__),
            "max_tokens": self.max_tokens,
            "prompt": self.prompt.settings(),
            "name": self._own_name(),
        }

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The index at its generation, the model, the prompt, and how much is asked for."""
        return self._identity(
            retriever=getattr(self.retriever, "stage_identity", None),
            model=model_identity(self._given, {}, self.model),
            prompt=self.prompt.identity,
            max_tokens=self.max_tokens,
            asked=self._variables(""),
            k=self.k,
        )

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """One call."""
        prompt = self._filled(inputs["question"] if inputs else "")
        return [call_bound(self.model, prompt.to_string(), self.max_tokens)]

    def _filled(self, question: str) -> PromptValue:
        return self.prompt.filled(language_of(question), **self._variables(question))

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Documents:
        question = self._question(inputs)
        message = await self.model.ainvoke(self._filled(question), config, max_tokens=self.max_tokens)
        asked = list(dict.fromkeys([question, *self._queries(str(message.text))]))
        async with asyncio.TaskGroup() as group:
            searches = [group.create_task(self.retriever.ainvoke(one, config)) for one in asked]
        return fused([search.result() for search in searches], self.k)


class MultiQuery(_Rewriting):
    """Search with several wordings of a question.

    Args:
        retriever: See `RetrievalStage`.
        model: A model spec or a LangChain chat model; the local model when none is named.
        k: Passages to return.
        queries: Other wordings to search with.
        max_tokens: What the model writes at most.
        prompt: Replaces the prompt ``multi_query``; its variables are those of the shipped one.
        name: What to call it in traces.

    Input: ``question`` (str). Output: LangChain documents, best first by reciprocal ranks.

    Raises:
        InputError: For a question without words, or a prompt with other variables.
    """

    _prompt_name = "multi_query"

    def __init__(
        self,
        retriever: Retriever,
        model: str | BaseChatModel | None = None,
        *,
        k: int = 4,
        queries: int = 3,
        max_tokens: int = 160,
        prompt: GivenPrompt = None,
        name: str | None = None,
    ) -> None:
        super().__init__(retriever, model, k=k, max_tokens=max_tokens, prompt=prompt, name=name)
        self.queries = queries

    Settings = MultiQuerySettings

    @classmethod
    def from_settings(cls, settings: MultiQuerySettings) -> Self:
        """The stage that settings describe."""
        return cls(settings.open(), settings.model, queries=settings.queries, **_options(settings))

    def settings(self) -> MultiQuerySettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model or its retriever was given open, or its prompt has no written form.
        """
        return MultiQuerySettings(**self._settings(), queries=self.queries)

    def _variables(self, question: str) -> dict[str, Any]:
        return {
            "question": question,
            "queries": self.queries,
            "language": prompts.ANSWER_LANGUAGE[language_of(question)],
        }

    def _queries(self, written: str) -> list[str]:
        lines = [_MARK.sub("", line).strip().strip('"“”') for line in written.splitlines()]
        return [line[:_LONGEST_QUERY] for line in lines if any(letter.isalnum() for letter in line)][: self.queries]


class HypotheticalDocument(_Rewriting):
    """Search with a passage that a model imagines would answer the question.

    Args:
        retriever: See `RetrievalStage`.
        model: A model spec or a LangChain chat model; the local model when none is named.
        k: Passages to return.
        max_tokens: The longest passage it writes.
        prompt: Replaces the prompt ``hypothetical_document``; its variables are those of the shipped one.
        name: What to call it in traces.

    Input: ``question`` (str). Output: LangChain documents, best first by reciprocal ranks. What the
    model imagined is only searched with; it is never shown or cited.

    Raises:
        InputError: For a question without words, or a prompt with other variables.
    """

    _prompt_name = "hypothetical_document"

    def __init__(
        self,
        retriever: Retriever,
        model: str | BaseChatModel | None = None,
        *,
        k: int = 4,
        max_tokens: int = 160,
        prompt: GivenPrompt = None,
        name: str | None = None,
    ) -> None:
        super().__init__(retriever, model, k=k, max_tokens=max_tokens, prompt=prompt, name=name)

    Settings = RewritingSettings

    @classmethod
    def from_settings(cls, settings: RewritingSettings) -> Self:
        """The stage that settings describe."""
        return cls(settings.open(), settings.model, **_options(settings))

    def settings(self) -> RewritingSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model or its retriever was given open, or its prompt has no written form.
        """
        return RewritingSettings(**self._settings())

    def _variables(self, question: str) -> dict[str, Any]:
        return {"question": question, "language": prompts.ANSWER_LANGUAGE[language_of(question)]}

    def _queries(self, written: str) -> list[str]:
        passage = written.strip()[:_LONGEST_PASSAGE]
        return [passage] if any(letter.isalnum() for letter in passage) else []


def _options(settings: RewritingSettings) -> dict[str, Any]:
    return {
        "k": settings.k,
        "max_tokens": settings.max_tokens,
        "prompt": open_prompt(settings.prompt),
        "name": settings.name,
    }
