"""Evaluations and prompts in a real MLflow store, and stores that are not there."""

import pytest
from mlflow_process import in_mlflow

SCRIPT = r"""
import time
from pathlib import Path

import mlflow

from ziggurat.errors import ZigguratError
from ziggurat.evaluation import Row, Run, Variant
from ziggurat.mlflow import load_prompt, log_chain, log_evaluation, register_prompts
from ziggurat.prompts.file import parse_prompt


def refused(name, attempt):
    began = time.monotonic()
    try:
        attempt()
    except ZigguratError as error:
        found[name] = [type(error).__name__, str(error), time.monotonic() - began]
    else:
        found[name] = None


# -- evaluations
def rows(shift):
    return [
        Row(n, f"question {n}?", "en" if n % 2 else "zh", "", {"recall@10": (n + shift) % 2, "mrr": n / 10},
            answer={"said": f"said {n}"}, seconds=0.1)
        for n in range(6)
    ]


def evaluation(*variants):
    return Run("retrieval", "before", "2026-01-01T00:00:00Z", {"k": 10, "search": ["hybrid"]}, {"folder": "kb", "chunks": 9, "generation": 1, "stamp": "s", "embedding": "fake:64"},
               {"name": "questions", "digest": "d1", "questions": 6}, list(variants),
               [{"role": "model", "model": "fake:echo", "calls": 6, "input_tokens": 60, "output_tokens": 12, "usd": None}], ["a note"])


one = evaluation(Variant("hybrid", rows(0)))
two = evaluation(Variant("hybrid", rows(0)), Variant("words", rows(1), ["two failed"]))
ids = [log_evaluation(one, experiment="measured", tags={"branch": "main"}), log_evaluation(two.save(Path("saved")))]
client = mlflow.MlflowClient()
first, second = map(client.get_run, ids)
inner = client.search_runs([second.info.experiment_id], f"tags.mlflow.parentRunId = '{ids[1]}'")
found["figures"] = {name: [f.value, f.low, f.high] for name, f in one.variants[0].figures().items()}
found["one"] = {"name": first.info.run_name, "metrics": first.data.metrics, "params": first.data.params, "tags": first.data.tags}
found["two"] = {"metrics": second.data.metrics, "inner": {run.info.run_name: run.data.metrics for run in inner}}
found["artifacts"] = sorted(item.path for where in ("", "evaluation") for item in client.list_artifacts(ids[0], where))
found["table"] = mlflow.load_table("questions.json", run_ids=[ids[0]]).to_dict("records")
refused("no evaluation", lambda: log_evaluation("nowhere"))

# -- prompts
Path("prompts").mkdir()
text = '''
name: summarize.map
version: 3
about: Sum it up.
variables: {text: What is read., tone: How.}
needs: [text]
partial: {tone: dry}
prompts:
  en:
    - system: 'Be {tone}. Write {{"summary": ...}}.'
    - human: "{text}"
    - ai: "Yes."
  zh:
    - human: "用{tone}的语气概括：{text}"
'''
Path("prompts/summarize.map.yaml").write_text(text)
ours = parse_prompt(text, "here")
found["registered"] = register_prompts("prompts", commit_message="first")
found["again"] = register_prompts(ours)
found["equal"] = load_prompt("summarize.map") == ours
changed = parse_prompt(text.replace("Be {tone}.", "Be very {tone}."), "here")
found["changed"] = register_prompts([changed])
found["changed equal"] = load_prompt("summarize.map") == changed
theirs = mlflow.genai.load_prompt("prompts:/summarize.map@zh")
found["as mlflow has it"] = [theirs.template, sorted(theirs.variables), theirs.format(tone="平静", text="砖塔")]
found["prefixed"] = register_prompts(ours, prefix="team_")
found["prefixed equal"] = load_prompt("summarize.map", prefix="team_") == ours
placeholder = parse_prompt("name: talk\nvariables: {history: H., q: Q.}\nprompts: {en: [{messages: history}, {human: '{q}'}]}", "x")
braces = parse_prompt("name: odd\nvariables: {q: Q.}\nprompts: {en: [{human: '{{{{q}}}} {q}'}]}", "x")
refused("unsayable", lambda: register_prompts([ours, placeholder, braces]))
refused("no prompt", lambda: load_prompt("nothing"))
mlflow.genai.register_prompt("foreign", "Hello {{name}}")
refused("foreign", lambda: load_prompt("foreign"))

# -- stores that are not there
import socket
import threading

silent = socket.create_server(("127.0.0.1", 0))
broken = socket.create_server(("127.0.0.1", 0))


def answer_503():
    while True:
        one, _ = broken.accept()
        one.recv(1000)
        one.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        one.close()


threading.Thread(target=answer_503, daemon=True).start()
stores = {
    "refuses": "http://127.0.0.1:1",
    "is silent": f"http://user:secret-word@127.0.0.1:{silent.getsockname()[1]}?token=secret-word",
    "is broken": f"http://127.0.0.1:{broken.getsockname()[1]}",
    "no database": "postgresql://user:secret-word@127.0.0.1:1/mlflow",
    "no host": "http://nowhere.invalid",
}
Path("chain.yaml").write_text('ziggurat: 1\nstages: {answer: {uses: llm, model: "fake:echo", prompt: "{question}"}}')
for name, uri in stores.items():
    mlflow.set_tracking_uri(uri)
    refused(name, lambda: log_chain("chain.yaml"))
mlflow.set_tracking_uri("http://127.0.0.1:1")
refused("prompts there", lambda: register_prompts(ours))
refused("evaluation there", lambda: log_evaluation(one))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return in_mlflow(SCRIPT, tmp_path_factory.mktemp("store"))


def test_an_evaluation_is_a_run_with_figures_intervals_and_languages(found):
    value, low, high = found["figures"]["recall@10"]
    metrics = found["one"]["metrics"]
    assert (metrics["recall_10"], metrics["recall_10.low"], metrics["recall_10.high"]) == (value, low, high)
    assert (metrics["recall_10/en"], metrics["recall_10/zh"]) == (1.0, 0.0)
    assert metrics["mrr"] == pytest.approx(0.25)
    assert metrics["usage/model/input_tokens"] == 60
    assert "usage/model/usd" not in metrics


def test_an_evaluation_keeps_its_settings_tags_and_name(found):
    assert found["one"]["name"] == "before"
    expected = {"k": "10", "search": '["hybrid"]', "index.folder": "kb", "index.chunks": "9", "dataset.digest": "d1"}
    assert expected.items() <= found["one"]["params"].items()
    assert found["one"]["tags"]["ziggurat.evaluation"] == "retrieval"
    assert found["one"]["tags"]["branch"] == "main"


def test_an_evaluations_page_rows_and_questions_are_artifacts(found):
    assert {"evaluation/before.html", "evaluation/before.json", "evaluation/notes.txt", "questions.json"} <= set(
        found["artifacts"]
    )
    assert [row["question"] for row in found["table"]] == [f"question {n}?" for n in range(6)]
    assert found["table"][1]["recall@10"] == 1
    assert '"said 1"' in found["table"][1]["answer"]


def test_variants_of_an_evaluation_are_runs_inside_it_under_the_same_names(found):
    assert "recall_10" not in found["two"]["metrics"]
    assert {name: metrics["recall_10/en"] for name, metrics in found["two"]["inner"].items()} == {
        "hybrid": 1.0,
        "words": 0.0,
    }


def test_prompts_load_back_equal(found):
    assert found["equal"] is found["changed equal"] is found["prefixed equal"] is True


def test_each_language_is_a_version_and_only_a_change_makes_a_new_one(found):
    assert found["registered"] == found["again"] == {"summarize.map@en": 1, "summarize.map@zh": 2}
    assert found["changed"] == {"summarize.map@en": 3, "summarize.map@zh": 2}


def test_mlflow_reads_a_registered_prompt_as_its_own(found):
    template, variables, formatted = found["as mlflow has it"]
    assert template == [{"role": "user", "content": "用{{tone}}的语气概括：{{text}}"}]
    assert variables == ["text", "tone"]
    assert formatted == [{"role": "user", "content": "用平静的语气概括：砖塔"}]


def test_what_mlflows_prompts_cannot_say_is_refused_all_at_once(found):
    kind, said, _ = found["unsayable"]
    assert kind == "InputError"
    assert "talk, en, turn 1: messages" in said
    assert "odd, en, turn 1: braces" in said


REFUSALS = {
    "no evaluation": "cannot be read",
    "no prompt": "no prompt 'nothing'",
    "foreign": "was not registered from a prompt file",
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_not_there_is_said(found, case):
    assert found[case][0] == "InputError"
    assert REFUSALS[case] in found[case][1]


@pytest.mark.parametrize(
    "case", ["refuses", "is silent", "is broken", "no database", "no host", "prompts there", "evaluation there"]
)
def test_a_store_that_cannot_be_reached_is_said_within_seconds(found, case):
    kind, said, seconds = found[case]
    assert kind == "TrackingError"
    assert "cannot be reached" in said
    assert "secret-word" not in said
    assert seconds < 15
