"""What the example gave, for MLflow to see again.

MLflow asks a model for its example once or twice while it is logged, to see that it answers. The example was
run before that, once, and checked; what it gave is what MLflow is answered with, so that no model is paid twice
and no stage acts twice on the world.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_told: ContextVar[Any] = ContextVar("ziggurat_mlflow_rehearsal", default=None)


@contextmanager
def rehearsed(answer: Any) -> Iterator[None]:
    """A block in which loaded models answer with this."""
    token = _told.set(answer)
    try:
        yield
    finally:
        _told.reset(token)


def rehearsal() -> Any:
    """What a model is to answer with, or None to run."""
    return _told.get()
