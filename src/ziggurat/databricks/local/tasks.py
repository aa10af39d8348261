"""What a task does: its libraries are installed into a folder of its own, and its code runs in a child process.

The child is the Python that runs the stand-in, with few of its variables (a job in the cloud sees none of a
laptop's), the workspace's host and a token that is taken back at the end. Nothing is mounted here: where volumes and
DBFS really lie is told by ``ZIGGURAT_MOUNTS``. Invariant: nothing of the child is
left when `carry_out` returns.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.local import run as states
from ziggurat.databricks.local.call import Refusal
from ziggurat.databricks.local.cluster import milliseconds
from ziggurat.databricks.local.libraries import fault_of, requirement_fault
from ziggurat.databricks.local.process import Child, End
from ziggurat.databricks.local.run import Run, TaskRun

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_KEPT_VARIABLES = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|USER|LD_LIBRARY_PATH|DYLD_\w+|SYSTEMROOT|VIRTUAL_ENV|XDG_\w+|"
    r"HF_HOME|HF_ENDPOINT|HF_HUB_\w+|SSL_CERT_\w+|OMP_NUM_THREADS|COVERAGE_\w+|ZIGGURAT_(?:HOME|CACHE\w*|MODELS\w*)"
)
_SECRET = re.compile(r"\{\{secrets/([^/{}]+)/([^/{}]+)\}\}")
_REFERENCE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_INSTALL_SECONDS = 300.0
_LAUNCH = Path(__file__).with_name("launch.py")


class LibraryFault(Exception):
    """A library of the task cannot be installed."""


def carry_out(workspace: Workspace, run: Run, task: TaskRun, environment: Mapping[str, str]) -> None:
    """Run one attempt of a task to its end, and note in it how it ended.

    Args:
        workspace: Where its files are.
        run: The run it belongs to; its ``stop`` cancels it.
        task: The attempt.
        environment: Variables of its cluster, secrets still as references.
    """
    limit = int(task.spec.get("timeout_seconds") or 0)
    until = time.monotonic() + limit if limit else None
    task.folder.mkdir(parents=True)
    token = workspace.issue(run.creator)
    try:
        variables = _variables(workspace, environment, token, task.folder)
        _install(workspace, run, task, variables)
        command = _command(workspace, run, task)
        task.state.life, task.state.message = states.RUNNING, "In run"
        task.clock.ready = milliseconds()
        ended, status = Child(command, task.log, task.folder, variables).wait(run.stop, until)
    except LibraryFault as fault:
        task.error = str(fault)
        task.state.end(states.FAILED, str(fault), code="LIBRARY_INSTALLATION_ERROR", life=states.INTERNAL_ERROR)
    except Refusal as refusal:
        task.error = refusal.message
        task.state.end(states.FAILED, refusal.message, code="RESOURCE_NOT_FOUND", life=states.INTERNAL_ERROR)
    else:
        _judge(task, ended, status, limit)
    finally:
        workspace.revoke(token)
        task.clock.end = milliseconds()


def _judge(task: TaskRun, ended: End, status: int, limit: int) -> None:
    if ended is End.CANCELED:
        task.state.end(states.CANCELED, "Run cancelled.")
    elif ended is End.TIMED_OUT:
        task.state.end(states.TIMEDOUT, f"Run timed out after {limit} seconds.")
    elif status == 0:
        task.state.end(states.SUCCESS)
    else:
        task.error, task.trace = _report(task.folder, status)
        task.state.end(states.FAILED, "Workload failed, see run output for details")


def _report(folder: Path, status: int) -> tuple[str, str]:
    try:
        told = json.loads((folder / "failure.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"The Python process exited unexpectedly with status {status}.", ""
    return str(told["error"]), str(told["trace"])


def _variables(workspace: Workspace, environment: Mapping[str, str], token: str, folder: Path) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if _KEPT_VARIABLES.fullmatch(name)}
    for name, value in environment.items():
        variables[name] = _SECRET.sub(lambda found: workspace.secrets.value(*found.groups()).decode(), str(value))
    return variables | {
        "DATABRICKS_HOST": workspace.url,
        "DATABRICKS_TOKEN": token,
        "PYTHONPATH": str(folder / "site"),
        "ZIGGURAT_MOUNTS": str(workspace.folder),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _libraries(run: Run, task: TaskRun) -> list[dict[str, Any]]:
    found = [dict(one) for one in task.spec.get("libraries") or ()]
    key = task.spec.get("environment_key")
    for environment in run.settings.get("environments") or ():
        if key and environment.get("environment_key") == key:
            for text in (environment.get("spec") or {}).get("dependencies") or ():
                is_file = text.startswith(("/", "dbfs:")) or text.endswith(".whl")
                found.append({"whl": text} if is_file else {"pypi": {"package": text}})
    return found


def _install(workspace: Workspace, run: Run, task: TaskRun, variables: Mapping[str, str]) -> None:
    wheels: list[Path] = []
    for library in _libraries(run, task):
        fault = fault_of(library, workspace)
        if fault:
            raise LibraryFault(fault)
        if "whl" in library:
            wheels.append(workspace.files.find(str(library["whl"])))
        elif "requirements" in library:
            text = workspace.files.find(str(library["requirements"])).read_text(encoding="utf-8")
            for line in (one.partition("#")[0].strip() for one in text.splitlines()):
                if line and (fault := requirement_fault(line)):
                    raise LibraryFault(fault)
    if not wheels:
        return
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"),
        *("--disable-pip-version-check", "--no-input", "--target", str(task.folder / "site")),
        *(str(wheel) for wheel in wheels),
    ]
    log = task.folder / "install.log"
    ended, status = Child(command, log, task.folder, variables).wait(run.stop, time.monotonic() + _INSTALL_SECONDS)
    if ended is not End.CANCELED and (ended is End.TIMED_OUT or status != 0):
        names = ", ".join(wheel.name for wheel in wheels)
        told = log.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
        raise LibraryFault(f"Library installation failed for {names}: {told}")


def _command(workspace: Workspace, run: Run, task: TaskRun) -> list[str]:
    start = [sys.executable, "-P", str(_LAUNCH), str(task.folder / "failure.json")]
    if wheel := task.spec.get("python_wheel_task"):
        named = {**(wheel.get("named_parameters") or {}), **(run.overrides.get("python_named_params") or {})}
        given = run.overrides.get("python_params") or wheel.get("parameters") or []
        parameters = [*given, *(f"--{name}={value}" for name, value in named.items())]
        what = ["wheel", f"{wheel['package_name']}:{wheel['entry_point']}"]
    else:
        script = task.spec["spark_python_task"]
        parameters = list(run.overrides.get("python_params") or script.get("parameters") or [])
        what = ["file", str(workspace.files.find(str(script["python_file"])))]
    return [*start, *what, *(_filled(str(one), run, task) for one in parameters)]


def _filled(text: str, run: Run, task: TaskRun) -> str:
    known = {"job.id": run.job_id, "job.run_id": run.id, "task.name": task.key, "task.run_id": task.id}
    for one in run.settings.get("parameters") or ():
        known[f"job.parameters.{one['name']}"] = one.get("default", "")
    for name, value in (run.overrides.get("job_parameters") or {}).items():
        known[f"job.parameters.{name}"] = value
    return _REFERENCE.sub(lambda found: str(known.get(found[1], found[0])), text)
