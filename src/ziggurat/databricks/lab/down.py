"""Removes what a lab has made, and only that, newest first.

Goes by the state, then looks for the mark, since a killed process may have made what it could not write down.
Invariant: what is gone already is fine; the state's file goes last, when nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.endpoints import Endpoints
from ziggurat.databricks.lab.declaration import Lab, Named
from ziggurat.databricks.lab.machines import clusters
from ziggurat.databricks.lab.remote import Folder, gone
from ziggurat.databricks.lab.state import Entry, State, held
from ziggurat.databricks.lab.thing import Tell, pages, patiently, tagged
from ziggurat.databricks.secrets import Reference, Secrets
from ziggurat.errors import InputError, WorkspaceError
from ziggurat.suggest import did_you_mean

_ENDING_SECONDS = 300.0
_DOUBT = 3_600_000
_WITH = {"scope": {"secret", "endpoint"}, "secret": {"endpoint"}, "folder": {"files"}, "cluster": {"libraries"}}
"""What stays for the sake of what."""
_OVER = frozenset({"TERMINATED", "INTERNAL_ERROR", "SKIPPED"})


def down(lab: Lab | Named, calls: Calls, tell: Tell, keep: Collection[str] = ()) -> list[str]:
    """Remove everything.

    Args:
        lab: What was declared; only its name and place count here.
        calls: The way into the workspace.
        tell: Told each step.
        keep: Names or kinds of things that stay.

    Returns:
        What was removed.

    Raises:
        InputError: If it was made in another workspace, another process works on it, or ``keep`` names nothing.
        WorkspaceError: If the workspace refuses; what is left stays written down.
    """
    if not lab.path.parent.is_dir():
        return []  # no lab was ever made beside this file
    with held(lab.path):
        state = State.read(lab.path, calls.access.host)
        if state is None:
            return []
        _check(keep, state)
        removed: list[str] = []

        def note(what: str) -> None:
            removed.append(what)
            tell(f"{what}: removed")

        kept = _staying(state, keep)
        _runs(lab, state, calls, note)
        for entry in reversed(list(state.entries)):
            if entry in kept:
                tell(f"{entry.kind} {entry.name}: kept")
                continue
            if remove(entry, calls):
                note(f"{entry.kind} {entry.name}")
            state.forget(entry)
        _marked(state, calls, {entry.kind for entry in kept}, note)
        if not state.entries:
            state.remove()
    return removed


def remove(entry: Entry, calls: Calls) -> bool:
    """Remove one thing that the state knows.

    Returns:
        Whether it was there.
    """
    try:
        return _REMOVERS[entry.kind](entry, calls)
    except WorkspaceError as error:
        if not gone(error):
            raise
        return False


def _check(keep: Collection[str], state: State) -> None:
    mine = [entry for entry in state.entries if entry.kind != "run"]
    known = {name for entry in mine for name in (entry.kind, entry.name)}
    for name in keep:
        if name not in known:
            kinds = ", ".join(dict.fromkeys(entry.kind for entry in mine))
            raise InputError(
                f"The lab has nothing called {name!r} to keep{did_you_mean(name, known)}.",
                fix=f"a kind ({kinds}), or the name of one thing",
            )


def _staying(state: State, keep: Collection[str]) -> list[Entry]:
    """What was named, and with it what it lives in, and the secrets that endpoints read."""
    kinds = {entry.kind for entry in state.entries if entry.kind in keep or entry.name in keep}
    kinds = {entry.kind for entry in state.entries if kinds & _WITH.get(entry.kind, set())}
    return [entry for entry in state.entries if entry.kind in kinds or {entry.kind, entry.name} & set(keep)]


def _runs(lab: Lab | Named, state: State, calls: Calls, note: Callable[[str], None]) -> None:
    """Cancel and delete the lab's runs, those too whose number was never written down."""
    name = f"{lab.name}-{state.mark}"
    # Only since the lab began: a workspace may remember a great many. An hour's doubt about whose clock is right.
    query = {"run_type": "SUBMIT_RUN", "limit": "25", "start_time_from": str(max(0, state.began - _DOUBT))}
    mine = [one for one in pages(calls, "/api/2.2/jobs/runs/list", "runs", **query) if one.get("run_name") == name]
    for run in mine:
        number = run["run_id"]
        if _life(run) not in _OVER:
            calls.post("/api/2.2/jobs/runs/cancel", {"run_id": number})
            for _ in patiently(_ENDING_SECONDS, f"run {number}"):
                if _life(calls.get("/api/2.2/jobs/runs/get", run_id=str(number))) in _OVER:
                    break
        try:
            calls.post("/api/2.2/jobs/runs/delete", {"run_id": number})
        except WorkspaceError as error:
            if not gone(error):
                raise
            continue
        note(f"run {number}")


def _life(run: Any) -> str:
    return str((run.get("state") or {}).get("life_cycle_state") or "")


def _marked(state: State, calls: Calls, kept: set[str], note: Callable[[str], None]) -> None:
    """Remove what carries the mark and was never written down."""
    if "cluster" not in kept:
        for told in clusters(calls, state.mark):
            if told.get("cluster_source") != "JOB":
                _end_cluster(str(told["cluster_id"]), calls)
                note(f"cluster {told['cluster_name']}")
            elif told["state"] not in {"TERMINATING", "TERMINATED"}:
                calls.post("/api/2.1/clusters/delete", {"cluster_id": told["cluster_id"]})
                note(f"cluster {told['cluster_name']} of a run")
    if "endpoint" not in kept:
        endpoints = Endpoints(calls)
        for one in endpoints.list():
            if tagged(one.told, state.mark):
                endpoints.delete(one.name)
                note(f"endpoint {one.name}")


def _cluster(entry: Entry, calls: Calls) -> bool:
    return bool(entry.id) and _end_cluster(entry.id, calls)


def _end_cluster(identity: str, calls: Calls) -> bool:
    calls.post("/api/2.1/clusters/delete", {"cluster_id": identity})
    calls.post("/api/2.1/clusters/permanent-delete", {"cluster_id": identity})
    return True


def _endpoint(entry: Entry, calls: Calls) -> bool:
    if not entry.id:
        return False  # never known to be made: the mark finds it if it was
    Endpoints(calls).delete(entry.name)
    return True


def _secret(entry: Entry, calls: Calls) -> bool:
    scope, _, key = entry.name.partition("/")
    Secrets(calls).delete(Reference(scope, key))
    return True


def _scope(entry: Entry, calls: Calls) -> bool:
    secrets = Secrets(calls)
    if entry.name not in secrets.scopes():
        return False
    if secrets.list(entry.name):
        return False  # somebody put a secret of their own into it
    secrets.delete_scope(entry.name)
    return True


def _folder(entry: Entry, calls: Calls) -> bool:
    folder = Folder(calls, entry.name)
    there = folder.there()
    folder.remove()
    return there


def _with_what_holds_it(entry: Entry, calls: Calls) -> bool:  # noqa: ARG001 (as the others)
    return False


_REMOVERS: dict[str, Callable[[Entry, Calls], bool]] = {
    "cluster": _cluster,
    "libraries": _with_what_holds_it,
    "endpoint": _endpoint,
    "secret": _secret,
    "scope": _scope,
    "files": _with_what_holds_it,
    "folder": _folder,
    "run": _with_what_holds_it,
}
