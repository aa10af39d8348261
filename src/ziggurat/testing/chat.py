"""`FakeChat`: a chat model that says what it was told to say.

A full LangChain chat model (streams, calls tools, counts usage) in which only the thinking is missing,
so that what is built on models can be tested in microseconds. A token here is a word. Invariant: an
answer the script does not provide is an error, never an invention.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from ziggurat.errors import InputError

Answer = str | AIMessage | Exception
Script = str | Sequence[Answer] | Mapping[str, Answer] | Callable[[list[BaseMessage]], Answer]


@dataclass(frozen=True, slots=True)
class Call:
    """One call a `FakeChat` received: the messages, and the options that came with them."""

    messages: tuple[BaseMessage, ...]
    options: dict[str, Any]


def tool_call(name: str, /, **arguments: Any) -> AIMessage:
    """An answer that calls one tool, for a script."""
    return AIMessage(content="", tool_calls=[ToolCall(name=name, args=arguments, id=f"call_{name}", type="tool_call")])


class FakeChat(BaseChatModel):
    """A chat model with a script.

    A text that is a JSON object becomes the arguments of the tool when a call is forced (as
    ``with_structured_output`` does), so structured answers can be scripted as plain JSON.

    Args:
        script: One text for every call; or a list, an answer for each call in turn; or a mapping of
            regular expressions to answers, the first that is found in the last human message; or a
            function of the messages. An answer is a text, an `AIMessage` (`tool_call` makes one that
            calls a tool), or an exception, which is raised.
        errors: Exceptions by the number of the call, from 1, that raises them instead of answering.
        model: The name in the answers' metadata.
        delay: Seconds before each word of an answer.

    Example:
        >>> FakeChat(script={"capital of Portugal": "Lisbon."}).invoke("The capital of Portugal?").content
        'Lisbon.'
    """

    model_config = ConfigDict(extra="forbid")  # a misspelt argument is no script

    script: Any = "ok"
    errors: dict[int, Any] = Field(default_factory=dict)
    model: str = "fake:script"
    delay: float = 0.0
    temperature: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    timeout: float | None = None
    max_retries: int = 0
    api_key: SecretStr | None = None
    streaming: bool = False
    _calls: list[Call] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def calls(self) -> list[Call]:
        """Every call so far, oldest first."""
        return list(self._calls)

    @property
    def _llm_type(self) -> str:
        return "ziggurat-fake"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "script": repr(self.script), "max_tokens": self.max_tokens, "stop": self.stop}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider="ziggurat-fake",
            ls_model_name=kwargs.get("model", self.model),
            ls_model_type="chat",
            ls_temperature=self.temperature,
        )
        if self.max_tokens is not None:
            params["ls_max_tokens"] = self.max_tokens
        if stop or self.stop:
            params["ls_stop"] = stop or self.stop
        return params

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools; the script decides whether they are called."""
        made = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=made, tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 (tokens are told only when streaming)
        **kwargs: Any,
    ) -> ChatResult:
        answer = self._answer(messages, stop, kwargs)
        time.sleep(self.delay * len(_words(answer.text)))
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._answer(messages, stop, kwargs)):
            if chunk.content:
                time.sleep(self.delay)
            made = ChatGenerationChunk(message=chunk)
            if run_manager:
                run_manager.on_llm_new_token(made.text, chunk=made)
            yield made

    def _answer(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> AIMessage:
        with self._lock:
            self._calls.append(Call(tuple(messages), dict(options)))
            number = len(self._calls)
        error = self.errors.get(number)
        if error is not None:
            raise error
        answer = self._scripted(messages, number)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            answer = _forced_call(answer, options) or AIMessage(content=answer)
        text, reason = str(answer.text), "tool_calls" if answer.tool_calls else "stop"
        for end in stop or self.stop or ():
            text = text.partition(end)[0]
        limit = options.get("max_tokens", self.max_tokens)
        if limit is not None and len(_words(text)) > limit:
            text, reason = "".join(_words(text)[:limit]), "length"
        asked = sum(len(_words(message.text)) for message in messages)
        said = len(_words(text)) + sum(len(_words(json.dumps(call["args"]))) for call in answer.tool_calls)
        return AIMessage(
            content=text,
            tool_calls=answer.tool_calls,
            usage_metadata=UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said),
            response_metadata={"model_name": options.get("model", self.model), "finish_reason": reason},
        )

    def _scripted(self, messages: list[BaseMessage], number: int) -> Answer:
        if isinstance(self.script, str):
            return self.script
        if callable(self.script):
            made: Answer = self.script(messages)
            return made
        if isinstance(self.script, Mapping):
            question = next((message.text for message in reversed(messages) if message.type == "human"), "")
            for pattern, answer in self.script.items():
                if re.search(pattern, question):
                    scripted: Answer = answer
                    return scripted
            raise InputError(f"The fake chat's script has no pattern for {question[:80]!r}.")
        if number > len(self.script):
            raise InputError(f"The fake chat's script has {len(self.script)} answers; this is call {number}.")
        listed: Answer = self.script[number - 1]
        return listed


def _forced_call(text: str, options: dict[str, Any]) -> AIMessage | None:
    """The call a JSON text stands for when a tool must be called."""
    choice, tools = options.get("tool_choice"), options.get("tools") or []
    if not tools or choice in (None, False, "auto", "none"):
        return None
    try:
        arguments = json.loads(text)
    except ValueError:
        return None
    if not isinstance(arguments, dict):
        return None
    named = choice["function"]["name"] if isinstance(choice, dict) else choice
    names = [tool["function"]["name"] for tool in tools]
    return tool_call(named if named in names else names[0], **arguments)


def _words(text: str) -> list[str]:
    """The words, each with the space before it; joined, they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def _chunks(answer: AIMessage) -> Iterator[AIMessageChunk]:
    for word in _words(answer.text):
        yield AIMessageChunk(content=word)
    for index, call in enumerate(answer.tool_calls):
        head = tool_call_chunk(name=call["name"], args="", id=call["id"], index=index)
        yield AIMessageChunk(content="", tool_call_chunks=[head])
        tail = tool_call_chunk(name=None, args=json.dumps(call["args"], ensure_ascii=False), id=None, index=index)
        yield AIMessageChunk(content="", tool_call_chunks=[tail])
    yield AIMessageChunk(
        content="",
        usage_metadata=answer.usage_metadata,
        response_metadata=answer.response_metadata,
        chunk_position="last",
    )
