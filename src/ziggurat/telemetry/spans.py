"""Runs as traces: a span for the run, for each stage, each item and each model call.

An observer of events, of which `otel` and `mlflow` make theirs. It is told of a stage's beginning and end in the stage's own task, so a stage's span is the
current one while the stage runs, and whatever the stage calls is traced below it. What a span is called and bears
is in `conventions`; model calls are heard of in `calls`; which spans are open, `run_spans` knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    StageStarted,
)
from ziggurat.chain.run.session import stopped_by_budget
from ziggurat.chain.usage import Usage
from ziggurat.quiet import logger
from ziggurat.telemetry import conventions as names
from ziggurat.telemetry.calls import listen
from ziggurat.telemetry.failures import CANCELLED, described, show, show_cancelled, type_of
from ziggurat.telemetry.places import Place, Recorder, enter, leave, settle
from ziggurat.telemetry.run_spans import RunSpans

_log = logger(__name__)


class Spans:
    """Reads the events of runs and keeps a span for each thing that happens.

    One object serves any number of chains and of runs at once. It never makes a run fail.

    Args:
        recorder: How it records.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._runs: dict[str, RunSpans] = {}
        self._readers: Mapping[type[Any], Callable[[Any], None]] = {
            StageStarted: self._started,
            StageFinished: self._finished,
            StageCached: self._cached,
            StageFailed: self._failed,
            StageSkipped: self._skipped,
            StageRetried: self._retried,
            Item: self._item,
            RunFinished: self._finish,
        }

    async def __call__(self, event: Event) -> None:
        """Read one event of a run."""
        read = self._readers.get(type(event))
        if read is not None:
            _safely(read, event)

    # -- what events do not tell: see `ziggurat.chain.run.context.Watcher` -----------------------------

    def run_started(self, run: str, name: str) -> None:
        """A run begins; told in the run's own task, before any of its stages begins."""
        _safely(self._begin, run, name)

    def item_started(self, run: str, path: str) -> None:
        """An item begins; told in its own task."""
        _safely(self._begin_item, run, path)

    def run_ended(self, run: str, error: BaseException | None) -> None:
        """A run is over, with what it raised; told in the run's own task, after everything else."""
        _safely(self._abandoned, run, error)

    def _begin(self, run: str, name: str) -> None:
        begun = self._runs[run] = RunSpans(self._recorder, run, 0.0, name)
        enter(begun.root)

    def _begin_item(self, run: str, path: str) -> None:
        begun = self._runs.get(run)
        if begun is not None:
            enter(begun.open_item(path))
            listen()

    def _run(self, event: Event) -> RunSpans:
        run = self._runs.get(event.run)
        if run is None:
            run = self._runs[event.run] = RunSpans(self._recorder, event.run, event.at)
        return run

    # -- stages ----------------------------------------------------------------------------------

    def _started(self, event: StageStarted) -> None:
        enter(self._run(event).open(event.path, event.stage, _named(event)))
        listen()

    def _finished(self, event: StageFinished) -> None:
        run = self._run(event)
        place = run.get(event.path)
        if place is None:
            return
        place.tell({names.STAGE_OUTCOME: "done", **_used(event.usage)})
        if event.fell_back:
            place.tell({names.FELL_BACK: True})
        self._keep_output(place, event.output)
        run.close(place)
        leave(place)

    def _failed(self, event: StageFailed) -> None:
        run = self._run(event)
        place = run.get(event.path) or run.open(event.path, event.stage, _named(event), seconds=event.seconds)
        place.tell({names.STAGE_OUTCOME: "failed", **_used(event.usage)})
        show(place.span, event.error, content=self._recorder.content)
        run.close(place)
        leave(place)

    def _cached(self, event: StageCached) -> None:
        outcome = "cached" if event.source == "cache" else "kept"
        run = self._run(event)
        place = run.open(event.path, event.stage, _named(event))
        place.tell({names.STAGE_OUTCOME: outcome, **_saved(event)})
        self._keep_output(place, event.output)
        run.close(place)

    def _skipped(self, event: StageSkipped) -> None:
        run = self._run(event)
        place = run.open(event.path, event.stage, _named(event))
        place.tell({names.STAGE_OUTCOME: "skipped", names.STAGE_CAUSE: event.cause})
        run.close(place)

    def _retried(self, event: StageRetried) -> None:
        run = self._run(event)
        place = run.get(event.path)
        if place is None:
            return
        run.cut_inside(place)
        settle(place)
        told = described(event.error, content=self._recorder.content)
        place.span.add_event("ziggurat.retry", {"attempt": event.attempt, "wait": event.wait, **told})

    def _item(self, event: Item) -> None:
        run = self._run(event)
        place = run.get(event.path) or run.open_item(event.path, seconds=event.seconds)
        outcome = "kept" if event.kept else "failed" if event.error is not None else "done"
        place.tell({names.STAGE: event.stage, names.STAGE_OUTCOME: outcome, **_used(event.usage)})
        if event.total is not None:
            place.tell({names.ITEM_TOTAL: event.total})
        if event.error is not None:
            show(place.span, event.error, content=self._recorder.content)
        else:
            self._keep_output(place, event.output)
        run.close(place)
        leave(place)

    # -- the end ---------------------------------------------------------------------------------

    def _finish(self, event: RunFinished) -> None:
        run = self._run(event)
        del self._runs[event.run]
        root, error = run.root, event.error
        outcome = "done" if error is None else "stopped" if stopped_by_budget(error) else "failed"
        root.tell({names.RUN_OUTCOME: outcome, **_used(event.usage)})
        self._keep_output(root, event.outputs)
        if error is not None:
            show(root.span, error, content=self._recorder.content)
        self._close(run, type_of(error) if error is not None else None)

    def _abandoned(self, run_id: str, error: BaseException | None) -> None:
        """End a run of whose end no event told: it was cancelled, or broke."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        if error is None or not isinstance(error, Exception):
            run.root.tell({names.RUN_OUTCOME: CANCELLED})
            show_cancelled(run.root.span)
            self._close(run, CANCELLED)
            return
        run.root.tell({names.RUN_OUTCOME: "failed"})
        show(run.root.span, error, content=self._recorder.content)
        self._close(run, type_of(error))

    def _close(self, run: RunSpans, error_type: str | None) -> None:
        run.close(run.root)
        leave(run.root)
        self._recorder.histograms.run(run.workflow, run.seconds, error_type)

    def _keep_output(self, place: Place, output: Any) -> None:
        if self._recorder.content:
            place.tell({names.OUTPUT: names.brief(output)})


def _safely(work: Callable[..., None], *told: Any) -> None:
    """Do it; watching must not break what is watched."""
    try:
        work(*told)
    except Exception:  # noqa: BLE001 (whatever it is, the run goes on)
        _log.debug("a span was not kept", exc_info=True)


def _named(event: StageStarted | StageFailed | StageCached | StageSkipped) -> dict[str, names.Attribute]:
    named: dict[str, names.Attribute] = {names.STAGE: event.stage}
    if event.item is not None:
        named[names.ITEM] = event.item
    return named


def _used(usage: Usage) -> dict[str, names.Attribute]:
    if not usage:
        return {}
    return {
        names.USED_INPUT: usage.input_tokens,
        names.USED_OUTPUT: usage.output_tokens,
        names.USED_CALLS: usage.calls,
    }


def _saved(event: StageCached) -> dict[str, names.Attribute]:
    saved: dict[str, names.Attribute] = {names.SAVED_SECONDS: event.saved_seconds}
    if event.saved:
        saved |= {names.SAVED_INPUT: event.saved.input_tokens, names.SAVED_OUTPUT: event.saved.output_tokens}
    return saved
