"""Logged chains served for real: ``mlflow models serve`` and the agent server, over HTTP, with their traces."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openai
import pytest
from mlflow_process import environment, in_mlflow

CHAIN = """\
ziggurat: 1
name: Talk
stages:
  answer:
    uses: llm
    model: "fake:fixed Forty two, as ever."
    prompt: "{question}"
  loud:
    uses: llm
    model: "fake:echo"
    prompt: "Loud: {answer}"
"""

TALK = """\
ziggurat: 1
name: Conversation
stages:
  answer: {uses: conversation, model: "fake:echo", history_tokens: 2000}
"""

LOCAL = """\
ziggurat: 1
name: Local
stages:
  answer: {uses: llm, prompt: "Say yes or no: {question}", max_tokens: 4}
"""

LOG = """
from ziggurat.mlflow import log_agent, log_chain
found["chain"] = log_chain("chain.yaml", input_example={"question": "x"}).model_uri
found["agent"] = log_agent("chain.yaml", answer="answer").model_uri
found["talk"] = log_agent("talk.yaml").model_uri
"""

TRACES = """
import mlflow
experiment = mlflow.get_experiment_by_name("served")
found["traces"] = [
    {"state": trace.info.state.value, "model": trace.info.trace_metadata.get("mlflow.modelId"),
     "spans": {span.name: span.outputs for span in trace.data.spans},
     "read": [span.inputs for span in trace.data.spans if span.name.startswith("chat ")]}
    for trace in mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
]
"""

REQUEST = {"input": [{"role": "user", "content": "What is it?"}]}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def served(command, folder, port):
    """A server as a process of its own, until the block ends; yields its address when it answers."""
    log = folder / f"{port}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=out, env=environment(folder, MLFLOW_EXPERIMENT_NAME="served")
        )
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 120
        while True:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, log.read_text()[-3000:]
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{address}/health").status_code == 200:
                    break
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def by_mlflow(folder, uri):
    port = free_port()
    command = [Path(sys.executable).with_name("mlflow"), "models", "serve", "-m", uri, "--env-manager", "local"]
    return served([*command, "--host", "127.0.0.1", "--port", str(port)], folder, port)


def by_agent_server(folder, uri):
    port = free_port()
    command = f"from ziggurat.cli.mlflow import command; command(['serve', {uri!r}, '--port', '{port}'])"
    return served([sys.executable, "-c", command], folder, port)


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "chain.yaml").write_text(CHAIN)
    (folder / "talk.yaml").write_text(TALK)
    return {**in_mlflow(LOG, folder), "folder": folder}


@pytest.fixture(scope="module")
def model(logged):
    with by_mlflow(logged["folder"], logged["chain"]) as address:
        yield address


@pytest.fixture(scope="module")
def agent(logged):
    with by_agent_server(logged["folder"], logged["agent"]) as address:
        yield address


def traces(folder, name, count=1):
    """The finished traces that have a span of that name; they are written a moment after the answer."""
    until = time.monotonic() + 60
    while True:
        found = in_mlflow(TRACES, folder)["traces"]
        whole = [one for one in found if name in one["spans"] and one["state"] == "OK"]
        if len(whole) >= count or time.monotonic() > until:
            return whole


FORMS = {
    "dataframe_split": {"columns": ["question"], "data": [["a"], ["b"]]},
    "dataframe_records": [{"question": "a"}, {"question": "b"}],
    "inputs": [{"question": "a"}, {"question": "b"}],
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_served_chain_answers_every_form_of_rows(model, form):
    answered = httpx.post(f"{model}/invocations", json={form: FORMS[form]}, timeout=60)
    row = {"answer": "Forty two, as ever.", "loud": "Loud: Forty two, as ever."}
    assert (answered.status_code, answered.json()) == (200, {"predictions": [row, row]})


@pytest.mark.slow
def test_a_served_chain_answers_one_mapping_and_refuses_what_does_not_fit(model):
    one = httpx.post(f"{model}/invocations", json={"inputs": {"question": "a"}}, timeout=60)
    assert [row["answer"] for row in one.json()["predictions"]] == ["Forty two, as ever."]
    refused = httpx.post(f"{model}/invocations", json={"dataframe_records": [{"qestion": "a"}]}, timeout=60)
    assert refused.status_code == 400
    assert "missing inputs ['question']" in refused.json()["message"]


@pytest.mark.slow
def test_a_served_call_is_a_trace_with_a_span_for_each_stage(model, logged):
    httpx.post(f"{model}/invocations", json={"inputs": [{"question": "traced"}]}, timeout=60)
    found = traces(logged["folder"], "invoke_workflow Talk")
    assert found
    assert found[0]["spans"]["answer"] == "Forty two, as ever."
    assert found[0]["spans"]["loud"] == "Loud: Forty two, as ever."
    assert found[0]["model"] == logged["chain"].rpartition("/")[2]


@pytest.mark.slow
def test_mlflows_own_server_answers_an_agents_request_whole(logged):
    with by_mlflow(logged["folder"], logged["agent"]) as address:
        answered = httpx.post(f"{address}/invocations", json=REQUEST, timeout=60).json()
        empty = httpx.post(f"{address}/invocations", json={"input": []}, timeout=60)
    assert answered["output"][0]["content"][0]["text"] == "Forty two, as ever."
    assert answered["custom_outputs"] == {"loud": "Loud: Forty two, as ever."}
    assert empty.status_code == 400
    assert "has no question" in empty.text


@pytest.mark.slow
def test_the_agent_server_streams_deltas_and_ends_in_the_whole_item(agent):
    events = []
    with httpx.stream("POST", f"{agent}/invocations", json={**REQUEST, "stream": True}, timeout=60) as answered:
        assert answered.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in answered.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    events = [json.loads(line) for line in lines[:-1]]
    deltas = [one["delta"] for one in events if one["type"] == "response.output_text.delta"]
    assert len(deltas) > 2
    done = next(one["item"] for one in events if one["type"] == "response.output_item.done")
    assert "".join(deltas) == done["content"][0]["text"] == "Forty two, as ever."
    assert events[-1]["custom_outputs"] == {"loud": "Loud: Forty two, as ever."}


@pytest.mark.slow
def test_openais_own_client_reads_answers_and_streams(agent):
    with openai.OpenAI(base_url=agent, api_key="none") as client:
        whole = client.responses.create(model="any", input=REQUEST["input"])
        with client.responses.stream(model="any", input=REQUEST["input"]) as stream:
            kinds = [event.type for event in stream]
            last = stream.get_final_response()
    assert whole.output_text == last.output_text == "Forty two, as ever."
    assert whole.usage.output_tokens > 0
    assert kinds[0] == "response.created"
    assert kinds.count("response.output_text.delta") > 2


@pytest.mark.slow
def test_a_streamed_request_is_a_trace_with_every_stage(agent, logged):
    httpx.post(f"{agent}/responses", json={**REQUEST, "stream": True}, timeout=60)
    found = [one for one in traces(logged["folder"], "stream") if "stream" in one["spans"]]
    assert found
    assert {"stream", "invoke_workflow Talk", "answer", "loud"} <= found[0]["spans"].keys()
    assert found[0]["model"] == logged["agent"].rpartition("/")[2]


@pytest.mark.slow
def test_earlier_messages_of_a_request_reach_the_conversation(logged):
    earlier = [
        {"role": "user", "content": "My name is Ana."},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hello Ana.", "annotations": []}]},
    ]
    with by_agent_server(logged["folder"], logged["talk"]) as address:
        said = httpx.post(f"{address}/responses", json={"input": [*earlier, *REQUEST["input"]]}, timeout=60).json()
        wrong = {"input": [earlier[0], earlier[1]]}
        refused = [httpx.post(f"{address}/responses", json={**wrong, "stream": it}, timeout=60) for it in (False, True)]
    assert said["output"][0]["content"][0]["text"] == "What is it?"
    assert [one.status_code for one in refused] == [400, 400]
    assert all("has no question" in one.text for one in refused)
    (found,) = traces(logged["folder"], "invoke_workflow Conversation")
    assert "answer" in found["spans"]
    read = json.dumps(found["read"])
    assert "My name is Ana." in read
    assert "Hello Ana." in read


def test_what_is_no_agent_is_not_served_as_one(logged):
    script = f"""
