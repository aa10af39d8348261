"""What keeps a tool within bounds: its text cut, its time limited, its failure one line, its acts marked.

Knows no tool. Blocking work runs in a thread of its own that nobody waits for once its time is up, so that a
tool that hangs can neither hold an agent nor keep the process from ending.
Invariant: what comes out of here is a text of at most the characters that were asked for, and the notice.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langchain_core.tools import BaseTool, ToolException

from ziggurat.errors import gist

T = TypeVar("T")

CHARACTERS = 4000
"""Of a tool's result at most, unless it says otherwise."""
SECONDS = 30.0
"""That one call of a tool may take, unless it says otherwise."""
ACTS = "acts"
"""In a tool's metadata: whether it acts on the world."""
_LINE = 300


def cut(text: str, characters: int = CHARACTERS) -> str:
    """A text, or its beginning and a plain notice of how much was left out."""
    if len(text) <= characters:
        return text
    return f"{text[:characters].rstrip()}\n[cut: {len(text) - characters:,} of {len(text):,} characters left out]"


def one_line(error: BaseException) -> str:
    """What went wrong, on one bounded line, with the name of an error that says nothing."""
    said = " ".join(gist(error)[: 4 * _LINE].split())[:_LINE]
    return said or type(error).__name__


def marked(tool: BaseTool, *, acts: bool) -> BaseTool:
    """The same tool, marked as one that acts on the world, or as one that does not."""
    return tool.model_copy(update={"metadata": {**(tool.metadata or {}), ACTS: acts}})


def acts(tool: BaseTool) -> bool:
    """Whether a tool acts on the world; one that nobody marked does not, since its giver knew it."""
    return bool((tool.metadata or {}).get(ACTS, False))


async def apart(work: Callable[[], T]) -> T:
    """Do blocking work in a thread of its own, which sees the caller's context variables.

    Cancelled, the caller goes on at once; the thread ends when its work does and nobody hears of it.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def tell(settle: Callable[[Any], None], outcome: Any) -> None:
        if not done.done():
            settle(outcome)

    def run() -> None:
        try:
            outcome, settle = context.run(work), done.set_result
        except BaseException as error:  # noqa: BLE001 (carried to the caller, whatever it is)
            loop_call(done.set_exception, _carried(error))
        else:
            loop_call(settle, outcome)

    def loop_call(settle: Callable[[Any], None], outcome: Any) -> None:
        try:
            loop.call_soon_threadsafe(tell, settle, outcome)
        except RuntimeError:  # the loop ended meanwhile: nobody waits
            return

    threading.Thread(target=run, name="ziggurat-tool", daemon=True).start()
    return await done


def _carried(error: BaseException) -> BaseException:
    """A future cannot hold StopIteration."""
    return RuntimeError("the tool raised StopIteration") if isinstance(error, StopIteration) else error


async def within(seconds: float, working: Awaitable[T]) -> T:
    """Wait for so long.

    Raises:
        ToolException: If it takes longer.
    """
    try:
        async with asyncio.timeout(seconds) as clock:
            return await working
    except TimeoutError as error:
        if clock.expired():
            raise ToolException(f"No result within {seconds:g} s; the tool was given up.") from error
        raise
