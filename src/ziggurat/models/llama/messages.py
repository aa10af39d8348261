"""LangChain messages as the plain turns a small local model follows well.

Tools are described and called in the form the default model was trained on; results come back with one
sentence more than that form has, because without it the model calls again instead of answering (0 of 5
conversations answered without it, 5 of 5 with it). Everything is text: what the model cannot read is
refused here, before anything is computed. Knows nothing of sampling, schemas or engines.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from ziggurat.errors import InputError

Turn = dict[str, str]

_PERSONA = "You are a helpful assistant."

_TOOLS = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""
"""The wording of the default model's own chat template, so that its training applies."""

_SCHEMA = "Answer with one JSON value that follows this JSON schema:\n{schema}"

_USE_THE_RESULT = "Answer my question from this response, in plain text."
_MEND_THE_CALL = "The call failed. Correct it, or explain the problem in plain text."

_SPOKEN_ELSEWHERE = {
    "tool_use",
    "tool_call",
    "tool_call_chunk",
    "invalid_tool_call",
    "function_call",
    "input_json_delta",
    "reasoning",
    "thinking",
    "redacted_thinking",
}
"""Blocks of an assistant's message that are not its text: calls are read from ``tool_calls``, thoughts are dropped."""


def turns(
    messages: Sequence[BaseMessage],
    *,
    tools: Sequence[dict[str, Any]] = (),
    schema: dict[str, Any] | None = None,
) -> list[Turn]:
    """The conversation as alternating turns, with tools and schema told in the system turn.

    Args:
        messages: The conversation, oldest first.
        tools: Tool definitions in OpenAI's form.
        schema: The JSON schema the answer must follow.

    Raises:
        InputError: If there is no message, or one has content that is not text.
    """
    if not messages:
        raise InputError("There is no message to answer.", fix="give at least one message")
    made: list[Turn] = []
    for message in messages:
        turn = {"role": _role(message), "content": _content(message)}
        if made and made[-1]["role"] == turn["role"]:
            made[-1]["content"] += "\n\n" + turn["content"]
        else:
            made.append(turn)
    if isinstance(messages[-1], ToolMessage) and tools:
        made[-1]["content"] += "\n" + (_MEND_THE_CALL if messages[-1].status == "error" else _USE_THE_RESULT)
    return _instructed(made, tools, schema)


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """A tool call as the model itself would write it."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def _instructed(made: list[Turn], tools: Sequence[dict[str, Any]], schema: dict[str, Any] | None) -> list[Turn]:
    instructions: list[str] = []
    if tools:
        lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
        instructions.append(_TOOLS.format(tools=lines))
    if schema is not None:
        instructions.append(_SCHEMA.format(schema=json.dumps(schema, ensure_ascii=False)))
    if not instructions:
        return made
    persona = made.pop(0)["content"] if made[0]["role"] == "system" else _PERSONA
    return [{"role": "system", "content": "\n\n".join([persona, *instructions])}, *made]


def _role(message: BaseMessage) -> str:
    if isinstance(message, SystemMessage):
        return "system"
    if isinstance(message, AIMessage):
        return "assistant"
    if isinstance(message, HumanMessage | ToolMessage | FunctionMessage):
        return "user"
    if isinstance(message, ChatMessage):
        return message.role
    raise InputError(f"The local model cannot read a message of type {type(message).__name__}.")


def _content(message: BaseMessage) -> str:
    text = _text(message)
    if isinstance(message, ToolMessage | FunctionMessage):
        return f"<tool_response>\n{text}\n</tool_response>"
    if isinstance(message, AIMessage):
        calls = [call_text(call["name"], call["args"]) for call in message.tool_calls]
        return "\n".join([text, *calls] if text else calls)
    return text


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(_block(block, message) for block in message.content)


def _block(block: str | dict[Any, Any], message: BaseMessage) -> str:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind == "text" or (kind is None and "text" in block):
        return str(block["text"])
    if kind == "json" and isinstance(message, ToolMessage):
        return json.dumps(block.get("json"), ensure_ascii=False)
    if kind in _SPOKEN_ELSEWHERE and isinstance(message, AIMessage):
        return ""
    raise InputError(
        f"The local chat model reads text only; this {message.type} message holds a block of type {kind!r}.",
        fix="send the text alone, or open a model that sees and hears, for example openai:gpt-4.1",
    )
