"""Calls of a workspace: sent, repeated while it is too busy, read as JSON or as a stream of events.

Knows HTTP; how Databricks words a refusal is in `refusing`, what is asked and what an answer means is its
callers'. One policy drives the sync and the async side. Invariant: a call is repeated only if the workspace
said that it did not take it (429, 503); an answer that ends in the middle may have been paid for, so it is
an error, and the caller's to repeat. Whatever happens, a call ends in bounded time.
"""

from __future__ import annotations

import asyncio
import ssl
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from ziggurat.databricks.patience import Patience
from ziggurat.databricks.refusing import refusal
from ziggurat.databricks.streaming import Events
from ziggurat.errors import AnswerCut, WorkspaceUnavailable
from ziggurat.models.calls import sending
from ziggurat.workspace import CONNECT_SECONDS, Access, unreachable

_BUSY = (429, 503)
_FIRST_REFUSAL = 300
_MOST_CONNECTIONS = 256


class Calls:
    """A way into a workspace with connections that are kept.

    Args:
        access: Where, and as whom.
        patience: How long a call may take.
    """

    def __init__(self, access: Access, patience: Patience | None = None) -> None:
        self.access = access
        self.patience = patience or Patience()
        self._client: httpx.Client | None = None
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Kept] = weakref.WeakKeyDictionary()

    def get(self, path: str, /, **query: str) -> Any:
        """What is at a path; errors as for `post`."""
        return self._whole("GET", path, params=query)

    def put(self, path: str, body: Any) -> Any:
        """Put a body somewhere; errors as for `post`."""
        return self._whole("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        """Remove what is at a path; errors as for `post`."""
        return self._whole("DELETE", path)

    def post(self, path: str, body: Any) -> Any:
        """Send a body and read the answer.

        Args:
            path: After the host, with its leading slash.
            body: Anything that is JSON.

        Returns:
            The answer's JSON.

        Raises:
            WorkspaceDenied: For 401 and 403.
            WorkspaceNotFound: For 404.
            EndpointRefused: If the request does not fit.
            WorkspaceUnavailable: If it cannot be reached, or stays too busy.
            AnswerCut: If the answer ends in the middle, or is no JSON.
            WorkspaceError: For anything else it answers.
        """
        return self._whole("POST", path, json=body)

    async def apost(self, path: str, body: Any) -> Any:
        """The same without blocking."""
        response: httpx.Response = await AsyncRetrying(**self._policy())(self._abegin, "POST", path, json=body)
        try:
            with self._told(path):
                await response.aread()
        finally:
            await response.aclose()
        return self._json(path, response)

    def events(self, path: str, body: Any) -> Iterator[dict[str, Any]]:
        """Send a body and read the answer as it comes. Only what was refused before it began is sent again.

        Yields:
            The JSON of each server-sent event.

        Raises:
            As `post`; `AnswerCut` also if it does not end as a stream does.
        """
        response: httpx.Response = Retrying(**self._policy())(self._begin, "POST", path, json=body)
        events = Events(self._where(path))
        try:
            with self._told(path):
                for line in response.iter_lines():
                    yield from events.read(line)
        finally:
            response.close()
        events.end()

    async def aevents(self, path: str, body: Any) -> AsyncIterator[dict[str, Any]]:
        """The same without blocking."""
        response: httpx.Response = await AsyncRetrying(**self._policy())(self._abegin, "POST", path, json=body)
        events = Events(self._where(path))
        try:
            with self._told(path):
                async for line in response.aiter_lines():
                    for event in events.read(line):
                        yield event
        finally:
            await response.aclose()
        events.end()

    def close(self) -> None:
        """Let go of the sync side's connections; those of an event loop end with it."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _whole(self, method: str, path: str, **options: Any) -> Any:
        response: httpx.Response = Retrying(**self._policy())(self._begin, method, path, **options)
        try:
            with self._told(path):
                response.read()
        finally:
            response.close()
        return self._json(path, response)

    def _begin(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send it, and see the first line of the answer."""
        if self._client is None:
            self._client = httpx.Client(**self._options())
            weakref.finalize(self, self._client.close)
        client = self._client
        with self._told(path):
            response = client.send(client.build_request(method, **self._address(path), **options), stream=True)
            if response.status_code < _FIRST_REFUSAL:
                return response
            try:
                response.read()
            finally:
                response.close()
        raise refusal(response, self._where(path))

    async def _abegin(self, method: str, path: str, **options: Any) -> httpx.Response:
        loop = asyncio.get_running_loop()
        kept = self._clients.get(loop)
        if kept is None:
            kept = self._clients[loop] = await _Kept.begin(self._options())
        client = kept.client
        # Fresh credentials may be a call of the SDK, which blocks.
        address = await asyncio.to_thread(self._address, path)
        with self._told(path):
            response = await client.send(client.build_request(method, **address, **options), stream=True)
            if response.status_code < _FIRST_REFUSAL:
                return response
            try:
                await response.aread()
            finally:
                await response.aclose()
        raise refusal(response, self._where(path))

    def _address(self, path: str) -> dict[str, Any]:
        return {"url": self.access.host + path, "headers": dict(self.access.headers())}

    def _options(self) -> dict[str, Any]:
        return {
            "verify": _trusted() if self.access.host.startswith("https") else True,
            "limits": httpx.Limits(max_connections=_MOST_CONNECTIONS, max_keepalive_connections=_MOST_CONNECTIONS),
            "timeout": httpx.Timeout(self.patience.silence, connect=CONNECT_SECONDS, pool=None),
            "headers": {"User-Agent": f"ziggurat/{version('ziggurat')}"},
        }

    def _policy(self) -> dict[str, Any]:
        return {
            "retry": retry_if_exception(_again),
            "wait": _pause,
            "stop": stop_after_attempt(self.patience.retries + 1) | stop_before_delay(self.patience.seconds),
            "reraise": True,
        }

    def _where(self, path: str) -> str:
        return self.access.host + path

    def _json(self, path: str, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise AnswerCut(
                "The answer is not JSON.", where=self._where(path), fix="is this the right host?"
            ) from error

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """HTTP's errors as ours."""
        where = self._where(path)
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise unreachable(self.access.host, error) from error
        except httpx.TimeoutException as error:
            raise WorkspaceUnavailable(
                f"There was no answer within {self.patience.silence:g} s.", where=where, fix="allow more with timeout=…"
            ) from error
        except httpx.HTTPError as error:
            raise AnswerCut(
                "The connection was lost before the answer was whole.",
                where=where,
                fix="ask again; it may have been paid for, so it was not repeated by itself",
            ) from error


class _Kept:
    """The connections of one event loop, closed when the loop ends its asynchronous generators, as `asyncio.run` does."""

    def __init__(self, owner: AsyncGenerator[httpx.AsyncClient, None], client: httpx.AsyncClient) -> None:
        self._owner = owner
        self.client = client

    @classmethod
    async def begin(cls, options: Mapping[str, Any]) -> _Kept:
        owner = _open(options)
        return cls(owner, await anext(owner))


async def _open(options: Mapping[str, Any]) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(**options) as client:
        yield client


@cache
def _trusted() -> ssl.SSLContext:
    """Reading the certificates takes longer than many a call."""
    return httpx.create_ssl_context()


def _again(error: BaseException) -> bool:
    return isinstance(error, WorkspaceUnavailable) and error.status_code in _BUSY


_BACKOFF = wait_random_exponential(multiplier=0.5, max=8)


def _pause(state: RetryCallState) -> float:
    """What the workspace asks for and a little more, so that those it sent away do not come back all at once."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = getattr(error, "retry_after_secs", None)
    backoff: float = _BACKOFF(state)
    if asked is None:
        return backoff
    call = sending()
    if call is not None:
        call.pause(asked)
    return float(asked + min(backoff, 0.25 + asked / 10))
