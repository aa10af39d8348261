"""Anything as a tool: a function, a Runnable, a stage or a chain of ours; a LangChain tool as it is.

The arguments are what the thing itself declares (`stage_inputs`, a signature, a schema), with their types.
The result is told as text. Knows nothing of agents.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field, create_model
from pydantic_core import to_jsonable_python

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.stage import CallKind, Stage
from ziggurat.errors import InputError
from ziggurat.tools.bounds import CHARACTERS, apart, marked
from ziggurat.tools.index_search import listed
from ziggurat.tools.making import make

_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
_SECONDS = 300.0
_PLAIN = (str, int, float, bool, list, dict, list[str], list[int], list[float])


def as_tool(
    thing: Any,
    *,
    name: str | None = None,
    description: str | None = None,
    acts: bool | None = None,
    characters: int = CHARACTERS,
    seconds: float = _SECONDS,
) -> BaseTool:
    """A tool that calls something.

    Args:
        thing: A LangChain tool, which stays as it is but for what is said here; a function; any
            Runnable, stage or `MultiChain`.
        name: What a model calls it; the thing's own name if there is none.
        description: What it does and when to use it; a function's docstring if there is none.
        acts: Whether it acts on the world; None for what the thing says itself (a tool's mark; a chain
            with a stage marked ``effect=True`` acts).
        characters: Of its result at most.
        seconds: It may take.

    Raises:
        InputError: If it cannot be called, or has no description.
    """
    if isinstance(thing, BaseTool):
        changes = {key: value for key, value in (("name", name), ("description", description)) if value}
        same = thing.model_copy(update=changes) if changes else thing
        return same if acts is None else marked(same, acts=acts)
    stage = as_stage(thing)
    told = description or _docstring(thing)
    if not told:
        raise InputError(
            f"{stage.label} has no description, so no model would know when to use it.",
            fix='as_tool(..., description="What it does, and when to use it.")',
        )
    made_name = _NAME.sub("_", name or getattr(thing, "name", None) or stage.label).strip("_")[:64]
    if not made_name:
        raise InputError(f"{stage.label} has no name that a model can call it by.", fix='as_tool(..., name="...")')

    async def called(**given: Any) -> str:
        return shown(await _call(stage, given), characters)

    return make(
        made_name,
        told,
        _arguments(made_name, stage),
        awork=called,
        acts=_effects(thing, stage) if acts is None else acts,
        characters=characters,
        seconds=seconds,
    )


async def _call(stage: Stage, given: Mapping[str, Any]) -> Any:
    target = stage.call.target
    match stage.call.kind:
        case CallKind.SYNC:
            found = await apart(lambda: target(**given))
        case CallKind.ASYNC:
            found = await target(**given)
        case CallKind.RUNNABLE_VALUE:
            found = await target.ainvoke(next(iter(given.values())))
        case CallKind.RUNNABLE | CallKind.CHAIN:
            found = await target.ainvoke(dict(given))
        case _:
            raise InputError(f"{stage.label} cannot be called alone.", fix="put it in a MultiChain of its own")
    return await found if inspect.isawaitable(found) else found


def _arguments(name: str, stage: Stage) -> type[BaseModel]:
    """The arguments as a model; an input of a type that no model can write is left open."""
    fields: dict[str, Any] = {}
    bound = stage.given
    for one in stage.params:
        if one.name in bound:
            continue
        kind = one.type if one.type in _PLAIN or _is_model(one.type) else Any
        if one.required:
            fields[one.name] = (kind, Field(description=f"The {one.name.replace('_', ' ')}."))
        else:
            fields[one.name] = (kind | None if kind is not Any else Any, None)
    model: type[BaseModel] = create_model(f"{name}_arguments", **fields)
    return model


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _effects(thing: Any, stage: Stage) -> bool:
    """Whether a stage, or any inside a chain, is marked as acting on the world."""
    if stage.policy.effect:
        return True
    inside = getattr(thing, "stages", None)
    if not isinstance(inside, Mapping):
        inside = getattr(stage.call.target, "stages", None)
    return isinstance(inside, Mapping) and any(
        _effects(one.call.target, one) for one in inside.values() if isinstance(one, Stage)
    )


def _docstring(thing: Any) -> str:
    """What a function says of itself; a class's docstring describes the class, not this thing."""
    return (inspect.getdoc(thing) or "").strip() if inspect.isroutine(thing) else ""


def shown(value: Any, characters: int = CHARACTERS) -> str:
    """A result as a text that a model can read."""
    match value:
        case str():
            return value
        case BaseMessage():
            return str(value.text)
        case None:
            return "(done; nothing was returned)"
        case list() if value and all(isinstance(one, Document) for one in value):
            return listed(value, characters)
        case Mapping() if not all(map(_is_data, value.values())):
            return "\n".join(f"{key}: {shown(one, characters)}" for key, one in value.items())
    if "__str__" in vars(type(value)) and not isinstance(value, dict | list | tuple | set):
        return str(value)
    plain = to_jsonable_python(value, fallback=str, serialize_unknown=True)
    return json.dumps(plain, ensure_ascii=False)


def _is_data(value: Any) -> bool:
    match value:
        case Mapping():
            return all(map(_is_data, value.values()))
        case list() | tuple():
            return all(map(_is_data, value))
    return isinstance(value, str | int | float | None)
