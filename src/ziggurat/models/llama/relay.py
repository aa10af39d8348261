"""A blocking producer read as an iterator, from synchronous or asynchronous code.

The producer runs in a thread of its own and is given ``emit``; ``emit`` answers False once the
reader has gone, and the producer then stops in its own way. ``emit(None)`` only asks. Knows nothing of what is produced.
Invariant: the reader never blocks an event loop, and whatever the producer raises, the reader sees.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
Emit = Callable[[T | None], bool]
Produce = Callable[[Emit[T]], None]


class _End:
    """The last thing a producer sends: nothing, or what it raised."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def iterate(produce: Produce[T]) -> Generator[T]:
    """Read ``produce`` from synchronous code; closing the generator tells the producer to stop."""
    items: SimpleQueue[T | _End] = SimpleQueue()
    left = _start(produce, items.put)
    try:
        while True:
            item = items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.set()


async def aiterate(produce: Produce[T]) -> AsyncGenerator[T]:
    """Read ``produce`` from asynchronous code; cancelling or closing tells the producer to stop."""
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[T | _End] = asyncio.Queue()
    left = _start(produce, lambda item: _deliver(loop, items, item))
    try:
        while True:
            item = await items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.set()


def _deliver(loop: asyncio.AbstractEventLoop, items: asyncio.Queue[T | _End], item: T | _End) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(items.put_nowait, item)


def _start(produce: Produce[T], put: Callable[[T | _End], None]) -> threading.Event:
    """Start the producer's thread; the event it returns is set when the reader leaves."""
    left = threading.Event()

    def emit(item: T | None) -> bool:
        if item is not None and not left.is_set():
            put(item)
        return not left.is_set()

    def work() -> None:
        try:
            produce(emit)
        except BaseException as error:  # noqa: BLE001 (raised again in the reader)
            put(_End(error))
        else:
            put(_End())

    threading.Thread(target=work, name="ziggurat-relay", daemon=True).start()
    return left
