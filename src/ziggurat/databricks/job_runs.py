"""Runs of jobs, once they are submitted: followed to their end, their output read, their failure told.

Knows nothing of what a run does. Invariant: what is returned has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.lab.thing import Tell, patiently
from ziggurat.errors import WorkspaceError, ZigguratError

JOBS = "/api/2.2/jobs"
_LOG_LINES = 30


def followed(calls: Calls, number: int, tell: Tell, *, seconds: float) -> dict[str, Any]:
    """Wait for the end of a run.

    Args:
        calls: The way into the workspace.
        number: The run.
        tell: Told each of its states.
        seconds: How long to wait.

    Returns:
        The run as the workspace shows it.

    Raises:
        ZigguratError: If it has not ended then.
        WorkspaceError: If the workspace refuses.
    """
    said = ""
    told: dict[str, Any] = {}
    for _ in patiently(seconds, f"run {number}", tell):
        told = calls.get(f"{JOBS}/runs/get", run_id=str(number))
        state = told.get("state") or {}
        life = str(state.get("life_cycle_state") or "")
        if life != said:
            said = life
            tell(f"run {number}: {life}")
        if state.get("result_state"):
            break
    return told


def succeeded(told: Mapping[str, Any]) -> bool:
    """Whether a run ended well."""
    return (told.get("state") or {}).get("result_state") == "SUCCESS"


def page_of(told: Mapping[str, Any]) -> str:
    """Where a person looks at a run."""
    return str(told.get("run_page_url") or "")


def output_of(calls: Calls, told: Mapping[str, Any]) -> dict[str, Any]:
    """What the run's last task printed and raised; empty where the workspace has kept nothing."""
    tasks = told.get("tasks") or ()
    if not tasks:
        return {}
    try:
        found: dict[str, Any] = calls.get(f"{JOBS}/runs/get-output", run_id=str(tasks[-1]["run_id"]))
    except WorkspaceError:
        return {}
    return found


def failure(told: Mapping[str, Any], output: Mapping[str, Any], *, fix: str) -> ZigguratError:
    """What to say of a run that failed: its error, and the end of its output."""
    state = told.get("state") or {}
    parts = [str(output.get("error") or state.get("state_message") or state.get("result_state"))]
    for name in ("error_trace", "logs"):
        lines = str(output.get(name) or "").strip().splitlines()[-_LOG_LINES:]
        if lines:
            parts.append("\n".join(f"    {line}" for line in lines))
    return ZigguratError("The run failed: " + "\n".join(parts), where=page_of(told), fix=fix)
