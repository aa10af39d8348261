"""The driver application: any chat model behind HTTP, in the form that `Databricks` and the driver proxy expect.

``POST /`` takes ``{"prompt": …, "stop": […]}`` and the numbers named in `OPTIONS`, and gives a JSON string;
``GET /health`` says how it is. What is too large, too long in coming or too much at once is refused with a
sentence, as the workspace words refusals. Invariant: an answer ends before any of its stop texts; no more calls
than ``concurrency`` are in the model at a time, those nobody waits for any more included; and what a model's
error says stays in the log, since it may hold a key.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel

from ziggurat.databricks.payload import before
from ziggurat.errors import InputError, WorkspaceUnavailable, ZigguratError
from ziggurat.optional import require
from ziggurat.quiet import logger
from ziggurat.refusals import retry_after, status_of
from ziggurat.suggest import did_you_mean
from ziggurat.workspace import without_secrets

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

OPTIONS = (
    "temperature",
    "max_tokens",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repeat_penalty",
)
"""What a request may hold beside its prompt and its ends; all are numbers. Nothing else reaches the model."""

_BUSY = (429, 503)
_DRAINED_BODIES = 16  # of a request that is too large, so that whoever sends it comes to read the refusal
_STOPPING_SECONDS = 5
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the application takes.

    Attributes:
        concurrency: Calls in the model at a time.
        waiting: Calls that may wait for their turn; further ones are refused with 429.
        seconds: That an answer may take, reading the request and waiting included; then it is refused with 503.
        body_bytes: The largest request.
        max_tokens: The longest answer that may be asked for; None for any.
    """

    concurrency: int = 4
    waiting: int = 64
    seconds: float = 120.0
    body_bytes: int = 1_000_000
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.concurrency < 1 or self.waiting < 0 or self.seconds <= 0 or self.body_bytes < 1:
            raise InputError(
                "These are no bounds.", where=str(self), fix="at least one call at a time, of more than 0 s"
            )


