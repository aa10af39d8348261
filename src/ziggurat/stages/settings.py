"""What the settings of several stages have in common: prompts, model options, an index by its folder.

Both ways: from what a chain file says to what a constructor takes, and back. And what tells a
model, a prompt or a retriever from another, in plain values that are the same in every process.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.load import dumpd
from langchain_core.messages import BaseMessage
from langchain_core.prompts import (
    AIMessagePromptTemplate,
    BasePromptTemplate,
    ChatPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)
from pydantic import ConfigDict, Field, model_validator

from ziggurat import specs
from ziggurat.chain.spec.registry import StageSettings, Text
from ziggurat.chain.stage import CallBound
from ziggurat.chain.usage import estimated_tokens
from ziggurat.errors import InputError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ziggurat.index import VectorIndex

_ROLES: dict[type, str] = {
    SystemMessagePromptTemplate: "system",
    HumanMessagePromptTemplate: "human",
    AIMessagePromptTemplate: "ai",
}
_LITERAL_ROLES = frozenset(_ROLES.values())


class Turn(StageSettings):
    """One message of a prompt: exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    system: Text | None = Field(None, description="What the model is told to be; {variables} in braces.")
    human: Text | None = Field(None, description="What a person says.")
    ai: Text | None = Field(None, description="What the model said, as an example.")
    messages: str | None = Field(None, description="The input that holds messages to put here.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("one of system, human, ai and messages")
        return self

    @property
    def pair(self) -> tuple[str, str]:
        """The role and the text."""
        ((role, text),) = self.model_dump(exclude_unset=True).items()
        return role, str(text)


Prompt = Text | list[Turn]
"""A prompt in settings: a text with variables in braces, or messages."""


def open_prompt(written: str | list[Turn]) -> str | ChatPromptTemplate:
    """The prompt that settings describe."""
    if isinstance(written, str):
        return written
    pairs = [one.pair for one in written]
    return ChatPromptTemplate.from_messages(
        [MessagesPlaceholder(text) if role == "messages" else (role, text) for role, text in pairs]
    )


def prompt_settings(prompt: BasePromptTemplate[Any]) -> str | list[Turn]:
    """The settings that describe a prompt.

    Raises:
        InputError: If it holds something that has no written form.
    """
    if isinstance(prompt, PromptTemplate) and _is_plain(prompt):
        return prompt.template
    if not isinstance(prompt, ChatPromptTemplate) or set(prompt.partial_variables):
        raise InputError(f"its prompt is a {type(prompt).__name__} with more in it than texts and variables")
    turns = [Turn(**_turn(one)) for one in prompt.messages]
    return str(turns[0].human) if len(turns) == 1 and turns[0].human is not None else turns


def _turn(message: Any) -> dict[str, str]:
    role = _ROLES.get(type(message))
    if role is not None and isinstance(message.prompt, PromptTemplate) and _is_plain(message.prompt):
        if not message.additional_kwargs:
            return {role: message.prompt.template}
    elif isinstance(message, MessagesPlaceholder) and not message.optional and message.n_messages is None:
        return {"messages": message.variable_name}
    elif isinstance(message, BaseMessage) and message.type in _LITERAL_ROLES and isinstance(message.content, str):
        return {message.type: message.content.replace("{", "{{").replace("}", "}}")}
    raise InputError(f"its prompt holds a {type(message).__name__} that has no written form")


def _is_plain(prompt: PromptTemplate) -> bool:
    return prompt.template_format == "f-string" and not prompt.partial_variables and prompt.output_parser is None


def spec_setting(given: Any, argument: str, stage: str) -> str | None:
    """A model as it was given, if that was by its spec.

    Raises:
        InputError: If it was given as an open object.
    """
    if given is None or isinstance(given, str):
        return given
    raise InputError(
        f"{stage} was given its {argument} as an open {type(given).__name__}", fix=f"name the {argument} by its spec"
    )


def open_index(folder: Path) -> VectorIndex:
    """The index in a folder, for reading only."""
    from ziggurat.index import VectorIndex

    return VectorIndex.open(folder, read_only=True)


# -- what tells one from another ------------------------------------------------------------------


def prompt_identity(prompt: BasePromptTemplate[Any]) -> Any:
    """A prompt in plain values; None if something in it cannot be told."""
    try:
        written = prompt_settings(prompt)
    except InputError:
        return _whole(dumpd(prompt))
    return written if isinstance(written, str) else [list(one.pair) for one in written]


def model_identity(given: Any, options: Mapping[str, Any], opened: Any) -> dict[str, Any] | None:
    """A chat model in plain values; None if it cannot be told from another.

    Args:
        given: What the stage was given: a spec, None, or an open model.
        options: The options beside the spec.
        opened: The open model.
    """
    parameters = _whole(dumpd(opened))
    if given is None or isinstance(given, str):
        named = {"spec": given or specs.DEFAULTS["chat"], "options": _whole(dict(options))}
        if named["options"] is None:
            return None
        return named if parameters is None else {**named, "parameters": parameters}
    if parameters is not None:
        return {"parameters": parameters}
    identifying = _whole(dict(getattr(opened, "_identifying_params", None) or {}))
    kind = type(opened)
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "parameters": identifying} if identifying else None


def call_bound(model: BaseChatModel, prompt: str | None, max_tokens: int | None = None) -> CallBound:
    """The most that one call of a chat model asks.

    Args:
        model: The model.
        prompt: What it will be asked; None where that is not known yet.
        max_tokens: The longest answer; None for what the model says itself.
    """
    told = model._get_ls_params()  # noqa: SLF001 (LangChain has no public way to ask)
    return CallBound(
        str(told.get("ls_model_name", "")),
        str(told.get("ls_provider", "")),
        1,
        None if prompt is None else estimated_tokens(prompt),
        max_tokens if max_tokens is not None else told.get("ls_max_tokens"),
    )


def _whole(value: Any) -> Any:
    """Plain data as it is; None if any part of it is not plain, or names a place in memory."""
    return value if _is_whole(value) else None


def _is_whole(value: Any) -> bool:
    match value:
        case None | bool() | int() | float():
            return True
        case str():
            return " at 0x" not in value
        case Mapping():
            if value.get("lc") and value.get("type") == "not_implemented":
                return False
            return all(isinstance(key, str) and _is_whole(one) for key, one in value.items())
        case list() | tuple():
            return all(map(_is_whole, value))
        case _:
            return False
