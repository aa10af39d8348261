"""`RedisCache`: answers in a Redis server, shared by machines.

How many are kept is the server's affair (``maxmemory``, ``maxmemory-policy allkeys-lru``), how long is
``ttl``. Asynchronous calls use Redis's own asynchronous client, one for each event loop, closed with it.
Invariant: a password in an address is in no message of ours.
"""

from __future__ import annotations

import asyncio
import math
import re
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.outputs import Generation

from ziggurat.errors import InputError
from ziggurat.models.caches.entries import Trust, decoded, encoded, key_of
from ziggurat.optional import require

_PATIENCE = {"socket_connect_timeout": 5.0, "socket_timeout": 10.0}
_BATCH = 500


class RedisCache(BaseCache):
    """A cache in a Redis server.

    Args:
        server: An address (``redis://``, ``rediss://`` or ``unix://``), or a client of the package `redis`.
            With a synchronous client, asynchronous calls run in a worker thread; an asynchronous client
            serves asynchronous calls only, in its own event loop.
        ttl: Seconds an answer is kept; None for as long as the server keeps it.
        prefix: What the names of our keys begin with; `clear` deletes what begins so, and nothing else.

    Raises:
        InputError: If the address, the ttl or the prefix cannot be used; at the first use, if the server
            cannot be reached.
        MissingDependency: If the package `redis` is not installed.
    """

    def __init__(self, server: Any, *, ttl: float | None = None, prefix: str = "ziggurat:llm:") -> None:
        self._redis = require("redis", for_="a cache of answers in Redis", extra="redis")
        self._asyncio = require("redis.asyncio", for_="a cache of answers in Redis", extra="redis")
        given: Any = ttl
        if given is not None and not (isinstance(given, int | float) and 0 < given < math.inf):
            raise InputError(
                f"ttl={ttl!r} is no time.", where="RedisCache", fix="give seconds, more than zero, or None"
            )
        if not prefix:
            raise InputError(
                "The prefix of a RedisCache is empty; clear() would delete everything on the server.",
                fix="give a name that no other application's keys begin with",
            )
        self.ttl = ttl
        self.prefix = prefix
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, AsyncIterator[None]]] = (
            weakref.WeakKeyDictionary()
        )
        self._url = server if isinstance(server, str) else None
        self._client = self._from_url(self._redis, server) if isinstance(server, str) else server
        self._is_async = isinstance(self._client, self._asyncio.Redis | self._asyncio.RedisCluster)
        self._errors = (self._redis.exceptions.RedisError, OSError, UnicodeError)
        self._trust = Trust(_place(self._client), "start the server, or give its address: redis://host:6379/0")

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """The answer to a prompt; None if there is none, or the server cannot be reached now."""
        client, entry = self._synchronous(), None
        with self._asking():
            entry = client.get(self._key(prompt, llm_string))
        return None if entry is None else decoded(entry)

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep an answer; if the server cannot be reached now, it is not kept."""
        client, entry = self._synchronous(), encoded(return_val)
        if entry is not None:
            with self._asking():
                client.set(self._key(prompt, llm_string), entry, px=self._milliseconds)

    def clear(self, **kwargs: Any) -> None:  # noqa: ARG002 (LangChain's signature)
        """Delete every key with our prefix.

        Raises:
            InputError: If the server cannot be reached; unlike a miss, that must not pass in silence.
        """
        client = self._synchronous()
        with self._asking(must=True):
            for key in client.scan_iter(match=self._pattern, count=_BATCH):
                client.unlink(key)

    async def alookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """As `lookup`, without blocking the event loop."""
        client, entry = await self._asynchronous(), None
        if client is None:
            return await asyncio.to_thread(self.lookup, prompt, llm_string)
        with self._asking():
            entry = await client.get(self._key(prompt, llm_string))
        return None if entry is None else decoded(entry)

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """As `update`, without blocking the event loop."""
        client = await self._asynchronous()
        if client is None:
            await asyncio.to_thread(self.update, prompt, llm_string, return_val)
        elif (entry := encoded(return_val)) is not None:
            with self._asking():
                await client.set(self._key(prompt, llm_string), entry, px=self._milliseconds)

    async def aclear(self, **kwargs: Any) -> None:
        """As `clear`, without blocking the event loop."""
        client = await self._asynchronous()
        if client is None:
            await asyncio.to_thread(self.clear, **kwargs)
            return
        with self._asking(must=True):
            async for key in client.scan_iter(match=self._pattern, count=_BATCH):
                await client.unlink(key)

    def close(self) -> None:
        """Close the connections of synchronous calls; those of an event loop close with it."""
        if self._url is not None:
            self._client.close()

    @contextmanager
    def _asking(self, *, must: bool = False) -> Iterator[None]:
        """Around a request: what its failure means is decided in one place."""
        try:
            yield
        except self._errors as error:
            if must:
                raise self._trust.refusal(error) from error
            self._trust.failed(error)
        else:
            self._trust.worked()

    def _synchronous(self) -> Any:
        if self._is_async:
            raise InputError(
                "The cache was given an asynchronous client of Redis, and a synchronous call needs it.",
                where="RedisCache",
                fix="give the server's address instead: RedisCache('redis://host:6379/0')",
            )
        return self._client

    async def _asynchronous(self) -> Any:
        """The asynchronous client of this event loop; None if a thread must do."""
        if self._is_async:
            return self._client
        if self._url is None:
            return None
        loop = asyncio.get_running_loop()
        known = self._loops.get(loop)
        if known is None:
            client = self._from_url(self._asyncio, self._url)
            closer = _closer(client)
            self._loops[loop] = known = (client, closer)
            await anext(closer)
        return known[0]

    def _from_url(self, module: Any, url: str) -> Any:
        try:
            return module.Redis.from_url(url, **_PATIENCE)
        except ValueError:
            raise InputError(
                "The address of the Redis server cannot be used.",
                where="RedisCache",
                fix="write redis://host:6379/0, rediss://… for TLS, or unix:///path/to/socket",
            ) from None

    def _key(self, prompt: str, llm_string: str) -> str:
        return self.prefix + key_of(prompt, llm_string).hex()

    @property
    def _pattern(self) -> str:
        """Our keys, in Redis's patterns."""
        return re.sub(r"([\\*?\[\]])", r"\\\1", self.prefix) + "*"

    @property
    def _milliseconds(self) -> int | None:
        return None if self.ttl is None else max(1, round(self.ttl * 1000))


async def _closer(client: Any) -> AsyncIterator[None]:
    """Closes a client when its event loop ends: a loop that shuts down closes its open generators."""
    try:
        yield
    finally:
        await client.aclose()


def _place(client: Any) -> str:
    """Where a client's server is, without its password."""
    told = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
    if "path" in told:
        return f"Redis at {told['path']}"
    return f"Redis at {told['host']}:{told.get('port', 6379)}" if "host" in told else "Redis"
