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
from typing import TYPE_CHECKING
from uuid import uuid4

from ziggurat.chain.budget import Ask, Purse
from ziggurat.chain.usage import NO_USAGE, ModelUsage, Usage
from ziggurat.errors import BudgetExceeded

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler


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


class metered:  # noqa: N801 (used like a function; a class costs half of a generator)
    """Count LangChain's model calls inside, and in what is started inside, by ``meter``: a ``with`` block."""

    __slots__ = ("_listening", "_meter", "_metering")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __enter__(self) -> None:
        self._listening = _listener.set(_the_listener())
        self._metering = current.set(self._meter)

    def __exit__(self, *_: object) -> None:
        current.reset(self._metering)
        _listener.reset(self._listening)


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
    from langchain_core.tracers.context import register_configure_hook

    from ziggurat.chain.run.listener import Listener

    register_configure_hook(_listener, inheritable=True)
    return Listener()
