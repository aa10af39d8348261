"""How OpenTelemetry's conventions for generative AI name things, and LangChain's names in their terms.

The names are those of the repository ``open-telemetry/semantic-conventions-genai`` (status: development), as of
2026; ours, which no convention has, begin with ``ziggurat.``. Pure values: no span is made here.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
WORKFLOW = "gen_ai.workflow.name"
REQUEST_MODEL = "gen_ai.request.model"
STREAMED = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 (the name of an attribute)
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
ERROR_TYPE = "error.type"

RUN = "ziggurat.run"
RUN_OUTCOME = "ziggurat.run.outcome"
STAGE = "ziggurat.stage"
STAGE_PATH = "ziggurat.stage.path"
STAGE_OUTCOME = "ziggurat.stage.outcome"
STAGE_CAUSE = "ziggurat.stage.cause"
ITEM = "ziggurat.item"
OUTPUT = "ziggurat.output"
ITEM_TOTAL = "ziggurat.item.total"
FELL_BACK = "ziggurat.stage.fell_back"
FROM_CACHE = "ziggurat.model.from_cache"
BUDGET_BOUND = "ziggurat.budget.bound"
USED_INPUT = "ziggurat.usage.input_tokens"
USED_OUTPUT = "ziggurat.usage.output_tokens"
USED_CALLS = "ziggurat.usage.calls"
SAVED_INPUT = "ziggurat.saved.input_tokens"
SAVED_OUTPUT = "ziggurat.saved.output_tokens"
SAVED_SECONDS = "ziggurat.saved.seconds"

Attribute = str | bool | int | float | Sequence[str]
"""What an attribute may be."""

_PROVIDERS = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}

_REQUEST: tuple[tuple[str, tuple[str, ...], type], ...] = (
    ("gen_ai.request.temperature", ("ls_temperature", "temperature"), float),
    (
        "gen_ai.request.max_tokens",
        ("ls_max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens", "num_predict", "max_new_tokens"),
        int,
    ),
    ("gen_ai.request.top_p", ("top_p",), float),
    ("gen_ai.request.top_k", ("top_k",), float),
    ("gen_ai.request.frequency_penalty", ("frequency_penalty",), float),
    ("gen_ai.request.presence_penalty", ("presence_penalty",), float),
    ("gen_ai.request.seed", ("seed",), int),
)

_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant", "function": "tool"}

_LONGEST_VALUE = 8_192
"""Characters of a stage's output that a span keeps."""


def provider(name: str) -> str:
    """The conventions' name of who serves a model, from LangChain's; another name stays as it is."""
    return _PROVIDERS.get(name, name or "unknown")


