"""Chains logged as MLflow models in a real store, loaded back, and equal to themselves."""

import json
import sqlite3
from pathlib import Path

import pytest
from mlflow_process import in_mlflow

CHAIN = """\
ziggurat: 1
name: Lab
inputs: [question]
stages:
  qa:
    uses: qa
    index: data/kb
    model: "fake:fixed The harbour lamp was lit by Hannah Reed in 1851."
  remark:
    uses: llm
    model: "fake:echo"
    prompt: {name: remark, folder: prompts}
    given: {text: "{qa.text}"}
  image_generation:
    uses: image
    model: "fake:pictures"
    given: {prompt: "A picture of {qa.text}"}
"""

PROMPT = """\
name: remark
version: 1
variables: {text: What to remark on.}
prompts:
  en:
    - human: "Remarkable: {text}"
"""

BUILD = """\
from pathlib import Path

from words import shout
from ziggurat import MultiChain

FACTOR = int((Path(__file__).parent / "factor.txt").read_text())


def times(number: int, names: list[str] | None = None) -> dict[str, int]:
    with open("asked.txt", "a") as file:
        file.write("x")
    if number == 13:
        raise ValueError("unlucky")
    return {name: number * FACTOR for name in names or ["it"]}


chain = MultiChain(times=times, loud=lambda times: shout(str(times)), name="script")
"""

