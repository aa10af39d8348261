"""Connections to the public internet only, and not for longer than was allowed.

Where a name leads is decided here, at the moment of connecting, and the connection goes to the very
address that was looked at: neither a redirect nor a name server that answers differently the second
time leads anywhere else. Knows nothing of pages.
Invariant: no byte is sent to a private, loopback, link-local or reserved address that was not allowed
by name, and no wait outlasts the deadline.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from ziggurat.errors import InputError, UnreadableDocument

Resolver = Callable[[str, int], Sequence[str]]
"""The numeric addresses of a host, best first; raises `OSError` if there are none."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


class PrivateAddress(UnreadableDocument):
    """A host that leads to an address that is not public."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which hosts may be reached though their addresses are private.

    Attributes:
        everything: No address is refused.
        hosts: Hosts, each with a port or None for any.
        networks: Networks any of whose addresses may be reached.
    """

    everything: bool = False
    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    def passes(self, host: str, port: int, address: str) -> bool:
        """Whether a connection to a numeric address, under the host's name, is allowed."""
        if self.everything or (host.lower(), port) in self.hosts or (host.lower(), None) in self.hosts:
            return True
        ip = _embedded(ipaddress.ip_address(address.partition("%")[0]))
        return is_public(address) or any(ip in network for network in self.networks)


def allowed(given: bool | str | Iterable[str]) -> Allowed:
    """What ``allow_private`` means.

    Args:
        given: True for all; else hosts (``"intranet.example"``), hosts with a port
            (``"127.0.0.1:8080"``) or networks (``"10.1.0.0/16"``).

    Raises:
        InputError: If one of them is none of these.
    """
    if isinstance(given, bool):
        return Allowed(everything=given)
    hosts: set[tuple[str, int | None]] = set()
    networks = []
    for one in (given,) if isinstance(given, str) else given:
        try:
            if "://" in one or not one.strip():
                raise ValueError(one)  # noqa: TRY301 (said once, below)
            if "/" in one:
                networks.append(ipaddress.ip_network(one, strict=False))
            else:
                parts = urlsplit(f"//{one if one.count(':') < 2 or one.startswith('[') else f'[{one}]'}")  # noqa: PLR2004 (an IPv6 address)
                hosts.add(((parts.hostname or "").lower(), parts.port))
        except ValueError as error:
            raise InputError(
                f"allow_private={one!r} names no host.",
                fix='give "host", "host:port", a network "10.1.0.0/16", or True',
            ) from error
    return Allowed(hosts=frozenset(hosts), networks=tuple(networks))


def is_public(address: str) -> bool:
    """Whether a numeric address belongs to the public internet.

    Addresses of version 4 inside those of version 6 (mapped, 6to4, Teredo, NAT64) are looked at
    themselves. The registries of RFC 6890, as `ipaddress` has them.
    """
    ip = _embedded(ipaddress.ip_address(address.partition("%")[0]))
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or site_local)


def resolve(host: str, port: int) -> list[str]:
    """What the system says a host's addresses are."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


@contextmanager
def within(deadline: float) -> Iterator[None]:
    """Within this block no connection of this thread waits past a moment of the monotonic clock."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


class GuardedTransport(httpx.BaseTransport):
    """What an `httpx.Client` sends its requests through. Errors are httpcore's.

    Args:
        allow: Which private addresses may be reached.
        resolver: What tells a host's addresses.
    """

    def __init__(self, allow: Allowed, resolver: Resolver = resolve) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            network_backend=_Backend(allow, resolver),
            max_connections=10,
            keepalive_expiry=5.0,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.read(), extensions=request.extensions
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, allow: Allowed, resolver: Resolver) -> None:
        self._allow = allow
        self._resolver = resolver
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the host {host} is not known") from error
        for address in addresses:
            if not self._allow.passes(host, port, address):
                raise PrivateAddress(
                    f"The address of {host} ({address}) is not public.",
                    fix=f'allow it by name: allow_private=("{_named(host, port)}",)',
                )
        fault: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError(
            f"the host {host} has no address"
        )
        for address in addresses:
            try:
                return _Stream(self._plain.connect_tcp(address, port, _left(timeout), local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault


class _Stream(httpcore.NetworkStream):
    """A connection whose waits end at the deadline, however slowly something drips in."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(timeout: float | None) -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time is up")
    return left if timeout is None else min(timeout, left)


def _named(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _embedded(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)
