"""What the settings of several stages have in common: a model by its spec, an index by its folder, a prompt.

Both ways: from what a chain file says to what a constructor takes, and back. And what tells a model from
another, in plain values that are the same in every process. Prompts are `prompt_settings`', and
are named here because every stage needs both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.load import dumpd

from ziggurat import specs
from ziggurat.chain.stage import CallBound
from ziggurat.chain.usage import estimated_tokens
from ziggurat.errors import InputError
from ziggurat.stages.plain import plain_or_none
from ziggurat.stages.prompt_settings import FilledPrompt, Prompt, Turn, open_prompt, prompt_settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.prompts import BasePromptTemplate

    from ziggurat.index import ShardedIndex, VectorIndex

__all__ = [
    "Prompt",
    "Turn",
    "call_bound",
    "model_identity",
    "open_index",
    "open_prompt",
    "prompt_identity",
    "prompt_settings",
    "spec_setting",
]


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


def open_index(folder: Path) -> VectorIndex | ShardedIndex:
    """The index in a folder, of one part or of several, for reading only."""
    from ziggurat.index import ShardedIndex, VectorIndex
    from ziggurat.index.shard_list import is_sharded

    if is_sharded(folder):
        return ShardedIndex.open(folder)
    return VectorIndex.open(folder, read_only=True)


# -- what tells one from another ------------------------------------------------------------------


def prompt_identity(prompt: BasePromptTemplate[Any]) -> Any:
    """A prompt in plain values, the same in every process; None if something in it cannot be told."""
    try:
        written = prompt_settings(prompt)
    except InputError:
        return plain_or_none(dumpd(prompt))
    match written:
        case str():
            return written
        case FilledPrompt():
            return written.model_dump(mode="json", exclude_unset=True)
        case _:
            return [next(iter(turn.model_dump(mode="json", exclude_unset=True).items())) for turn in written]


def model_identity(given: Any, options: Mapping[str, Any], opened: Any) -> dict[str, Any] | None:
    """A chat model in plain values; None if it cannot be told from another.

    Args:
        given: What the stage was given: a spec, None, or an open model.
        options: The options beside the spec.
        opened: The open model.
    """
    parameters = plain_or_none(dumpd(opened))
    if given is None or isinstance(given, str):
        named = {"spec": given or specs.DEFAULTS["chat"], "options": plain_or_none(dict(options))}
        if named["options"] is None:
            return None
        return named if parameters is None else {**named, "parameters": parameters}
    if parameters is not None:
        return {"parameters": parameters}
    identifying = plain_or_none(dict(getattr(opened, "_identifying_params", None) or {}))
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
