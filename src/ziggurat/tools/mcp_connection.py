"""One MCP server and the session with it, kept open in a thread of its own.

A session belongs to the event loop it began in, and tools are called from many loops and threads; so each
server has a daemon thread with a loop, in which everything about it happens. A server that died is
started anew by the next call; a call that was under way is never sent twice.
Invariant: whatever a server does, a call ends within its time with a result or one `ToolException`.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.tools import ToolException

from ziggurat.errors import InputError, ZigguratError
from ziggurat.loaders.addresses import plain
from ziggurat.optional import require
from ziggurat.tools.bounds import one_line
from ziggurat.tools.last_words import LastWords

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import CallToolResult, Tool

T = TypeVar("T")

_PAGES = 50
_CLOSING_SECONDS = 3.0


class McpConnection:
    """A server, started or connected to when it is first needed.

    Args:
        command: Starts a server that speaks over stdin and stdout.
        url: Where a server listens over streamable HTTP; one of the two is given.
        env: Environment variables of the command, beside the few that every program needs.
        headers: Sent with each request to the address.
        seconds: That connecting or a call may take.

    Raises:
        InputError: If there is not exactly one of command and address.
        MissingDependency: If ``mcp`` is not installed.
    """

    def __init__(
        self,
        command: Sequence[str] = (),
        url: str | None = None,
        *,
        env: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        seconds: float = 30.0,
    ) -> None:
        require("mcp", for_="using MCP servers", extra="mcp")
        if bool(command) == bool(url) or isinstance(command, str):
            raise InputError(
                "An MCP server is known by its command or by its address.",
                fix='command=["python", "mailbox.py"], or url="https://host/mcp"',
            )
        self.command = tuple(command)
        self.url = url
        self.seconds = seconds
        self.name = plain(url) if url else _program(self.command)
        self._door = _Door(tuple(command), url, env, headers, seconds)
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def tools(self) -> list[Tool]:
        """What the server offers.

        Raises:
            ZigguratError: If it cannot be reached.
        """
        try:
            return self._now(_listed).result(self.seconds + 5)
        except ToolException as error:
            raise ZigguratError(str(error), where=self.name, fix="does the server run when started by hand?") from error
        except TimeoutError as error:
            raise ZigguratError(f"The MCP server gave no answer within {self.seconds:g} s.", where=self.name) from error

    async def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call one of its tools.

        Raises:
            ToolException: If the server cannot be reached, ends meanwhile, or takes too long.
        """

        async def calling(session: ClientSession) -> CallToolResult:
            return await session.call_tool(name, arguments, read_timeout_seconds=timedelta(seconds=self.seconds))

        return await asyncio.wrap_future(self._now(calling))

    def close(self) -> None:
        """End the session, and the server if we started it."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.end()

    def _now(self, work: Callable[[ClientSession], Awaitable[T]]) -> Future[T]:
        with self._lock:
            if self._kept is None or not self._kept.alive:
                self._kept = _Kept(self._door, self.name, self.seconds)
                weakref.finalize(self, self._kept.end)
            return self._kept.submit(work)


@dataclass(frozen=True, slots=True)
class _Door:
    """How a server is reached. Knows nothing of the connection, which can so be let go of."""

    command: tuple[str, ...]
    url: str | None
    env: dict[str, str] | None = field(repr=False)
    headers: dict[str, str] | None = field(repr=False)
    seconds: float

    async def open(self, stack: AsyncExitStack, said: LastWords) -> tuple[Any, Any]:
        """The two streams of a session, closed with the stack; what a program complains of goes to ``said``."""
        if self.url is None:
            from mcp import StdioServerParameters
            from mcp.client.stdio import stdio_client

            server = StdioServerParameters(command=self.command[0], args=list(self.command[1:]), env=self.env)
            stack.callback(said.close)
            return await stack.enter_async_context(stdio_client(server, errlog=said.file))
        import httpx
        from mcp.client.streamable_http import streamable_http_client

        client = await stack.enter_async_context(
            httpx.AsyncClient(headers=self.headers, timeout=httpx.Timeout(self.seconds, read=self.seconds + 5))
        )
        streams = await stack.enter_async_context(streamable_http_client(self.url, http_client=client))
        return streams[0], streams[1]


class _Kept:
    """A session in its thread, until it is ended or the server goes."""

    def __init__(self, door: _Door, name: str, seconds: float) -> None:
        self._door = door
        self._name = name
        self._seconds = seconds
        self._ready: Future[ClientSession] = Future()
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._entrance = threading.Lock()  # nothing is handed to a loop that will not run it any more
        self._open = True
        self.alive = True
        self._thread = threading.Thread(target=self._run, name=f"ziggurat-mcp-{name}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[ClientSession], Awaitable[T]]) -> Future[T]:
        """Do something with the session, in its loop; where it is over already, the answer says why."""
        with self._entrance:
            if self._open:
                return asyncio.run_coroutine_threadsafe(self._doing(work), self._loop)
        never_ready = self._ready.exception() if self._ready.done() else None
        over: Future[T] = Future()
        over.set_exception(never_ready or ToolException(f"The MCP server {self._name} ended before it answered."))
        return over

    def end(self) -> None:
        """Close it and wait for a moment."""
        if self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._ending.set)
            except RuntimeError:  # it ended meanwhile
                return
            if threading.current_thread() is not self._thread:
                self._thread.join(_CLOSING_SECONDS)

    async def _doing(self, work: Callable[[ClientSession], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._seconds + 2):
                session = await asyncio.wrap_future(self._ready)
                return await work(session)
        except ToolException:
            raise
        except asyncio.CancelledError as error:
            if self.alive:  # the caller gave up
                raise
            raise ToolException(f"The MCP server {self._name} ended before it answered.") from error
        except TimeoutError as error:
            raise self._given_up() from error
        except Exception as error:
            if "timed out" in str(error).lower():
                raise self._given_up() from error
            if not str(error) or "closed" in str(error).lower() or type(error).__name__.endswith("ResourceError"):
                self._leave()
                raise ToolException(f"The MCP server {self._name} ended before it answered.") from error
            raise ToolException(f"The MCP server {self._name} failed: {one_line(error)}") from error

    def _given_up(self) -> ToolException:
        """A server that does not answer in time may never answer again: the next call gets a new one."""
        self._leave()
        return ToolException(f"The MCP server {self._name} gave no answer within {self._seconds:g} s.")

    def _leave(self) -> None:
        self.alive = False
        self._ending.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._keep())
        finally:
            self.alive = False
            self._loop.close()

    async def _keep(self) -> None:
        from mcp import ClientSession

        last_words = LastWords()
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._seconds):
                    read, write = await self._door.open(stack, last_words)
                    session = await stack.enter_async_context(ClientSession(read, write))
                    await session.initialize()
                self._ready.set_result(session)
                await self._ending.wait()
        except BaseException as error:  # noqa: BLE001 (told to whoever waits for the session)
            self.alive = False
            if not self._ready.done():
                last_words.close()
                said = ": ".join(one for one in (one_line(_first(error)), str(last_words)) if one)
                self._ready.set_exception(ToolException(f"The MCP server {self._name} cannot be reached: {said}"))
                await asyncio.sleep(0)  # whoever waits in this loop is told before it ends
        finally:
            self.alive = False
            last_words.close()
            await self._let_go()

    async def _let_go(self) -> None:
        """End what still waits for an answer, and see it told; nothing is taken on any more."""
        with self._entrance:
            self._open = False
        await asyncio.sleep(0)  # what was handed in before that begins, and is seen below
        others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        if others:
            _, left = await asyncio.wait(others, timeout=0.2)
            for one in left:
                one.cancel()
            if left:
                await asyncio.wait(left, timeout=1.0)


def _program(command: Sequence[str]) -> str:
    """What a person calls a command: its script, or else its program."""
    script = next((one for one in command[1:] if one.endswith((".py", ".js", ".mjs", ".ts"))), command[0])
    return script.replace("\\", "/").rpartition("/")[2]


async def _listed(session: ClientSession) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await session.list_tools(cursor)
        tools += page.tools
        cursor = page.nextCursor
        if not cursor:
            break
    return tools


def _first(error: BaseException) -> BaseException:
    """The first error in a group of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
