"""From names to edges: which stage or run input feeds which parameter, checked before anything runs.

Pure: no clock, no file, no event loop, no LangChain. It finds everything that is wrong at once, each finding
naming its stage, and then either raises one `WiringError` or returns a `Wiring` that can run.
Ties break by the order in which stages were declared, so a chain is the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ziggurat.chain.stage import ANY, Binding, Param, Ref, Stage, StageName, Template, Value
from ziggurat.chain.types import can_meet, missing_field, type_name
from ziggurat.errors import WiringError
from ziggurat.suggest import did_you_mean

_SHOWN_SEPARATOR = " -> "


@dataclass(frozen=True, slots=True)
class RunInput:
    """A value the caller of a run must or may give.

    Attributes:
        name: Its name.
        type: The type its first reader declares.
        required: False when every reader has a default.
        readers: The stages that read it, in order.
    """

    name: str
    type: Any
    required: bool
    readers: tuple[StageName, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """Where one parameter of one stage gets its value.

    Attributes:
        param: The parameter.
        binding: Its source. A plain reference for namesakes.
        required: Whether the stage cannot start without it.
    """

    param: str
    binding: Binding
    required: bool


@dataclass(frozen=True, slots=True)
class Wiring:
    """A checked chain: everything a plan needs to know, by position.

    Attributes:
        names: Stage names in declared order; a stage's position here is its id below.
        stages: The stages, at the same positions.
        feeds: For each stage, its parameters' sources.
        parents: For each stage, the positions it waits for, without repeats.
        children: For each stage, the positions that wait for it.
        inputs: The run's inputs by name.
        order: Positions in an order that respects every edge.
        outputs: Positions whose values a run returns.
    """

    names: tuple[StageName, ...]
    stages: tuple[Stage, ...]
    feeds: tuple[tuple[Feed, ...], ...]
    parents: tuple[tuple[int, ...], ...]
    children: tuple[tuple[int, ...], ...]
    inputs: Mapping[str, RunInput]
    order: tuple[int, ...]
    outputs: tuple[int, ...]

    def position(self, name: str) -> int:
        """The position of a stage."""
        return self.names.index(StageName(name))


def wire(
    stages: Iterable[tuple[str, Stage]],
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Wiring:
    """Wire named stages into a chain.

    Args:
        stages: Name and stage, in order. Names may repeat: that is a finding, not an overwrite.
        inputs: The run's inputs, if they are declared; None to find them from the parameters.
        outputs: The stages whose values a run returns; None for all of them.

    Raises:
        WiringError: With every finding at once.
    """
    findings: list[str] = []
    table = _table(stages, findings)
    names = tuple(table)
    feeds = {name: _feeds(name, stage, table, findings) for name, stage in table.items()}
    edges = {name: _parents(feeds[name], name, table) for name in names}
    run_inputs = _run_inputs(feeds, table)
    findings += _unknown_inputs(run_inputs, inputs, names)
    findings += _type_findings(feeds, table)
    order = _order(edges, findings)
    wanted = _wanted(outputs, names, edges, findings)
    if findings:
        lines = "\n".join(f"  - {finding}" for finding in findings)
        count = "one thing is" if len(findings) == 1 else f"{len(findings)} things are"
        raise WiringError(f"This chain cannot run; {count} wrong:\n{lines}", findings=tuple(findings))
    at = {name: position for position, name in enumerate(names)}
    parents = tuple(tuple(at[parent] for parent in edges[name]) for name in names)
    return Wiring(
        names=names,
        stages=tuple(table.values()),
        feeds=tuple(feeds[name] for name in names),
        parents=parents,
        children=_children(parents),
        inputs=run_inputs,
        order=tuple(at[name] for name in order),
        outputs=tuple(at[name] for name in wanted),
    )


def _table(stages: Iterable[tuple[str, Stage]], findings: list[str]) -> dict[StageName, Stage]:
    """The stages by name; a name that is taken, or cannot be one, is a finding."""
    table: dict[StageName, Stage] = {}
    for given_name, stage in stages:
        name = StageName(given_name)
        if name in table:
            findings.append(f"two stages are called {name!r}: give one another name")
        elif problem := _name_problem(name):
            findings.append(f"{name!r} cannot name a stage: {problem}")
        table.setdefault(name, stage)
    if not table:
        findings.append("there are no stages: give at least one")
    return table


def _children(parents: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Who waits for each stage, from whom each stage waits for."""
    children: list[list[int]] = [[] for _ in parents]
    for child, its_parents in enumerate(parents):
        for parent in its_parents:
            children[parent].append(child)
    return tuple(tuple(one) for one in children)


def _name_problem(name: str) -> str | None:
    if not name:
        return "it is empty"
    if name.startswith("_"):
        return "a leading underscore is private"
    if not name.replace("-", "_").isidentifier():
        return "use letters, digits, - and _"
    return None


