"""Runs as lines of the standard log: what happened where, how long it took, what it used. Never what was in it.

Quiet unless asked: the package's logger ends in a `logging.NullHandler`, and nothing is configured here. Inputs,
outputs, prompts and the messages of errors are never logged, at any level: only the types of errors are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ziggurat.chain.events import (
    Event,
    Item,
    RunFinished,
    StageCached,
    StageFailed,
    StageFinished,
    StageRetried,
    StageSkipped,
    Token,
)
from ziggurat.chain.usage import Usage
from ziggurat.quiet import logger as quiet_logger
from ziggurat.telemetry.failures import type_of


class LogEvents:
    """Writes a line for each event of a run: ``chain.using(observers=[LogEvents()])``.

    A line reads ``stage_finished run=3f2a stage=answer path=answer seconds=0.412 tokens=310+42 calls=1``; the
    same facts are in the record's ``ziggurat`` attribute, for formatters that write JSON. Tokens are not
    logged: the stage's end says how many there were.

    Args:
        logger: Where to; None for the logger ``ziggurat.runs``.
        level: The level of what goes well. What fails, is skipped or tried again is a warning at least.
    """

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._logger = logger if logger is not None else quiet_logger("ziggurat.runs")
        self._level = level

    async def __call__(self, event: Event) -> None:
        """Log one event of a run."""
        if isinstance(event, Token):
            return
        level = max(self._level, logging.WARNING) if _is_bad(event) else self._level
        if self._logger.isEnabledFor(level):
            facts = facts_of(event)
            line = " ".join(f"{name}={_text(value)}" for name, value in facts.items() if name != "event")
            self._logger.log(level, "%s %s", event.type, line, extra={"ziggurat": facts})


def facts_of(event: Event) -> dict[str, Any]:
    """What may be told of an event to anybody: names, numbers and types, nothing of what went through."""
    facts: dict[str, Any] = {"event": event.type, "run": event.run}
    if isinstance(event, RunFinished):
        return facts | {"seconds": event.at, **_used(event.usage), **_error(event.error)}
    facts |= {"stage": event.stage, "path": event.path}
    match event:
        case StageFinished():
            facts |= {"seconds": event.seconds, **_used(event.usage)}
            if event.fell_back:
                facts["fell_back"] = True
        case StageCached():
            facts |= {"source": event.source, "saved_seconds": event.saved_seconds, **_used(event.saved, "saved_")}
        case StageFailed():
            facts |= {"seconds": event.seconds, **_used(event.usage), **_error(event.error)}
        case StageRetried():
            facts |= {"attempt": event.attempt, "wait": event.wait, **_error(event.error)}
        case StageSkipped():
            facts["cause"] = event.cause
        case Item():
            facts |= {"item": event.item, "total": event.total, "seconds": event.seconds, **_used(event.usage)}
            facts |= {"kept": True} if event.kept else _error(event.error)
        case _:
            pass
    return facts


def _is_bad(event: Event) -> bool:
    return isinstance(event, StageFailed | StageRetried | StageSkipped) or (
        isinstance(event, RunFinished | Item) and event.error is not None
    )


def _used(usage: Usage, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}tokens": (usage.input_tokens, usage.output_tokens), "calls": usage.calls} if usage else {}


def _error(error: BaseException | None) -> Mapping[str, Any]:
    if error is None:
        return {}
    cause = error.__cause__
    return {"error": type_of(error)} | ({"because": type_of(cause)} if cause is not None else {})


def _text(value: Any) -> str:
    match value:
        case float():
            return f"{value:.3f}"
        case (read, written):
            return f"{read}+{written}"
        case _:
            return str(value)
