"""OpenAI's wire format, written from LangChain's objects: what a server of that API answers.

Pure translation in both directions, for `OpenAIServer`: requests in, dictionaries out. Knows no HTTP.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.utils import convert_to_messages
from langchain_core.runnables import Runnable

from ziggurat.specs import ImageModel

_SAMPLING = ("stop", "max_tokens", "max_completion_tokens")


def completion(chat: BaseChatModel, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a chat completion request."""
    answer = _asked(chat, body).invoke(_messages(body))
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.tool_calls:
        message["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": _json(call["args"])}}
            for call in answer.tool_calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": _finish(answer), "logprobs": None}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": _usage(answer)}


def completion_chunks(chat: BaseChatModel, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same as a stream: the role, the pieces, the finish reason and, if asked for, the usage."""
    head = _head(body, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]}

    yield chunk({"role": "assistant", "content": ""})
    whole: AIMessageChunk | None = None
    for piece in _asked(chat, body).stream(_messages(body)):
        if not isinstance(piece, AIMessageChunk):
            continue
        whole = piece if whole is None else whole + piece
        if piece.text:
            yield chunk({"content": piece.text})
        for call in piece.tool_call_chunks:
            function = {"name": call["name"], "arguments": call["args"] or ""}
            yield chunk(
                {"tool_calls": [{"index": call["index"], "id": call["id"], "type": "function", "function": function}]}
            )
    answer = whole or AIMessageChunk(content="")
    yield chunk({}, _finish(answer))
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _usage(answer)}


def embeddings(model: Embeddings, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to an embeddings request, as numbers or as base64 of little-endian float32."""
    given = body["input"]
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        given = [given]
    texts = [text if isinstance(text, str) else " ".join(map(str, text)) for text in given]
    vectors = model.embed_documents(texts)
    as_base64 = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if as_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body.get("model", "fake"), "data": data, "usage": usage}


def images(model: ImageModel, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to an image generation request."""
    size = str(body.get("size") or "auto")
    width, _, height = size.partition("x")
    pixels = (int(width), int(height)) if width.isdecimal() and height.isdecimal() else None
    pictures = [model.generate(body["prompt"], size=pixels) for _ in range(int(body.get("n") or 1))]
    data = [{"b64_json": base64.b64encode(picture.data).decode()} for picture in pictures]
    return {"created": int(time.time()), "data": data}


def _asked(chat: BaseChatModel, body: dict[str, Any]) -> Runnable[list[BaseMessage], AIMessage]:
    options: dict[str, Any] = {name: body[name] for name in _SAMPLING if body.get(name) is not None}
    if "max_completion_tokens" in options:
        options["max_tokens"] = options.pop("max_completion_tokens")
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    if body.get("tools"):
        return chat.bind_tools(body["tools"], tool_choice=body.get("tool_choice"), **options)
    return chat.bind(**options)


def _messages(body: dict[str, Any]) -> list[BaseMessage]:
    return convert_to_messages(body["messages"])


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    identity = f"chatcmpl-{uuid.uuid4().hex[:24]}"
    return {"id": identity, "object": kind, "created": int(time.time()), "model": body.get("model", "fake")}


def _finish(answer: AIMessage) -> str:
    if answer.tool_calls:
        return "tool_calls"
    return str(answer.response_metadata.get("finish_reason", "stop"))


def _usage(answer: AIMessage) -> dict[str, Any]:
    used = answer.usage_metadata
    asked, said = (used["input_tokens"], used["output_tokens"]) if used else (0, 0)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _packed(vector: list[float]) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