def _feeds(name: StageName, stage: Stage, table: Mapping[StageName, Stage], findings: list[str]) -> tuple[Feed, ...]:
    """The sources of a stage's parameters; a parameter named like another stage is fed by it."""
    known = {param.name for param in stage.params}
    feeds: list[Feed] = []
    for param in stage.params:
        binding = stage.given.get(param.name, Ref(param.name))
        feeds.append(Feed(param.name, binding, required=param.required or param.name in stage.given))
    for extra in stage.given:
        if extra in known:
            continue
        if stage.open_ended:
            feeds.append(Feed(extra, stage.given[extra], required=True))
        else:
            findings.append(
                f"stage {name!r} is given {extra!r}, which it does not take"
                + (did_you_mean(extra, known) or f"; it takes {', '.join(sorted(known)) or 'nothing'}")
            )
    for feed in feeds:
        for reference in refs_of(feed.binding):
            if reference.root == name and feed.param in stage.given:
                findings.append(f"stage {name!r} is given its own output as {feed.param!r}")
            if reference.path and reference.root in table and reference.root != name:
                problem = missing_field(table[StageName(reference.root)].returns, reference.path)
                if problem:
                    findings.append(f"stage {name!r} reads {str(reference)!r}, but {problem}")
    return tuple(feeds)


def refs_of(binding: Binding) -> tuple[Ref, ...]:
    """The references a binding reads."""
    match binding:
        case Ref():
            return (binding,)
        case Template():
            return binding.refs
        case Value():
            return ()


def _parents(feeds: Sequence[Feed], name: StageName, table: Mapping[StageName, Stage]) -> tuple[StageName, ...]:
    roots = (StageName(one.root) for feed in feeds for one in refs_of(feed.binding))
    return tuple(dict.fromkeys(root for root in roots if root in table and root != name))


def _run_inputs(feeds: Mapping[StageName, Sequence[Feed]], table: Mapping[StageName, Stage]) -> dict[str, RunInput]:
    found: dict[str, RunInput] = {}
    for name, its_feeds in feeds.items():
        types = {param.name: param.type for param in table[name].params}
        for feed in its_feeds:
            for reference in refs_of(feed.binding):
                if reference.root in table and reference.root != name:
                    continue
                declared = types.get(feed.param, ANY) if reference is feed.binding and not reference.path else ANY
                before = found.get(reference.root, RunInput(reference.root, ANY, required=False, readers=()))
                found[reference.root] = RunInput(
                    reference.root,
                    declared if before.type is ANY else before.type,
                    required=feed.required or before.required,
                    readers=tuple(dict.fromkeys((*before.readers, name))),
                )
    return found


def _unknown_inputs(
    run_inputs: Mapping[str, RunInput], declared: Sequence[str] | None, names: Sequence[StageName]
) -> list[str]:
    if declared is None:
        return []
    findings = [
        f"stage {one.readers[0]!r} needs {name!r}, which is neither a stage nor a declared input"
        + did_you_mean(name, [*names, *declared])
        for name, one in run_inputs.items()
        if one.required and name not in declared
    ]
    findings += [
        f"the declared input {name!r} is read by no stage{did_you_mean(name, run_inputs)}"
        for name in declared
        if name not in run_inputs
    ]
    return findings


def _type_findings(feeds: Mapping[StageName, Sequence[Feed]], table: Mapping[StageName, Stage]) -> list[str]:
    findings = []
    for name, its_feeds in feeds.items():
        params: dict[str, Param] = {param.name: param for param in table[name].params}
        for feed in its_feeds:
            if feed.param not in params:
                continue
            wanted = params[feed.param].type
            match feed.binding:
                case Ref(root, ()) if root in table and root != name:
                    source, origin = table[StageName(root)].returns, f"stage {root!r} gives"
                case Template():
                    source, origin = str, "its template gives"
                case Value(constant):
                    source, origin = type(constant), "it is given"
                case _:
                    continue
            if not can_meet(source, wanted):
                findings.append(
                    f"stage {name!r} wants {type_name(wanted)} for {feed.param!r}, but {origin} {type_name(source)}"
                )
    return findings


def _order(edges: Mapping[StageName, Sequence[StageName]], findings: list[str]) -> tuple[StageName, ...]:
    try:
        return tuple(TopologicalSorter(edges).static_order())
    except CycleError as error:
        path: list[str] = list(reversed(error.args[1]))
        findings.append(f"these stages wait for each other in a circle: {_SHOWN_SEPARATOR.join(path)}")
        return ()


def _wanted(
    outputs: Sequence[str] | None,
    names: Sequence[StageName],
    edges: Mapping[StageName, Sequence[StageName]],
    findings: list[str],
) -> tuple[StageName, ...]:
    if outputs is None:
        return tuple(names)
    findings += [f"the output {name!r} is no stage{did_you_mean(name, names)}" for name in outputs if name not in names]
    reached: set[StageName] = set()
    stack = [StageName(name) for name in outputs if name in names]
    while stack:
        name = stack.pop()
        if name not in reached:
            reached.add(name)
            stack += edges[name]
    findings += [
        f"stage {name!r} is reached by no output: add it to the outputs or take it out"
        for name in names
        if name not in reached
    ]
    return tuple(StageName(name) for name in outputs)
