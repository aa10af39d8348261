"""Runs the lab's chain as a job: packs this package, submits, waits, brings the outputs here.

A run has its folder in the lab's, its name carries the lab's mark, and submitting it twice is one run.
Invariant: a run that was submitted is either waited for or written down.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.job_runs import JOBS, failure, followed, output_of, page_of, succeeded
from ziggurat.databricks.lab.contents import inputs as own_inputs
from ziggurat.databricks.lab.declaration import Lab
from ziggurat.databricks.lab.remote import Folder
from ziggurat.databricks.lab.specs import chain_task, cluster_spec
from ziggurat.databricks.lab.state import State, held
from ziggurat.databricks.lab.thing import Tell
from ziggurat.databricks.lab.wheel import wheel
from ziggurat.errors import InputError

_RUN_SECONDS = 3600
_WAITED_LONGER = 1800.0
_SHORTEST_SECRET = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        run_id: Its number in the workspace.
        page: Where a person looks at it.
        outputs: By stage; a picture is a mapping with its file's name.
        files: The pictures, saved here.
        logs: What it printed.
    """

    run_id: int
    page: str
    outputs: Mapping[str, Any]
    files: tuple[Path, ...]
    logs: str


def run(
    lab: Lab, calls: Calls, tell: Tell, *, inputs: Mapping[str, Any] | None = None, to: Path | None = None
) -> Outcome:
    """Run the chain and bring back what it gave.

    Args:
        lab: The lab, which is up.
        calls: The way into the workspace.
        tell: Told each step and state.
        inputs: What the chain is asked, over those of the lab file.
        to: The folder for pictures; here by default.

    Raises:
        InputError: If the lab is not up.
        ZigguratError: If the run fails; its error and the end of its output are in the message.
        WorkspaceError: If the workspace refuses.
    """
    _up(lab, calls)  # looked at first, so that a lab that never was leaves no file here
    with held(lab.path):
        state = _up(lab, calls)
        folder = Folder(calls, next(one.name for one in state.entries if one.kind == "folder"))
        token = token_hex(4)
        place = f"runs/{token}"
        name, packed = wheel()
        if f"packages/{name}" not in set(folder.list("packages")):
            tell(f"package: {name}, {len(packed) / 1e6:.1f} MB")
            folder.make("packages")
            folder.put(f"packages/{name}", packed)
        folder.make(place)
        asked = {**own_inputs(lab), **(inputs or {})}
        folder.put(f"{place}/inputs.json", json.dumps(asked, ensure_ascii=False).encode())
        entry = state.intend("run", token)
        body = submission(lab, state, f"/Workspace{folder.path}/packages/{name}", folder.path, place)
        number = int(calls.post(f"{JOBS}/runs/submit", body | {"idempotency_token": f"{state.mark}-{token}"})["run_id"])
        state.made(entry, str(number), token)
    tell(f"run {number}: submitted")
    try:
        told = followed(calls, number, tell, seconds=_RUN_SECONDS + _WAITED_LONGER)
    except KeyboardInterrupt:
        calls.post(f"{JOBS}/runs/cancel", {"run_id": number})
        tell(f"run {number}: cancelled")
        raise
    output = _hidden(lab, output_of(calls, told))
    if not succeeded(told):
        raise failure(told, output, fix="`ziggurat databricks down` removes everything")
    outputs = _hidden(lab, json.loads(folder.fetch(f"{place}/outputs.json")))
    files = _pictures(folder, place, outputs, to or Path())
    return Outcome(number, page_of(told), outputs, files, str(output.get("logs") or ""))


def submission(lab: Lab, state: State, package: str, folder: str, place: str) -> dict[str, Any]:
    """What is submitted, as the REST API takes it."""
    task, environments = chain_task(lab, package, folder, place)
    body: dict[str, Any] = {"run_name": f"{lab.name}-{state.mark}", "timeout_seconds": _RUN_SECONDS, "tasks": [task]}
    if environments:
        body["environments"] = environments
        return body
    if lab.compute.job is not None:
        task["new_cluster"] = cluster_spec(lab, state.mark)
    else:
        task["existing_cluster_id"] = next(one.id for one in state.entries if one.kind == "cluster")
    return body


def _up(lab: Lab, calls: Calls) -> State:
    state = State.read(lab.path, calls.access.host)
    needed = {"folder", "files"} | ({"cluster"} if lab.compute.cluster is not None else set())
    if state is None or needed - {one.kind for one in state.entries if one.digest}:
        raise InputError(f"The lab {lab.name!r} is not up.", fix="ziggurat databricks up first")
    return state


def _hidden(lab: Lab, told: Any) -> Any:
    """What a run told, without the values of the lab's secrets: a chain may have printed one."""
    text = json.dumps(told)
    for variable in lab.secrets.values.values() if lab.secrets is not None else ():
        if len(value := os.environ.get(variable, "")) >= _SHORTEST_SECRET:
            text = text.replace(json.dumps(value)[1:-1], "[secret]")
    return json.loads(text)


def _pictures(folder: Folder, place: str, outputs: Mapping[str, Any], to: Path) -> tuple[Path, ...]:
    files: list[Path] = []
    for told in outputs.values():
        if isinstance(told, dict) and "picture" in told:
            target = to / Path(told["picture"]).name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(folder.fetch(f"{place}/{told['picture']}"))
            files.append(target)
    return tuple(files)
