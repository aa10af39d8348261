"""The Python of docs/mlflow.md runs, in a process of its own: MLflow warns while it is imported and keeps global state."""

import re
from pathlib import Path

import pytest
from mlflow_process import in_mlflow

DOCUMENT = Path(__file__).parents[2] / "docs" / "mlflow.md"
BLOCK = re.compile(r"^<!-- no-run -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_python_of_the_document_runs_in_its_own_process(tmp_path):
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) == text.count("```python") >= 5
    in_mlflow("\n".join(blocks), tmp_path)
