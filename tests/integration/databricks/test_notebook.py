"""The notebook on endpoints: the cells of its script, and all of them run on a workspace of this machine."""

import importlib.util
import socket
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[3] / "examples"
SCRIPT, NOTEBOOK = EXAMPLES / "databricks_endpoints.py", EXAMPLES / "databricks_endpoints.ipynb"


def test_the_notebook_holds_the_cells_of_the_script_and_no_outputs():
    spec = importlib.util.spec_from_file_location("notebook", EXAMPLES / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = module.as_json(module.from_script(SCRIPT.read_text(encoding="utf-8")))
    assert NOTEBOOK.read_text(encoding="utf-8") == written


def free_port():
    for port in range(3100, 8000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise RuntimeError("no free port")


@pytest.mark.model
@pytest.mark.slow
def test_every_cell_runs_with_the_local_models_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIVER_PORT", str(free_port()))
    monkeypatch.setenv("MLFLOW_MODEL_CATALOG_URI", "")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    done = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    every = [one for cell in done.cells if cell.cell_type == "code" for one in cell.outputs]
    text = "".join(one.text for one in every if one.output_type == "stream" and one.name == "stdout")
    assert "ziggurat-example-chat ready" in text
    assert "LISBON" in text  # through both transforms
    assert "Lisbon" in text  # through the driver proxy
    assert "'output_tokens':" in text
    assert text.rstrip().endswith("[]")  # no cluster is left
