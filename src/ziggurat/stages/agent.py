"""`Agent`: a question answered with the help of tools, within bounds, with a trace of what was done.

Five kinds on one runtime (LangChain's `create_agent`): ``tools``, the model calls tools itself; ``react``,
it does so in text; ``docstore``, it searches and looks up; ``self_ask``, it asks itself follow-up questions;
``conversational``, it remembers. How a call of a tool is bounded and allowed is `agent_calls`' business.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from ziggurat import models
from ziggurat.chain.budget import Budget
from ziggurat.chain.stage import CallBound, Param
from ziggurat.chain.usage import estimated_tokens
from ziggurat.errors import InputError
from ziggurat.memory import Memory, open_memory, window_of
from ziggurat.optional import require
from ziggurat.stages.agents.answer import AgentAnswer
from ziggurat.stages.agents.calls import Approve, Limits
from ziggurat.stages.agents.prompts import finish, repair
from ziggurat.stages.agents.protocols import PROTOCOLS
from ziggurat.stages.agents.run import Question, pieces
from ziggurat.stages.agents.settings import AgentSettings, Kind, written
from ziggurat.stages.agents.tools import Toolbox, calls_tools
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.language import language_of
from ziggurat.stages.prompt_settings import open_prompt
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.settings import call_bound, model_identity
from ziggurat.tools.wording import as_text

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class Agent(StageRunnable[AgentAnswer]):
    """Answer a question with tools.

    Args:
        tools: LangChain tools, functions, stages and chains (`ziggurat.tools.as_tool`), or entries as a
            chain file has them: ``"calculator"``, ``{"index_search": {"index": "kb"}}``.
        model: A model spec or a LangChain chat model; the local model when none is named.
        kind: See the module. ``docstore`` needs tools called Search and Lookup
            (`ziggurat.tools.docstore`), ``self_ask`` exactly one tool that finds answers.
        steps: Calls of tools at most; then the model is asked once more, for its answer.
        seconds: For the whole question; time that a person takes to approve is not counted.
        budget: What the models may use for one question, beside the run's own budget.
        allow: Names of tools that may act on the world without being asked about.
        approve: Is shown the name and the arguments of each other act, and returns True to allow it;
            None refuses them all. Tools that nobody marked as acting (`ziggurat.tools.marked`) are not asked about.
        prefer: Weights by tool name, see `ziggurat.tools.preferred`: order and wording, nothing more.
        history: Of a conversational agent, see `ziggurat.memory.open_memory`; None for this process.
        history_tokens: Room for earlier turns; older ones are not shown.
        repeats: Times that one same call may be asked for before the agent is stopped.
        tool_seconds: For one call of a tool.
        result_characters: Of a result at most; four times as many of all results together.
        max_tokens: Of one answer of the model.
        prompt: Replaces the prompt ``agent.<kind>``.
        name: What to call it in traces.

    Inputs: ``question`` (str); ``session`` and ``user`` (str) where it remembers. Output: `AgentAnswer`.

    Raises:
        InputError: If a bound allows nothing, a tool is missing or two have one name, the model calls no
            tools and the kind needs that, or a question is empty.
        MissingDependency: If ``langchain`` is not installed.
    """

    def __init__(
        self,
        tools: Sequence[Any] = (),
        model: str | BaseChatModel | None = None,
        *,
        kind: Kind = "tools",
        steps: int = 8,
        seconds: float = 60.0,
        budget: Budget | None = None,
        allow: Sequence[str] = (),
        approve: Approve | None = None,
        prefer: Mapping[str, float] | None = None,
        history: str | Path | Memory | BaseChatMessageHistory | Callable[[str], Any] | None = None,
        history_tokens: int = 1200,
        repeats: int = 3,
        tool_seconds: float = 60.0,
        result_characters: int = 4000,
        max_tokens: int = 600,
        prompt: GivenPrompt = None,
        name: str | None = None,
    ) -> None:
        require("langchain.agents", for_="agents", extra="agents")
        if min(steps, repeats - 1, result_characters, max_tokens) < 1 or min(seconds, tool_seconds) <= 0:
            raise InputError(
                "An agent with these bounds could do nothing.",
                where=f"{steps=} {seconds=} {repeats=} {tool_seconds=} {result_characters=} {max_tokens=}",
                fix="at least 1 step and 2 repeats, and more than 0 of the others",
            )
        if history is not None and kind != "conversational":
            raise InputError(f"An agent of kind {kind} does not remember.", fix="kind='conversational'")
        self.kind: Kind = kind
        self.model = models.chat(model)
        if kind not in PROTOCOLS and tools and not calls_tools(self.model):
            raise InputError(f"{type(self.model).__name__} calls no tools by itself.", fix="kind='react'")
        self.toolbox = Toolbox(tools, kind, prefer or {}, allow)
        self.limits = Limits(steps, repeats, tool_seconds, result_characters)
        self.seconds, self.budget, self.max_tokens = seconds, budget, max_tokens
        self.allow, self.approve = tuple(allow), approve
        self.memory = open_memory(history) if kind == "conversational" else None
        self.history_tokens = history_tokens
        self.prompt = StagePrompt(f"agent.{kind}", prompt)
        self.given_model, self.kept_in = model, history
        self.name = name or "Agent"

    Settings = AgentSettings

    @classmethod
    def from_settings(cls, settings: AgentSettings) -> Self:
        """The stage that settings describe. What they name outside of this process is opened by the first run."""
        return cls(
            settings.tools,
            settings.model,
            kind=settings.kind,
            prompt=open_prompt(settings.prompt),
            history=settings.history,
            budget=settings.spend.budget if settings.spend is not None else None,
            **{name: getattr(settings, name) for name in AgentSettings.plain_fields()},
        )

    def settings(self) -> AgentSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model, a tool or its history was given open.
        """
        return written(self)

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """All that decides the answer; None where a tool may answer otherwise tomorrow, acts, or remembers."""
        if self.memory is not None:
            return None
        return self._identity(
            tools=self.toolbox.identity,
            model=model_identity(self.given_model, {}, self.model),
            prompt=self.prompt.identity,
            limits=[self.limits.steps, self.limits.repeats, self.limits.characters, self.max_tokens],
        )

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """A call before each step and one after the last, each with all results that fit; twice for a text protocol."""
        asked = inputs["question"] if inputs else ""
        read = "x" * 3 * estimated_tokens(f"{self.prompt.identity}{asked}") + "x" * 4 * self.limits.characters
        calls = (self.limits.steps + 1) * (2 if self.kind in PROTOCOLS else 1)
        return [call_bound(self.model, read, self.max_tokens)] * calls

    @property
    def stage_effect(self) -> bool:
        """Whether it may act on the world: something is allowed, or somebody can be asked."""
        return bool(self.allow) or self.approve is not None

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The question; whose conversation it belongs to, where the agent remembers."""
        asked = Param("question", str)
        if self.memory is None:
            return (asked,)
        return (asked, Param("session", str, required=False), Param("user", str, required=False))

    @property
    def stage_output(self) -> Any:
        """An `AgentAnswer`."""
        return AgentAnswer

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AgentAnswer:
        return reduce(add, [piece async for piece in self._answered(inputs, config, streaming=False)])

    async def _pieces(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AsyncIterator[AgentAnswer]:
        async for piece in self._answered(inputs, config, streaming=True):
            yield piece

    async def _answered(
        self, inputs: Mapping[str, Any], config: RunnableConfig, *, streaming: bool
    ) -> AsyncIterator[AgentAnswer]:
        question = inputs["question"]
        if not isinstance(question, str) or not question.strip():
            raise InputError(f"{question!r} is not a question.", where=self.get_name(), fix="ask in words")
        tools = await self.toolbox.opened()
        kept = (
            self.memory.history(inputs.get("session") or "default", inputs.get("user") or "") if self.memory else None
        )
        language = language_of(question)
        filled = self.prompt.filled(
            language,
            question=question,
            tools=as_text(tools),
            names=", ".join(one.name for one in tools),
            history=window_of(await kept.aget_messages(), self.history_tokens, estimated_tokens).messages
            if kept
            else [],
        )
        speaks = PROTOCOLS.get(self.kind)
        protocol = speaks() if speaks is not None else None
        asked = Question(
            messages=filled.to_messages(),
            language=language,
            model=self.model,
            tools=tools,
            protocol=protocol,
            finish=finish(protocol, language),
            repair=repair(protocol, language),
            limits=self.limits,
            seconds=self.seconds,
            characters=4 * self.limits.characters,
            max_tokens=self.max_tokens,
            budget=self.budget,
            allow=self.allow,
            approve=self.approve,
        )
        whole = AgentAnswer("")
        async for piece in pieces(asked, config, streaming=streaming):
            whole += piece
            yield piece
        if kept is not None and whole.stopped == "answered":
            await kept.aadd_messages([HumanMessage(question), AIMessage(whole.text)])
