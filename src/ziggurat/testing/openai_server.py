"""`OpenAIServer`: a local service that speaks OpenAI's API, and fails when told to.

For tests of code that talks to OpenAI, Azure or anything compatible through its real client: the
answers come from test doubles (or any LangChain model), every request is recorded, faults are injected
one request at a time. Listens on 127.0.0.1 only, and closes each connection after its answer, so that
no client is left holding one when a test ends. Invariant: a fault is used up by exactly one request.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from ziggurat.specs import ImageModel
from ziggurat.testing import openai_wire as wire
from ziggurat.testing.chat import FakeChat
from ziggurat.testing.embeddings import FakeEmbeddings
from ziggurat.testing.images import FakeImages
from ziggurat.testing.local_http import LocalServer, QuietHandler


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        status: Answer with this HTTP status and an error body, instead of an answer.
        retry_after: Seconds for the ``Retry-After`` header that goes with it.
        hang: Seconds of silence before anything is sent.
        cut_after: Close the connection after this many events of a stream.
        invalid_json: Send a body that is not JSON, with status 200.
        path: Only a request whose path ends like this meets the fault.
    """

    status: int | None = None
    retry_after: float | None = None
    hang: float = 0.0
    cut_after: int | None = None
    invalid_json: bool = False
    path: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came in.

    Attributes:
        method: GET or POST.
        path: Without the query.
        query: The query's parameters, each with its first value.
        headers: Names in lower case.
        body: The JSON body; empty for GET.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: dict[str, Any]


class OpenAIServer(LocalServer):
    """A server for a ``with`` block.

    Serves chat completions (streams, tools, response formats), embeddings (numbers and base64), image
    generations and the list of models, under ``/v1`` and under Azure's ``/openai/deployments/<name>``;
    at its root, as Hugging Face's servers do, the vectors of ``inputs``.

    Args:
        chat: Who answers; a `FakeChat` that says "ok" by default.
        embeddings: Who embeds.
        images: Who draws.
        api_key: If given, requests without it are refused with 401.
        models: What the list of models names.

    Attributes:
        requests: Every request so far, refused ones included, oldest first.

    Example:
        >>> from ziggurat.testing import FakeChat, OpenAIServer
        >>> with OpenAIServer(FakeChat(script="Lisbon.")) as server:
        ...     address = server.base_url
        >>> address.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        chat: BaseChatModel | None = None,
        *,
        embeddings: Embeddings | None = None,
        images: ImageModel | None = None,
        api_key: str | None = None,
        models: Iterable[str] = ("fake",),
    ) -> None:
        self.chat = chat or FakeChat()
        self.embeddings = embeddings or FakeEmbeddings()
        self.images = images or FakeImages()
        self.models = tuple(models)
        self.requests: list[Received] = []
        self._api_key = api_key
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        super().__init__(_Handler)

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        super().__exit__()

    @property
    def base_url(self) -> str:
        """What an OpenAI client calls its base URL."""
        return f"{self.url}/v1"

    def fail(self, *faults: Fault) -> None:
        """Let the next requests meet these faults, one each, in this order."""
        with self._lock:
            self._faults.extend(faults)

    def _take(self, request: Received) -> Fault:
        """Record a request and take the fault that is meant for it."""
        with self._lock:
            self.requests.append(request)
            for index, fault in enumerate(self._faults):
                if request.path.endswith(fault.path):
                    return self._faults.pop(index)
        return Fault()

    def _allowed(self, request: Received) -> bool:
        given = (request.headers.get("authorization", "").removeprefix("Bearer "), request.headers.get("api-key"))
        return self._api_key is None or self._api_key in given


class _Handler(QuietHandler):
    owner: OpenAIServer

    def do_GET(self) -> None:  # noqa: N802 (the standard library's name)
        self._serve({})

    def do_POST(self) -> None:  # noqa: N802 (the standard library's name)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw)
        except ValueError:
            self._error(400, "The body is not JSON.", "invalid_request_error")
            return
        self._serve(body)

    def _serve(self, body: dict[str, Any]) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.command, parts.path, query, headers, body)
        fault = self.owner._take(request)  # noqa: SLF001 (the handler is half of the server)
        if fault.hang:
            self.owner._closing.wait(fault.hang)  # noqa: SLF001 (the same)
        if fault.status is not None:
            self._error(fault.status, "A fault that was asked for.", "injected_fault", retry_after=fault.retry_after)
        elif fault.invalid_json:
            self._send(200, b"this is not JSON {", "application/json")
        elif not self.owner._allowed(request):  # noqa: SLF001 (the same)
            self._error(401, "The API key is missing or wrong.", "invalid_api_key")
        else:
            self._route(request, fault)

    def _route(self, request: Received, fault: Fault) -> None:
        path, body = request.path, request.body
        try:
            if path.endswith("/chat/completions"):
                if body.get("stream"):
                    self._stream(body, fault)
                else:
                    self._json(wire.completion(self.owner.chat, body))
            elif path.endswith("/embeddings"):
                self._json(wire.embeddings(self.owner.embeddings, body))
            elif path == "/" and "inputs" in body:
                given = body["inputs"]
                self._json(self.owner.embeddings.embed_documents([given] if isinstance(given, str) else given))
            elif path.endswith("/images/generations"):
                self._json(wire.images(self.owner.images, body))
            elif path.endswith("/models"):
                listed = [
                    {"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in self.owner.models
                ]
                self._json({"object": "list", "data": listed})
            else:
                self._error(404, f"There is nothing at {path}.", "not_found")
        except (KeyError, TypeError, ValueError) as error:
            self._error(400, f"The request cannot be used: {error}", "invalid_request_error")

    def _stream(self, body: dict[str, Any], fault: Fault) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for sent, chunk in enumerate(wire.completion_chunks(self.owner.chat, body)):
            if sent == fault.cut_after:
                return
            self._event(json.dumps(chunk, ensure_ascii=False))
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        self.wfile.flush()

    def _json(self, value: dict[str, Any] | list[Any]) -> None:
        self._send(200, json.dumps(value, ensure_ascii=False).encode(), "application/json")

    def _error(self, status: int, message: str, code: str, *, retry_after: float | None = None) -> None:
        body = {"error": {"message": message, "type": code, "param": None, "code": code}}
        extra = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        self._send(status, json.dumps(body).encode(), "application/json", extra)

    def _send(self, status: int, body: bytes, kind: str, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
