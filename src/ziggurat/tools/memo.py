"""What tools remember between the calls of one run, such as the page that Lookup looks in.

A run of an agent opens a memo; the tools called in it share it and no other run sees it. Outside of a run
each tool has one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_current: ContextVar[dict[int, Any] | None] = ContextVar("ziggurat_tool_memo", default=None)


@contextmanager
def memo() -> Iterator[None]:
    """Tools called inside remember for as long as the block lasts."""
    token = _current.set({})
    try:
        yield
    finally:
        _current.reset(token)


class Remembered:
    """One thing that tools remember."""

    def __init__(self) -> None:
        self._alone: Any = None

    def get(self) -> Any:
        """What was put here in this run; None before."""
        here = _current.get()
        return self._alone if here is None else here.get(id(self))

    def put(self, value: Any) -> None:
        """Remember it, for this run."""
        here = _current.get()
        if here is None:
            self._alone = value
        else:
            here[id(self)] = value
