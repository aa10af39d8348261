"""What a chain file says of an agent, and how an agent says it.

agent: {model: "openai:gpt-4.1", tools: [calculator, {index_search: {index: kb}}], steps: 8, allow: []}
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ziggurat.chain.budget import Budget
from ziggurat.chain.spec.registry import FolderPath, ModelName, StageSettings
from ziggurat.errors import InputError
from ziggurat.stages.prompt_settings import Prompt
from ziggurat.stages.settings import spec_setting
from ziggurat.tools.settings import ToolEntry

if TYPE_CHECKING:
    from ziggurat.stages.agent import Agent

Kind = Literal["tools", "react", "docstore", "self_ask", "conversational"]
_Positive = Annotated[int, Field(ge=1)]


class Spend(StageSettings):
    """What the models may use for one question."""

    usd: Annotated[float, Field(gt=0)] | None = Field(None, description="US dollars.")
    tokens: _Positive | None = Field(None, description="Tokens read and written.")
    calls: _Positive | None = Field(None, description="Model calls.")

    @property
    def budget(self) -> Budget:
        """As a stage takes it."""
        return Budget(usd=self.usd, tokens=self.tokens, calls=self.calls)


class AgentSettings(StageSettings):
    """A model, its tools, and what one question may take."""

    tools: list[ToolEntry] = Field(default_factory=list, description="What it may use, in order.")
    model: ModelName | None = Field(None, description="The model's spec; left out, the local one.")
    kind: Kind = Field("tools", description="How tools are called, and whether it remembers.")
    steps: _Positive = Field(8, description="Calls of tools at most.")
    seconds: Annotated[float, Field(gt=0)] = Field(60.0, description="For the whole question.")
    spend: Spend | None = Field(None, description="What the models may use for one question.")
    allow: list[str] = Field(
        default_factory=list, description="Tools that may act on the world without being asked about."
    )
    prefer: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Weights of tools by name: order and wording, nothing more."
    )
    history: FolderPath | None = Field(None, description="Of a conversational one: the SQLite file that remembers.")
    history_tokens: Annotated[int, Field(ge=50)] = Field(1200, description="Tokens of earlier turns that it is shown.")
    repeats: Annotated[int, Field(ge=2)] = Field(3, description="Times that one same call may be asked for.")
    tool_seconds: Annotated[float, Field(gt=0)] = Field(60.0, description="For one call of a tool.")
    result_characters: _Positive = Field(4000, description="Of a result of a tool at most.")
    max_tokens: _Positive = Field(600, description="Of one answer of the model.")
    prompt: Prompt | None = Field(None, description="Replaces the prompt agent.<kind>.")
    name: str | None = Field(None, description="What it is called in traces.")

    @classmethod
    def plain_fields(cls) -> list[str]:
        """Those that an agent takes as they are."""
        return [one for one in cls.model_fields if one not in {"tools", "model", "kind", "spend", "history", "prompt"}]


def written(agent: Agent) -> AgentSettings:
    """The settings that describe an agent.

    Raises:
        InputError: If its model, a tool or its history was given open, or its budget is one of time.
    """
    kept = agent.kept_in
    if not isinstance(kept, Path | None):
        raise InputError("Agent was given its history as something other than a path.", fix="give a Path")
    budget = agent.budget
    if budget is not None and budget.seconds is not None:
        raise InputError("Agent was given a budget with seconds.", fix="seconds=... of the agent itself")
    return AgentSettings(
        tools=agent.toolbox.settings(),
        model=spec_setting(agent.given_model, "model", "Agent"),
        kind=agent.kind,
        steps=agent.limits.steps,
        seconds=float(agent.seconds),
        spend=None
        if budget is None
        else Spend(usd=None if budget.usd is None else float(budget.usd), tokens=budget.tokens, calls=budget.calls),
        allow=list(agent.allow),
        prefer=agent.toolbox.prefer,
        history=kept,
        history_tokens=agent.history_tokens,
        repeats=agent.limits.repeats,
        tool_seconds=float(agent.limits.tool_seconds),
        result_characters=agent.limits.characters,
        max_tokens=agent.max_tokens,
        prompt=agent.prompt.settings(),
        name=None if agent.name == "Agent" else agent.name,
    )
