"""`Summarize`: a text of any length in a few sentences, each with the places it comes from.

Four ways, as LangChain's tutorials name them: all at once (``stuff``), notes of the parts folded into one
(``map_reduce``), part after part (``refine``), and the one part that answers a question best (``map_rerank``). Chosen by
size where none is named. The number of calls is bounded beforehand; where that is too few to read everything, what is read
is chosen from all over the text, and the summary says how much it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

from langchain_core.runnables import RunnableConfig
from pydantic import Field

from ziggurat import models
from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.spec.registry import ModelName, StageSettings
from ziggurat.chain.stage import CallBound, Param
from ziggurat.errors import InputError, ModelError
from ziggurat.progress import Progress, silent
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.evidence import content
from ziggurat.stages.language import language_of
from ziggurat.stages.prompt_settings import Prompt, open_prompt
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.prompts import NOT_FOUND
from ziggurat.stages.settings import call_bound, model_identity, spec_setting
from ziggurat.stages.summarizing.asking import Writer, context_of
from ziggurat.stages.summarizing.claims import Claim
from ziggurat.stages.summarizing.planning import Plan
from ziggurat.stages.summarizing.reading import Reader
from ziggurat.stages.summarizing.strategies import Task, map_reduce, map_rerank, refine, stuff
from ziggurat.stages.summary import Point, Strategy, Summary
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_WAYS: dict[Strategy, Callable[[Task], AsyncIterator[Claim]]] = {
    "stuff": stuff,
    "map_reduce": map_reduce,
    "refine": refine,
    "map_rerank": map_rerank,
}
_PARTS = ("stuff", "map", "reduce", "refine", "rerank")


class SummarizeSettings(StageSettings):
    """How a text is summarised, and how much that may cost."""

    model: ModelName | None = Field(
        None, description="The model's spec, such as openai:gpt-4.1; left out, the local one."
    )
    strategy: Literal["auto", "stuff", "map_reduce", "refine", "map_rerank"] = Field(
        "auto", description="auto: stuff if the text fits the model's context, else map_reduce."
    )
    question: str | None = Field(None, description="What the summary is to answer; map_rerank needs one.")
    sentences: Annotated[int, Field(ge=1, le=50)] = Field(6, description="Sentences of the summary at most.")
    max_calls: Annotated[int, Field(ge=1)] | None = Field(
        40, description="Calls of the model at most; too few for all of the text, what is read is chosen."
    )
    concurrency: Annotated[int, Field(ge=1, le=64)] = Field(4, description="Calls at a time.")
    context_tokens: Annotated[int, Field(ge=256)] | None = Field(
        None, description="What the model can hold; left out, what it says itself, or 8192."
    )
    prompts: dict[Literal["stuff", "map", "reduce", "refine", "rerank"], Prompt] = Field(
        default_factory=dict, description="Replaces prompts; variables are those of summarize.stuff and so on."
    )
    name: str | None = Field(None, description="What it is called in traces.")


class Summarize(StageRunnable[Summary]):
    """Summarise documents.

    Args:
        model: A model spec or a LangChain chat model; the local model when none is named.
        strategy: See the module; ``auto`` chooses by size.
        question: What the summary is to answer. None: everything, or the input ``question`` where one is given.
        sentences: Of the summary, at most.
        max_calls: Calls of the model, at most; None for as many as the whole text takes.
        concurrency: Calls at a time.
        context_tokens: What the model can hold of prompt and answer together, in its tokens.
        prompts: Replacements by part of the work: ``stuff``, ``map``, ``reduce``, ``refine``, ``rerank``.
        progress: Where progress is shown; nowhere by default.
        name: What to call it in traces.

    Input: ``documents``: a text, a `Path`, a document or several, LangChain's or those of `ziggurat.loaders.load`; and
    ``question`` where it is not set. Output: `Summary`.

    Raises:
        InputError: For no text, a text too long for ``stuff``, ``map_rerank`` without a question, or a prompt with
            other variables.
        ModelError: If the model writes nothing.
    """

    def __init__(
        self,
        model: str | BaseChatModel | None = None,
        *,
        strategy: Literal["auto", "stuff", "map_reduce", "refine", "map_rerank"] = "auto",
        question: str | None = None,
        sentences: int = 6,
        max_calls: int | None = 40,
        concurrency: int = 4,
        context_tokens: int | None = None,
        prompts: Mapping[str, GivenPrompt] | None = None,
        progress: Progress | None = None,
        name: str | None = None,
    ) -> None:
        if strategy not in ("auto", *_WAYS):
            raise InputError(f"There is no strategy {strategy!r}{did_you_mean(strategy, _WAYS)}.", fix=", ".join(_WAYS))
        if min(sentences, concurrency, 1 if max_calls is None else max_calls) < 1:
            raise InputError("Sentences, calls and calls at a time are 1 or more.")
        given = dict(prompts or {})
        for part in given:
            if part not in _PARTS:
                raise InputError(
                    f"A summary has no prompt {part!r}{did_you_mean(part, _PARTS)}.", fix=", ".join(_PARTS)
                )
        self.model = models.chat(model)
        self._given = model
        self.strategy = strategy
        self.question = question
        self.prompts = {part: StagePrompt(f"summarize.{part}", given.get(part)) for part in _PARTS}
        self.concurrency = concurrency
        self._context = context_tokens
        self.plan = Plan(context_tokens or context_of(self.model), sentences, max_calls)
        self.progress = progress or silent
        self.name = name or "Summarize"

    Settings = SummarizeSettings

    @classmethod
    def from_settings(cls, settings: SummarizeSettings) -> Self:
        """The stage that settings describe."""
        plain = settings.model_dump(exclude={"model", "prompts"})
        prompts = {part: open_prompt(one) for part, one in settings.prompts.items()}
        return cls(settings.model, prompts=cast("Mapping[str, GivenPrompt]", prompts), **plain)

    def settings(self) -> SummarizeSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model was given open, or a prompt has no written form.
        """
        written = {part: one.settings() for part, one in self.prompts.items() if one.given is not None}
        return SummarizeSettings(
            model=spec_setting(self._given, "model", "Summarize"),
            strategy=self.strategy,
            question=self.question,
            sentences=self.plan.sentences,
            max_calls=self.plan.max_calls,
            concurrency=self.concurrency,
            context_tokens=self._context,
            prompts=cast("Any", written),
            name=None if self.name == "Summarize" else self.name,
        )

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The model, the prompts, the way, and how much is read."""
        how = [self.strategy, self.question, self.plan.sentences, self.plan.max_calls, self.plan.context]
        words = {part: one.identity for part, one in self.prompts.items()}
        prompts = None if None in words.values() else words
        return self._identity(model=model_identity(self._given, {}, self.model), prompts=prompts, how=how)

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """As many calls as the text takes within the bound; what they read is at most what fits into them."""
        plan = self.plan
        calls = plan.max_calls
        if inputs is not None:
            reader = Reader(inputs["documents"])
            way = self._way(reader)
            parts = -(-reader.survey.tokens // max(plan.part - plan.claim, 1))
            needed = 1 if way == "stuff" else parts + (plan.folds(parts) if way == "map_reduce" else parts)
            calls = needed if calls is None else min(calls, needed)
        bound = call_bound(self.model, None, plan.answer)
        if calls is None:
            return [bound]
        return [CallBound(bound.model, bound.provider, calls, calls * plan.context, calls * plan.answer)]

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The documents, and the question where it is not set."""
        documents = Param("documents", Any)
        if self.question is not None:
            return (documents,)
        return (documents, Param("question", str, required=self.strategy == "map_rerank"))

    @property
    def stage_output(self) -> Any:
        """A `Summary`."""
        return Summary

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Summary:
        whole: Summary | None = None
        async for piece in self._summarised(inputs, config, streaming=False):
            whole = piece if whole is None else whole + piece
        return cast("Summary", whole)

    async def _pieces(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AsyncIterator[Summary]:
        async for piece in self._summarised(inputs, config, streaming=True):
            yield piece

    def _way(self, reader: Reader) -> Strategy:
        fits = reader.survey.tokens + reader.survey.passages <= self.plan.room
        if self.strategy == "auto":
            return "stuff" if fits else "map_reduce"
        if self.strategy == "stuff" and not fits:
            raise InputError(
                f"About {reader.survey.tokens:,} tokens of text do not fit the {self.plan.room:,} that one call can read.",
                where=self.get_name(),
                fix="leave the strategy to auto, or name map_reduce or refine",
            )
        return self.strategy

    async def _summarised(
        self, inputs: Mapping[str, Any], config: RunnableConfig, *, streaming: bool
    ) -> AsyncIterator[Summary]:
        reader = await in_thread(lambda: Reader(inputs["documents"]))
        asked = self.question if self.question is not None else inputs.get("question")
        question = str(asked or "").strip()
        way = self._way(reader)
        if way == "map_rerank" and not content(question):
            raise InputError("map_rerank answers a question, and there is none.", where=self.get_name(), fix="ask one")
        language = language_of(question or reader.survey.beginning)
        writer = Writer(self.model, self.prompts, language, question, self.plan.sentences, config, streaming)
        task = Task(reader, writer, self.plan, self.concurrency, self.progress)
        length, between = 0, "" if language == "zh" else " "
        async for claim in _WAYS[way](task):
            text = (between if length else "") + claim.text
            start, length = length + len(text) - len(claim.text), length + len(text)
            yield Summary(text, (Point(claim.text, start, length, claim.citations, claim.quoted),), way)
        if not length and not writer.said:
            raise ModelError("The model wrote nothing.", where=self.get_name(), fix="name another model")
        yield Summary(
            "" if length else NOT_FOUND[language],
            (),
            way,
            task.passages,
            reader.survey.passages,
            task.characters,
            reader.survey.characters,
            writer.usage,
        )
