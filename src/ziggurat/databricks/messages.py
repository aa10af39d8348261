"""LangChain's messages as the chat API of serving endpoints has them, and its answers as messages.

Pure: dictionaries in, dictionaries and messages out. Knows no endpoint. The form is OpenAI's chat completions
as Databricks documents it for foundation and external models, with what differs: content may come as a list of
blocks (models that reason aloud), and a piece of a stream may carry usage beside text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, InvalidToolCall, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.messages.utils import convert_to_openai_messages
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call

from ziggurat.errors import AnswerCut, InputError

PROVIDER = "databricks"


def as_sent(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Messages as the API takes them.

    Raises:
        InputError: If there is none, or one has content that the API has no form for.
    """
    if not messages:
        raise InputError("There is no message to send.")
    try:
        made: Any = convert_to_openai_messages(list(messages))
    except ValueError as error:
        raise InputError(f"A message cannot be sent to an endpoint: {error}") from error
    return list(made)


def answers(reply: Mapping[str, Any], where: str) -> list[AIMessage]:
    """The messages of a whole answer, one for each choice; usage is told on the first.

    Raises:
        AnswerCut: If it has no choices.
    """
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        raise AnswerCut(
            "The endpoint's answer has no choices.", where=where, fix="is it a chat endpoint? a custom model needs Databricks(…)"
        )  # fmt: skip
    made = []
    for number, choice in enumerate(choices):
        told = choice.get("message") or {}
        calls, invalid = _calls(told.get("tool_calls") or ())
        made.append(
            AIMessage(
                content=_content(told.get("content")),
                tool_calls=calls,
                invalid_tool_calls=invalid,
                additional_kwargs={"refusal": told["refusal"]} if told.get("refusal") else {},
                id=reply.get("id") if number == 0 else None,
                usage_metadata=usage(reply) if number == 0 else None,
                response_metadata=_metadata(reply, choice),
            )
        )
    return made


def piece(event: Mapping[str, Any]) -> AIMessageChunk | None:
    """What one event of a stream adds; None if nothing."""
    choices = event.get("choices") or ()
    first: Mapping[str, Any] = choices[0] if choices else {}
    delta = first.get("delta") or {}
    counted = usage(event)
    calls = [
        tool_call_chunk(
            name=(one.get("function") or {}).get("name"),
            args=(one.get("function") or {}).get("arguments"),
            id=one.get("id"),
            index=one.get("index", number),
        )
        for number, one in enumerate(delta.get("tool_calls") or ())
    ]
    finish = first.get("finish_reason")
    content = _content(delta.get("content"))
    if not (content or calls or counted or finish):
        return None
    return AIMessageChunk(
        content=content,
        tool_call_chunks=calls,
        id=event.get("id"),
        usage_metadata=counted,
        response_metadata=_metadata(event, first) if finish else {},
    )


def usage(reply: Mapping[str, Any]) -> UsageMetadata | None:
    """Tokens read and written; None where the answer does not say."""
    told = reply.get("usage")
    if not isinstance(told, Mapping):
        return None
    read = told.get("prompt_tokens", told.get("input_tokens"))
    written = told.get("completion_tokens", told.get("output_tokens"))
    if read is None and written is None:
        return None
    read, written = int(read or 0), int(written or 0)
    made = UsageMetadata(
        input_tokens=read, output_tokens=written, total_tokens=int(told.get("total_tokens") or read + written)
    )
    cached = (told.get("prompt_tokens_details") or told.get("input_tokens_details") or {}).get("cached_tokens")
    thought = (told.get("completion_tokens_details") or told.get("output_tokens_details") or {}).get("reasoning_tokens")
    if cached:
        made["input_token_details"] = {"cache_read": int(cached)}
    if thought:
        made["output_token_details"] = {"reasoning": int(thought)}
    return made


def _metadata(reply: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, Any]:
    made = {"model_provider": PROVIDER, "model_name": reply.get("model"), "finish_reason": choice.get("finish_reason")}
    return {name: value for name, value in made.items() if value is not None}


def _content(told: Any) -> str | list[str | dict[Any, Any]]:
    if isinstance(told, str):
        return told
    if isinstance(told, list):
        blocks = [one for one in told if isinstance(one, str | dict)]
        if all(isinstance(one, dict) and one.get("type") == "text" for one in blocks):
            return "".join(str(one["text"]) for one in blocks if isinstance(one, dict) and "text" in one)
        return blocks
    return ""


def _calls(told: Sequence[Mapping[str, Any]]) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for one in told:
        try:
            parsed = parse_tool_call(dict(one), return_id=True)
        except OutputParserException as error:
            invalid.append(make_invalid_tool_call(dict(one), str(error)))
            continue
        if parsed is not None:
            calls.append(ToolCall(**parsed))  # type: ignore[typeddict-item]  # name, args and id, as LangChain made them
    return calls, invalid
