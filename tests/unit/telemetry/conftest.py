"""A collector in memory, and a reading of what it collected as a tree."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ziggurat.telemetry import OpenTelemetry


@dataclass
class Collected:
    """Finished spans, and how many were begun."""

    provider: TracerProvider
    exporter: InMemorySpanExporter
    begun: list = field(default_factory=list)

    def observer(self, **options):
        return OpenTelemetry(self.provider, **options)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    @property
    def leaked(self):
        """Spans that were begun and never ended."""
        ended = {span.context.span_id for span in self.spans}
        return [span.name for span in self.begun if span.context.span_id not in ended]

    def one(self, name):
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def at(self, path):
        (span,) = [
            span
            for span in self.spans
            if span.attributes.get("ziggurat.stage.path") == path and "gen_ai.operation.name" not in span.attributes
        ]
        return span

    @property
    def root(self):
        (span,) = [span for span in self.spans if span.name.startswith("invoke_workflow")]
        return span

    def parent(self, span):
        return next((one for one in self.spans if span.parent and one.context.span_id == span.parent.span_id), None)

    def tree(self, span=None):
        """Names below a span, as nested pairs in the order of their beginning; the run's own by default."""
        span = span or self.root
        inner = [one for one in self.spans if one.parent and one.parent.span_id == span.context.span_id]
        ordered = sorted(inner, key=lambda one: (one.start_time, one.attributes.get("ziggurat.item", 0)))
        return {_key(one, ordered): self.tree(one) for one in ordered}


def _key(span, siblings):
    alike = [one for one in siblings if one.name == span.name]
    return span.name if len(alike) == 1 else f"{span.name}#{alike.index(span)}"


class _Beginnings(SimpleSpanProcessor):
    def __init__(self, exporter, begun):
        super().__init__(exporter)
        self._begun = begun

    def on_start(self, span, parent_context=None):
        self._begun.append(span)


@pytest.fixture
def collected():
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    found = Collected(provider, exporter)
    provider.add_span_processor(_Beginnings(exporter, found.begun))
    return found
