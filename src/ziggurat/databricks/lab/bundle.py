"""The lab as a Declarative Automation Bundle: the same things, for those who deploy with the Databricks CLI.

Writes a folder: ``databricks.yml``, the lab's files and this package's wheel. Secrets' values have no place in a
bundle; the commands that write them stand in it as comments.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from ziggurat.databricks.lab.contents import contents, inputs
from ziggurat.databricks.lab.declaration import Lab
from ziggurat.databricks.lab.remote import stored
from ziggurat.databricks.lab.specs import TAG, chain_task, cluster_spec, endpoint_config
from ziggurat.databricks.lab.wheel import wheel
from ziggurat.errors import InputError

FILE = "databricks.yml"
_RUN = "runs/bundle"
_FILES = "${workspace.file_path}"


def write_bundle(lab: Lab, target: Path) -> list[Path]:
    """Write the bundle.

    Args:
        lab: What is declared.
        target: The folder; made if it is not there.

    Returns:
        The files, ``databricks.yml`` first.

    Raises:
        InputError: If there is another bundle in the folder.
    """
    front = target / FILE
    head = f"# The lab {lab.name}, written by `ziggurat databricks bundle`.\n"
    if front.exists() and not front.read_text(encoding="utf-8").startswith(head):
        raise InputError("There is another bundle in this folder.", where=str(front), fix="choose another with --to")
    name, packed = wheel()
    files = contents(lab) | {
        f"dist/{name}": packed,
        f"{_RUN}/inputs.json": json.dumps(inputs(lab), ensure_ascii=False).encode(),
        FILE: (head + _secrets(lab) + "\n" + yaml.safe_dump(bundle(lab, f"./dist/{name}"), sort_keys=False)).encode(),
    }
    for place, raw in files.items():
        path = target / stored(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return [front, *(target / stored(place) for place in files if place != FILE)]


def bundle(lab: Lab, package: str) -> dict[str, Any]:
    """What ``databricks.yml`` says.

    Args:
        lab: What is declared.
        package: The wheel, by its path in the bundle.
    """
    resources: dict[str, Any] = {}
    if lab.secrets is not None:
        resources["secret_scopes"] = {_key(lab.secrets.scope): {"name": lab.secrets.scope}}
    if lab.endpoints:
        resources["model_serving_endpoints"] = {
            _key(name): {
                "name": name,
                "config": endpoint_config(endpoint),
                "tags": [{"key": TAG, "value": lab.name}],
            }
            for name, endpoint in lab.endpoints.items()
        }
    if lab.compute.cluster is not None:
        resources["clusters"] = {"lab": cluster_spec(lab, lab.name) | {"cluster_name": lab.name}}
    resources["jobs"] = {"lab": _job(lab, package)}
    return {
        "bundle": {"name": lab.name},
        "resources": resources,
        "targets": {"dev": {"mode": "development", "default": True}},
    }


def _job(lab: Lab, package: str) -> dict[str, Any]:
    task, environments = chain_task(lab, package, _FILES, _RUN)
    job: dict[str, Any] = {"name": lab.name, "tags": {TAG: lab.name}, "timeout_seconds": 3600, "tasks": [task]}
    if environments:
        job["environments"] = environments
        return job
    if lab.compute.cluster is not None:
        task["existing_cluster_id"] = "${resources.clusters.lab.id}"
    else:
        task["job_cluster_key"] = "lab"
        job["job_clusters"] = [{"job_cluster_key": "lab", "new_cluster": cluster_spec(lab, lab.name)}]
    return job


def _secrets(lab: Lab) -> str:
    if lab.secrets is None or not lab.secrets.values:
        return ""
    lines = [
        f"#   databricks secrets put-secret {lab.secrets.scope} {key}   ({name})"
        for key, name in lab.secrets.values.items()
    ]
    return "# Its secrets are written by hand, once the scope is there:\n" + "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return re.sub(r"\W", "_", name)
