"""A lab file, a workspace to make it in, and what of it is left there."""

import os
import subprocess
import sys
from pathlib import Path

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.lab.thing import pages
from ziggurat.workspace import access

KEY = "sk-a-key-that-nobody-may-see"
LAB = """
ziggurat-lab: 1
name: lab-3
compute:
  cluster: {spark_version: 16.4.x-scala2.12, node_type_id: Standard_DS3_v2, autotermination_minutes: 20}
libraries: [httpx]
secrets:
  scope: lab-3
  values: {openai-api-key: LAB_KEY}
endpoints:
  lab-chat:
    external: {provider: openai, model: gpt-4, secret: lab-3/openai-api-key}
embeddings: fake:64
chat: databricks:lab-chat
picture: fake:picture
"""


def lab_file(folder: Path, text: str = LAB) -> Path:
    path = folder / "lab.yaml"
    path.write_text(text)
    return path


def environment(host: str, token: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABRICKS_")}
    return kept | {"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": token, "LAB_KEY": KEY, "COLUMNS": "200"}


def ziggurat(*arguments: object, env: dict[str, str]) -> subprocess.Popen[str]:
    """The command line, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from ziggurat.cli.main import main; main()", "databricks", *map(str, arguments)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def calls_to(local) -> Calls:
    return Calls(access(local.url, local.token))


def left(local) -> set[str]:
    """Everything in a workspace that a lab could have made."""
    calls = calls_to(local)
    endpoints = calls.get("/api/2.0/serving-endpoints").get("endpoints") or ()
    found = {f"endpoint {one['name']}" for one in endpoints}
    found |= {f"scope {one['name']}" for one in calls.get("/api/2.0/secrets/scopes/list").get("scopes") or ()}
    for one in pages(calls, "/api/2.1/clusters/list", "clusters"):
        if one["cluster_source"] != "JOB" or one["state"] not in {"TERMINATING", "TERMINATED"}:
            found.add(f"cluster {one['cluster_name']}")
    found |= {f"run {one['run_id']}" for one in pages(calls, "/api/2.2/jobs/runs/list", "runs")}
    found |= {f"job {one['job_id']}" for one in pages(calls, "/api/2.2/jobs/list", "jobs")}
    home = local.workspace.folder / "workspace"
    found |= {f"file {one.relative_to(home)}" for one in home.rglob("*") if ".ziggurat/" in str(one.relative_to(home))}
    calls.close()
    return found
