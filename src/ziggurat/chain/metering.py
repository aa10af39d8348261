"""Counting what the models of a stage use, and asking its purse before each call is sent.

One LangChain handler for the whole process, found by every model call through LangChain's own
configure hook while a metered stage runs. It tells the innermost `Meter`, and a meter tells the one
around it, so that a chain's usage is the sum of its stages' and no call is counted twice.
Calls that are not LangChain's (pictures) say what they use with `spend`.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ziggurat.chain.budget import Ask, Purse
from ziggurat.chain.usage import NO_USAGE, ModelUsage, Usage, estimated_tokens
from ziggurat.errors import BudgetExceeded
from ziggurat.prices import was_cached

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

_DEFAULT_ANSWER_TOKENS = 1024
"""Reserved for an answer whose length nobody bounded."""

_ANSWER_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens", "num_predict", "max_new_tokens")


class Meter:
    """Adds up what is used inside one stage.

    Args:
        around: The meter of what the stage is inside of.
        purse: Is asked before each call, or None.
    """

    __slots__ = ("around", "purse", "total")

    def __init__(self, around: Meter | None = None, purse: Purse | None = None) -> None:
        self.around = around
        self.purse: Purse | None = purse if purse is not None or around is None else around.purse
        self.total = NO_USAGE

    def count(self, usage: Usage) -> None:
        """Note usage here and everywhere around."""
        meter: Meter | None = self
        while meter is not None:
            meter.total += usage
            meter = meter.around


current: ContextVar[Meter | None] = ContextVar("ziggurat_meter", default=None)
"""The meter of the stage that is running."""

_listener: ContextVar[BaseCallbackHandler | None] = ContextVar("ziggurat_listener", default=None)


class Refused(BaseException):
    """Carries an error of the purse out of LangChain, which would log a warning about any `Exception` of a handler.

    Attributes:
        error: What is to be raised.
    """

    def __init__(self, error: BudgetExceeded) -> None:
        super().__init__(str(error))
        self.error = error

    def settled(self) -> BudgetExceeded:
        """The error, once what LangChain had prepared for its other handlers is put away.

        They were not told that a call begins, since none does; the coroutines that were to tell them
        would otherwise be reported as never awaited.
        """
        for frame, _ in traceback.walk_tb(self.__traceback__):
            for prepared in frame.f_locals.values():
                for one in prepared if isinstance(prepared, list) else ():
                    if inspect.iscoroutine(one) and inspect.getcoroutinestate(one) == inspect.CORO_CREATED:
                        one.close()
        return self.error


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Count LangChain's model calls inside, and in what is started inside, by ``meter``."""
    tokens = _listener.set(_the_listener()), current.set(meter)
    try:
        yield
    finally:
        current.reset(tokens[1])
        _listener.reset(tokens[0])


@contextmanager
def spend(model: str, provider: str = "", *, calls: int = 1) -> Iterator[None]:
    """Count a call that is not LangChain's, asking the purse first.

    Raises:
        BudgetExceeded: If the run's budget has no room for it; nothing was sent.
    """
    meter = current.get()
    if meter is None:
        yield
        return
    call_id = uuid4()
    if meter.purse is not None:
        meter.purse.reserve(call_id, Ask(model, provider))
    used = NO_USAGE
    try:
        yield
        used = Usage((ModelUsage(model, provider, calls=calls),))
        meter.count(used)
    finally:
        if meter.purse is not None:
            meter.purse.settle(call_id, used)


@cache
def _the_listener() -> BaseCallbackHandler:
    """The process's one listener, known to LangChain from now on."""
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.tracers.context import register_configure_hook

    providers: dict[Any, str] = {}

    class _Listener(BaseCallbackHandler):
        run_inline = True  # counted before the stage is told to be finished
        raise_error = True  # a purse that refuses keeps the call from being sent

        def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:  # noqa: ARG002 (LangChain's signature)
            self._asked(sum(estimated_tokens(str(one.content)) for batch in messages for one in batch), told)

        def on_llm_start(self, serialized: Any, prompts: Any, **told: Any) -> None:  # noqa: ARG002 (LangChain's signature)
            self._asked(sum(map(estimated_tokens, prompts)), told)

        def _asked(self, tokens: int, told: dict[str, Any]) -> None:
            meter = current.get()
            if meter is None:
                return
            metadata, parameters = told.get("metadata") or {}, told.get("invocation_params") or {}
            provider = str(metadata.get("ls_provider", ""))
            if meter.purse is not None:
                model = metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name") or ""
                answer = next((parameters[one] for one in _ANSWER_LIMITS if parameters.get(one)), None)
                answer = answer or metadata.get("ls_max_tokens") or _DEFAULT_ANSWER_TOKENS
                try:
                    meter.purse.reserve(told["run_id"], Ask(str(model), provider, tokens, int(answer)))
                except BudgetExceeded as error:
                    raise Refused(error) from error
            providers[told["run_id"]] = provider

        def on_llm_end(self, response: Any, **told: Any) -> None:
            meter, provider = current.get(), providers.pop(told["run_id"], "")
            if meter is None:
                return
            used = NO_USAGE
            for answers in response.generations:
                for answer in answers[:1]:
                    message = getattr(answer, "message", None)
                    if not was_cached(message):
                        used += Usage.of_message(message, provider)
            meter.count(used)
            if meter.purse is not None:
                meter.purse.settle(told["run_id"], used)

        def on_llm_error(self, error: BaseException, **told: Any) -> None:  # noqa: ARG002 (LangChain's signature)
            providers.pop(told["run_id"], None)
            meter = current.get()
            if meter is not None and meter.purse is not None:
                meter.purse.settle(told["run_id"], NO_USAGE)

    register_configure_hook(_listener, inheritable=True)
    return _Listener()
