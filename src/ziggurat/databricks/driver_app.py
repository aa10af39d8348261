"""The driver application: any chat model behind HTTP, in the form that `Databricks` and the driver proxy expect.

``POST /`` takes ``{"prompt": …, "stop": […]}`` and whatever else the model takes, and gives a JSON string;
``GET /health`` says how it is. What is too large, too long in coming or too much at once is refused with a
sentence, as the workspace words refusals. Invariant: an answer ends before any of its stop texts, and no more
calls than ``concurrency`` are in the model at a time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.payload import before
from ziggurat.errors import InputError, ZigguratError
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the application takes.

    Attributes:
        concurrency: Calls in the model at a time.
        waiting: Calls that may wait for their turn; further ones are refused with 429.
        seconds: That an answer may take, waiting included.
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

    Args:
        model: Who answers.
        bounds: How much it takes.

    Raises:
        MissingDependency: If ``starlette`` is not installed.
    """

    def __init__(self, model: BaseChatModel, bounds: Bounds | None = None) -> None:
        require("starlette", for_="a driver application", extra="databricks")
        self._model = model
        self._bounds = bounds or Bounds()
        self._turn = asyncio.Semaphore(self._bounds.concurrency)
        self._inside = 0
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
                "answering": min(self._inside, self._bounds.concurrency),
                "waiting": max(0, self._inside - self._bounds.concurrency),
                "answered": self._answered,
                "seconds": round(time.monotonic() - self._since, 1),
            }
        )

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        try:
            asked = await self._read(request)
            if self._inside >= self._bounds.concurrency + self._bounds.waiting:
                return _refused(429, "REQUEST_LIMIT_EXCEEDED", "Too many calls are waiting.", {"Retry-After": "1"})
            self._inside += 1
            try:
                async with asyncio.timeout(self._bounds.seconds), self._turn:
                    text = await self._ask(asked)
            finally:
                self._inside -= 1
        except _Unfit as error:
            return _refused(error.status, "INVALID_PARAMETER_VALUE", str(error))
        except TimeoutError:
            return _refused(503, "TEMPORARILY_UNAVAILABLE", f"There was no answer within {self._bounds.seconds:g} s.")
        except ZigguratError as error:
            return _refused(400 if isinstance(error, ValueError) else 500, "BAD_REQUEST", error.what)
        except Exception as error:  # noqa: BLE001 (a model's own errors are its caller's to read)
            return _refused(500, "INTERNAL_ERROR", f"The model failed: {type(error).__name__}: {str(error)[:500]}")
        self._answered += 1
        return JSONResponse(text)

    async def _read(self, request: Request) -> dict[str, Any]:
        """The request, checked.

        Raises:
            _Unfit: If it is too large, or is not what the schema says.
        """
        raw = bytearray()
        async for piece in request.stream():
            raw += piece
            if len(raw) > self._bounds.body_bytes:
                raise _Unfit(f"The request is larger than {self._bounds.body_bytes:,} bytes.", 413)
        try:
            body = json.loads(bytes(raw))
        except ValueError as error:
            raise _Unfit(f"The request is not JSON: {error}") from error
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), str):
            raise _Unfit('The request must be {"prompt": text, "stop": [texts]}.')
        stop = body.get("stop")
        if stop is not None and not (isinstance(stop, list) and all(isinstance(one, str) and one for one in stop)):
            raise _Unfit('"stop" must be a list of texts.')
        longest = self._bounds.max_tokens
        if longest is not None:
            asked = body.get("max_tokens", longest)
            if not isinstance(asked, int) or asked > longest:
                raise _Unfit(f'"max_tokens" must be a whole number up to {longest}.')
            body["max_tokens"] = asked
        return body

    async def _ask(self, asked: Mapping[str, Any]) -> str:
        options = {name: value for name, value in asked.items() if name not in ("prompt", "stop")}
        stop: list[str] = list(asked.get("stop") or ())
        found = await self._model.ainvoke(str(asked["prompt"]), stop=stop or None, **options)
        return before(found.text, stop)


class _Unfit(Exception):
    """A request that cannot be answered."""

    def __init__(self, what: str, status: int = 400) -> None:
        self.status = status
        super().__init__(what)


def _refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse({"error_code": code, "message": message}, status_code=status, headers=dict(headers or {}))


def serve(app: DriverApp, *, host: str, port: int) -> None:
    """Serve until interrupted.

    Args:
        app: What to serve.
        host: Where to listen; the driver proxy reaches what listens on ``0.0.0.0`` or the driver's own address.
        port: From 3000 to 8000 for the driver proxy.

    Raises:
        MissingDependency: If ``uvicorn`` is not installed.
    """
    uvicorn = require("uvicorn", for_="a driver application", extra="databricks")
    uvicorn.run(app.asgi(), host=host, port=port, log_level="warning", access_log=False, lifespan="off")
