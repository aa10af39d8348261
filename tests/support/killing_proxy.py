"""Stands between a client and a workspace, and kills the client at the n-th request that changes something.

Before: the workspace never sees the request. After: it did what was asked, and the client never hears of it.
"""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self

import httpx

When = Literal["before", "after"]


class KillingProxy:
    def __init__(self, target: str) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._seen = 0
        self._at = 0
        self._when: When = "before"
        self._kill: Callable[[], None] = lambda: None
        self.killed = False
        self._client = httpx.Client(trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one piece, or the client's system waits 40 ms for more

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                doomed = self.command != "GET" and proxy._doomed()
                if doomed and proxy._when == "before":
                    return self._end()
                sent = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() in {"authorization", "content-type", "user-agent"}
                }
                told = proxy._client.request(self.command, proxy._target + self.path, content=body, headers=sent)
                if doomed:
                    return self._end()
                self.send_response(told.status_code)
                self.send_header("Content-Type", told.headers.get("content-type", "application/json"))
                self.send_header("Content-Length", str(len(told.content)))
                self.end_headers()
                self.wfile.write(told.content)
                return None

            def _end(self) -> None:
                proxy._kill()
                self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 (the standard library's names)

            def log_message(self, *_) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def arm(self, at: int, when: When, kill: Callable[[], None]) -> None:
        with self._lock:
            self._seen, self._at, self._when, self._kill, self.killed = 0, at, when, kill, False

    def _doomed(self) -> bool:
        with self._lock:
            self._seen += 1
            if self._seen == self._at:
                self.killed = True
            return self._seen >= self._at > 0
