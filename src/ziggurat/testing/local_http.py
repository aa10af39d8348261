"""What the local stand-ins of services share: a quiet HTTP server, started and ended, and its handlers."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


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


class LocalServer:
    """A server on 127.0.0.1 for the length of a with block, in a thread of its own.

    Args:
        handler: Answers its requests; the server is its ``owner``.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._handler = handler
        self._http: QuietHttp | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        # The standard library makes an object of the class for each connection.
        handler = type(self._handler.__name__, (self._handler,), {"owner": self})
        self._http = QuietHttp(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()
        self._http = self._thread = None

    @property
    def url(self) -> str:
        """The root, which is what its clients are given."""
        if self._http is None:
            raise RuntimeError("The server runs only inside its with block.")
        return f"http://127.0.0.1:{self._http.server_address[1]}"
