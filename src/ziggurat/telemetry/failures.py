"""How an error is shown on a span: its type, its message, where it was raised.

An exception that quotes what a model wrote (an answer that could not be read, a field that does not fit) would
carry an answer into the trace. Its message is left out unless content is wanted.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ziggurat.errors import BudgetExceeded
from ziggurat.telemetry import conventions as names

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_QUOTING = ("pydantic_core.", "langchain_core.exceptions.OutputParserException")
"""Exceptions whose message quotes the text it is about: how their qualified names begin."""

CANCELLED = "cancelled"
"""The type told of what was cancelled; an exception of this name need not exist."""


def type_of(error: BaseException) -> str:
    """An error's class, qualified unless it is built in; low in cardinality, as ``error.type`` must be."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def described(error: BaseException, *, content: bool) -> dict[str, str]:
    """An error's type, and its message where that may be told, as attributes."""
    kind = {names.ERROR_TYPE: type_of(error)}
    if not content and any(type_of(one).startswith(_QUOTING) for one in _causes(error)):
        return kind
    return {**kind, "exception.message": str(error)}


def show(span: Span, error: BaseException, *, content: bool) -> None:
    """Note an error on a span: status, type, and an exception event."""
    from opentelemetry.trace import Status, StatusCode

    told = described(error, content=content)
    kind = told.pop(names.ERROR_TYPE)
    said = told.get("exception.message", "")
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR, said.partition("\n")[0] or kind))
    bound = next((one.bound for one in _causes(error) if isinstance(one, BudgetExceeded)), None)
    if bound is not None:
        span.set_attribute(names.BUDGET_BOUND, bound)
    frames = "".join(traceback.format_tb(error.__traceback__))
    stack = f"Traceback (most recent call last):\n{frames}{kind}{': ' if said else ''}{said}"
    span.add_event("exception", {"exception.type": kind, "exception.stacktrace": stack, **told})


def show_cancelled(span: Span) -> None:
    """Note that something was cancelled before its end."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute(names.ERROR_TYPE, CANCELLED)
    span.set_status(Status(StatusCode.ERROR, CANCELLED))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__
