"""Runs in a real MLflow store (SQLite), written and read by MLflow itself, in a process of its own.

Its own process because MLflow patches LangChain and keeps global state.
"""

import json
import os
import sqlite3
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys

import mlflow
from langchain_core.prompts import ChatPromptTemplate

from ziggurat import ChainError, MultiChain, given, ref
from ziggurat.chain.composite import Map
from ziggurat.telemetry import MLflow
from ziggurat.testing import FakeChat

model = FakeChat(script="hello there")


async def ask(x):
    return (await model.ainvoke(f"about {x}")).text


def boom(ask):
    raise ValueError("no such thing")


inner = MultiChain(a=lambda text: text, b=ChatPromptTemplate.from_template("{a}") | model)
chain = MultiChain(
    ask=ask,
    words=lambda x: [x, "b"],
    rows=given(Map(inner, each="text"), text=ref("words")),
    plain=given(Map(lambda text: model.invoke(text).text, each="text"), text=ref("words")),
    book=given(MultiChain(deep=inner), text=ref("x")),
    name="everything",
)
failing = MultiChain(ask=ask, boom=boom, after=lambda boom: boom, name="failing")


def attempt(run, *given, **named):
    try:
        run(*given, **named)
    except ChainError:
        pass


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("observer")
watched = {"observers": [MLflow()]}
chain.using(**watched).run(x="q")
attempt(failing.using(**watched).run, x="q")
with mlflow.start_span("request"):
    MultiChain(a=mlflow.trace(lambda x: x, name="traced by mlflow")).using(**watched).run(x=1)
durable = MultiChain(a=lambda x: x).using(**watched, journal="runs.sqlite3", run_id="r1", cache=True)
durable.run(x=1)
durable.resume("r1")

mlflow.set_experiment("autolog")
mlflow.langchain.autolog()
chain.invoke({"x": "q"})
attempt(failing.invoke, {"x": "q"})
list(chain.stream({"x": "q"}))
mlflow.flush_trace_async_logging()


def node(span, spans):
    below = sorted((one for one in spans if one.parent_id == span.span_id), key=lambda one: one.start_time_ns)
    usage = span.get_attribute("mlflow.chat.tokenUsage")
    return {
        "name": span.name, "type": span.span_type, "inputs": span.inputs, "outputs": span.outputs,
        "usage": usage, "status": span.status.status_code.value, "outcome": span.get_attribute("ziggurat.stage.outcome"),
        "inside": [node(one, spans) for one in below],
    }


found = {}
for experiment in ("observer", "autolog"):
    traces = mlflow.search_traces(
        locations=[mlflow.get_experiment_by_name(experiment).experiment_id], return_type="list", order_by=["timestamp_ms ASC"]
    )
    found[experiment] = [
        {
            "state": trace.info.state.value, "usage": trace.info.token_usage,
            "roots": [node(span, trace.data.spans) for span in trace.data.spans if span.parent_id is None],
        }
        for trace in sorted(traces, key=lambda trace: trace.info.request_time)
    ]
sys.stdout.write(json.dumps(found))
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """What MLflow reads from its store after the script has run."""
    folder = tmp_path_factory.mktemp("mlflow")
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_MODEL_CATALOG_URI": "", "LANGSMITH_TRACING": "false"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, **quiet},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with sqlite3.connect(folder / "mlflow.db") as database:
        rows = database.execute("select count(*), count(distinct trace_id) from spans").fetchone()
    return {**json.loads(done.stdout), "rows": rows}


def shape(node):
    """Names below a node, without order."""
    return sorted(((one["name"], shape(one)) for one in node["inside"]), key=repr)


def at(node, *path):
    for name in path:
        node = next(one for one in node["inside"] if one["name"] == name)
    return node


SEQUENCE = [("ChatPromptTemplate", []), ("FakeChat", [])]
INNER = [("a", []), ("b", SEQUENCE)]


