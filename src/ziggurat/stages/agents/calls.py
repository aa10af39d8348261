"""One call of a tool by an agent: looked at, allowed or refused, bounded, and told as a step.

Whatever a tool does (raise, hang, return 50 MB) and whatever a model asks for (a tool that is not there,
the same call for ever, an act that nobody allowed), what comes back is one text for the model and one
`AgentStep` for the reader. Invariant: a tool that acts is called only when it was allowed by name, or when
somebody was shown these very arguments and said yes; no text of a tool or a model can change that.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool, Tool

from ziggurat.stages.agents.answer import AgentStep, Status, Stopped
from ziggurat.suggest import did_you_mean
from ziggurat.tools.bounds import acts, apart, cut, one_line, within

Approve = Callable[[str, Mapping[str, Any]], bool | Awaitable[bool]]
"""Is shown a tool's name and arguments, and says whether it may act."""
Execute = Callable[[Any], Awaitable[Any]]

REFUSED = (
    "Refused: this tool acts on the world and the user did not allow it. Nothing was done. "
    "Do not try it again; go on without it, or say that it needs the user's permission."
)
NO_STEPS = "Skipped: no steps are left. Answer now from what you know."
_LONGEST_ARGUMENT = 2000


@dataclass(slots=True)
class Limits:
    """What one question to an agent may take.

    Attributes:
        steps: Calls of tools.
        repeats: Times that one call may be made; at the last one the agent is stopped.
        tool_seconds: For one call of a tool.
        characters: Of a tool's result.
    """

    steps: int = 8
    repeats: int = 3
    tool_seconds: float = 60.0
    characters: int = 4000


@dataclass(slots=True)
class Calls:
    """The calls of one question.

    Attributes:
        limits: What they may take.
        allow: Names of tools that may act without being asked about.
        approve: Is asked about the others that act, or None: they are refused.
        told: Is told of every step.
        pausing: Stops the clock while a person thinks.
        steps: What was done so far.
        finishing: Why the agent is to answer now, or None.
    """

    limits: Limits
    allow: Collection[str]
    approve: Approve | None
    told: Callable[[AgentStep], Awaitable[None]]
    pausing: Callable[[], AbstractContextManager[None]] = nullcontext
    steps: list[AgentStep] = field(default_factory=list)
    finishing: Stopped | None = None
    thoughts: dict[str, str] = field(default_factory=dict)
    _begun: int = 0
    _made: Counter[str] = field(default_factory=Counter)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def handle(self, request: Any, execute: Execute, known: Collection[str]) -> ToolMessage:
        """Answer a call.

        Args:
            request: LangChain's `ToolCallRequest`.
            execute: Calls the tool.
            known: The names of all tools.
        """
        call = request.tool_call
        name, arguments = str(call["name"]), dict(call["args"] or {})
        began = time.monotonic()
        status, text = await self._outcome(request, execute, name, arguments, known)
        text = cut(text, self.limits.characters)
        thought = self.thoughts.pop(str(call["id"]), "")
        step = AgentStep(name, _shown(arguments), text, status, time.monotonic() - began, thought)
        self.steps.append(step)
        if self._begun >= self.limits.steps and self.finishing is None:
            self.finishing = "steps"
        await self.told(step)
        return ToolMessage(text, tool_call_id=call["id"], name=name, status="success" if status == "done" else "error")

    async def _outcome(
        self, request: Any, execute: Execute, name: str, arguments: dict[str, Any], known: Collection[str]
    ) -> tuple[Status, str]:
        if self._begun >= self.limits.steps:
            return "skipped", NO_STEPS
        self._begun += 1
        key = f"{name} {json.dumps(arguments, sort_keys=True, default=str)}"
        self._made[key] += 1
        if self._made[key] >= self.limits.repeats:
            self.finishing = "loop"
            return (
                "skipped",
                f"Skipped: this same call was made {self._made[key]} times. Answer now from what you know.",
            )
        tool: BaseTool | None = request.tool
        if tool is None:
            return "unknown", f"There is no tool {name!r}{did_you_mean(name, known)}. There are: {', '.join(known)}."
        if acts(tool) and name not in self.allow:
            try:
                if not await self._approved(name, arguments):
                    return "refused", REFUSED
            except Exception as error:  # noqa: BLE001 (who cannot be asked has not allowed it)
                return "refused", f"{REFUSED} (The user could not be asked: {one_line(error)})"
        return await self._done(request.override(tool=_apart(tool)), execute)

    async def _approved(self, name: str, arguments: dict[str, Any]) -> bool:
        if self.approve is None:
            return False
        asked = self.approve
        async with self._asking:  # one question at a time
            with self.pausing():
                said = await apart(lambda: asked(name, arguments))
                return (await said if inspect.isawaitable(said) else said) is True

    async def _done(self, request: Any, execute: Execute) -> tuple[Status, str]:
        from langgraph.errors import GraphBubbleUp

        try:
            answer = await within(self.limits.tool_seconds, execute(request))
        except GraphBubbleUp:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a tool raises is told to the model in one line)
            return "failed", f"The tool failed: {one_line(error)}"
        if not isinstance(answer, ToolMessage):
            return "done", "(done)"
        text = _text(answer.content, self.limits.characters)
        return ("failed" if answer.status == "error" else "done"), text or "(done; nothing was returned)"


class _Apart(BaseTool):
    """A blocking tool, called in a thread of its own: one that hangs holds nobody up."""

    inner: BaseTool

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002 (LangChain's name)
        """Call the tool."""
        return await apart(lambda: self.inner.invoke(input, config, **kwargs))

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError  # never reached: `ainvoke` calls the tool itself


def _apart(tool: BaseTool) -> BaseTool:
    blocking = (
        tool.coroutine is None if isinstance(tool, StructuredTool | Tool) else type(tool)._arun is BaseTool._arun  # noqa: SLF001 (whether it was overridden is all that tells)
    )
    if not blocking:
        return tool
    return _Apart(name=tool.name, description=tool.description, args_schema=tool.args_schema, inner=tool)


def _text(content: Any, characters: int) -> str:
    """What a model is told of a result; parts that are no text are named."""
    if isinstance(content, str):
        return content
    parts = [one if isinstance(one, str) else str(one.get("text") or f"[{one.get('type', 'data')}]") for one in content]
    return "\n".join(one[: characters + 1] for one in parts)


def _shown(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments as plain data of bounded size."""
    plain: dict[str, Any] = json.loads(json.dumps(arguments, default=str))
    return {name: one[:_LONGEST_ARGUMENT] if isinstance(one, str) else one for name, one in plain.items()}
