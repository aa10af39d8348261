"""From code that does not await to code that does.

One event loop in one daemon thread serves every synchronous call of the process, so that clients
which belong to a loop (HTTP pools) survive from call to call, and so that a call works inside a
running event loop too (notebooks). A synchronous call made *on* that loop would wait for itself:
it gets a loop of its own instead.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import threading
from collections.abc import AsyncIterator, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_END: Any = object()
_CLEAN_UP_SECONDS = 5.0
_LEAVING_SECONDS = 1.0


class _Portal:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="ziggurat-loop", daemon=True)
        self.thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Let what belongs to the loop end: clients keep their connections in its asynchronous generators."""
        if not self.thread.is_alive():  # a fork left it behind
            return
        ending = asyncio.run_coroutine_threadsafe(self.loop.shutdown_asyncgens(), self.loop)
        with suppress(TimeoutError, RuntimeError):  # the program ends all the same
            ending.result(_LEAVING_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)


_lock = threading.Lock()
_shared: _Portal | None = None


def _portal() -> _Portal:
    global _shared  # noqa: PLW0603 (one loop for the process is the point)
    with _lock:
        if _shared is None or not _shared.thread.is_alive():  # a fork leaves the thread behind
            _shared = _Portal()
        return _shared


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from synchronous code, wherever that code runs.

    The caller's context variables are seen inside. An interrupt (Ctrl-C) cancels the coroutine and
    waits for it to clean up.
    """
    portal = _portal()
    if threading.current_thread() is portal.thread:
        return _run_in_new_loop(coroutine)
    ended = threading.Event()
    future = asyncio.run_coroutine_threadsafe(_told(coroutine, ended), portal.loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        ended.wait(_CLEAN_UP_SECONDS)
        raise


def iterate_sync(source: AsyncIterator[T]) -> Generator[T, None, None]:
    """Read an asynchronous iterator from synchronous code, closing it however the reading ends."""
    try:
        while (item := run_sync(_next(source))) is not _END:
            yield item
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            with suppress(RuntimeError):  # the collector of garbage may be closing it already
                run_sync(close())


async def _next(source: AsyncIterator[T]) -> Any:
    return await anext(source, _END)


async def _told(coroutine: Coroutine[Any, Any, T], ended: threading.Event) -> T:
    try:
        return await coroutine
    finally:
        ended.set()


def _run_in_new_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    with ThreadPoolExecutor(1, thread_name_prefix="ziggurat-nested-loop") as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()