SCRIPT = r"""
import logging, os, shutil
from pathlib import Path

import mlflow
import pandas as pd
from langchain_core.documents import Document

from ziggurat import MultiChain
from ziggurat.chain.spec import load_chain
from ziggurat.errors import ZigguratError
from ziggurat.index import VectorIndex
from ziggurat.mlflow import as_json, log_agent, log_chain
from ziggurat.stages.qa import RetrievalQA

QUESTION = "Who lit the harbour lamp?"
project = Path("project")
(project / "data").mkdir()
with VectorIndex.create(project / "data" / "kb", embedding="fake:64") as index:
    index.add_documents([
        Document("The harbour lamp was lit by Hannah Reed in 1851.", metadata={"source": "notes.md"}),
        Document("Bread is baked at dawn.", metadata={"source": "https://example.org/bread"}),
    ])

mlflow.set_experiment("lab")
found["chain itself"] = as_json(load_chain(project / "chain.yaml").run(question=QUESTION))
info = log_chain(
    project / "chain.yaml", input_example={"question": QUESTION}, registered_model_name="lab", metadata={"team": "harbour"}
)
agent = log_agent(project / "chain.yaml", answer="qa", registered_model_name="lab-agent")
some = log_chain(project / "chain.yaml", stages=["remark"])
made = MultiChain(qa=RetrievalQA(VectorIndex.open(project / "data" / "kb", read_only=True), "fake:fixed Yes."))
from_python = log_chain(made, name="made in Python")
shutil.move(project, "gone")  # what was logged must not need it

model = mlflow.pyfunc.load_model("models:/lab/1")
found["rows"] = model.predict(pd.DataFrame([{"question": QUESTION}, {"question": "What is baked?"}])).to_dict("records")
found["list"] = model.predict([{"question": QUESTION}]).to_dict("records")
found["mapping"] = model.predict({"question": QUESTION}).to_dict("records")
found["events"] = list(model.predict_stream({"question": QUESTION}))
found["some"] = mlflow.pyfunc.load_model(some.model_uri).predict([{"question": QUESTION}]).to_dict("records")
found["from python"] = mlflow.pyfunc.load_model(from_python.model_uri).predict([{"question": QUESTION}]).to_dict("records")

folder = Path(mlflow.artifacts.download_artifacts("models:/lab/1"))
found["files"] = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
found["requirements"] = (folder / "requirements.txt").read_text().splitlines()
found["signature"] = {"in": str(model.metadata.signature.inputs), "out": model.metadata.signature.outputs.to_dict()}
found["metadata"] = model.metadata.metadata
found["example"] = model.metadata.load_input_example(str(folder))

talking = mlflow.pyfunc.load_model("models:/lab-agent/1")
request = {"input": [{"role": "user", "content": QUESTION}]}
found["response"] = talking.predict(request)
found["response events"] = list(talking.predict_stream(request))
found["agent task"] = talking.metadata.metadata["task"]

# a script, with a file and a module beside it
script = log_chain(
    script="build/build.py", files=["factor.txt", "words.py"], name="script", input_example={"number": 2, "names": ["a"]},
    requirements=["left-pad>=1"],
)
found["asked while logging"] = Path("asked.txt").read_text()
shutil.move("build", "gone-too")
loaded = mlflow.pyfunc.load_model(script.model_uri)
found["script rows"] = loaded.predict([{"number": 3, "names": None}, {"number": 4, "names": ["b", "c"]}]).to_dict("records")
found["script requirements"] = (Path(mlflow.artifacts.download_artifacts(script.model_uri)) / "requirements.txt").read_text()

Path("no_inputs.py").write_text("from ziggurat import MultiChain\nchain = MultiChain(a=lambda: 5)\n")
alone = mlflow.pyfunc.load_model(log_chain(script="no_inputs.py", input_example={}).model_uri)
found["no inputs"] = alone.predict(pd.DataFrame(index=[0, 1])).to_dict("records")

Path("dbx.yaml").write_text('ziggurat: 1\nstages: {answer: {uses: llm, model: "databricks:my-endpoint", prompt: "{question}"}}')
remote = log_chain("dbx.yaml")
where = Path(mlflow.artifacts.download_artifacts(remote.model_uri))
found["resources"] = mlflow.models.Model.load(str(where)).resources
found["remote files"] = "".join(one.read_text() for one in where.rglob("*") if one.is_file())

# another version of Ziggurat wrote it
copy = Path("copy")
shutil.copytree(folder, copy)
note = copy / "artifacts" / "chain" / "ziggurat.json"
note.write_text(note.read_text().replace('"ziggurat": "', '"ziggurat": "99.'))
heard = []


class Ear(logging.Handler):
    def emit(self, record):
        heard.append(record.getMessage())


logging.getLogger("ziggurat").addHandler(Ear())
again = mlflow.pyfunc.load_model(str(copy))
found["heard"], found["another version"] = heard, again.predict([{"question": QUESTION}]).to_dict("records")


def refused(name, attempt):
    try:
        attempt()
    except ZigguratError as error:
        found[name] = [type(error).__name__, str(error)]
    else:
        found[name] = None


before = len(mlflow.search_logged_models(output_format="list"))
chain = "gone/chain.yaml"
refused("unknown input", lambda: log_chain(chain, input_example={"qestion": "x"}))
refused("missing input", lambda: log_chain(chain, input_example={}))
refused("wrong type", lambda: log_chain(script="gone-too/build.py", files=["factor.txt", "words.py"], input_example={"number": "two"}))
refused("a function", lambda: log_chain(MultiChain(shout=lambda text: text.upper())))
refused("name", lambda: log_chain(chain, name="a/b"))
refused("registered name", lambda: log_chain(chain, registered_model_name="a/b"))
refused("nothing", lambda: log_chain())
refused("no output", lambda: log_chain(chain, stages=["remarc"]))
refused("no file", lambda: log_chain(script="gone-too/build.py"))
refused("outside", lambda: log_chain(script="gone-too/build.py", files=["../asked.txt"]))
refused("failing row", lambda: loaded.predict([{"number": 1}, {"number": 13}]))
found["logged by what was refused"] = len(mlflow.search_logged_models(output_format="list")) - before

mlflow.flush_trace_async_logging()
traces = mlflow.search_traces(locations=[mlflow.get_experiment_by_name("lab").experiment_id], return_type="list")
found["traces"] = [
    {
        "model": trace.info.trace_metadata.get("mlflow.modelId"),
        "state": trace.info.state.value,
        "spans": [
            {"name": span.name, "root": span.parent_id is None, "outputs": span.outputs, "inputs": span.inputs}
            for span in trace.data.spans
        ],
    }
    for trace in traces
]
found["ids"] = {"chain": info.model_id, "agent": agent.model_id}
"""


