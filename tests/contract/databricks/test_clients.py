"""The clients that need an environment of their own, each file of checks in a process of that environment."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ziggurat.databricks.local import Delays, LocalWorkspace, Models
from ziggurat.databricks.local.pyfunc import AGENT
from ziggurat.testing import FakeChat, FakeEmbeddings, tool_call

CHECKS = Path(__file__).parent / "clients"
PYTHON = Path(__file__).parents[3] / ".venv-databricks" / "bin" / "python"
SCRIPT = {
    "weather": tool_call("weather", city="Lisbon"),
    "capital": '{"city": "Lisbon"}',
    ".": "Hello there, friend.",
}
PASSAGES = [{"id": 1, "text": "Lisbon is the capital of Portugal."}, {"id": 2, "text": "Rice grows in water."}]


@pytest.fixture
def python():
    if not PYTHON.exists():
        reason = "run `make clients` to build .venv-databricks from constraints-databricks.txt"
        if os.environ.get("CI"):
            pytest.fail(f"The clients' environment is absent: {reason}")
        pytest.skip(reason)
    return PYTHON


@pytest.mark.slow
@pytest.mark.parametrize("checks", ["check_chat.py", "check_embeddings.py", "check_search.py", "check_stages.py"])
def test_the_real_clients_pass_their_checks_against_the_local_workspace(python, checks, tmp_path):
    models = Models(chat=FakeChat(script=SCRIPT), embeddings=FakeEmbeddings())
    with LocalWorkspace(models=models, delays=Delays(index=0.0)) as local:
        local.workspace.serving.serve("agent", FakeChat(script="An agent says this."), task=AGENT)
        _write_table(local)
        principal = local.workspace.identity.principal
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(CHECKS.parents[3] / "src"),  # this package, which is not installed there
            "DATABRICKS_HOST": local.url,
            "DATABRICKS_TOKEN": local.token,
            "PRINCIPAL_ID": principal.client_id,
            "PRINCIPAL_SECRET": principal.client_secret,
        }
        command = [str(python), "-m", "pytest", "-c", str(CHECKS / "pytest.ini"), str(CHECKS / checks)]
        ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        unknown = [entry for entry in local.workspace.record.entries if entry.status == 501]
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]
    assert " passed" in ended.stdout
    assert unknown == []


def _write_table(local):
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.catalog import VolumeType

    client = WorkspaceClient(host=local.url, token=local.token)
    known = {one.name for one in client.catalogs.list()}
    if "main" not in known:
        client.catalogs.create("main")
    client.schemas.create("docs", "main")
    client.volumes.create("main", "docs", "tables", VolumeType.MANAGED)
    rows = "\n".join(json.dumps(row) for row in PASSAGES)
    from io import BytesIO

    client.files.upload("/Volumes/main/docs/tables/passages.jsonl", BytesIO(rows.encode()))
