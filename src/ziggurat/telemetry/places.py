"""Where in which runs the current code is, for every observer that keeps spans.

One context variable holds the innermost open `Place` of each observer. It is set where a stage begins and put
back where it ends, in the stage's own task; what the stage starts (tasks, threads, model calls) inherits it. What
a cancelled attempt left behind is recognised by its path, which encloses nothing that still happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ziggurat.telemetry.conventions import Attribute

if TYPE_CHECKING:
    from uuid import UUID

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from ziggurat.telemetry.metrics import Histograms


class Contexts(Protocol):
    """Where the current span is kept: OpenTelemetry's own context, or one of a backend that keeps its own."""

    def attach(self, context: Context, /) -> Any:
        """Make a context the current one."""

    def get_current(self) -> Context:
        """The current context."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorder:
    """How one observer records.

    Attributes:
        tracer: Makes spans.
        histograms: Measures.
        content: Whether prompts and answers are kept.
        contexts: Where the current span is kept.
        translate: Says attributes in the words of a backend, or None.
    """

    tracer: Tracer
    histograms: Histograms
    content: bool
    contexts: Contexts
    translate: Callable[[Mapping[str, Attribute]], Mapping[str, Attribute]] | None = None

    def told(self, attributes: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
        """Attributes as its spans bear them."""
        return attributes if self.translate is None else {**attributes, **self.translate(attributes)}


class Cuttable(Protocol):
    """Something that can be ended before its time."""

    def cut(self) -> None:
        """End it as cancelled."""


class Place:
    """One open span of a run: the run itself, a stage, or an item.

    Args:
        recorder: Whose span it is.
        run: The run's id.
        path: Its place in the run; empty for the run itself.
        span: The span.
        context: The OpenTelemetry context in which the span is current.
        parent: What it is inside of; None for the run itself.

    Attributes:
        before: The OpenTelemetry context to put back at the end; None where none was set.
        outer: The observer's innermost place before.
        calls: Model calls under way in it.
        live: Open places directly inside.
        ended: Whether it is over.
    """

    __slots__ = ("before", "calls", "context", "ended", "live", "outer", "parent", "path", "recorder", "run", "span")

    def __init__(
        self, recorder: Recorder, run: str, path: str, span: Span, context: Context, parent: Place | None
    ) -> None:
        self.recorder = recorder
        self.run = run
        self.path = path
        self.span = span
        self.context = context
        self.parent = parent
        self.before: Context | None = None
        self.outer: Place | None = None
        self.calls: dict[UUID, Cuttable] = {}
        self.live = 0
        self.ended = False

    @property
    def still_open(self) -> Place | None:
        """The place, or the nearest around it that is not over: an attempt that was given up stays the innermost."""
        place: Place | None = self
        while place is not None and place.ended:
            place = place.outer
        return place

    def tell(self, attributes: Mapping[str, Attribute]) -> None:
        """Set attributes."""
        self.span.set_attributes(self.recorder.told(attributes))

    def encloses(self, path: str) -> bool:
        """Whether something at ``path`` happens inside it."""
        own = self.path
        return not own or (len(path) > len(own) and path.startswith(own) and path[len(own)] in "/[")


here: ContextVar[tuple[Place, ...]] = ContextVar("ziggurat_places", default=())
"""The innermost open place of each observer."""


def innermost(recorder: Recorder) -> Place | None:
    """An observer's innermost place in this context."""
    for place in here.get():
        if place.recorder is recorder:
            return place
    return None


def enter(place: Place) -> None:
    """Make a place the innermost one, and its span the current one."""
    contexts = place.recorder.contexts
    around, current = here.get(), contexts.get_current()
    place.before = current
    others: list[Place] = []
    for other in around:
        if other.recorder is place.recorder:
            place.outer = other
            continue
        others.append(other)
        if other.path == place.path and other.context is current:
            place.before = other.before  # another observer was told first: its span was not there before the stage
    here.set((*others, place))
    contexts.attach(place.context)


def settle(place: Place) -> None:
    """Make a place that was entered in this context the innermost one again: what was inside it was given up."""
    if place.before is not None:
        here.set((*(one for one in here.get() if one.recorder is not place.recorder), place))
        place.recorder.contexts.attach(place.context)


def leave(place: Place) -> None:
    """Put back what was before a place, in the context that entered it."""
    if place.before is None:
        return
    others = [one for one in here.get() if one.recorder is not place.recorder]
    here.set((*others, place.outer) if place.outer is not None else tuple(others))
    place.recorder.contexts.attach(place.before)
    place.before = place.outer = None
