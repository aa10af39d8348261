"""The lab of ``examples``: script and notebook agree, and both run, at a service and on this machine."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ziggurat.cli.demo import TEXTS
from ziggurat.drawing.raster import read_text
from ziggurat.testing import FakeChat, OpenAIServer

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPT, NOTEBOOK = EXAMPLES / "lab.py", EXAMPLES / "lab.ipynb"

DIAGRAM = {
    "title": "LangChain in use",
    "nodes": [
        {"id": "dev", "label": "Developer", "kind": "person"},
        {"id": "lc", "label": "LangChain", "kind": "process"},
        {"id": "llm", "label": "Language model", "kind": "model"},
    ],
    "edges": [
        {"source": "dev", "target": "lc", "label": "builds on"},
        {"source": "lc", "target": "llm", "label": "asks"},
    ],
    "groups": [],
}


def converter():
    spec = importlib.util.spec_from_file_location("notebook", EXAMPLES / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(messages) -> str:
    """A model that draws when asked to, quotes the passage that names what is asked about, and else declines."""
    asked = messages[-1].text
    if asked.startswith("Topic: "):
        return json.dumps(DIAGRAM)
    passages, _, question = asked.partition("\n\nQuestion: ")
    for name in ("Azure Databricks", "LangChain"):
        if name in question:
            return next(text for text in TEXTS.values() if text.startswith(name) and text.strip() in passages)
    return "Not in the documents."


@pytest.fixture
def service(monkeypatch):
    """The lab as its reader would run it on OpenAI, at a local service."""
    with OpenAIServer(FakeChat(script=answer), api_key="sk-lab") as server:
        for name, value in {
            "LAB_MODEL": "openai:gpt-4.1",
            "OPENAI_API_KEY": "sk-lab",
            "OPENAI_BASE_URL": server.base_url,
        }.items():
            monkeypatch.setenv(name, value)
        yield server


def executed(tmp_path):
    """The notebook, executed in a kernel of this Python."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    return client.execute()


def outputs(notebook):
    """Everything printed, and every picture shown inline."""
    every = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in every if output.output_type == "stream" and output.name == "stdout")
    shown = [output.data for output in every if output.output_type == "execute_result"]
    return text, [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]


def test_the_notebook_holds_the_cells_of_the_script_and_no_outputs():
    module = converter()
    assert NOTEBOOK.read_text(encoding="utf-8") == module.as_json(
        module.from_script(SCRIPT.read_text(encoding="utf-8"))
    )
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if "outputs" in cell)
    steps = [
        int(number) for number in re.findall(r"^# ## Steps? (\d)", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert steps == [1, 3, 4, 5, 6, 7, 8]


def test_the_notebook_runs_on_openais_clients_and_shows_its_pictures(service, tmp_path):
    text, pictures = outputs(executed(tmp_path))
    assert "Azure Databricks is a managed analytics platform on Microsoft Azure, built on Apache Spark. [1]" in text
    assert "azure-databricks.txt (0, 91) True" in text
    assert "Not in the documents. (found: False)" in text
    told = [read_text(picture) for picture in pictures]
    assert [one["Title"] for one in told] == ["Illustration", "LangChain in use", "LangChain in use"]
    assert told[1]["Software"] == "Ziggurat; spec by gpt-4.1"
    assert TEXTS["langchain.txt"].partition("\n")[0] in told[2]["Description"]
    saved = sorted(path.name for path in (tmp_path / "demo-output").iterdir())
    assert saved == ["flying-cars.png", "from-the-answer.png", "langchain-in-use.png"]
    assert {request.body.get("model") for request in service.requests} == {"gpt-4.1", "text-embedding-3-small"}


def test_the_script_runs_too(service, tmp_path):
    done = subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "diagram demo-output/from-the-answer.png" in done.stdout
    assert not done.stderr


@pytest.mark.model
@pytest.mark.slow
def test_the_notebook_runs_on_this_machine_with_no_key(tmp_path, monkeypatch):
    monkeypatch.delenv("LAB_MODEL", raising=False)
    text, pictures = outputs(executed(tmp_path))
    assert "closest: azure-databricks.txt" in text
    assert "azure-databricks.txt (0, 91) True" in text
    assert "(found: False)" in text
    assert re.search(r"LangChain is an open-source framework[^\n]*\[1\]", text)
    told = [read_text(picture) for picture in pictures]
    assert len(told) == 3
    assert "painted by a program" in told[0]["Software"]
    assert told[1]["Software"] == "Ziggurat; spec by local:qwen2.5-coder-0.5b"
    assert "langchain.txt" in told[1]["Sources"]
