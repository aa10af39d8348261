"""One page over HTTP: its bytes, within bounds of size and time, or one clear line why not.

Redirects are followed here, each looked at like a first address; headers that the user gave go to the
first origin only. Knows nothing of what is in a page, of robots or of sites.
Invariant: whatever a server does, a call ends within its time, holds at most `max_bytes`, and raises
nothing but our own errors, with no secret in them.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from ziggurat.errors import InputError, UnreadableDocument, gist
from ziggurat.loaders.addresses import normal, origin, plain
from ziggurat.loaders.web.connection import GuardedTransport, Resolver, allowed, resolve, within
from ziggurat.loaders.web.unpacking import unpacked
from ziggurat.refusals import retry_after_of

MAX_BYTES = 64 << 20
"""The largest page that is read, unpacked, unless another limit is given."""
TIMEOUT = 60.0
"""Seconds one page may take, redirects and waiting included."""
USER_AGENT = "Ziggurat/0.1 (reads pages for an index of its user's)"
MAX_REDIRECTS = 10
SERVER_ERRORS = 500
"""The statuses from here on say that the server is at fault; RFC 9110, section 15."""
_QUIET = 20.0
"""Seconds without a byte after which a server is given up."""
_TRIES = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
_SAID = {
    401: ("The page asks for a user and a password.", 'headers={"Authorization": "..."}'),
    403: ("The server refuses the page.", "it may want a sign-in, or no programs"),
    404: ("There is no such page.", None),
    407: ("A proxy asks for a password.", None),
    410: ("The page is gone for good.", None),
    429: ("The server has had too many requests.", "try later, or with a larger delay"),
    451: ("The page is withheld for legal reasons.", None),
    503: ("The server is not available.", "try later"),
}


class Refused(UnreadableDocument):
    """A server answered, but not with the page.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, *, where: str) -> None:
        other = "The server failed." if status >= SERVER_ERRORS else "The server refuses the request."
        what, fix = _SAID.get(status, (other, None))
        super().__init__(f"{what} (HTTP {status})", where=where, fix=fix)
        self.status = status


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was fetched.

    Attributes:
        address: Where it was in the end, redirects followed; may contain secrets.
        data: Its bytes, unpacked.
        content_type: The header, parameters included; empty if none was sent.
        stamp: Changes with the page, where the server tells.
    """

    address: str = field(repr=False)
    data: bytes = field(repr=False)
    content_type: str = ""
    stamp: str | None = None

    @property
    def media_type(self) -> str:
        """Its media type in lower case, without parameters."""
        return self.content_type.partition(";")[0].strip().lower()


class Fetcher:
    """What fetches the pages of one source.

    Args:
        allow_private: Hosts that may be reached though their addresses are private; see `allowed`.
        max_bytes: The largest page, unpacked.
        timeout: Seconds a page may take in all.
        headers: Sent with each request to the origin first asked for, and to no other.
        delay: Least seconds between the starts of two requests.
        resolver: What tells a host's addresses.

    Raises:
        InputError: If one of them is no bound.
    """

    def __init__(
        self,
        *,
        allow_private: bool | str | Iterable[str] = (),
        max_bytes: int = MAX_BYTES,
        timeout: float = TIMEOUT,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        resolver: Resolver = resolve,
    ) -> None:
        if max_bytes < 1 or timeout <= 0 or delay < 0:
            raise InputError(
                "max_bytes and timeout are more than 0, and delay is at least 0.",
                where=f"{max_bytes=} {timeout=} {delay=}",
            )
        self.max_bytes = max_bytes
        self.timeout = timeout
        self._own = _headers(headers or {})
        self._gap = delay
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._client = httpx.Client(
            transport=GuardedTransport(allowed(allow_private), resolver),
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"},
            trust_env=False,
        )
        weakref.finalize(self, self._client.close)

    def get(self, address: str, *, max_bytes: int | None = None, wanted: Callable[[Page], None] | None = None) -> Page:
        """A page.

        Args:
            address: Its web address.
            max_bytes: Another limit for this one.
            wanted: Called with the page before its bytes are read; what it raises is raised.

        Raises:
            InputError: If it is no web address.
            UnreadableDocument: If it cannot be had; `Refused` if the server says so.
        """
        return self._follow("GET", normal(address), max_bytes or self.max_bytes, wanted)

    def stamp(self, address: str) -> str | None:
        """What changes with the page, by a HEAD request; None where the server does not tell."""
        try:
            return self._follow("HEAD", normal(address), 1, None).stamp
        except UnreadableDocument:
            return None  # reading the page will say what is wrong

    def slow_down(self, delay: float) -> None:
        """Leave at least so many seconds between two requests from now on."""
        self._gap = max(self._gap, delay)

    def _follow(self, method: str, url: str, limit: int, wanted: Callable[[Page], None] | None) -> Page:
        where, first = plain(url), origin(url)
        deadline = time.monotonic() + self.timeout
        with within(deadline):
            for _ in range(MAX_REDIRECTS + 1):
                found = self._patiently(
                    method, url, self._own if origin(url) == first else {}, limit, wanted, deadline, where
                )
                if isinstance(found, Page):
                    return found
                try:
                    url = _signed_in(normal(urljoin(url, found)), url)
                except (InputError, ValueError) as error:
                    raise UnreadableDocument(
                        f"The page leads to {plain(found)[:200]}, which is no web address.", where=where
                    ) from error
        raise UnreadableDocument(
            f"The page leads from one address to the next, more than {MAX_REDIRECTS} times.", where=where
        )

    def _patiently(
        self,
        method: str,
        url: str,
        own: Mapping[str, str],
        limit: int,
        wanted: Callable[[Page], None] | None,
        deadline: float,
        where: str,
    ) -> Page | str:
        """A page or where it went; a server that asks to wait is asked again, as long as there is time."""
        for left in range(_TRIES - 1, -1, -1):
            self._wait(deadline, where)
            try:
                with self._sent(method, url, own, where) as answer:
                    if answer.status_code in _REDIRECTS and "location" in answer.headers:
                        return answer.headers["location"]
                    if answer.is_success:
                        return self._page(method, url, answer, limit, wanted)
                    asked = retry_after_of(answer) if answer.status_code in _BUSY else None
                    if asked is None or not left or time.monotonic() + asked >= deadline:
                        raise Refused(answer.status_code, where=where)
                    self._pause(asked)
            except httpcore.RemoteProtocolError as error:
                if not left:  # a connection kept open may have been closed meanwhile
                    raise _failed(error, self.timeout, where) from error
            except (
                httpcore.NetworkError,
                httpcore.TimeoutException,
                httpcore.ProtocolError,
                httpx.HTTPError,
                httpx.InvalidURL,
            ) as error:
                raise _failed(error, self.timeout, where) from error
            except UnreadableDocument as error:
                if error.where is None:
                    raise type(error)(error.what, where=where, fix=error.fix) from error
                raise
        raise AssertionError  # pragma: no cover (the last try returns or raises)

    def _sent(self, method: str, url: str, own: Mapping[str, str], where: str) -> _Answer:
        try:
            request = self._client.build_request(method, url, headers=dict(own), timeout=_QUIET)
        except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
            raise UnreadableDocument("No request can be made of this address.", where=where) from error
        return _Answer(self._client, request)

    def _page(
        self, method: str, url: str, answer: httpx.Response, limit: int, wanted: Callable[[Page], None] | None
    ) -> Page:
        headers = answer.headers
        stamp = headers.get("etag") or headers.get("last-modified")
        page = Page(url, b"", headers.get("content-type", ""), stamp)
        if method == "HEAD":
            return page
        if wanted is not None:
            wanted(page)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise _too_large(limit)
        data = bytearray()
        for piece in unpacked(answer.iter_raw(), headers.get("content-encoding", "")):
            data += piece
            if len(data) > limit:
                raise _too_large(limit)
        return Page(url, bytes(data), page.content_type, stamp)

    def _wait(self, deadline: float, where: str) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free_at)
            if start >= deadline:
                raise UnreadableDocument(
                    f"The page's turn did not come within {self.timeout:g} s.", where=where, fix="give a larger timeout"
                )
            self._free_at = start + self._gap
        if start > now:
            time.sleep(start - now)

    def _pause(self, seconds: float) -> None:
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)


class _Answer:
    """An answer whose body is read while the block lasts."""

    def __init__(self, client: httpx.Client, request: httpx.Request) -> None:
        self._client = client
        self._request = request

    def __enter__(self) -> httpx.Response:
        self._response = self._client.send(self._request, stream=True)
        return self._response

    def __exit__(self, *_: object) -> None:
        self._response.close()


def _signed_in(address: str, before: str) -> str:
    """An address that was redirected to, with the user and password of the one before if it is of the same origin."""
    user, mark, _ = urlsplit(before).netloc.rpartition("@")
    parts = urlsplit(address)
    if not mark or "@" in parts.netloc or origin(address) != origin(before):
        return address
    return parts._replace(netloc=f"{user}@{parts.netloc}").geturl()


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    try:
        return dict(httpx.Headers({**given}))
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError("headers is no mapping of names to texts.", fix='headers={"Authorization": "..."}') from error


def _too_large(limit: int) -> UnreadableDocument:
    return UnreadableDocument(f"The page has more than {limit:,} bytes.", fix="give a larger max_bytes")


def _failed(error: Exception, timeout: float, where: str) -> UnreadableDocument:
    said = " ".join(str(error).split())[:200]
    if isinstance(error, httpcore.TimeoutException):
        return UnreadableDocument(
            f"The server did not send the page within {timeout:g} s, or nothing for {_QUIET:g} s.",
            where=where,
            fix="try later, or give a larger timeout",
        )
    if "is not known" in said or "no address" in said:
        return UnreadableDocument(f"The page cannot be reached: {said}.", where=where, fix="is the address right?")
    if "CERTIFICATE" in said.upper():
        return UnreadableDocument(f"The server's certificate is not trusted: {said}.", where=where)
    if isinstance(error, httpcore.ProtocolError):
        return UnreadableDocument(f"The server's answer breaks off or is not HTTP: {said}.", where=where)
    return UnreadableDocument(
        f"The page cannot be reached: {said or gist(error) or type(error).__name__}.", where=where
    )
