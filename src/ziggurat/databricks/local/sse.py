"""Server-sent events: what a streamed answer looks like on the wire.

Knows no models. Events are made in worker threads, all in one context, since tracing remembers in the context where
a stream began. Invariant: when the reader leaves or the answer is cut, the events' generator is closed, so that a
model stops computing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from contextvars import copy_context
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ziggurat.databricks.local.faults import Cut
from ziggurat.errors import gist


class Events(StreamingResponse):
    """A stream of events.

    Args:
        events: What is sent, each as JSON; a ``type`` becomes the event's name if ``named``.
        named: Whether events carry their names, as the Responses API's do.
        headers: Sent with it.
    """

    def __init__(
        self, events: Generator[dict[str, Any]], *, named: bool = False, headers: dict[str, str] | None = None
    ) -> None:
        self._events = events
        self._named = named
        self._context = copy_context()
        super().__init__(self._written(), media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, then close what they come from."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(self._close)

    def _close(self) -> None:
        try:
            self._context.run(self._events.close)
        except (RuntimeError, ValueError):  # it is running in a thread still; it ends with it
            return

    def _next(self) -> dict[str, Any] | None:
        return self._context.run(lambda: next(self._events, None))

    async def _written(self) -> AsyncGenerator[str]:
        try:
            while event := await run_in_threadpool(self._next):
                name = f"event: {event['type']}\n" if self._named and "type" in event else ""
                yield f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n"
        except Exception as error:  # whatever the model raised, its reader is told, and the stream has no end
            told = {"error_code": "INTERNAL_ERROR", "message": gist(error)}
            yield f"data: {json.dumps({'error': told}, ensure_ascii=False)}\n\n"
            raise Cut from error
        yield "data: [DONE]\n\n"
