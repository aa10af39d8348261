"""The Responses API of serving endpoints: requests, whole answers and the events of a stream.

Pure: dictionaries in, dictionaries and messages out. Agents deployed on Databricks and OpenAI's newer models
speak it: a list of items (messages, calls, results of calls) instead of one list of messages. What of a
request has another name here is translated by `as_request`; what chat completions share is in `messages`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, InvalidToolCall, ToolCall
from langchain_core.messages.tool import tool_call_chunk

from ziggurat.databricks.messages import PROVIDER, as_sent, usage
from ziggurat.errors import AnswerCut

_RENAMED = {"max_tokens": "max_output_tokens"}
_NOT_THERE = ("n", "stop", "stream_options")


def as_request(messages: Sequence[BaseMessage], options: Mapping[str, Any]) -> dict[str, Any]:
    """A request in the Responses form from messages and options of chat completions."""
    made = {_RENAMED.get(name, name): value for name, value in options.items() if name not in _NOT_THERE}
    if "tools" in made:
        made["tools"] = [_tool(one) for one in made["tools"]]
    choice = made.get("tool_choice")
    if isinstance(choice, Mapping) and "function" in choice:
        made["tool_choice"] = {"type": "function", "name": choice["function"]["name"]}
    shape = made.pop("response_format", None)
    if isinstance(shape, Mapping):
        inner = shape.get("json_schema")
        made["text"] = {"format": {"type": "json_schema", **inner} if isinstance(inner, Mapping) else dict(shape)}
    made["input"] = [item for message in as_sent(messages) for item in _items(message)]
    return made


def answer(reply: Mapping[str, Any], where: str) -> AIMessage:
    """The message of a whole answer.

    Raises:
        AnswerCut: If it has no output, or the endpoint says that it failed.
    """
    output = reply.get("output")
    if not isinstance(output, list) or reply.get("status") == "failed":
        told = (reply.get("error") or {}).get("message") or "The endpoint's answer has no output"
        raise AnswerCut(f"{told}.", where=where, fix="does the endpoint speak the Responses API?")
    blocks: list[dict[str, Any]] = []
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for item in output:
        kind = item.get("type")
        if kind == "message":
            blocks += _text_blocks(item)
        elif kind == "function_call":
            _add_call(item, calls, invalid)
        elif kind == "reasoning":
            blocks.append(dict(item))
    plain = all(one["type"] == "text" and not one.get("annotations") for one in blocks)
    return AIMessage(
        content="".join(one["text"] for one in blocks) if plain else list(blocks),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        id=reply.get("id"),
        usage_metadata=usage(reply),
        response_metadata=_metadata(reply),
    )


class Pieces:
    """Reads the events of one stream; remembers what was sent in pieces, so that the whole item adds nothing."""

    def __init__(self) -> None:
        self._streamed: set[str] = set()
        self._calls = 0

    def read(self, event: Mapping[str, Any]) -> AIMessageChunk | None:
        """What an event adds to the answer; None if nothing."""
        kind = event.get("type")
        if kind == "response.output_text.delta":
            self._streamed.add(str(event.get("item_id")))
            return AIMessageChunk(content=str(event.get("delta") or ""))
        if kind == "response.output_item.done":
            return self._item(event.get("item") or {})
        if kind in ("response.completed", "response.incomplete"):
            reply = event.get("response") or {}
            return AIMessageChunk(
                content="", id=reply.get("id"), usage_metadata=usage(reply), response_metadata=_metadata(reply)
            )
        return None

    def _item(self, item: Mapping[str, Any]) -> AIMessageChunk | None:
        if item.get("type") == "function_call":
            index, self._calls = self._calls, self._calls + 1
            call = tool_call_chunk(
                name=item.get("name"), args=item.get("arguments"), id=item.get("call_id"), index=index
            )
            return AIMessageChunk(content="", tool_call_chunks=[call])
        if item.get("type") != "message" or str(item.get("id")) in self._streamed:
            return None
        text = "".join(one["text"] for one in _text_blocks(item))
        return AIMessageChunk(content=text) if text else None


def _items(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    role, content = message["role"], message.get("content")
    if role == "tool":
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        return [{"type": "function_call_output", "call_id": message["tool_call_id"], "output": text}]
    made: list[dict[str, Any]] = []
    if content:
        made.append({"type": "message", "role": role, "content": _parts(content, role)})
    for call in message.get("tool_calls") or ():
        told = call["function"]
        made.append(
            {"type": "function_call", "call_id": call["id"], "name": told["name"], "arguments": told["arguments"]}
        )
    return made


def _parts(content: Any, role: str) -> Any:
    if isinstance(content, str):
        return content
    kind = "output_text" if role == "assistant" else "input_text"
    made = []
    for part in content:
        if part.get("type") == "text":
            made.append({"type": kind, "text": part["text"]})
        elif part.get("type") == "image_url":
            made.append({"type": "input_image", "image_url": part["image_url"]["url"]})
        else:
            made.append(part)
    return made


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    told = tool.get("function")
    return {"type": "function", **told} if isinstance(told, Mapping) else dict(tool)


def _text_blocks(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = item.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    made = []
    for part in content or ():
        if part.get("type") in ("output_text", "text"):
            block = {"type": "text", "text": str(part.get("text") or "")}
            if part.get("annotations"):
                block["annotations"] = part["annotations"]
            made.append(block)
    return made


def _add_call(item: Mapping[str, Any], calls: list[ToolCall], invalid: list[InvalidToolCall]) -> None:
    name, text, key = str(item.get("name")), item.get("arguments"), item.get("call_id")
    try:
        arguments = json.loads(text) if text else {}
    except (TypeError, ValueError) as error:
        invalid.append(InvalidToolCall(name=name, args=str(text), id=key, error=str(error), type="invalid_tool_call"))
        return
    calls.append(ToolCall(name=name, args=arguments, id=key, type="tool_call"))


def _metadata(reply: Mapping[str, Any]) -> dict[str, Any]:
    made = {"model_provider": PROVIDER, "model_name": reply.get("model"), "status": reply.get("status")}
    return {name: value for name, value in made.items() if value is not None}
