"""How a stage is called, by kind: awaited, run in a thread, streamed piece by piece.

Knows nothing of runs, plans or policies, nor of stages made of stages (`nesting`): inputs go in, the output comes out, and the pieces of a
streamed output go to a sink on the way.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from ziggurat.chain.run.callbacks import in_config
from ziggurat.chain.stage import Call, CallKind
from ziggurat.errors import NothingStreamed

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

T = TypeVar("T")

_WORKER_THREADS = 64

_PIECES_AT_ONCE = 1024
"""Pieces that are kept to be added up together: many, since that is quicker; not all, since there may be many."""


@cache
def _workers() -> ThreadPoolExecutor:
    """Threads for synchronous stages: many, because most of them wait for something."""
    return ThreadPoolExecutor(_WORKER_THREADS, thread_name_prefix="ziggurat-stage")


Sink = Callable[[Any], Awaitable[None]]


async def perform(call: Call, inputs: Mapping[str, Any], config: RunnableConfig | None, sink: Sink | None) -> Any:
    """Call a stage the way its kind asks for; pieces go to ``sink`` as they come."""
    match call.kind:
        case CallKind.ASYNC:
            with in_config(config):
                return await call.target(**inputs)
        case CallKind.SYNC:
            with in_config(config):
                return await in_thread(partial(call.target, **inputs))
        case CallKind.ASYNC_STREAM:
            with in_config(config):
                return await _collect(call.target(**inputs), sink)
        case CallKind.STREAM:
            with in_config(config):
                return await _collect(_threaded(call.target(**inputs)), sink)
        case CallKind.RUNNABLE | CallKind.RUNNABLE_VALUE:
            argument = dict(inputs) if call.kind is CallKind.RUNNABLE else inputs["input"]
            if sink is None:
                return await call.target.ainvoke(argument, config)
            return await _collect(call.target.astream(argument, config), sink, needed=True)
        case _:
            raise TypeError(call.kind)


async def in_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a worker thread that sees the caller's context variables."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_workers(), partial(context.run, work))


_END: Any = object()


async def _threaded(pieces: Iterator[Any]) -> AsyncIterator[Any]:
    """A generator's pieces, each made in a worker thread; left early, it is closed once its thread is back."""
    at_work = threading.Lock()

    def advance() -> Any:
        with at_work:
            return next(pieces, _END)

    def close() -> None:
        with at_work:
            getattr(pieces, "close", bool)()

    ended = False
    try:
        while (piece := await in_thread(advance)) is not _END:
            yield piece
        ended = True
    finally:
        if not ended:
            _workers().submit(close)


async def _collect(pieces: AsyncIterator[Any], sink: Sink | None, *, needed: bool = False) -> Any:
    """The sum of the pieces, each told on the way.

    Raises:
        NothingStreamed: If there is none, though at least one is needed.
    """
    made: list[Any] = []
    try:
        async for piece in pieces:
            if sink is not None:
                await sink(piece)
            made.append(piece)
            if len(made) >= _PIECES_AT_ONCE:
                made = [_sum(made)]
    finally:
        if (close := getattr(pieces, "aclose", None)) is not None:
            await close()
    if needed and not made:
        raise NothingStreamed(
            "It gave nothing when it was streamed. LangChain's parsers do so instead of saying what they cannot read.",
            fix="run the chain without reading its events to see the error",
        )
    return _sum(made)


def _sum(pieces: list[Any]) -> Any:
    """All pieces as one. Pieces that cannot be added replace what came before, as in LangChain."""
    if not pieces:
        return None
    if all(type(piece) is str for piece in pieces):
        return "".join(pieces)
    first, *rest = pieces
    if rest and all(hasattr(piece, "tool_call_chunks") for piece in pieces):
        return first + rest  # messages of a chat model add up faster all at once
    total = first
    for piece in rest:
        try:
            total = total + piece
        except TypeError:
            total = piece
    return total


def text_of(chunk: Any) -> str:
    """The text in a piece of output: the piece itself, or what it calls its text."""
    if isinstance(chunk, str):
        return chunk
    text = getattr(chunk, "text", "")
    return str(text) if isinstance(text, str) else ""
