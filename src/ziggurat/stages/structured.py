"""Asking a chat model for data of a shape: told the shape, held to it, and told what was wrong.

Uses the model's own structured output where it has one, and reads JSON out of plain text where it has
not. However the answer came, it is checked here. Every try is one call; their number is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.utils.json import parse_json_markdown

from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import StructureError
from ziggurat.stages.language import Language
from ziggurat.stages.prompting import StagePrompt
from ziggurat.stages.shapes import Shape

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable, RunnableConfig

_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Structured:
    """What a model gave.

    Attributes:
        value: Data of the shape.
        attempts: Calls it took.
        usage: What they used.
    """

    value: dict[str, Any]
    attempts: int
    usage: Usage


async def ask(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    shape: Shape,
    config: RunnableConfig,
    *,
    attempts: int = 3,
    language: Language = "en",
) -> Structured:
    """Have a model give data of a shape.

    Args:
        model: The chat model.
        messages: What it is asked; they say that JSON is wanted.
        shape: What the data must look like.
        config: The LangChain configuration to call the model with.
        attempts: Calls at most.
        language: Of what it is told when something is wrong.

    Raises:
        StructureError: If no answer fitted; says what was wrong with the last one.
    """
    said = list(messages)
    told = StagePrompt("extract.repair")
    usage, problems = NO_USAGE, ["nothing was asked"]
    for attempt in range(1, attempts + 1):
        message, value, problems = await _once(model, said, shape, config)
        usage += Usage.of_message(message)
        if not problems:
            return Structured(value, attempt, usage)
        wrong = told.filled(language, problems="\n".join(f"- {one}" for one in problems), schema=shape.text)
        said = [*messages, AIMessage(_shown(message) or "{}"), *wrong.to_messages()]
    raise StructureError(
        f"The model gave no {shape.title} in {attempts} {'try' if attempts == 1 else 'tries'}: {'; '.join(problems)}.",
        fix="make the schema simpler, name a larger model, or allow more attempts",
    )


async def _once(
    model: BaseChatModel, messages: Sequence[BaseMessage], shape: Shape, config: RunnableConfig
) -> tuple[Any, dict[str, Any], list[str]]:
    """One call: the message, the value and what is wrong with it."""
    held = _held(model, shape)
    if held is None:
        message = await model.ainvoke(list(messages), config)
        value = _read(str(message.text))
    else:
        answer = await held.ainvoke(list(messages), config)
        message, value = answer["raw"], answer["parsed"]
        if value is None:
            value = _read(str(message.text))
    if value is None:
        return message, {}, ["that is no JSON"]
    return message, value, shape.problems(value)


def _held(model: BaseChatModel, shape: Shape) -> Runnable[Any, Any] | None:
    """The model, held to the schema by whatever means it has; None if it has none."""
    try:
        held: Runnable[Any, Any] = model.with_structured_output(shape.schema, include_raw=True)
    except (NotImplementedError, AttributeError):
        return None
    return held


def _read(text: str) -> Any:
    try:
        return parse_json_markdown(text)
    except ValueError:
        return None


def _shown(message: Any) -> str:
    """What a model said, short enough to be shown to it again."""
    calls = getattr(message, "tool_calls", None)
    return (str(message.text) or (str(calls[0]["args"]) if calls else ""))[:_SHOWN]
