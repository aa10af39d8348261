"""The Responses API as OpenAI's clients and Databricks' agents read it: bodies in, dictionaries and events out.

Items of ``input`` become LangChain messages, answers become items and, streamed, the events in their order. Knows
no HTTP. Nothing is stored: ``previous_response_id`` is refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping
from typing import Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage

from ziggurat.databricks.local.call import Refusal, invalid
from ziggurat.databricks.local.chat_wire import Asked, bound, messages_of, usage


def respond(model: BaseChatModel, body: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """The answer to ``input``."""
    answer = _asked(model, body).invoke(input_messages(body))
    return _response(body, name, output_items(answer), answer)


def respond_events(model: BaseChatModel, body: Mapping[str, Any], *, name: str) -> Generator[dict[str, Any]]:
    """The same as a stream of events."""
    return _numbered(_events(_asked(model, body), input_messages(body), body, name))


def output_items(answer: AIMessage) -> list[dict[str, Any]]:
    """An answer as items: its text, then its calls."""
    items = [_text_item(_made("msg"), answer.text)] if answer.text or not answer.tool_calls else []
    return items + [
        _call_item(_made("fc"), call["id"] or _made("call"), call["name"], json.dumps(call["args"], ensure_ascii=False))
        for call in answer.tool_calls
    ]


def input_messages(body: Mapping[str, Any]) -> list[BaseMessage]:
    """The messages of a body's ``instructions`` and ``input``.

    Raises:
        Refusal: 400 if an item is of no kind that is known here.
    """
    if body.get("previous_response_id"):
        raise invalid("previous_response_id is not supported: responses are not stored.")
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise Refusal(400, "BAD_REQUEST", "Bad request: 'input' must be a text or a non-empty list of items.")
    messages: list[dict[str, Any]] = []
    if body.get("instructions"):
        messages.append({"role": "system", "content": body["instructions"]})
    for item in items:
        _add(messages, item)
    return messages_of(messages)


def _add(messages: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        role = "system" if item.get("role") == "developer" else item.get("role", "user")
        messages.append({"role": role, "content": _plain(item.get("content"))})
    elif kind == "function_call":
        call = {
            "id": item["call_id"],
            "type": "function",
            "function": {"name": item["name"], "arguments": item["arguments"]},
        }
        if messages and messages[-1]["role"] == "assistant":
            messages[-1].setdefault("tool_calls", []).append(call)
        else:
            messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
    elif kind == "function_call_output":
        messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": _plain(item.get("output"))})
    elif kind != "reasoning":
        raise invalid(f"Items of type {kind!r} are not supported in 'input'.")


def _plain(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _asked(model: BaseChatModel, body: Mapping[str, Any]) -> Asked:
    options = dict(body)
    tools = body.get("tools") or []
    unknown = [tool.get("type") for tool in tools if tool.get("type") != "function"]
    if unknown:
        raise invalid(f"Tools of type {unknown[0]!r} are not supported.")
    options["tools"] = [
        {"type": "function", "function": {name: tool[name] for name in _FUNCTION if tool.get(name) is not None}}
        for tool in tools
    ]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and "name" in choice:
        options["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    shape = (body.get("text") or {}).get("format") or {}
    if shape.get("type") == "json_schema":
        told = {name: shape[name] for name in ("name", "schema", "strict") if name in shape}
        options["response_format"] = {"type": "json_schema", "json_schema": told}
    return bound(model, options)


_FUNCTION = ("name", "description", "parameters", "strict")


def _events(asked: Asked, messages: list[BaseMessage], body: Mapping[str, Any], name: str) -> Generator[dict[str, Any]]:
    begun = _response(body, name, [], None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    whole, text_id = AIMessageChunk(content=""), _made("msg")
    for piece in asked.stream(messages):
        if not isinstance(piece, AIMessageChunk):
            continue
        if piece.text and not whole.text:
            yield from _text_begins(text_id)
        whole = whole + piece
        if piece.text:
            where = {"item_id": text_id, "output_index": 0, "content_index": 0}
            yield {"type": "response.output_text.delta", **where, "delta": piece.text, "logprobs": []}
    items = output_items(whole)
    for place, item in enumerate(items):
        if item["type"] == "message":
            item["id"] = text_id
            if not whole.text:
                yield from _text_begins(text_id)
            yield from _text_ends(item)
        else:
            yield from _called(item, place)
    yield {"type": "response.completed", "response": {**_response(body, name, items, whole), "id": begun["id"]}}


def _text_begins(text_id: str) -> Generator[dict[str, Any]]:
    empty = {**_text_item(text_id, ""), "content": [], "status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": 0, "item": empty}
    part = {"type": "output_text", "text": "", "annotations": []}
    yield {
        "type": "response.content_part.added",
        "item_id": text_id,
        "output_index": 0,
        "content_index": 0,
        "part": part,
    }


def _text_ends(item: dict[str, Any]) -> Generator[dict[str, Any]]:
    where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    part = item["content"][0]
    yield {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}


def _called(item: dict[str, Any], place: int) -> Generator[dict[str, Any]]:
    where = {"item_id": item["id"], "output_index": place}
    yield {
        "type": "response.output_item.added",
        "output_index": place,
        "item": {**item, "arguments": "", "status": "in_progress"},
    }
    yield {"type": "response.function_call_arguments.delta", **where, "delta": item["arguments"]}
    yield {"type": "response.function_call_arguments.done", **where, "arguments": item["arguments"]}
    yield {"type": "response.output_item.done", "output_index": place, "item": item}


def _numbered(events: Generator[dict[str, Any]]) -> Generator[dict[str, Any]]:
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _response(
    body: Mapping[str, Any], name: str, items: list[dict[str, Any]], answer: AIMessage | None
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": _made("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "model": name,
        "status": "in_progress" if answer is None else "completed",
        "output": items,
        "parallel_tool_calls": bool(body.get("parallel_tool_calls", True)),
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "temperature": body.get("temperature"),
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
    }
    if answer is not None:
        counted = usage(answer)
        made["usage"] = {
            "input_tokens": counted["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": counted["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": counted["total_tokens"],
        }
    return made


def _text_item(name: str, text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": name, "type": "message", "role": "assistant", "status": "completed", "content": content}


def _call_item(name: str, call_id: str, function: str, arguments: str) -> dict[str, Any]:
    return {
        "id": name,
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": function,
        "arguments": arguments,
    }


def _made(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"
