"""``ziggurat batch`` as a job: packs this package and the chain, submits a run, follows it, cleans up.

The job gives the same command on a cluster, with that cluster's own Spark session (`ziggurat.cli.databricks_batch_job`).
Table and output are where a cluster sees them, in volumes or DBFS; so is the ledger, and giving the command again computes
only what is missing. Invariants: nothing is submitted before all that can be checked from here is; what was
uploaded is removed when the run has ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.job_runs import JOBS, failure, followed, output_of, page_of, succeeded
from ziggurat.databricks.lab.remote import Folder
from ziggurat.databricks.lab.thing import Tell
from ziggurat.databricks.lab.wheel import BATCH_ENTRY, PACKAGE, wheel
from ziggurat.errors import InputError, WorkspaceNotFound

_ME = "/api/2.0/preview/scim/v2/Me"
_LONGEST_SECONDS = 7 * 24 * 3600
_WAITED_LONGER = 1800.0
_FIX = "correct what it says and give the command again: finished cells are kept"


@dataclass(frozen=True, slots=True)
class Compute:
    """Where a job runs: exactly one of the three.

    Attributes:
        cluster: The id of a cluster that is there.
        new_cluster: A cluster of the job's own, as the REST API takes it.
        serverless: The version of a serverless environment.
        libraries: Packages from the package index that the chain needs there.
    """

    cluster: str = ""
    new_cluster: Mapping[str, Any] = field(default_factory=dict)
    serverless: str = ""
    libraries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum(map(bool, (self.cluster, self.new_cluster, self.serverless))) != 1:
            raise InputError(
                "A job runs on one of: a cluster that is there, a new one, serverless compute.",
                fix="--cluster ID, --new-cluster FILE.json, or --serverless VERSION",
            )


@dataclass(frozen=True, slots=True)
class BatchRun:
    """A run that was submitted.

    Attributes:
        run_id: Its number in the workspace.
        page: Where a person looks at it; empty if it was not followed.
        logs: What the command printed there; empty if it was not followed.
    """

    run_id: int
    page: str = ""
    logs: str = ""


def submit_batch(
    calls: Calls,
    chain: str,
    table: str,
    out: str,
    compute: Compute,
    tell: Tell,
    *,
    options: Sequence[str] = (),
    files: Sequence[Path] = (),
    wait: bool = True,
    timeout_seconds: int = _LONGEST_SECONDS,
) -> BatchRun:
    """Run a chain over a table as a job.

    Args:
        calls: The way into the workspace.
        chain: ``CHAIN.yaml`` or ``FILE.py:NAME`` on this machine.
        table: ``/Volumes/CATALOG/SCHEMA/VOLUME/…`` or ``dbfs:/…``.
        out: The same; beside it lies the ledger.
        compute: Where it runs.
        tell: Told each step and state.
        options: Of ``ziggurat batch``, as they are written there.
        files: What the chain reads beside itself, and Python that ``options`` name; each is beside the chain there.
        wait: Whether to follow the run to its end; else it is only submitted, and what was uploaded stays.
        timeout_seconds: How long the run may take.

    Raises:
        InputError: If a path is none that a cluster sees, or a file is not here or too large; nothing was submitted.
        WorkspaceNotFound: If the table is not there; nothing was submitted.
        ZigguratError: If the run fails; its error and the end of its output are in the message.
        WorkspaceError: If the workspace refuses.
    """
    sent = _sent(chain, files)
    _check(calls, table, out)
    folder = Folder(calls, f"/Users/{calls.get(_ME)['userName']}/.ziggurat/batch/{token_hex(6)}")
    kept = False
    try:
        package = _uploaded(folder, sent, tell)
        parameters = ["--folder", folder.path, "--", Path(chain).name, table, out, *options]
        body = submission(compute, package, parameters, timeout_seconds)
        token = f"ziggurat-batch-{folder.path.rpartition('/')[2]}"
        number = int(calls.post(f"{JOBS}/runs/submit", body | {"idempotency_token": token})["run_id"])
        tell(f"run {number}: submitted")
        if not wait:
            kept = True
            return BatchRun(number)
        with _cancelled(calls, number, tell):
            told = followed(calls, number, tell, seconds=timeout_seconds + _WAITED_LONGER)
    finally:
        if not kept:
            folder.remove()
    output = output_of(calls, told)
    if not succeeded(told):
        raise failure(told, output, fix=_FIX)
    return BatchRun(number, page_of(told), str(output.get("logs") or ""))


def submission(compute: Compute, package: str, parameters: Sequence[str], seconds: int) -> dict[str, Any]:
    """What is submitted, as the REST API takes it.

    Args:
        compute: Where it runs.
        package: Where the wheel is.
        parameters: Of the job's command.
        seconds: How long it may take.
    """
    task: dict[str, Any] = {
        "task_key": "batch",
        "python_wheel_task": {"package_name": PACKAGE, "entry_point": BATCH_ENTRY, "parameters": list(parameters)},
    }
    body: dict[str, Any] = {"run_name": "ziggurat batch", "timeout_seconds": seconds, "tasks": [task]}
    if compute.serverless:
        task["environment_key"] = "batch"
        spec = {"environment_version": compute.serverless, "dependencies": [package, *compute.libraries]}
        body["environments"] = [{"environment_key": "batch", "spec": spec}]
        return body
    task["libraries"] = [{"whl": package}, *({"pypi": {"package": one}} for one in compute.libraries)]
    if compute.cluster:
        task["existing_cluster_id"] = compute.cluster
    else:
        task["new_cluster"] = dict(compute.new_cluster)
    return body


def read_cluster(path: Path) -> dict[str, Any]:
    """A cluster's declaration from a JSON file.

    Raises:
        InputError: If it is not there, or is none.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The cluster's declaration cannot be read: {error}", where=str(path)) from error
    if not isinstance(found, dict) or not {"spark_version"} <= found.keys():
        raise InputError(
            "A new cluster is declared by a JSON object with spark_version and node_type_id.",
            where=str(path),
            fix="as in the Jobs API's new_cluster",
        )
    return found


