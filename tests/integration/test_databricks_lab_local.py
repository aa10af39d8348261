"""The example lab file, as it stands, with the models of this machine: a real answer, a real picture."""

import shutil
from pathlib import Path

import pytest
from lab_world import calls_to, left
from quick_workspace import quick_workspace

from ziggurat.databricks import lab as labs

pytestmark = [pytest.mark.model, pytest.mark.slow]
EXAMPLE = Path(__file__).parents[2] / "examples" / "databricks" / "lab.yaml"


def test_the_example_is_made_run_and_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    path = tmp_path / "lab.yaml"
    shutil.copy(EXAMPLE, path)
    lab = labs.read_lab(path)
    with quick_workspace() as local:
        before, calls = left(local), calls_to(local)
        said: list[str] = []
        labs.up(lab, calls, said.append)
        outcome = labs.run(lab, calls, said.append, to=tmp_path)
        assert "Spark" in outcome.outputs["qa"]["text"]
        assert outcome.outputs["qa"]["citations"]
        assert outcome.files[0].read_bytes().startswith(b"\x89PNG")
        labs.down(lab, calls, said.append)
        assert left(local) == before
        calls.close()
    assert "sk-of-nobody" not in "".join(said) + outcome.logs
