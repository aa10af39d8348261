"""One question to an agent, driven on LangChain's agent runtime from the first call to the answer.

Builds the runtime's graph for this question alone, so no two questions share anything; counts what models
use inside of it; ends in time. The graph runs in a task of its own, whose context holds the meter and the
tools' memo; whoever reads the pieces may do so from anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import patch_config

from ziggurat.chain.budget import Budget
from ziggurat.chain.run.metering import Meter, Refused, current, metered
from ziggurat.optional import require
from ziggurat.stages.agents.answer import NO_ANSWER, AgentAnswer, AgentStep, Stopped
from ziggurat.stages.agents.calls import Approve, Calls, Limits
from ziggurat.stages.agents.protocols import TextProtocol
from ziggurat.stages.agents.purse import OwnPurse
from ziggurat.stages.language import Language
from ziggurat.tools.memo import memo

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

Told = Callable[[AgentAnswer], Awaitable[None]]

_NODES_PER_STEP = 6


@dataclass(frozen=True, slots=True)
class Question:
    """A question with all that is needed to answer it.

    Attributes:
        messages: What the model is told first, the question last.
        language: Of what is said where there is no answer.
        model: The model.
        tools: What it may use.
        protocol: How it calls tools by text, or None.
        finish: See `agent_middleware.Minder`.
        repair: See there.
        limits: Of steps and tools.
        seconds: It may take in all.
        characters: Of tools' results that the model is shown, all together.
        max_tokens: Of an answer of the model.
        budget: Of the model calls, or None.
        allow: See `agent_calls.Calls`.
        approve: See there.
    """

    messages: Sequence[BaseMessage]
    language: Language
    model: BaseChatModel
    tools: Sequence[BaseTool]
    protocol: TextProtocol | None
    finish: str
    repair: str
    limits: Limits
    seconds: float
    characters: int
    max_tokens: int
    budget: Budget | None
    allow: Sequence[str]
    approve: Approve | None


async def pieces(question: Question, config: RunnableConfig, *, streaming: bool) -> AsyncIterator[AgentAnswer]:
    """Answer, piece by piece: text as it is written where ``streaming``, and each step when it is done."""
    told: asyncio.Queue[AgentAnswer | None] = asyncio.Queue()

    async def drive() -> None:
        try:
            await _Run(question, told.put, streaming=streaming).drive(config)
        finally:
            told.put_nowait(None)

    task = asyncio.create_task(drive())
    try:
        while (piece := await told.get()) is not None:
            yield piece
        await task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it as forgotten


class _Run:
    def __init__(self, question: Question, told: Told, *, streaming: bool) -> None:
        self._question = question
        self._told = told
        self._streaming = streaming
        self._shown = ""
        self._raw: dict[str | None, str] = {}
        self._clock: asyncio.Timeout | None = None
        self._calls = Calls(question.limits, question.allow, question.approve, self._step, self._paused)

    async def drive(self, config: RunnableConfig) -> None:
        """Run the graph to its end and tell the rest of the answer."""
        around = current.get()
        own = OwnPurse(self._question.budget, around.purse if around else None) if self._question.budget else None
        meter = Meter(around, own)
        text = ""
        stopped: Stopped | None = None
        with metered(meter), memo():
            try:
                async with asyncio.timeout(self._question.seconds) as self._clock:
                    text = await self._graph(config)
            except TimeoutError:
                if self._clock is None or not self._clock.expired():
                    raise
                stopped = "seconds"
            except Refused as refused:
                error = refused.settled()
                if own is None or own.refusal is not error:
                    raise
                stopped = "budget"
        await self._told(self._end(text, stopped, meter))

    def _end(self, text: str, stopped: Stopped | None, meter: Meter) -> AgentAnswer:
        why: Stopped = stopped or self._calls.finishing or ("answered" if text else "empty")
        whole = text or NO_ANSWER[self._question.language].get(why) or NO_ANSWER["en"]["empty"]
        rest = whole.removeprefix(self._shown)
        return AgentAnswer(rest, usage=meter.total, stopped=why, anew=not whole.startswith(self._shown))

    async def _graph(self, config: RunnableConfig) -> str:
        """The model's last words."""
        create_agent = require("langchain.agents", for_="agents", extra="agents").create_agent
        from ziggurat.stages.agents.middleware import Minder

        asked = self._question
        minder = Minder(
            self._calls,
            asked.tools,
            asked.protocol,
            finish=asked.finish,
            repair=asked.repair,
            characters=asked.characters,
            max_tokens=asked.max_tokens,
        )
        graph = create_agent(asked.model, list(asked.tools), middleware=[minder])
        own = patch_config(config, recursion_limit=_NODES_PER_STEP * (asked.limits.steps + 4))
        given = {"messages": list(asked.messages)}
        last: Any = None
        if self._streaming:
            async for mode, piece in graph.astream(given, own, stream_mode=["messages", "values"]):
                if mode == "values":
                    last = piece["messages"][-1]
                else:
                    await self._token(*piece)
        else:
            last = (await graph.ainvoke(given, own))["messages"][-1]
        return str(last.text).strip() if isinstance(last, AIMessage) else ""

    async def _token(self, chunk: Any, about: dict[str, Any]) -> None:
        """Show what is new of the answer that is being written; a model inside of a tool is not heard."""
        inner = "|" in str(about.get("langgraph_checkpoint_ns", ""))
        if not isinstance(chunk, AIMessageChunk) or about.get("langgraph_node") != "model" or inner:
            return
        raw = self._raw[chunk.id] = self._raw.get(chunk.id, "") + str(chunk.text)
        protocol = self._question.protocol
        shown = (raw.strip() if protocol is None else protocol.answer(raw)).rstrip()
        if len(shown) > len(self._shown) and shown.startswith(self._shown):
            new, self._shown = shown[len(self._shown) :], shown
            await self._told(AgentAnswer(new))

    async def _step(self, step: AgentStep) -> None:
        self._shown = ""
        self._raw.clear()
        await self._told(AgentAnswer("", (step,), anew=True))

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """A person's time to think is not the agent's."""
        clock, loop = self._clock, asyncio.get_running_loop()
        when = clock.when() if clock is not None else None
        if clock is None or when is None:
            yield
            return
        began = loop.time()
        clock.reschedule(None)
        try:
            yield
        finally:
            clock.reschedule(when + loop.time() - began)
