"""The spans of one run: which is open, which is inside which, and that all of them end.

A span's parent is found by its path: the innermost open place that encloses it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from ziggurat.telemetry import conventions as names
from ziggurat.telemetry.failures import show_cancelled
from ziggurat.telemetry.places import Place, Recorder, innermost

_ITEM = re.compile(r"\[\d+\]")


class RunSpans:
    """What is open of one run, for one observer.

    Args:
        recorder: The observer's.
        run: The run's id.
        seconds: How long ago it began.
        workflow: What the chain is called; empty where that is not known.

    Attributes:
        root: The run's own span.
        workflow: What the chain is called.
    """

    def __init__(self, recorder: Recorder, run: str, seconds: float, workflow: str = "") -> None:
        self.workflow = workflow
        self._recorder = recorder
        self._run = run
        self._began = time.perf_counter() - seconds
        self._open: dict[str, Place] = {}
        attributes: dict[str, names.Attribute] = {names.OPERATION: "invoke_workflow", names.RUN: run}
        if workflow:
            attributes[names.WORKFLOW] = workflow
        self.root = self._place("", f"invoke_workflow {workflow}".rstrip(), attributes, None, seconds)

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.perf_counter() - self._began

    def get(self, path: str) -> Place | None:
        """What is open at a path."""
        return self._open.get(path)

    def open(self, path: str, name: str, attributes: Mapping[str, names.Attribute], *, seconds: float = 0.0) -> Place:
        """Open a span at a path, inside what encloses it.

        Args:
            path: Its place in the run.
            name: What it is called.
            attributes: What it bears besides its place.
            seconds: How long ago it began.
        """
        stale = self._open.get(path)
        if stale is not None:  # an attempt that was given up; this is the next one
            self._cut(stale)
        given = {names.RUN: self._run, names.STAGE_PATH: path, **attributes}
        place = self._place(path, name, given, self._around(path), seconds)
        self._open[path] = place
        return place

    def open_item(self, path: str, *, seconds: float = 0.0) -> Place:
        """Open an item's span."""
        name = _ITEM.sub("[]", path.rpartition("/")[2])
        return self.open(path, name, {names.ITEM: int(path[path.rindex("[") + 1 : -1])}, seconds=seconds)

    def close(self, place: Place) -> None:
        """End a span, and whatever is still open inside it."""
        if place.ended:
            return
        self.cut_inside(place)
        self._end(place)

    def cut_inside(self, place: Place) -> None:
        """End as cancelled what is still open inside a place."""
        for call in list(place.calls.values()):
            call.cut()
        if place.live:
            for inner in [one for one in self._open.values() if place.encloses(one.path)]:
                self._cut(inner)

    def _around(self, path: str) -> Place:
        place = innermost(self._recorder)
        while place is not None and (place.run != self._run or place.ended or not place.encloses(path)):
            place = place.outer
        return place or self.root

    def _place(
        self, path: str, name: str, attributes: Mapping[str, names.Attribute], parent: Place | None, seconds: float
    ) -> Place:
        from opentelemetry.trace import set_span_in_context

        around = parent.context if parent is not None else self._recorder.contexts.get_current()
        began = time.time_ns() - int(seconds * 1e9) if seconds else None
        span = self._recorder.tracer.start_span(
            name, around, attributes=self._recorder.told(attributes), start_time=began
        )
        if parent is not None:
            parent.live += 1
        return Place(self._recorder, self._run, path, span, set_span_in_context(span, around), parent)

    def _cut(self, place: Place) -> None:
        if place.ended:
            return
        for call in list(place.calls.values()):
            call.cut()
        show_cancelled(place.span)
        self.close(place)

    def _end(self, place: Place) -> None:
        place.ended = True
        self._open.pop(place.path, None)
        if place.parent is not None:
            place.parent.live -= 1
        place.span.end()