def _sent(chain: str, files: Sequence[Path]) -> dict[str, Path]:
    """Everything to upload, by its name there."""
    file, colon, _ = chain.rpartition(":")
    first = Path(file if colon and file.endswith(".py") else chain)
    sent: dict[str, Path] = {}
    for one in (first, *files):
        if not one.exists():
            raise InputError("There is no such file.", where=str(one))
        inside = sorted(path for path in one.rglob("*") if path.is_file()) if one.is_dir() else [one]
        for path in inside:
            name = f"{one.name}/{path.relative_to(one).as_posix()}" if one.is_dir() else one.name
            if sent.setdefault(name, path) != path:
                raise InputError(f"Two files are called {name}; there they would lie beside one another.")
    return sent


def _check(calls: Calls, table: str, out: str) -> None:
    for what, path in (("table", table), ("output", out)):
        if not path.startswith(("/Volumes/", "dbfs:/", "/dbfs/")):
            raise InputError(
                f"A cluster does not see the {what} {path}.",
                where=what,
                fix="upload it into a volume and name it there: /Volumes/CATALOG/SCHEMA/VOLUME/FILE",
            )
    if not table.startswith("/Volumes/") and not table.startswith("dbfs:/Volumes/"):
        path = "/" + table.removeprefix("dbfs:").removeprefix("/dbfs").strip("/")
        calls.get("/api/2.0/dbfs/get-status", path=path)
        return
    path = table.removeprefix("dbfs:").rstrip("/")
    parent, _, name = path.rpartition("/")
    token, there = "", False
    while not there:
        told = calls.get(f"/api/2.0/fs/directories{parent}", **({"page_token": token} if token else {}))
        there = any(one.get("name") == name for one in told.get("contents") or ())
        token = str(told.get("next_page_token") or "")
        if not token:
            break
    if not there:
        raise WorkspaceNotFound("There is no such table in the volume.", where=table)


def _uploaded(folder: Folder, sent: Mapping[str, Path], tell: Tell) -> str:
    """Put chain and package into the workspace; where the package is."""
    name, packed = wheel()
    tell(f"package: {name}, {len(packed) / 1e6:.1f} MB")
    folders = {f"files/{one}".rpartition("/")[0] for one in sent} | {"files", "packages"}
    for one in sorted(folders):
        folder.make(one)
    folder.put(f"packages/{name}", packed)
    for one, path in sent.items():
        folder.put(f"files/{one}", path.read_bytes())
    return f"/Workspace{folder.path}/packages/{name}"


@contextmanager
def _cancelled(calls: Calls, number: int, tell: Tell) -> Iterator[None]:
    """Who stops following stops the run; what it finished is in the ledger."""
    try:
        yield
    except KeyboardInterrupt:
        calls.post(f"{JOBS}/runs/cancel", {"run_id": number})
        tell(f"run {number}: cancelled; finished cells are kept")
        raise