class DriverApp:
    """A model as an ASGI application.

    A model that is asynchronous by itself is cancelled when its answer is no longer wanted. Another one cannot
    be: it keeps its place until it has come to its end.

    Args:
        model: Who answers.
        bounds: How much it takes.
        options: What a request may hold beside its prompt and its ends.

    Raises:
        MissingDependency: If ``starlette`` is not installed.
    """

    def __init__(
        self, model: BaseChatModel, bounds: Bounds | None = None, *, options: Collection[str] = OPTIONS
    ) -> None:
        require("starlette", for_="a driver application", extra="databricks")
        self._model = model
        self._bounds = bounds or Bounds()
        self._options = tuple(options)
        self._cancellable = type(model)._agenerate is not BaseChatModel._agenerate  # noqa: SLF001 (LangChain's name)
        self._turn = asyncio.Semaphore(self._bounds.concurrency)
        self._waiting = 0
        self._answering = 0
        self._answered = 0
        self._since = time.monotonic()

    def asgi(self) -> Starlette:
        """The application, for any ASGI server."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[Route("/", self._answer, methods=["POST"]), Route("/health", self._health, methods=["GET"])]
        )

    async def _health(self, request: Request) -> Response:  # noqa: ARG002 (Starlette's signature)
        from starlette.responses import JSONResponse

        return JSONResponse(
            {
                "status": "ok",
                "model": str(getattr(self._model, "spec", None) or self._model._llm_type),  # noqa: SLF001 (LangChain's name)
                "answering": self._answering,
                "waiting": self._waiting,
                "answered": self._answered,
                "seconds": round(time.monotonic() - self._since, 1),
            }
        )

    async def _answer(self, request: Request) -> Response:
        from starlette.requests import ClientDisconnect
        from starlette.responses import JSONResponse, Response

        try:
            async with asyncio.timeout(self._bounds.seconds) as bound:
                asked = await self._read(request)
                text = await _while_wanted(request, self._in_turn(asked))
            answer = JSONResponse(text)
        except _Unfit as error:
            return _refused(error.status, error.code, str(error), error.headers)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        except Exception as error:  # noqa: BLE001 (a model may raise anything)
            if isinstance(error, TimeoutError) and bound.expired():
                message = f"There was no answer within {self._bounds.seconds:g} s."
                return _refused(503, "TEMPORARILY_UNAVAILABLE", message)
            return _failed(error)
        self._answered += 1
        return answer

    async def _read(self, request: Request) -> dict[str, Any]:
        """The request, checked.

        Raises:
            _Unfit: If it is too large, or is not what the schema says.
        """
        most, raw, length = self._bounds.body_bytes, bytearray(), 0
        async for piece in request.stream():
            length += len(piece)
            if length <= most:
                raw += piece
            elif length > most * _DRAINED_BODIES:
                break
        if length > most:
            raise _Unfit(f"The request is larger than {most:,} bytes.", 413)
        try:
            body = json.loads(bytes(raw))
        except (ValueError, RecursionError) as error:
            raise _Unfit(f"The request is not JSON: {error}") from error
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), str):
            raise _Unfit('The request must be {"prompt": text, "stop": [texts]}.')
        stop = body.get("stop")
        if stop is not None and not (isinstance(stop, list) and all(isinstance(one, str) and one for one in stop)):
            raise _Unfit('"stop" must be a list of texts.')
        self._check_options({name: value for name, value in body.items() if name not in ("prompt", "stop")})
        try:
            "".join([body["prompt"], *(stop or ())]).encode()
        except UnicodeEncodeError as error:
            raise _Unfit("The request holds half a character (a lone surrogate).") from error
        if self._bounds.max_tokens is not None:
            body.setdefault("max_tokens", self._bounds.max_tokens)
        return body

    def _check_options(self, options: Mapping[str, Any]) -> None:
        for name, value in options.items():
            if name not in self._options:
                known = ", ".join(("prompt", "stop", *self._options))
                raise _Unfit(f"There is no {name[:80]!r}{did_you_mean(name, self._options)}; a request holds {known}.")
            if name in OPTIONS and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise _Unfit(f'"{name}" must be a number.')
        longest = self._bounds.max_tokens
        asked = options.get("max_tokens", 1)
        if not isinstance(asked, int) or asked < 1 or (longest is not None and asked > longest):
            raise _Unfit('"max_tokens" must be a whole number from 1' + (f" to {longest}." if longest else "."))

    async def _in_turn(self, asked: Mapping[str, Any]) -> str:
        if self._turn.locked() and self._waiting >= self._bounds.waiting:
            raise _Unfit("Too many calls are waiting.", 429, "REQUEST_LIMIT_EXCEEDED", {"Retry-After": "1"})
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        self._answering += 1
        stop: list[str] = list(asked.get("stop") or ())
        options = {name: value for name, value in asked.items() if name not in ("prompt", "stop")}
        prompt = str(asked["prompt"])
        if self._cancellable:
            try:
                found = await self._model.ainvoke(prompt, stop=stop or None, **options)
            finally:
                self._leave()
        else:
            found = await _in_thread(lambda: self._model.invoke(prompt, stop=stop or None, **options), self._leave)
        return before(found.text, stop)

    def _leave(self) -> None:
        self._answering -= 1
        self._turn.release()


async def _while_wanted(request: Request, answer: Coroutine[Any, Any, str]) -> str:
    """An answer; given up when whoever asked has left.

    Raises:
        ClientDisconnect: If they have.
    """
    from starlette.requests import ClientDisconnect

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    answering, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(left())
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
        leaving.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _in_thread(work: Callable[[], Any], ended: Callable[[], None]) -> Any:
    """What a call gives that cannot be stopped; ``ended`` is called in the loop when it is over, wanted or not."""
    loop = asyncio.get_running_loop()
    given: asyncio.Future[Any] = loop.create_future()

    def over(value: Any, error: BaseException | None) -> None:
        ended()
        if given.done():
            return
        if error is None:
            given.set_result(value)
        else:
            given.set_exception(error)

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as raised:  # noqa: BLE001 (whoever waits is told)
            error = RuntimeError(str(raised)) if isinstance(raised, StopIteration) else raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped
            loop.call_soon_threadsafe(over, value, error)

    context = contextvars.copy_context()
    # A daemon: a call that never ends must not keep the process.
    thread = threading.Thread(target=context.run, args=(run,), name="ziggurat-driver-app", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system has no thread left
        ended()
        raise
    return await given


class _Unfit(Exception):
    """A request that is not answered."""

    def __init__(
        self,
        what: str,
        status: int = 400,
        code: str = "INVALID_PARAMETER_VALUE",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.headers = headers
        super().__init__(what)


def _failed(error: Exception) -> Response:
    """A model's error: what it says is told if it is ours, since those hold no secrets; it is logged if not."""
    busy = isinstance(error, WorkspaceUnavailable) or status_of(error) in _BUSY
    if isinstance(error, ZigguratError):
        message = without_secrets(error.what)
    else:
        _log.warning("The model failed: %s: %s", type(error).__name__, without_secrets(str(error)))
        message = "The model is too busy." if busy else f"The model failed ({type(error).__name__})."
        message += " The application's log says more."
    if busy:
        wait = retry_after(error)
        headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
        return _refused(503, "TEMPORARILY_UNAVAILABLE", message, headers)
    if isinstance(error, ZigguratError) and isinstance(error, ValueError):
        return _refused(400, "BAD_REQUEST", message)
    return _refused(500, "INTERNAL_ERROR", message)


def _refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse({"error_code": code, "message": message}, status_code=status, headers=dict(headers or {}))


def serve(app: DriverApp, *, host: str, port: int, listening: Callable[[], None] | None = None) -> None:
    """Serve until interrupted.

    Args:
        app: What to serve.
        host: Where to listen; the driver proxy reaches what listens on ``0.0.0.0`` or the driver's own address.
        port: From 3000 to 8000 for the driver proxy.
        listening: Called once calls are taken.

    Raises:
        ZigguratError: If it cannot listen there: the port is taken, or the host is not this machine's.
        MissingDependency: If ``uvicorn`` is not installed.
        KeyboardInterrupt: When it is interrupted.
    """
    uvicorn = require("uvicorn", for_="a driver application", extra="databricks")
    try:
        door = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ZigguratError(
            f"Nothing can listen there: {os.strerror(error.errno) if error.errno and error.errno > 0 else error}.",
            where=f"{host}:{port}",
            fix="choose another port, or end what listens on this one",
        ) from error
    config = uvicorn.Config(
        app.asgi(),
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_STOPPING_SECONDS,
    )
    with door:
        if listening is not None:
            listening()
        uvicorn.Server(config).run(sockets=[door])
