"""A span for each model call, whoever makes it: heard from LangChain, put under the stage that is running.

One LangChain handler for the whole process, found by every model call through LangChain's own configure
hook while a watched stage runs (the way `ziggurat.chain.run.metering` counts). It makes no span current: LangChain ends
calls in other contexts than it starts them in.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ziggurat.prices import was_cached
from ziggurat.telemetry import conventions as names
from ziggurat.telemetry.failures import CANCELLED, show, show_cancelled, type_of
from ziggurat.telemetry.places import Place, here

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

_listener: ContextVar[BaseCallbackHandler | None] = ContextVar("ziggurat_telemetry", default=None)

_open: dict[UUID, list[Call]] = {}
"""Calls under way, by LangChain's id of them; one for each observer."""


class Call:
    """One model call under way.

    Args:
        call_id: LangChain's id of it.
        place: Where it was made.
        operation: ``chat`` or ``text_completion``.
        prompt: The messages, or a text.
        told: What LangChain tells of it.
    """

    __slots__ = ("_attributes", "_began", "_id", "_place", "_recorder", "_span", "_waited")

    def __init__(
        self,
        call_id: UUID,
        place: Place,
        operation: str,
        prompt: Sequence[Any],
        told: dict[str, Any],
    ) -> None:
        from opentelemetry.trace import SpanKind

        attributes: dict[str, names.Attribute] = {
            names.OPERATION: operation,
            **names.requested(told.get("metadata") or {}, told.get("invocation_params") or {}),
            names.RUN: place.run,
            names.STAGE_PATH: place.path,
        }
        if place.recorder.content:
            attributes[names.INPUT_MESSAGES] = names.messages_text(prompt)
        model = attributes.get(names.REQUEST_MODEL, "")
        self._recorder = recorder = place.recorder
        self._id = call_id
        self._place = place
        self._attributes = attributes
        self._began = time.perf_counter()
        self._waited: float | None = None
        self._span = recorder.tracer.start_span(
            f"{operation} {model}".rstrip(), _around(place), SpanKind.CLIENT, recorder.told(attributes)
        )
        place.calls[call_id] = self

    def piece(self) -> None:
        """A piece of the answer came."""
        if self._waited is None:
            self._waited = time.perf_counter() - self._began
            self._set({names.STREAMED: True, names.FIRST_CHUNK: self._waited})

    def end(self, response: Any) -> None:
        """It was answered."""
        answers = [one for group in response.generations for one in group]
        found = names.answered(answers, response.llm_output or {})
        messages = [getattr(one, "message", one.text) for one in answers]
        cached = any(was_cached(one) for one in messages if not isinstance(one, str))
        if cached:
            found[names.FROM_CACHE] = True
        if self._recorder.content:
            reasons = found.get(names.FINISH_REASONS)
            found[names.OUTPUT_MESSAGES] = names.messages_text(
                messages, reasons=reasons if isinstance(reasons, list) else ()
            )
        self._set(found)
        self._close(counted=not cached)

    def fail(self, error: BaseException) -> None:
        """It failed."""
        show(self._span, error, content=self._recorder.content)
        self._attributes[names.ERROR_TYPE] = type_of(error)
        self._close(counted=False)

    def cut(self) -> None:
        """End it as cancelled; what LangChain still tells of it is ignored."""
        calls = _open.get(self._id, [])
        if self in calls:
            calls.remove(self)
        if not calls:
            _open.pop(self._id, None)
        show_cancelled(self._span)
        self._attributes[names.ERROR_TYPE] = CANCELLED
        self._close(counted=False)

    def _set(self, attributes: dict[str, names.Attribute]) -> None:
        self._attributes.update(attributes)
        self._span.set_attributes(self._recorder.told(attributes))

    def _close(self, *, counted: bool) -> None:
        self._place.calls.pop(self._id, None)
        self._span.end()
        self._recorder.histograms.call(self._attributes, time.perf_counter() - self._began, counted=counted)


def _around(place: Place) -> Any:
    """The context whose span a call belongs under: a span opened inside the stage, or the stage's own."""
    from opentelemetry.trace import get_current_span

    context = place.recorder.contexts.get_current()
    current = get_current_span(context)
    ours = any(current is one.span for one in here.get())
    return place.context if ours or not current.get_span_context().is_valid else context


def listen() -> None:
    """Hear of the model calls of this context, and of what is started in it."""
    _listener.set(_the_listener())


@cache
def _the_listener() -> BaseCallbackHandler:
    """The process's one listener, known to LangChain from now on."""
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.tracers.context import register_configure_hook

    class Listener(BaseCallbackHandler):
        """Tells the observers of the place where a call is made."""

        run_inline = True  # in the context of the call: the place is found there

        def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **told: Any) -> None:  # noqa: ARG002 (LangChain's signature)
            _begin(run_id, "chat", messages[0] if messages else [], told)

        def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **told: Any) -> None:  # noqa: ARG002 (the same)
            _begin(run_id, "text_completion", prompts, told)

        def on_llm_new_token(self, token: Any, *, run_id: UUID, **told: Any) -> None:  # noqa: ARG002 (the same)
            for call in _open.get(run_id, ()):
                call.piece()

        def on_llm_end(self, response: Any, *, run_id: UUID, **told: Any) -> None:  # noqa: ARG002 (the same)
            for call in _open.pop(run_id, ()):
                call.end(response)

        def on_llm_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:  # noqa: ARG002 (the same)
            for call in _open.pop(run_id, ()):
                call.fail(error)

    register_configure_hook(_listener, inheritable=True)
    return Listener()


def _begin(call_id: UUID, operation: str, prompt: Sequence[Any], told: dict[str, Any]) -> None:
    if call_id in _open:
        return
    places = [place for one in here.get() if (place := one.still_open) is not None]
    calls = [Call(call_id, place, operation, prompt, told) for place in places]
    if calls:
        _open[call_id] = calls
