"""How a function becomes a tool of ours: typed arguments, bounded output, one clear line when it fails.

Knows no particular tool. A tool made here raises nothing for what happens inside it: an agent reads the
line, and so does a person who calls it alone. Arguments that do not fit are LangChain's to refuse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel

from ziggurat.chain.run.portal import run_sync
from ziggurat.errors import InputError, ZigguratError
from ziggurat.tools.bounds import ACTS, CHARACTERS, SECONDS, apart, cut, one_line, within


def make(
    name: str,
    description: str,
    arguments: type[BaseModel] | Mapping[str, Any],
    work: Callable[..., str] | None = None,
    *,
    awork: Callable[..., Awaitable[str]] | None = None,
    acts: bool = False,
    characters: int = CHARACTERS,
    seconds: float = SECONDS,
) -> BaseTool:
    """A tool.

    Args:
        name: What a model calls it.
        description: What it does, and when to use it.
        arguments: A pydantic model, or a JSON schema.
        work: Does it, blocking; called in a thread of its own.
        awork: Does it without blocking; one of the two is given.
        acts: Whether it acts on the world.
        characters: Of its result at most.
        seconds: It may take.

    Raises:
        InputError: If a bound allows nothing.
    """
    if characters < 1 or not seconds > 0:
        raise InputError(f"The tool {name} would have no room.", where=f"{characters=} {seconds=}")

    async def called(**given: Any) -> str:
        try:
            working = awork(**given) if awork is not None else apart(lambda: _needed(work)(**given))
            return cut(await within(seconds, working), characters)
        except ToolException as error:
            raise ToolException(one_line(error)) from error
        except ZigguratError as error:
            raise ToolException(f"{one_line(error)}{f' Try: {error.fix}.' if error.fix else ''}") from error
        except Exception as error:
            raise ToolException(f"The tool failed: {one_line(error)}") from error

    def called_in_a_thread(**given: Any) -> str:
        return run_sync(called(**given))

    return StructuredTool(
        name=name,
        description=description,
        args_schema=arguments if isinstance(arguments, type) else dict(arguments),
        func=called_in_a_thread,
        coroutine=called,
        metadata={ACTS: acts},
        handle_tool_error=True,
    )


def _needed(work: Callable[..., str] | None) -> Callable[..., str]:
    if work is None:
        raise InputError("A tool needs something that does its work.")
    return work
