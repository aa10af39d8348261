"""`RetrievalQA`: find passages, answer from them, and check every sentence of the answer against them.

Where no sentence of the model's answer is supported, a sentence of the passages that holds the
question's own words is quoted; else the answer is an honest "not in the documents". How passages
are found is the retriever's business; which sentences are released is `checking`'s; whether words
support a claim is `evidence`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig
from pydantic import Field

from ziggurat import models
from ziggurat.chain.spec.registry import FolderPath, ModelName
from ziggurat.chain.stage import CallBound, Param
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import InputError
from ziggurat.stages import prompts
from ziggurat.stages.answer import Answer
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.checking import Checker, quote
from ziggurat.stages.evidence import content
from ziggurat.stages.language import language_of
from ziggurat.stages.passages import Passage, fitting
from ziggurat.stages.prompt_settings import Prompt, open_prompt
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.retrieve import Retriever, Searching, as_retriever, pinned, search_settings
from ziggurat.stages.settings import call_bound, model_identity, spec_setting

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langchain_core.prompt_values import PromptValue


class QASettings(Searching):
    """An index and how it is searched, a model, and how much is read."""

    index: FolderPath | None = Field(
        None, description="The folder of the index to answer from; left out, the passages are the input 'documents'."
    )
    model: ModelName | None = Field(
        None, description="The model's spec, such as openai:gpt-4.1; left out, the local one."
    )
    passage_characters: Annotated[int, Field(ge=1)] = Field(
        4000, description="Characters of passages it is given at most."
    )
    max_tokens: Annotated[int, Field(ge=1)] = Field(200, description="Tokens of an answer at most.")
    prompt: Prompt | None = Field(
        None, description="Replaces the prompt; variables: language, not_found, passages, question."
    )


class RetrievalQA(StageRunnable[Answer]):
    """Answer a question from what a retriever finds, with checked citations.

    Args:
        retriever: See `RetrievalStage`. None: the passages are an input, ``documents``, of another stage.
        model: A model spec or a LangChain chat model; the local model when none is named.
        k: Passages to answer from, where ``retriever`` is a vector store.
        passage_characters: How much of the passages, in characters, is given to the model at most.
        max_tokens: The longest answer, in the model's tokens.
        prompt: Replaces the prompt ``qa``; its variables are those of the shipped one.
        name: What to call it in traces.

    Input: ``question`` (str), and ``documents`` where there is no retriever. Output: `Answer`.

    Raises:
        InputError: For a question without words, or a prompt with other variables.
    """

    def __init__(
        self,
        retriever: Retriever | None = None,
        model: str | BaseChatModel | None = None,
        *,
        k: int = 4,
        passage_characters: int = 4000,
        max_tokens: int = 200,
        prompt: GivenPrompt = None,
        name: str | None = None,
    ) -> None:
        self.retriever = None if retriever is None else as_retriever(retriever, k)
        self.model = models.chat(model)
        self._given = model
        self._k = k
        self.prompt = StagePrompt("qa", prompt)
        self.passage_characters = passage_characters
        self.max_tokens = max_tokens
        self.name = name or "RetrievalQA"

    Settings = QASettings

    @classmethod
    def from_settings(cls, settings: QASettings) -> Self:
        """The stage that settings describe; its index is opened for reading."""
        return cls(
            None if settings.index is None else settings.over(settings.index),
            settings.model,
            k=settings.k,
            passage_characters=settings.passage_characters,
            max_tokens=settings.max_tokens,
            prompt=open_prompt(settings.prompt),
            name=settings.name,
        )

    def settings(self) -> QASettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model or its retriever was given open, or its prompt has no written form.
        """
        return QASettings(
            **({"k": self._k} if self.retriever is None else search_settings(self.retriever, "RetrievalQA")),
            model=spec_setting(self._given, "model", "RetrievalQA"),
            passage_characters=self.passage_characters,
            max_tokens=self.max_tokens,
            prompt=self.prompt.settings(),
            name=None if self.name == "RetrievalQA" else self.name,
        )

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The index at its generation, the model, the prompt, and how much is read."""
        return self._identity(
            retriever="documents" if self.retriever is None else getattr(self.retriever, "stage_identity", None),
            model=model_identity(self._given, {}, self.model),
            prompt=self.prompt.identity,
            passage_characters=self.passage_characters,
            max_tokens=self.max_tokens,
        )

    def stage_pin(self) -> AbstractContextManager[Any]:
        """What the retriever reads, held still for the length of a run."""
        return pinned(self.retriever)

    @classmethod
    def from_chain_type(
        cls, llm: str | BaseChatModel | None = None, chain_type: str = "stuff", *, retriever: Any, **options: Any
    ) -> RetrievalQA:
        """The form of older tutorials. Passages are always given to the model together ("stuff").

        Raises:
            InputError: For another chain type.
        """
        if chain_type != "stuff":
            raise InputError(f"RetrievalQA answers from all passages at once, not by {chain_type!r}.")
        options.pop("return_source_documents", None)  # an Answer always carries its sources
        return cls(retriever, llm, **options)

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """One call, about as many passages as fit."""
        question = inputs["question"] if inputs else ""
        prompt = self.prompt.filled(language_of(question), language="", not_found="", passages="", question=question)
        bound = call_bound(self.model, prompt.to_string(), self.max_tokens)
        return [replace(bound, input_tokens=(bound.input_tokens or 0) + self.passage_characters)]

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The question, and the documents where no retriever finds them."""
        asked = Param("question", str)
        return (asked,) if self.retriever is not None else (asked, Param("documents", list[Document]))

    @property
    def stage_output(self) -> Any:
        """An `Answer`."""
        return Answer

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Answer:
        whole: Answer | None = None
        async for piece in self._checked(inputs, config, streaming=False):
            whole = piece if whole is None else whole + piece
        return cast("Answer", whole)

    async def _pieces(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AsyncIterator[Answer]:
        async for piece in self._checked(inputs, config, streaming=True):
            yield piece

    async def _checked(
        self, inputs: Mapping[str, Any], config: RunnableConfig, *, streaming: bool
    ) -> AsyncIterator[Answer]:
        question = inputs["question"]
        if not isinstance(question, str) or not content(question):
            raise InputError(f"{question!r} is not a question.", where=self.get_name(), fix="ask in words")
        language = language_of(question)
        not_found = prompts.NOT_FOUND[language]
        found = await self._found(question, inputs, config)
        passages = fitting([Passage.of(one, at) for at, one in enumerate(found)], self.passage_characters)
        if not passages:
            yield Answer(not_found, found=False)
            return
        prompt = self.prompt.filled(
            language,
            language=prompts.ANSWER_LANGUAGE[language],
            not_found=not_found,
            passages="\n".join(f"[{number}] {one.text}" for number, one in enumerate(passages, 1)),
            question=question,
        )
        checker, usage = Checker(question, passages, self._embeddings()), NO_USAGE
        async for text, used in self._written(prompt, config, streaming=streaming):
            usage += used
            for piece in await checker.read(text):
                yield piece
        for piece in await checker.end():
            yield piece
        if checker.anything:
            yield Answer("", usage=usage)
        elif quoted := quote(question, passages):
            yield quoted + Answer("", usage=usage)
        else:
            yield Answer(not_found, found=False, usage=usage)

    async def _found(self, question: str, inputs: Mapping[str, Any], config: RunnableConfig) -> Sequence[Document]:
        if self.retriever is not None:
            return await self.retriever.ainvoke(question, config)
        given = inputs["documents"]
        if not isinstance(given, Sequence) or not all(isinstance(one, Document) for one in given):
            raise InputError("The documents to answer from are no list of LangChain documents.", where=self.get_name())
        return given

    async def _written(
        self, prompt: PromptValue, config: RunnableConfig, *, streaming: bool
    ) -> AsyncIterator[tuple[str, Usage]]:
        """What the model writes, with what it used."""
        if not streaming:
            message = await self.model.ainvoke(prompt, config, max_tokens=self.max_tokens)
            yield str(message.text), Usage.of_message(message)
            return
        used = NO_USAGE  # a service may tell it in several pieces, and the model's name in another
        async for chunk in self.model.astream(prompt, config, max_tokens=self.max_tokens):
            used += Usage.of_message(chunk)
            yield str(chunk.text), NO_USAGE
        yield "", used.as_one_call()

    def _embeddings(self) -> Embeddings | None:
        store = getattr(self.retriever, "vectorstore", None)
        return getattr(store, "embeddings", None)


def load_qa_chain(llm: str | BaseChatModel | None, retriever: Any, **options: Any) -> RetrievalQA:
    """`RetrievalQA` in the words of the lab: a model and a retriever make a chain."""
    return RetrievalQA(retriever, llm, **options)
