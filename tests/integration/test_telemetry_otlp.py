"""Traces and measurements over OTLP/HTTP, to a collector that decodes what really came over the wire."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ziggurat import ChainError, MultiChain, given, ref
from ziggurat.chain.composite import Map
from ziggurat.telemetry import OpenTelemetry
from ziggurat.testing import FakeChat

FORMS = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}


class Collector(ThreadingHTTPServer):
    """Takes what exporters send and keeps it decoded, by path."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received = {path: [] for path in FORMS}
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    @property
    def spans(self):
        return [
            span
            for request in self.received["/v1/traces"]
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join(5)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked, answer = FORMS[self.path]
        assert self.headers["Content-Type"] == "application/x-protobuf"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received[self.path].append(asked.FromString(body))
        said = answer().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def collector():
    server = Collector()
    yield server
    server.close()


def attributes(span):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_run_arrives_at_a_collector_as_one_trace(collector):
    resource = Resource.create({"service.name": "the app"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.url("/v1/traces"))))
    measures = MeterProvider(
        [PeriodicExportingMetricReader(OTLPMetricExporter(collector.url("/v1/metrics")))], resource
    )
    model = FakeChat(script="it is nine", temperature=0.25)

    def boom(total):
        raise ValueError("too much")

    chain = MultiChain(
        rows=lambda text: text.split(),
        counted=given(Map(lambda row: model.invoke(row).text, each="row"), row=ref("rows")),
        total=lambda counted: f"{len(counted)} in all",
        check=boom,
    ).using(observers=[OpenTelemetry(traces, measures)], run_id="r1")
    with pytest.raises(ChainError):
        chain.run(text="a b c")
    traces.shutdown()
    measures.shutdown()

    by_id = {span.span_id: span for span in collector.spans}
    assert len({span.trace_id for span in by_id.values()}) == 1
    (root,) = [span for span in by_id.values() if not span.parent_span_id]
    assert attributes(root)["ziggurat.run"] == "r1"
    inside = sorted(span.name for span in by_id.values() if span.parent_span_id == root.span_id)
    assert inside == ["check", "counted", "rows", "total"]
    calls = [span for span in by_id.values() if span.kind == Span.SPAN_KIND_CLIENT]
    assert [span.name for span in calls] == ["chat fake:script"] * 3
    assert attributes(calls[0])["gen_ai.usage.output_tokens"] == 3
    assert attributes(calls[0])["gen_ai.request.temperature"] == 0.25
    assert {attributes(by_id[span.parent_span_id])["ziggurat.stage"] for span in calls} == {"counted"}
    (failed,) = [span for span in by_id.values() if span.name == "check"]
    assert (failed.status.code, failed.status.message) == (Status.STATUS_CODE_ERROR, "too much")
    assert [event.name for event in failed.events] == ["exception"]

    names = {
        metric.name: metric
        for request in collector.received["/v1/metrics"]
        for resource_metrics in request.resource_metrics
        for scope in resource_metrics.scope_metrics
        for metric in scope.metrics
    }
    assert {"gen_ai.client.token.usage", "gen_ai.client.operation.duration", "gen_ai.workflow.duration"} <= set(names)
    assert names["gen_ai.client.operation.duration"].histogram.data_points[0].count == 3
