"""How an agent is minded while LangChain's runtime drives it: every call of the model and of a tool passes here.

Shortens what a model is shown, speaks the text protocol where there is one, asks for an answer when the
steps are used up, and hands calls of tools to `agent_calls`. Needs the package ``langchain``, so it is
imported by the run that needs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool

from ziggurat.stages.agents.calls import Calls
from ziggurat.stages.agents.protocols import TextProtocol

Asked = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]

_LEFT_OUT = "(left out: this older result was too long to keep)"


class Minder(AgentMiddleware[Any, Any, Any]):
    """The middleware of one question.

    Args:
        calls: Answers calls of tools.
        tools: What the agent may use.
        protocol: How tools are called by text, or None where the model calls them itself.
        finish: What the model is told when it is to answer at once.
        repair: What it is told when its text was neither a call nor an answer.
        characters: Of tools' results that it is shown, all together.
        max_tokens: Of its answer.
    """

    def __init__(
        self,
        calls: Calls,
        tools: Sequence[BaseTool],
        protocol: TextProtocol | None,
        *,
        finish: str,
        repair: str,
        characters: int,
        max_tokens: int,
    ) -> None:
        super().__init__()
        self._calls = calls
        self._known = list(tools)
        self._protocol = protocol
        self._finish = finish
        self._repair = repair
        self._characters = characters
        self._max_tokens = max_tokens

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Asked) -> ModelResponse[Any]:
        """Ask the model, and see to it that its answer is a call that may be made, or an answer."""
        messages = shortened(request.messages, self._characters)
        finishing = self._calls.finishing is not None
        if finishing:
            messages = [*messages, HumanMessage(self._finish)]
        settings: dict[str, Any] = {"max_tokens": self._max_tokens}
        if self._protocol is None:
            asked = request.override(
                messages=messages, model_settings=settings, tools=[] if finishing else request.tools
            )
            message = _message(await handler(asked))
        else:
            settings["stop"] = list(self._protocol.stop)
            message = await self._by_text(request, handler, messages, settings, finishing=finishing)
        if finishing:
            message = message.model_copy(update={"tool_calls": [], "invalid_tool_calls": []})
        thought = self._protocol.thought(str(message.text)) if self._protocol is not None else str(message.text)
        for call in message.tool_calls[:1]:
            self._calls.thoughts[str(call["id"])] = thought.strip()
        return ModelResponse(result=[message])

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> ToolMessage:
        """Make the call, or say why not."""
        return await self._calls.handle(request, handler, [one.name for one in self._known])

    async def _by_text(
        self,
        request: ModelRequest[Any],
        handler: Asked,
        messages: list[AnyMessage],
        settings: dict[str, Any],
        *,
        finishing: bool,
    ) -> AIMessage:
        """Ask in text, once more if what came is neither a call nor an answer; then it counts as the answer."""
        assert self._protocol is not None  # noqa: S101 (the caller looked)
        told: list[Any] = self._protocol.written(messages)
        message = AIMessage("")
        for last in (False, True):
            message = _message(await handler(request.override(messages=told, tools=[], model_settings=settings)))
            read = self._protocol.read(message, [] if finishing else self._known)
            if read is not None and not (finishing and read.tool_calls):
                return read
            if last or finishing or (not str(message.text).strip() and last):
                break
            told = [*told, AIMessage(str(message.text) or "..."), HumanMessage(self._repair)]
        text = str(message.text)
        return message.model_copy(update={"content": self._protocol.answer(text) or text.strip(), "tool_calls": []})


def shortened(messages: Sequence[AnyMessage], characters: int) -> list[AnyMessage]:
    """The messages with the oldest results of tools left out, until the others fit; the last always stays."""
    results = [number for number, one in enumerate(messages) if isinstance(one, ToolMessage)]
    total = sum(len(str(messages[number].text)) for number in results)
    kept: list[AnyMessage] = list(messages)
    for number in results[:-1]:
        if total <= characters:
            break
        one = messages[number]
        total -= len(str(one.text))
        kept[number] = one.model_copy(update={"content": _LEFT_OUT})
    return kept


def _message(response: ModelResponse[Any]) -> AIMessage:
    message = response.result[-1]
    return message if isinstance(message, AIMessage) else AIMessage(str(message.text))
