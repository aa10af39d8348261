"""Events of a run as plain JSON, for a model that is streamed.

Every event has ``type``, ``run`` and ``at``; what else it has is `ziggurat.chain.events`' business. Errors are told by
their type and what happened.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ziggurat.chain.events import Event, RunFinished, Token
from ziggurat.errors import gist
from ziggurat.mlflow.plain import as_json


def event_json(event: Event, outputs: Sequence[str]) -> dict[str, Any]:
    """An event as a mapping.

    Args:
        event: The event.
        outputs: The stages whose outputs the last event repeats.
    """
    told: dict[str, Any] = {"type": event.type}
    for one in dataclasses.fields(event):
        value = getattr(event, one.name)
        if isinstance(event, Token) and one.name == "chunk":
            continue  # its text says it; the whole comes with the stage's end
        if isinstance(event, RunFinished) and one.name == "outputs":
            value = {name: value[name] for name in outputs if name in value}
        if isinstance(value, BaseException):
            value = {"type": type(value).__name__, "message": gist(value)}
        told[one.name] = as_json(value, one.name)
    return told
