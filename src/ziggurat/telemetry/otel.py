"""Runs as OpenTelemetry traces and measurements, by the conventions for generative AI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ziggurat.optional import require
from ziggurat.telemetry.metrics import Histograms
from ziggurat.telemetry.places import Recorder
from ziggurat.telemetry.spans import Spans

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


class OpenTelemetry(Spans):
    """Traces the runs of a chain: ``chain.using(observers=[OpenTelemetry()])``.

    A span that is open around a run becomes its parent, and what is traced inside a stage (HTTP calls, queries)
    becomes the stage's child.

    Args:
        tracer_provider: Where spans go; None for the process's own.
        meter_provider: Where measurements go; None for the process's own.
        content: Whether prompts, answers and stages' outputs go into the spans. They may be long, and private.

    Raises:
        MissingDependency: If ``opentelemetry-api`` is not installed.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        content: bool = False,
    ) -> None:
        trace = require("opentelemetry.trace", for_="tracing with OpenTelemetry", extra="telemetry")
        contexts = require("opentelemetry.context", for_="tracing with OpenTelemetry", extra="telemetry")
        tracer = trace.get_tracer("ziggurat", tracer_provider=tracer_provider)
        super().__init__(Recorder(tracer, Histograms(meter_provider), content, contexts))