def requested(metadata: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Attribute]:
    """What was asked of a model, from what LangChain tells of a call.

    Args:
        metadata: The call's metadata: LangChain's own ``ls_...`` names.
        parameters: The parameters the call is sent with.
    """
    found: dict[str, Attribute] = {PROVIDER: provider(str(metadata.get("ls_provider") or ""))}
    model = metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name")
    if model:
        found[REQUEST_MODEL] = str(model)
    for name, keys, kind in _REQUEST:
        given = next((one for key in keys for one in (metadata.get(key), parameters.get(key)) if one is not None), None)
        if isinstance(given, int | float) and not isinstance(given, bool):
            found[name] = kind(given)
    stop = metadata.get("ls_stop") or parameters.get("stop")
    if stop:
        found["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else [str(one) for one in stop]
    choices = parameters.get("n")
    if isinstance(choices, int) and choices > 1:
        found["gen_ai.request.choice.count"] = choices
    return found


def answered(generations: Sequence[Any], llm_output: Mapping[str, Any]) -> dict[str, Attribute]:
    """What a model said of its answer.

    Args:
        generations: Its answers, as LangChain has them; more than one where several were asked for.
        llm_output: What LangChain keeps beside them.
    """
    found: dict[str, Attribute] = {}
    reasons: list[str] = []
    for position, one in enumerate(generations):
        message = getattr(one, "message", None)
        told = {**(one.generation_info or {}), **(getattr(message, "response_metadata", None) or {})}
        reason = told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason")
        if reason:
            reasons.append(str(reason))
        if position:
            continue
        model = told.get("model_name") or told.get("model") or llm_output.get("model_name")
        if model:
            found[RESPONSE_MODEL] = str(model)
        answer_id = told.get("id") or getattr(message, "id", None)
        if answer_id and not str(answer_id).startswith(("run-", "lc_run-", "lc_")):
            found[RESPONSE_ID] = str(answer_id)
        found |= _counted(getattr(message, "usage_metadata", None) or {}, llm_output)
    if reasons:
        found[FINISH_REASONS] = reasons
    return found


def _counted(usage: Mapping[str, Any], llm_output: Mapping[str, Any]) -> dict[str, Attribute]:
    plain = llm_output.get("token_usage") or {}
    told = {
        INPUT_TOKENS: usage.get("input_tokens", plain.get("prompt_tokens")),
        OUTPUT_TOKENS: usage.get("output_tokens", plain.get("completion_tokens")),
        CACHE_READ_TOKENS: (usage.get("input_token_details") or {}).get("cache_read"),
        CACHE_WRITE_TOKENS: (usage.get("input_token_details") or {}).get("cache_creation"),
        REASONING_TOKENS: (usage.get("output_token_details") or {}).get("reasoning"),
    }
    return {name: count for name, count in told.items() if isinstance(count, int)}


def messages_text(messages: Iterable[Any], *, reasons: Sequence[str] | None = None) -> str:
    """Messages as the conventions write them on a span: a JSON text of roles and parts.

    Args:
        messages: LangChain messages, or texts.
        reasons: Why each answer ended, where the messages are answers.
    """
    written = []
    for position, one in enumerate(messages):
        is_text = isinstance(one, str)
        kind = "human" if is_text else one.type
        message: dict[str, Any] = {"role": _ROLES.get(kind, kind), "parts": _parts(one, is_text=is_text)}
        if reasons is not None:
            message = {"role": "assistant", "parts": message["parts"]}
            message["finish_reason"] = reasons[position] if position < len(reasons) else "stop"
        written.append(message)
    return json.dumps(written, ensure_ascii=False, default=str)


def _parts(message: Any, *, is_text: bool) -> list[dict[str, Any]]:
    if is_text:
        return [{"type": "text", "content": message}]
    content = message.content
    if message.type == "tool":
        return [{"type": "tool_call_response", "id": message.tool_call_id, "response": content}]
    blocks = [content] if isinstance(content, str) else content
    parts = [part for block in blocks if (part := _part(block)) is not None]
    calls = getattr(message, "tool_calls", None) or ()
    return parts + [
        {"type": "tool_call", "id": call.get("id"), "name": call["name"], "arguments": call["args"]} for call in calls
    ]


def _part(block: Any) -> dict[str, Any] | None:
    if isinstance(block, str):
        return {"type": "text", "content": block} if block else None
    match block.get("type"):
        case "text":
            return {"type": "text", "content": block.get("text", "")}
        case "reasoning" | "thinking":
            return {"type": "reasoning", "content": block.get("reasoning") or block.get("thinking") or ""}
        case "tool_use" | "tool_call" | "function_call":
            return None  # told among the message's tool calls
        case other:  # a picture or another file: that it was there, not its bytes
            return {"type": str(other)}


def brief(value: Any) -> str:
    """A value as a text that a span can bear."""
    if isinstance(value, str):
        text = value
    else:
        try:
            text = json.dumps(value, ensure_ascii=False, default=_plain)
        except (TypeError, ValueError, RecursionError):
            text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _plain(value: Any) -> Any:
    """What JSON has no form for, in a form it has: a message's text, the fields of a record, else its own words."""
    text = getattr(value, "text", None)
    if isinstance(text, str):
        return text
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else str(value)