def write(folder: Path) -> None:
    (folder / "project" / "prompts").mkdir(parents=True)
    (folder / "project" / "chain.yaml").write_text(CHAIN)
    (folder / "project" / "prompts" / "remark.yaml").write_text(PROMPT)
    (folder / "project" / "private.txt").write_text("not named by the chain")
    (folder / "build").mkdir()
    (folder / "build" / "build.py").write_text(BUILD)
    (folder / "build" / "words.py").write_text("def shout(text):\n    return text.upper()\n")
    (folder / "build" / "factor.txt").write_text("21")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write(folder)
    workspace = {"DATABRICKS_HOST": "http://127.0.0.1:9", "DATABRICKS_TOKEN": "a-token-that-is-not-logged"}
    return {**in_mlflow(SCRIPT, folder, **workspace), "folder": folder}


@pytest.mark.parametrize("form", ["rows", "list", "mapping"])
def test_a_registered_chain_gives_what_the_chain_itself_gives(found, form):
    assert found[form][0] == found["chain itself"]
    assert found["chain itself"]["qa"]["citations"][0]["document"] == "notes.md"


def test_each_row_is_a_run_of_its_own(found):
    assert len(found["rows"]) == 2
    assert found["rows"][1]["remark"].startswith("Remarkable: ")


def test_a_picture_is_base64_with_its_media_type(found):
    picture = found["rows"][0]["image_generation"]
    assert picture["media_type"] == "image/png"
    assert picture["data"].startswith("iVBOR")
    assert picture["prompt"].startswith("A picture of The harbour lamp")


def test_the_index_and_the_prompts_travel_and_nothing_else_of_the_folder(found):
    inside = {one.removeprefix("artifacts/chain/") for one in found["files"] if one.startswith("artifacts/")}
    assert inside == {"chain.yaml", "ziggurat.json", "data/kb/index.sqlite3", "prompts/remark.yaml"}


def test_it_is_a_model_from_code_and_nothing_is_pickled(found):
    assert "model.py" in found["files"]
    assert not any(one.endswith((".pkl", ".pickle")) for one in found["files"])


def test_requirements_are_this_version_with_the_extras_of_its_specs(found):
    (first, mlflow, pandas) = found["requirements"]
    assert first.startswith("ziggurat[mlflow,pictures]==")
    assert (mlflow.partition("==")[0], pandas) == ("mlflow-skinny", "pandas<3")
    assert "left-pad>=1" in found["script requirements"]


def test_an_endpoint_of_databricks_is_a_resource_and_no_token_is_logged(found):
    assert found["resources"]["databricks"] == {"serving_endpoint": [{"name": "my-endpoint"}]}
    assert "ziggurat[databricks,mlflow]==" in found["remote files"]
    assert "a-token-that-is-not-logged" not in found["remote files"]


def test_the_signature_names_inputs_and_outputs(found):
    assert found["signature"]["in"] == "['question': string (required)]"
    out = {one["name"]: one for one in found["signature"]["out"]}
    assert list(out) == ["qa", "remark", "image_generation"]
    assert {"text", "citations", "found"} <= set(out["qa"]["properties"])
    assert {"media_type", "data", "width"} <= set(out["image_generation"]["properties"])


def test_what_the_user_adds_is_kept_beside_what_ziggurat_says(found):
    assert found["metadata"]["team"] == "harbour"
    assert found["metadata"]["chain"] == "Lab"
    assert found["example"] == [{"question": "Who lit the harbour lamp?"}]


def test_a_stream_tells_tokens_and_stages_and_ends_with_the_outputs(found):
    kinds = [event["type"] for event in found["events"]]
    assert kinds[0] == "stage_started"
    assert kinds[-1] == "run_finished"
    told = "".join(event["text"] for event in found["events"] if event["type"] == "token" and event["stage"] == "qa")
    assert told == found["chain itself"]["qa"]["text"]
    assert found["events"][-1]["outputs"] == found["chain itself"]


def test_only_the_stages_that_were_asked_for_are_columns(found):
    assert [list(row) for row in found["some"]] == [["remark"]]


def test_a_chain_made_in_python_travels_with_its_index(found):
    assert found["from python"][0]["qa"]["citations"][0]["document"] == "notes.md"


