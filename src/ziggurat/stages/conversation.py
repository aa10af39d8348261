"""`Conversation`: questions that follow one another, over documents or without.

A follow-up question is first turned into one that stands alone, then answered by `RetrievalQA` with
citations; without a retriever the model simply talks. What was said is kept by `ziggurat.memory`, by
user and session; older turns are folded into summaries, so a conversation may last for years. A turn
is stored whole, once it was answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from pydantic import Field

from ziggurat import models
from ziggurat.chain.spec.registry import FolderPath, ModelName
from ziggurat.chain.stage import CallBound, Param
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import InputError
from ziggurat.memory import Memory, Window, open_memory
from ziggurat.stages.answer import Answer
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.language import language_of
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.qa import RetrievalQA
from ziggurat.stages.remembering import Remembering
from ziggurat.stages.retrieve import Retriever, Searching, search_settings
from ziggurat.stages.settings import call_bound, spec_setting

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class ConversationSettings(Searching):
    """An index if there is one, a model, and where what was said is kept."""

    index: FolderPath | None = Field(
        None, description="The folder of the index to answer from; left out, it just talks."
    )
    model: ModelName | None = Field(None, description="The model's spec; left out, the local one.")
    history: FolderPath | None = Field(
        None, description="The SQLite file that keeps what was said; left out, this process."
    )
    history_tokens: Annotated[int, Field(ge=50)] = Field(1200, description="Tokens of earlier turns shown as they are.")
    max_tokens: Annotated[int, Field(ge=1)] = Field(300, description="Tokens of an answer at most.")


class Conversation(StageRunnable[Answer]):
    """Answer questions that follow one another.

    Args:
        retriever: A LangChain retriever, a vector store, or any Runnable from a question to documents;
            None to talk without documents.
        model: A model spec or a LangChain chat model; the local model when none is named.
        history: Where what was said is kept, see `ziggurat.memory.open_memory`: None for this process,
            a path for a SQLite file, an address of a Postgres, or a LangChain history.
        k: Passages to answer from, where ``retriever`` is a vector store.
        history_tokens: Room for earlier turns as they were said; older ones are summarised.
        max_tokens: The longest answer, in the model's tokens.
        chat_prompt: Replaces the prompt ``conversation.chat``.
        condense_prompt: Replaces ``conversation.condense``.
        summary_prompt: Replaces ``conversation.summary``.
        name: What to call it in traces.

    Inputs: ``question`` (str), and optionally ``session`` and ``user`` (str), which tell histories
    apart. Output: `Answer`, with citations where there is a retriever. Stores the turn, so it is
    never taken from a cache.

    Raises:
        InputError: For an empty question, one about documents without words to look for, or a session that is no text.
    """

    def __init__(
        self,
        retriever: Retriever | None = None,
        model: str | BaseChatModel | None = None,
        *,
        history: str | Path | Memory | BaseChatMessageHistory | Callable[[str], Any] | None = None,
        k: int = 4,
        history_tokens: int = 1200,
        max_tokens: int = 300,
        chat_prompt: GivenPrompt = None,
        condense_prompt: GivenPrompt = None,
        summary_prompt: GivenPrompt = None,
        name: str | None = None,
    ) -> None:
        self.model = models.chat(model)
        self.qa = None if retriever is None else RetrievalQA(retriever, self.model, k=k, max_tokens=max_tokens)
        self.memory = open_memory(history)
        self.past = Remembering(self.model, history_tokens, condense=condense_prompt, summary=summary_prompt)
        self.max_tokens = max_tokens
        self._chat = StagePrompt("conversation.chat", chat_prompt)
        self._given = model
        self._k = k
        self._kept_in = history
        self.name = name or "Conversation"

    Settings = ConversationSettings

    @classmethod
    def from_settings(cls, settings: ConversationSettings) -> Self:
        """The stage that settings describe; its index is opened for reading."""
        return cls(
            None if settings.index is None else settings.over(settings.index),
            settings.model,
            history=settings.history,
            k=settings.k,
            history_tokens=settings.history_tokens,
            max_tokens=settings.max_tokens,
            name=settings.name,
        )

    def settings(self) -> ConversationSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model, its retriever or its history was given open, or a prompt was replaced.
        """
        if not isinstance(self._kept_in, Path | None):
            raise InputError("Conversation was given its history as something other than a path.", fix="give a Path")
        if any(one.given is not None for one in (self._chat, self.past.condense, self.past.summary)):
            raise InputError("Conversation was given a prompt of its own, which a file cannot hold.")
        return ConversationSettings(
            **({"k": self._k} if self.qa is None else search_settings(self.qa.retriever, "Conversation")),
            model=spec_setting(self._given, "model", "Conversation"),
            history=self._kept_in,
            history_tokens=self.past.tokens,
            max_tokens=self.max_tokens,
            name=None if self.name == "Conversation" else self.name,
        )

    def stage_pin(self) -> AbstractContextManager[Any]:
        """What the retriever reads, held still for the length of a run."""
        return nullcontext() if self.qa is None else self.qa.stage_pin()

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """A summary, the question put alone, and the answer, at most."""
        before = self.past.bounds(condensed=self.qa is not None)
        if self.qa is None:
            return [*before, call_bound(self.model, "x" * (3 * self.past.tokens), self.max_tokens)]
        return [*before, *self.qa.stage_bounds(inputs)]

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The question; whose conversation it belongs to, if there are several."""
        return (Param("question", str), Param("session", str, required=False), Param("user", str, required=False))

    @property
    def stage_output(self) -> Any:
        """An `Answer`."""
        return Answer

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Answer:
        whole = Answer("")
        async for piece in self._turn(inputs, config, streaming=False):
            whole += piece
        return whole

    async def _pieces(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AsyncIterator[Answer]:
        async for piece in self._turn(inputs, config, streaming=True):
            yield piece

    async def _turn(
        self, inputs: Mapping[str, Any], config: RunnableConfig, *, streaming: bool
    ) -> AsyncIterator[Answer]:
        question = inputs["question"]
        if not isinstance(question, str) or not question.strip():
            raise InputError(f"{question!r} says nothing.", where=self.get_name(), fix="say it in words")
        history = self.memory.history(inputs.get("session") or "default", inputs.get("user") or "")
        window, usage = await self.past.shown(history, config)
        yield Answer("", usage=usage)
        said: list[str] = []
        async for piece in self._answered(question, window, config, streaming=streaming):
            said.append(piece.text)
            yield piece
        await history.aadd_messages([HumanMessage(question), AIMessage("".join(said))])

    async def _answered(
        self, question: str, window: Window, config: RunnableConfig, *, streaming: bool
    ) -> AsyncIterator[Answer]:
        if self.qa is None:
            async for piece in self._talk(question, window, config, streaming=streaming):
                yield piece
            return
        alone, usage = await self.past.alone(question, window, config)
        yield Answer("", usage=usage)
        if streaming:
            async for piece in self.qa.astream({"question": alone}, config):
                yield piece
        else:
            yield await self.qa.ainvoke({"question": alone}, config)

    async def _talk(
        self, question: str, window: Window, config: RunnableConfig, *, streaming: bool
    ) -> AsyncIterator[Answer]:
        prompt = self._chat.filled(language_of(question), history=window.messages, question=question)
        if not streaming:
            message = await self.model.ainvoke(prompt, config, max_tokens=self.max_tokens)
            yield Answer(str(message.text).strip(), usage=Usage.of_message(message))
            return
        used = NO_USAGE
        async for chunk in self.model.astream(prompt, config, max_tokens=self.max_tokens):
            used += Usage.of_message(chunk)
            if text := str(chunk.text):
                yield Answer(text)
        yield Answer("", usage=used.as_one_call())
