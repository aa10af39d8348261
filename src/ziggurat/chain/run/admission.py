"""A run's inputs, let in: by name or by stage, and refused before anything starts if they cannot do.

Everything that is missing or unknown is found at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ziggurat.chain.program import MISSING, Program
from ziggurat.chain.wiring import Wiring
from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

Inputs = Mapping[str, Any]
Overrides = dict[int, dict[str, Any]]


def admit(program: Program, inputs: Inputs, name: str) -> tuple[list[Any], Overrides]:
    """A run's slots, and what is given to single stages.

    Args:
        program: The chain.
        inputs: Values by input name (``{"question": ...}``), by stage (``{"qa": {"question": ...}}``),
            or both.
        name: What errors call the chain.

    Raises:
        InputError: If an input is missing or unknown.
    """
    wiring = program.wiring
    slots: list[Any] = [MISSING] * program.slots
    overrides: Overrides = {}
    findings: list[str] = []
    for key, given in inputs.items():
        if key in program.slot_of and not _is_nested(wiring, key, given):
            slots[program.slot_of[key]] = given
        elif key in program.names:
            findings += _nest(wiring, key, given, overrides)
        else:
            findings.append(f"{key!r} is no input of this chain{did_you_mean(key, [*program.slot_of, *wiring.names])}")
    for key, one in wiring.inputs.items():
        if one.required and slots[program.slot_of[key]] is MISSING:
            without = [
                reader
                for reader in one.readers
                if not _given_otherwise(wiring, wiring.position(reader), key, overrides)
            ]
            if without:
                findings.append(f"the input {key!r} is missing; it is read by {', '.join(map(repr, without))}")
    if findings:
        wanted = ", ".join(program.slot_of) or "no inputs"
        raise InputError("This run cannot start: " + "; ".join(findings) + ".", where=name, fix=f"give it {wanted}")
    return slots, overrides


def _is_nested(wiring: Wiring, name: str, given: Any) -> bool:
    """Whether a value under a name that is both an input and a stage holds that stage's inputs."""
    if name not in wiring.names or not isinstance(given, Mapping):
        return False
    return set(given) <= {feed.param for feed in wiring.feeds[wiring.position(name)]}


def _nest(wiring: Wiring, name: str, given: Any, overrides: Overrides) -> list[str]:
    position = wiring.position(name)
    if not isinstance(given, Mapping):
        return [f"{name!r} is a stage: give a mapping of its inputs, not {type(given).__name__}"]
    feeds = {feed.param: feed for feed in wiring.feeds[position]}
    stage = wiring.stages[position]
    findings = []
    for param in given:
        if param in stage.given or (param in wiring.names and param in feeds and param != name):
            findings.append(f"{param!r} of stage {name!r} is fed inside the chain and cannot be given")
        elif param not in feeds and not stage.open_ended:
            findings.append(f"stage {name!r} takes no {param!r}{did_you_mean(str(param), feeds)}")
    overrides[position] = dict(given)
    return findings


def _given_otherwise(wiring: Wiring, position: int, name: str, overrides: Overrides) -> bool:
    """Whether a stage that reads a run input by its own name was given it directly."""
    reads_it = any(feed.param == name and feed.required for feed in wiring.feeds[position])
    return reads_it and name not in wiring.stages[position].given and name in overrides.get(position, {})