def test_a_script_travels_with_its_files_and_its_example_runs_once(found):
    assert found["asked while logging"] == "x"
    assert [row["times"] for row in found["script rows"]] == [{"it": 63}, {"b": 84, "c": 84}]
    assert found["script rows"][0]["loud"] == "{'IT': 63}"


def test_a_chain_without_inputs_runs_once_for_each_row(found):
    assert found["no inputs"] == [{"a": 5}, {"a": 5}]


def test_a_model_of_another_version_is_loaded_and_said_in_the_log(found):
    assert found["another version"][0] == found["chain itself"]
    assert any("was logged with Ziggurat 99." in line for line in found["heard"])


def test_an_agent_answers_in_the_responses_format_with_citations(found):
    (item,) = found["response"]["output"]
    (part,) = item["content"]
    answer = found["chain itself"]["qa"]
    assert (item["role"], part["text"]) == ("assistant", answer["text"])
    (note,) = part["annotations"]
    assert (note["type"], note["file_id"], note["quote"]) == (
        "file_citation",
        "notes.md",
        answer["citations"][0]["quote"],
    )
    assert found["response"]["custom_outputs"]["remark"] == found["chain itself"]["remark"]
    assert found["agent task"] == "agent/v1/responses"


def test_an_agents_stream_ends_in_the_same_item(found):
    events = found["response events"]
    assert [one["type"] for one in events][:3] == [
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
    ]
    told = "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta")
    done = next(one["item"] for one in events if one["type"] == "response.output_item.done")
    assert told == done["content"][0]["text"] == found["response"]["output"][0]["content"][0]["text"]
    assert done["content"] == found["response"]["output"][0]["content"]
    assert events[-1]["type"] == "response.completed"


def of(found, model):
    return [trace for trace in found["traces"] if trace["model"] == found["ids"][model]]


def test_every_call_is_a_trace_with_a_span_for_each_stage(found):
    asked = of(found, "chain")
    assert len(asked) >= 5
    for trace in asked:
        names = [span["name"] for span in trace["spans"]]
        assert trace["state"] == "OK"
        assert {"invoke_workflow Lab", "qa", "remark", "image_generation"} <= set(names)
        assert all(names.count(stage) == 1 for stage in ("qa", "remark", "image_generation"))
    spans = {span["name"]: span for span in asked[0]["spans"]}
    assert spans["remark"]["outputs"].startswith("Remarkable: ")
    assert "Remarkable: " in json.dumps(spans["chat fake:echo"]["inputs"])


def test_an_agents_trace_has_the_chains_stages_below_the_request(found):
    asked = of(found, "agent")
    assert sorted(next(span["name"] for span in trace["spans"] if span["root"]) for trace in asked) == [
        "predict",
        "predict_stream",
    ]
    for trace in asked:
        assert {"invoke_workflow Lab", "qa", "remark", "image_generation"} <= {span["name"] for span in trace["spans"]}


def test_traces_are_in_the_store_itself(found):
    with sqlite3.connect(found["folder"] / "mlflow.db") as database:
        names = {name for (name,) in database.execute("select name from spans")}
    assert {"qa", "remark", "image_generation"} <= names


REFUSALS = {
    "unknown input": ("InputError", "'qestion' is no input (did you mean 'question'?)"),
    "missing input": ("InputError", "'question' is missing"),
    "wrong type": ("InputError", "does not fit the chain"),
    "a function": ("SpecError", "log_chain(script='build_chain.py')"),
    "name": ("InputError", "'a/b'"),
    "registered name": ("InputError", "'a/b'"),
    "nothing": ("InputError", "One of a chain and a script"),
    "no output": ("InputError", "'remarc'"),
    "no file": ("InputError", "does not build a chain"),
    "outside": ("InputError", "not in the folder of the script"),
    "failing row": ("ZigguratError", "row 1"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_is_refused_and_nothing_is_logged(found, case):
    kind, said = REFUSALS[case]
    assert found[case] is not None, case
    assert found[case][0] == kind
    assert said in found[case][1]
    assert found["logged by what was refused"] == 0
