"""Reading a run while it happens: its events behind a bounded queue, and the forms LangChain people expect.

The run is at most a few hundred events ahead of its reader and then waits, so that a slow reader
never grows memory. Leaving the reading early cancels the run and waits until it has cleaned up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Literal, get_args

from ziggurat.chain.events import Event, StageCached, StageFinished, Token
from ziggurat.chain.run.session import Session
from ziggurat.errors import ChainError, InputError
from ziggurat.suggest import did_you_mean

StreamMode = Literal["updates", "values", "messages", "events"]

_EVENTS_AHEAD = 256


async def read(session: Callable[..., Session], *, raise_at_end: bool = False) -> AsyncGenerator[Event, None]:
    """Run a session and yield its events.

    Args:
        session: Makes the session, given ``reader``.
        raise_at_end: Whether a failed run raises after its last event.

    Raises:
        ChainError: If a stage failed and ``raise_at_end``.
    """
    channel = _Channel(_EVENTS_AHEAD)
    run = session(reader=channel.put)

    async def drive() -> None:
        try:
            await run.execute()
        finally:
            channel.close()

    task = asyncio.create_task(drive())
    try:
        async for event in channel:
            yield event
        try:
            await task
        except ChainError:
            if raise_at_end:
                raise
    finally:
        task.cancel()
        channel.abandon()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it as forgotten


class _Channel:
    """Events from one task to another, at most so many ahead.

    Cheaper than `asyncio.Queue`, since it wakes nobody who is not waiting.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._writers: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._abandoned = False

    async def put(self, event: Event) -> None:
        """Hand an event over; waits while the reader is too far behind."""
        while len(self._events) >= self._limit and not self._abandoned:
            space = asyncio.get_running_loop().create_future()
            self._writers.append(space)
            await space
        self._events.append(event)
        _wake(self._reader)

    def close(self) -> None:
        """No further event comes."""
        self._closed = True
        _wake(self._reader)

    def abandon(self) -> None:
        """Nobody reads any more: writers are let go."""
        self._abandoned = True
        self._events.clear()
        while self._writers:
            _wake(self._writers.popleft())

    async def __aiter__(self) -> AsyncIterator[Event]:
        events = self._events
        while True:
            while events:
                yield events.popleft()
                if self._writers and len(events) < self._limit:
                    _wake(self._writers.popleft())
            if self._closed:
                return
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
            self._reader = None


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


def check_modes(modes: StreamMode | Sequence[StreamMode] | None) -> None:
    """Refuse a stream mode that does not exist.

    Raises:
        InputError: It names the closest one.
    """
    known = get_args(StreamMode)
    for mode in () if modes is None else [modes] if isinstance(modes, str) else modes:
        if mode not in known:
            raise InputError(
                f"There is no stream mode {mode!r}{did_you_mean(mode, known)}; there are {', '.join(known)}."
            )


async def pieces(
    events: AsyncIterator[Event], returned: frozenset[str], modes: StreamMode | Sequence[StreamMode] | None
) -> AsyncIterator[Any]:
    """What a stream in some modes yields.

    Args:
        events: A run's events.
        returned: The stages whose outputs the chain returns.
        modes: As `MultiChain.astream` takes them.
    """
    so_far: dict[str, Any] = {}
    wanted: Sequence[StreamMode | None] = (
        [None] if modes is None else [modes] if isinstance(modes, str) else list(modes)
    )
    tagged = modes is not None and not isinstance(modes, str)
    async for event in events:
        if isinstance(event, StageFinished | StageCached) and event.is_top and event.stage in returned:
            so_far[event.stage] = event.output
        for mode in wanted:
            for piece in _in_mode(mode, event, returned, so_far):
                yield (mode, piece) if tagged else piece


def _in_mode(mode: StreamMode | None, event: Event, returned: frozenset[str], so_far: dict[str, Any]) -> Iterator[Any]:
    finished = isinstance(event, StageFinished | StageCached) and event.is_top and event.stage in returned
    match mode, event:
        case "events", _:
            yield event
        case "messages", Token():
            yield event.chunk, {"stage": event.stage, "path": event.path, "item": event.item, "run": event.run}
        case "updates", StageFinished() | StageCached() if finished:
            yield {event.stage: event.output}
        case "values", StageFinished() | StageCached() if finished:
            yield dict(so_far)
        case None, Token() if event.is_top and event.stage in returned:
            yield _addable(event.stage, event.chunk)
        case None, StageFinished(streamed=False) | StageCached() if finished:
            yield _addable(event.stage, event.output)
        case _:
            pass


def _addable(stage: str, piece: Any) -> dict[str, Any]:
    from langchain_core.runnables.utils import AddableDict

    return AddableDict({stage: piece})
