"""What the local stand-ins of services share: a quiet HTTP server, and handlers that know whose they are."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

_Handler = TypeVar("_Handler", bound=BaseHTTPRequestHandler)


class QuietHttp(ThreadingHTTPServer):
    """A thread a connection; a client that leaves early is no news."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing is printed."""


class QuietHandler(BaseHTTPRequestHandler):
    """HTTP/1.1, and nothing on stderr."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the standard library's name)
        """Nothing is printed."""


def bound(handler: type[_Handler], owner: object) -> type[_Handler]:
    """A handler class with an ``owner``; the standard library makes an object of it for each connection."""
    return type(handler.__name__, (handler,), {"owner": owner})
