"""Chat, completions and embeddings as OpenAI's API and Databricks' write them: bodies in, dictionaries out.

Pure translation over LangChain's objects; knows no HTTP and no endpoints. A body that cannot be is refused as the
real service refuses it, before a model is asked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping
from typing import Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import convert_to_messages
from langchain_core.runnables import Runnable

from ziggurat.databricks.local.call import Refusal, invalid

Asked = Runnable[list[BaseMessage], AIMessage]

_SAMPLING = ("temperature", "top_p", "seed")
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_MOST_CHOICES = 5


def chat(model: BaseChatModel, body: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """The answer to ``messages``; ``name`` is the served model's."""
    messages, asked = messages_of(body.get("messages")), bound(model, body)
    answers = [asked.invoke(messages) for _ in range(_choices(body))]
    choices = [
        {"index": index, "message": _message(answer), "finish_reason": finish(answer), "logprobs": None}
        for index, answer in enumerate(answers)
    ]
    return {**_head("chat.completion", name), "choices": choices, "usage": usage(*answers)}


def chat_chunks(model: BaseChatModel, body: Mapping[str, Any], *, name: str) -> Generator[dict[str, Any]]:
    """The same as a stream: the role, the pieces, why it ended with the usage, in a chunk of its own if asked for."""
    messages, asked = messages_of(body.get("messages")), bound(model, body)
    if _choices(body) > 1:
        raise invalid("A stream has one choice; n must be 1.")
    return _chunks(asked, messages, _head("chat.completion.chunk", name), with_usage=_wants_usage(body))


def _chunks(
    asked: Asked, messages: list[BaseMessage], head: dict[str, Any], *, with_usage: bool
) -> Generator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], ended: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": ended, "logprobs": None}]}

    yield chunk({"role": "assistant", "content": ""})
    whole = AIMessageChunk(content="")
    for piece in asked.stream(messages):
        if not isinstance(piece, AIMessageChunk):
            continue
        whole = whole + piece
        if piece.text:
            yield chunk({"content": piece.text})
        for call in piece.tool_call_chunks:
            function = {"name": call["name"], "arguments": call["args"] or ""}
            told = {"index": call["index"] or 0, "id": call["id"], "type": "function", "function": function}
            yield chunk({"tool_calls": [told]})
    ended = chunk({}, finish(whole))
    if not with_usage:
        yield {**ended, "usage": usage(whole)}
        return
    yield ended
    yield {**head, "choices": [], "usage": usage(whole)}


def completion(model: BaseChatModel, body: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """The answer to ``prompt``, one text or several."""
    prompts = _prompts(body)
    asked = bound(model, body)
    answers = [asked.invoke(messages_of([{"role": "user", "content": one}])) for one in prompts * _choices(body)]
    choices = [
        {"index": index, "text": answer.text, "finish_reason": finish(answer), "logprobs": None}
        for index, answer in enumerate(answers)
    ]
    return {**_head("text_completion", name), "choices": choices, "usage": usage(*answers)}


def completion_chunks(model: BaseChatModel, body: Mapping[str, Any], *, name: str) -> Generator[dict[str, Any]]:
    """The same as a stream, for one prompt."""
    prompts = _prompts(body)
    if len(prompts) != 1 or _choices(body) > 1:
        raise invalid("A stream has one prompt and one choice.")
    pieces = _chunks(
        bound(model, body),
        messages_of([{"role": "user", "content": prompts[0]}]),
        _head("text_completion", name),
        with_usage=_wants_usage(body),
    )
    return _as_texts(pieces)


def _as_texts(pieces: Generator[dict[str, Any]]) -> Generator[dict[str, Any]]:
    for piece in pieces:
        for choice in piece["choices"]:
            choice["text"] = choice.pop("delta").get("content", "")
        yield piece


def messages_of(given: object) -> list[BaseMessage]:
    """Messages as LangChain has them.

    Raises:
        Refusal: 400 if they are none.
    """
    if not isinstance(given, list) or not given:
        raise Refusal(400, "BAD_REQUEST", "Bad request: 'messages' must be a non-empty list.")
    try:
        return convert_to_messages(given)
    except (KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise Refusal(400, "BAD_REQUEST", f"Bad request: invalid messages. {error}") from error


def bound(model: BaseChatModel, body: Mapping[str, Any]) -> Asked:
    """The model with the options of a body.

    Raises:
        Refusal: 400 if an option cannot be.
    """
    options: dict[str, Any] = {name: body[name] for name in _SAMPLING if body.get(name) is not None}
    temperature = options.get("temperature")
    if temperature is not None and not (isinstance(temperature, int | float) and 0 <= temperature <= 2):  # noqa: PLR2004 (the API's bound)
        raise invalid("temperature must be a number between 0 and 2.")
    for name in _LIMITS:
        limit = body.get(name)
        if limit is not None:
            if not isinstance(limit, int) or limit < 1:
                raise invalid(f"{name} must be a positive integer.")
            options["max_tokens"] = limit
    stop = body.get("stop")
    if stop:
        options["stop"] = [stop] if isinstance(stop, str) else list(stop)
    shape = body.get("response_format")
    if shape and shape.get("type") != "text":
        options["response_format"] = shape
    if body.get("tools"):
        if body.get("tool_choice") is not None:
            options["tool_choice"] = body["tool_choice"]
        return model.bind_tools(body["tools"], **options)
    return model.bind(**options)


def finish(answer: AIMessage) -> str:
    """Why an answer ended."""
    if answer.tool_calls:
        return "tool_calls"
    return str(answer.response_metadata.get("finish_reason") or "stop")


def usage(*answers: AIMessage) -> dict[str, int]:
    """The tokens of some answers together."""
    told = [answer.usage_metadata for answer in answers if answer.usage_metadata]
    asked, said = sum(one["input_tokens"] for one in told), sum(one["output_tokens"] for one in told)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _choices(body: Mapping[str, Any]) -> int:
    wanted = body.get("n") or 1
    if not isinstance(wanted, int) or not 1 <= wanted <= _MOST_CHOICES:
        raise invalid(f"n must be an integer between 1 and {_MOST_CHOICES}.")
    return wanted


def _prompts(body: Mapping[str, Any]) -> list[str]:
    given = body.get("prompt")
    prompts = [given] if isinstance(given, str) else given
    if not isinstance(prompts, list) or not prompts or not all(isinstance(one, str) for one in prompts):
        raise Refusal(400, "BAD_REQUEST", "Bad request: 'prompt' must be a text or a list of texts.")
    return prompts


def _wants_usage(body: Mapping[str, Any]) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


def _head(kind: str, name: str) -> dict[str, Any]:
    return {"id": f"chatcmpl_{uuid4()}", "object": kind, "created": int(time.time()), "model": name}


def _message(answer: AIMessage) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or (None if answer.tool_calls else "")}
    if answer.tool_calls:
        message["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["args"], ensure_ascii=False)},
            }
            for call in answer.tool_calls
        ]
    return message
