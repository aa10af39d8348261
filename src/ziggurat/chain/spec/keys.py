"""The form of a chain file, as pydantic models: what may stand in a chain, and beside a stage's settings.

One definition for the reader, which validates with it, and for the JSON Schema, which is made of
it. What the values mean is decided in `reading` and `writing`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from ziggurat.chain.spec.text import KeyPath, said
from ziggurat.errors import ZigguratError
from ziggurat.suggest import did_you_mean

FORMAT = 1
"""The version of the form."""

STAGE: dict[str, Any] = {"const": "<stage>"}
"""Stands for a stage in the schemas pydantic makes, which know no definitions but their own."""

Nested = Annotated[dict[Any, Any], WithJsonSchema(STAGE)]
"""A stage inside a stage; the reader reads it with its own path."""

Cases = Annotated[
    dict[Any, Any],
    WithJsonSchema({"type": "object", "additionalProperties": STAGE, "minProperties": 1}),
]
Stages = Annotated[
    dict[Any, Any],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": STAGE,
            "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_-]*$"},
            "minProperties": 1,
        }
    ),
]
Fallback = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "number", "boolean", "null", "array"]},
                {
                    "type": "object",
                    "properties": {"value": {"description": "a constant of any kind"}},
                    "required": ["value"],
                    "additionalProperties": False,
                },
                STAGE,
            ]
        }
    ),
]
Seconds = Annotated[float, Field(gt=0)]
AtLeastOne = Annotated[int, Field(ge=1)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ChainKeys(_Keys):
    """What stands in a chain."""

    name: str | None = Field(None, description="What the chain is called in traces and drawings.")
    inputs: list[str] | None = Field(
        None, description="The names a run is given; left out, they are found from the stages."
    )
    outputs: list[str] | None = Field(None, description="The stages whose outputs a run returns; left out, all.")
    stages: Stages = Field(description="The stages by name, in order.")


class FileKeys(ChainKeys):
    """What stands at the top of a chain file."""

    ziggurat: Literal[1] = Field(description="The version of this form: 1.")


class NestedChainKeys(_Keys):
    """A chain as a stage: its stages here, or the file they are in."""

    name: str | None = Field(None, description="What the chain is called in traces and drawings.")
    inputs: list[str] | None = Field(None, description="The names the chain is given.")
    outputs: list[str] | None = Field(None, description="The stages whose outputs it returns; left out, all.")
    stages: Stages | None = Field(None, description="The stages by name, in order.")
    file: str | None = Field(None, description="A chain file in the same folder, instead of stages.")


class RetryKeys(_Keys):
    """When and how often a failed attempt is repeated."""

    attempts: AtLeastOne = Field(3, description="Attempts in all, the first included.")
    wait: Annotated[float, Field(ge=0)] = Field(
        0.5, description="Seconds before the second attempt, doubled for each one after."
    )
    max_wait: Annotated[float, Field(ge=0)] = Field(30.0, description="The longest wait, in seconds.")
    errors: list[str] | None = Field(
        None, description="Only these: names of Python's own exceptions or of Ziggurat's errors. Left out, all."
    )


class StageKeys(_Keys):
    """What may stand in every stage, beside the settings of what it uses."""

    uses: str | None = Field(None, description="What it is: chain, a registered stage, or a name the caller gives.")
    stage: Nested | None = Field(
        None, description="Instead of uses: the stage inside, so that given and policies are of the whole."
    )
    given: dict[str, Any] | None = Field(
        None,
        description="Inputs that do not come from their namesake: a constant, $reference, or a text with {references}.",
    )
    when: str | None = Field(None, description="Run only if this holds: a reference, or kind == 'sql'.")
    otherwise: Nested | None = Field(None, description="The stage that runs if not, or if no case holds.")
    switch: str | None = Field(None, description="Instead of uses: the reference that chooses one of the cases.")
    cases: Cases | None = Field(None, description="Stages by the value of the reference.")
    each: str | dict[str, Any] | None = Field(
        None, description="Run for each item: the input that gets one, and where the items come from."
    )
    at_once: AtLeastOne | None = Field(None, description="Items under way at once; 16.")
    on_error: Literal["raise", "keep"] | None = Field(
        None, description="keep: failed items stay beside the results; raise (the default): the stage fails."
    )
    until: str | None = Field(None, description="Run again until this holds of the output.")
    at_most: AtLeastOne | None = Field(None, description="How often it runs at most; 10.")
    carry: dict[str, str] | None = Field(None, description="Inputs of the next time, from this time's output.")
    retry: AtLeastOne | RetryKeys | None = Field(None, description="Attempts in all, or more about it.")
    timeout: Seconds | None = Field(None, description="Seconds for one attempt.")
    fallback: Fallback = Field(
        None,
        description="When the last attempt failed: a constant, a stage (uses: ...), or {value: a mapping}.",
    )
    limit: AtLeastOne | None = Field(None, description="Calls under way at once, over all runs.")
    cache: bool | None = Field(None, description="Whether a cache may give the output.")
    effect: bool = Field(False, description="It acts on the world: never repeated in silence.")  # noqa: FBT003 (a default)
    store: bool = Field(True, description="Whether a journal keeps the output.")  # noqa: FBT003 (a default)


RESERVED = frozenset(StageKeys.model_fields)
"""Keys that no stage's settings may be called."""

POLICY = ("retry", "timeout", "fallback", "limit", "cache", "effect", "store")


def problems(error: ValidationError, data: Any, known: Iterable[str] = ()) -> list[tuple[KeyPath, str]]:
    """What pydantic found, by the place in the data: one line for each place, the deepest only."""
    known = list(known)
    found: dict[KeyPath, dict[str, bool]] = {}
    for one in error.errors(include_url=False):
        kind, reason = one["type"], one.get("ctx", {}).get("error")
        path = _place(one["loc"], data, missing=kind in ("extra_forbidden", "missing"))
        if kind == "extra_forbidden":
            text = unknown(path[-1], known)
        elif kind == "missing":
            text = "this is needed"
        elif isinstance(reason, ZigguratError):
            text = said(reason)
        else:
            text = one["msg"].removeprefix("Value error, ").replace("Input should be", "this should be")
        found.setdefault(path, {})[text.partition("\n")[0]] = kind.endswith("_type")
    deepest = [path for path in found if not any(other[: len(path)] == path and other != path for other in found)]
    return [(path, " or ".join(_telling(found[path]))) for path in deepest]


def _telling(texts: Mapping[str, bool]) -> list[str]:
    """Of what is said of one place, what is about the value; what is about its type only if that is all."""
    return [text for text, is_type in texts.items() if not is_type] or list(texts)


def _place(loc: Iterable[Hashable], data: Any, *, missing: bool) -> KeyPath:
    """The part of pydantic's location that is in the data: it names types and unions as well."""
    path: list[Hashable] = []
    parts = list(loc)
    for position, part in enumerate(parts):
        is_key = isinstance(data, Mapping) and part in data
        is_item = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if is_key or is_item:
            path.append(part)
            data = data[part]
        elif missing and position == len(parts) - 1:
            path.append(part)
    return tuple(path)


def unknown(key: Hashable, known: Iterable[str]) -> str:
    """What to say of a key that is not one."""
    return f"unknown key{did_you_mean(str(key), known)}"