from ziggurat.errors import ZigguratError
from ziggurat.mlflow import agent_app
for name, uri in (("chain", {logged["chain"]!r}), ("none", "models:/nothing/1")):
    try:
        agent_app(uri)
    except ZigguratError as error:
        found[name] = [type(error).__name__, str(error)]
"""
    found = in_mlflow(script, logged["folder"])
    assert found["chain"][0] == "InputError"
    assert "no agent that Ziggurat logged" in found["chain"][1]
    assert found["none"][0] == "TrackingError"


@pytest.mark.model
@pytest.mark.slow
def test_a_chain_with_the_local_model_answers_as_a_model(logged):
    (logged["folder"] / "local.yaml").write_text(LOCAL)
    script = """
import mlflow
from pathlib import Path
from ziggurat.mlflow import log_chain
info = log_chain("local.yaml", input_example={"question": "Is water wet?"})
found["rows"] = mlflow.pyfunc.load_model(info.model_uri).predict([{"question": "Is water wet?"}]).to_dict("records")
found["requirements"] = (Path(mlflow.artifacts.download_artifacts(info.model_uri)) / "requirements.txt").read_text()
"""
    found = in_mlflow(script, logged["folder"])
    assert found["rows"][0]["answer"].strip()
    assert "ziggurat[local,mlflow]==" in found["requirements"]
