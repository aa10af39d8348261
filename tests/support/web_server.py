"""A web server on 127.0.0.1 whose pages are functions, for tests of what fetches pages."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Pages by path; ``requests`` is what was asked, in order.

    A page is bytes or text (then it is HTML), or a function of the handler that answers itself.
    """

    def __init__(self) -> None:
        self.pages: dict[str, object] = {}
        self.types: dict[str, str] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.otherwise = None
        self.port = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def at(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def asked(self, method: str = "GET") -> list[str]:
        return [path for verb, path, _ in self.requests if verb == method]

    def __call__(self, path, page, content_type="text/html; charset=utf-8", **headers):
        self.pages[path] = page
        self.types[path] = content_type
        self.headers[path] = {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def web_server() -> Iterator[Site]:
    """Serve a site as long as the block lasts."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            site.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            page = site.pages.get(self.path, site.otherwise)
            if callable(page):
                with contextlib.suppress(OSError):  # the client may hang up on an endless page
                    page(self)
            elif page is None:
                self.answer(404, b"nothing here", "text/plain")
            else:
                data = page.encode() if isinstance(page, str) else page
                self.answer(200, data, site.types[self.path], **site.headers[self.path])

        do_HEAD = do_POST = do_GET  # noqa: N815 (the standard library's names)

        def answer(self, status, data=b"", content_type="text/html", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # a client that hung up

    server = Server(("127.0.0.1", 0), Handler)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
