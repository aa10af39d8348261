"""How tools are told to a model: their descriptions replaced, some preferred, and as text where a model takes none.

A preference changes what is said and in which order, and nothing else: no tool is hidden and no choice is
forced. Which tool is called stays the model's decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

PREFERRED = "Prefer this tool wherever it fits."
LAST = "Use this tool only where no other fits."


def describe(tool: BaseTool, description: str, *, name: str | None = None) -> BaseTool:
    """The same tool under another description, and under another name if one is given.

    Raises:
        InputError: If the description says nothing.
    """
    if not description.strip():
        raise InputError(f"The tool {tool.name} needs a description.", fix="say what it does and when to use it")
    return tool.model_copy(update={"description": description.strip(), **({"name": name} if name else {})})


def preferred(tools: Sequence[BaseTool], weights: Mapping[str, float]) -> list[BaseTool]:
    """The tools in order of their weights, those that stand out with a sentence that says so.

    A tool that is not named weighs 1. Those above 1 come first, heaviest before, and their description
    ends with `PREFERRED`; those below 1 come last, with `LAST`. Equal ones stay in their order.

    Raises:
        InputError: If a weight is not above 0, or names no tool.
    """
    names = [one.name for one in tools]
    for name, weight in weights.items():
        if name not in names:
            raise InputError(f"There is no tool {name!r} to prefer{did_you_mean(name, names)}.")
        if not weight > 0:
            raise InputError(f"The weight of {name} is {weight}.", fix="a number above 0; 1 changes nothing")
    ordered = sorted(tools, key=lambda one: -weights.get(one.name, 1.0))
    return [_weighed(one, weights.get(one.name, 1.0)) for one in ordered]


def _weighed(tool: BaseTool, weight: float) -> BaseTool:
    if weight == 1.0:
        return tool
    return describe(tool, f"{tool.description.strip()} {PREFERRED if weight > 1 else LAST}")


def as_text(tools: Sequence[BaseTool]) -> str:
    """The tools as lines: name, arguments with their types, description. For models that call none themselves."""
    return "\n".join(
        f"- {one.name}({', '.join(_arguments(one))}): {' '.join(one.description.split())}" for one in tools
    )


def _arguments(tool: BaseTool) -> list[str]:
    properties, required = parameters(tool)
    return [f"{name}: {_kind(about)}{'' if name in required else ' (optional)'}" for name, about in properties.items()]


def parameters(tool: BaseTool) -> tuple[dict[str, Any], list[str]]:
    """The arguments that a model gives a tool, as JSON schemas, and which of them it must."""
    schema = convert_to_openai_tool(tool)["function"].get("parameters") or {}
    return dict(schema.get("properties") or {}), list(schema.get("required") or [])


def _kind(about: Mapping[str, Any]) -> str:
    if choices := about.get("enum"):
        return " | ".join(map(repr, choices))
    if either := about.get("anyOf"):
        return " | ".join(_kind(one) for one in either if one.get("type") != "null")
    return str(about.get("type", "any"))
