"""Makes what a lab declares and is not there yet, changes what changed, and leaves the rest.

Everything is looked at before anything is made (`plan`), and written down before and after (`state`). Invariant:
killed at any moment, the state and the marks are enough for `down` to find everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.lab.cost import Cost, cost
from ziggurat.databricks.lab.declaration import Lab
from ziggurat.databricks.lab.down import remove
from ziggurat.databricks.lab.machines import LabCluster
from ziggurat.databricks.lab.remote import Folder
from ziggurat.databricks.lab.state import Entry, State, held
from ziggurat.databricks.lab.thing import Tell, Thing
from ziggurat.databricks.lab.things import things

Does = Literal["create", "update", "start", "keep", "leave", "remove"]
_NOTES: dict[str, str] = {
    "create": "is not there",
    "update": "was declared anew",
    "start": "has terminated",
    "keep": "is as declared",
    "leave": "was there before; not ours, so neither changed nor removed",
    "remove": "is no longer declared",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done with one thing."""

    does: Does
    kind: str
    name: str
    thing: Thing | None = None
    entry: Entry | None = None
    id: str = ""

    @property
    def note(self) -> str:
        """Why."""
        return _NOTES[self.does]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to be done.

    Attributes:
        steps: In order.
        cost: What it may cost.
        state: What is known so far; not written yet if the lab is new.
    """

    steps: tuple[Step, ...]
    cost: Cost
    state: State

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return all(step.does in {"keep", "leave"} for step in self.steps)


def plan(lab: Lab, calls: Calls) -> Plan:
    """See what is there and what is to be done; nothing is changed, here or there.

    Raises:
        InputError: If the lab was made in another workspace, or a secret's variable is not set.
        WorkspaceError: If the workspace refuses.
    """
    host = calls.access.host
    return _plan(lab, calls, State.read(lab.path, host) or State(lab.path, host, mark="new"))


def _plan(lab: Lab, calls: Calls, state: State) -> Plan:
    declared = things(lab, calls, state, lab_folder(lab, calls, state))
    steps = [_step(thing, state) for thing in declared]
    wanted = {(thing.kind, thing.name) for thing in declared}
    steps += [
        Step("remove", entry.kind, entry.name, entry=entry)
        for entry in reversed(state.entries)
        if entry.kind != "run" and (entry.kind, entry.name) not in wanted
    ]
    return Plan(tuple(steps), cost(lab), state)


def _step(thing: Thing, state: State) -> Step:
    entry = state.find(thing.kind, thing.name)
    found = thing.find(entry)
    does: Does
    if found.what == "absent":
        does = "create"
    elif found.what == "others":
        does = "leave"
    elif entry is None or entry.digest != thing.digest:
        does = "update"
    else:
        does = "start" if found.what == "asleep" else "keep"
    return Step(does, thing.kind, thing.name, thing, entry, found.id)


def up(lab: Lab, calls: Calls, tell: Tell, *, shown: Callable[[Plan], None] | None = None) -> Plan:
    """Make it so.

    Args:
        lab: What is declared.
        calls: The way into the workspace.
        tell: Told each step and state.
        shown: Given the plan before anything is done.

    Returns:
        What was done.

    Raises:
        InputError: As `plan`, or if another process works on the lab.
        WorkspaceError: If the workspace refuses; what was made so far is written down.
        ZigguratError: If something made does not become ready.
    """
    with held(lab.path):
        host = calls.access.host
        state = State.read(lab.path, host) or State(lab.path, host)
        found = _plan(lab, calls, state)
        if shown is not None:
            shown(found)
        if not found.idle:
            state.write()
        for step in found.steps:
            if step.does == "remove" and step.entry is not None:
                tell(f"{step.kind} {step.name}: remove")
                remove(step.entry, calls)
                state.forget(step.entry)
            elif step.thing is not None and step.does not in {"keep", "leave"}:
                tell(f"{step.kind} {step.name}: {step.does}")
                _do(step, step.thing, state)
        for step in found.steps:
            entry = state.find(step.kind, step.name)
            if step.thing is not None and entry is not None and step.does != "leave":
                step.thing.wait(entry.id, tell)
    return found


def _do(step: Step, thing: Thing, state: State) -> None:
    entry = state.intend(thing.kind, thing.name)
    identity = step.id
    if step.does == "create":
        identity = thing.make()
    else:
        entry.id = identity
        if step.does == "update":
            thing.change(identity)
        if isinstance(thing, LabCluster):
            thing.start(identity)
    state.made(entry, identity, thing.digest)


def lab_folder(lab: Lab, calls: Calls, state: State) -> Folder:
    """The folder of a lab's files, with its mark in the path."""
    for entry in state.entries:
        if entry.kind == "folder":
            return Folder(calls, entry.name)
    me: Any = calls.get("/api/2.0/preview/scim/v2/Me")
    return Folder(calls, f"/Users/{me['userName']}/.ziggurat/{lab.name}-{state.mark}")