@pytest.mark.parametrize("trace", [0, 2], ids=["invoke", "stream"])
def test_autologging_shows_every_stage_nested_and_mapped_ones_in_one_trace(stored, trace):
    found = stored["autolog"][trace]
    (root,) = found["roots"]
    assert root["name"] == "everything"
    assert dict(shape(root)) == {
        "ask": [("FakeChat", [])],
        "words": [],
        "rows": [("rows", INNER), ("rows", INNER)],
        "plain": [("plain", [("FakeChat", [])]), ("plain", [("FakeChat", [])])],
        "book": [("deep", INNER)],
    }
    assert root["inputs"] == {"x": "q"}
    assert at(root, "words")["outputs"] == ["q", "b"]
    assert at(root, "rows")["inputs"] == {"text": ["q", "b"]}
    assert at(root, "ask", "FakeChat")["type"] == "CHAT_MODEL"
    assert at(root, "ask", "FakeChat")["usage"] == {"input_tokens": 2, "output_tokens": 2, "total_tokens": 4}
    assert found["usage"]["total_tokens"] == 4 + 5 * 3
    assert found["state"] == "OK"


def test_autologging_shows_a_failure_where_it_happened(stored):
    found = stored["autolog"][1]
    (root,) = found["roots"]
    assert (found["state"], root["status"]) == ("ERROR", "ERROR")
    assert (at(root, "boom")["status"], at(root, "ask")["status"]) == ("ERROR", "OK")


def test_the_observer_shows_runs_that_did_not_come_through_langchain(stored):
    found = stored["observer"][0]
    (root,) = found["roots"]
    assert root["name"].startswith("invoke_workflow")
    chat = ("chat fake:script", [])
    inner = [("a", []), ("b", [chat])]
    shown = dict(shape(root))
    assert (shown["ask"], shown["words"], shown["book"]) == ([chat], [], [("deep", inner)])
    assert shown["rows"] == [("rows[]", inner), ("rows[]", inner)]
    assert at(root, "words")["type"] == "CHAIN"
    assert at(root, "words")["outputs"] == ["q", "b"]
    assert root["outputs"]["ask"] == "hello there"
    call = at(root, "ask", "chat fake:script")
    assert call["type"] == "CHAT_MODEL"
    assert call["inputs"] == [{"role": "user", "parts": [{"type": "text", "content": "about q"}]}]
    assert call["outputs"][0]["parts"] == [{"type": "text", "content": "hello there"}]
    assert call["usage"] == {"input_tokens": 2, "output_tokens": 2, "total_tokens": 4}
    # Each call's own: MLflow adds them up for the trace as its rows arrive, and on a busy machine before the last.
    assert sum(one["usage"]["total_tokens"] for one in calls_of(root)) == 19


def calls_of(span):
    """The model calls of a trace."""
    inside = [call for child in span["inside"] for call in calls_of(child)]
    return [span, *inside] if span["type"] == "CHAT_MODEL" else inside


def test_the_observer_shows_failed_and_skipped_stages(stored):
    found = stored["observer"][1]
    (root,) = found["roots"]
    assert (found["state"], root["status"]) == ("ERROR", "ERROR")
    assert at(root, "boom")["status"] == "ERROR"
    assert at(root, "after")["outcome"] == "skipped"


def test_mlflows_own_spans_and_the_runs_nest_in_one_another(stored):
    (root,) = stored["observer"][2]["roots"]
    assert root["name"] == "request"
    (run,) = root["inside"]
    assert at(run, "a", "traced by mlflow")["outputs"] == 1


def test_a_resumed_run_is_a_trace_that_says_what_was_kept(stored):
    (root,) = stored["observer"][4]["roots"]
    assert at(root, "a")["outcome"] == "kept"


def test_everything_is_in_the_store(stored):
    spans, traces = stored["rows"]
    assert traces == len(stored["observer"]) + len(stored["autolog"]) == 8
    assert spans > 60
