"""A wiring as a `Sketch`: what is drawn of a chain, its nested chains, maps, branches and loops.

Reads a `Wiring` and nothing else; what a run did with it is not known here. An arrow ends at the
stage that reads the value, however deep inside it is, and begins at the stage that makes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ziggurat.chain.composite import OUTPUT, Body, Branch, Map, Repeat
from ziggurat.chain.stage import Stage
from ziggurat.chain.wiring import Wiring, refs_of
from ziggurat.sketch import Frame, Line, Shape, Sketch

_Path = tuple[str, ...]


@dataclass(slots=True)
class _Part:
    """A stage as it is drawn.

    Attributes:
        item: Its box or frame.
        entries: The ids an arrow into it ends at, by input.
        exit: The id an arrow of what it makes begins at, by the path that is read of it.
    """

    item: Shape | Frame
    entries: Mapping[str, list[str]]
    exit: Callable[[_Path], str]


@dataclass(slots=True)
class _Pen:
    lines: dict[Line, None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def id(self, name: str) -> str:
        """An id nobody has: names may differ in a character that ids do not have."""
        base = made = re.sub(r"\W|-", "_", name)
        number = 2
        while made in self.used:
            made, number = f"{base}_{number}", number + 1
        self.used.add(made)
        return made

    def line(self, source: str, target: str, label: str = "", *, back: bool = False) -> None:
        self.lines.setdefault(Line(source, target, label, back=back))


def sketch(wiring: Wiring, title: str = "") -> Sketch:
    """What to draw of a chain.

    Args:
        wiring: The chain's.
        title: What to write above it.
    """
    pen = _Pen()
    given = {name: Shape(pen.id(f"in_stage_{name}"), name, kind="input") for name in wiring.inputs}
    parts, entries = _parts(wiring, "stage", pen)
    for name, targets in entries.items():
        for target in targets:
            pen.line(given[name].id, target)
    names = [wiring.names[position] for position in wiring.outputs]
    note = "" if len(names) == len(wiring.names) else f"It returns {', '.join(names)}."
    return Sketch(title, note, (*given.values(), *(part.item for part in parts)), tuple(pen.lines))


def _parts(wiring: Wiring, path: str, pen: _Pen) -> tuple[list[_Part], dict[str, list[str]]]:
    """The stages of a wiring, drawn and joined; and where its inputs enter."""
    parts = [_part(stage, name, f"{path}_{name}", pen) for name, stage in zip(wiring.names, wiring.stages, strict=True)]
    entries: dict[str, list[str]] = {name: [] for name in wiring.inputs}
    at: dict[str, int] = {name: position for position, name in enumerate(wiring.names)}
    for position, part in enumerate(parts):
        for feed in wiring.feeds[position]:
            targets = part.entries.get(feed.param, [part.item.id])
            for reference in refs_of(feed.binding):
                source = at.get(reference.root, position)
                if source == position:
                    entries[reference.root] += [one for one in targets if one not in entries[reference.root]]
                    continue
                for target in targets:
                    pen.line(parts[source].exit(reference.path), target)
    return parts, entries


def _part(stage: Stage, label: str, path: str, pen: _Pen) -> _Part:
    match stage.call.target:
        case Map() as one:
            return _map(one, label, path, pen)
        case Repeat() as one:
            return _repeat(one, label, path, pen)
        case Branch() as one:
            return _branch(one, label, path, pen)
        case target if isinstance(wiring := getattr(target, "wiring", None), Wiring):
            return _chain(wiring, label, path, pen)
        case _:
            note = stage.label if stage.label.isidentifier() and stage.label != label else ""
            box = Shape(pen.id(path), label, _joined(note, "acts on the world" if stage.policy.effect else ""))
            return _Part(box, {}, lambda _: box.id)


def _chain(wiring: Wiring, label: str, path: str, pen: _Pen) -> _Part:
    own = pen.id(path)
    parts, entries = _parts(wiring, path, pen)
    by_name: dict[str, _Part] = dict(zip(wiring.names, parts, strict=True))

    def leave(read: _Path) -> str:
        inner = by_name.get(read[0]) if read else None
        return inner.exit(read[1:]) if inner is not None else own

    return _Part(Frame(own, label, "", tuple(part.item for part in parts)), entries, leave)


def _inside(body: Body, label: str, path: str, pen: _Pen) -> _Part:
    """The stage inside another, its entries by what it needs from outside."""
    part = _part(body.stage, label, path, pen)
    entries: dict[str, list[str]] = {}
    for feed in body.program.wiring.feeds[0]:
        for reference in refs_of(feed.binding):
            targets = part.entries.get(feed.param, [part.item.id])
            known = entries.setdefault(reference.root, [])
            known += [one for one in targets if one not in known]
    return _Part(part.item, entries, part.exit)


def _map(one: Map, label: str, path: str, pen: _Pen) -> _Part:
    part = _inside(one.body, label, path, pen)
    note = f"for each {one.each}"
    match part.item:
        case Shape() as box:
            item: Shape | Frame = Shape(box.id, box.label, _joined(box.note, note), box.kind, stacked=True)
        case Frame() as frame:
            item = Frame(frame.id, frame.label, _joined(frame.note, note), frame.items, stacked=True)
    return _Part(item, part.entries, lambda _: item.id)


def _repeat(one: Repeat, label: str, path: str, pen: _Pen) -> _Part:
    part = _inside(one.body, label, path, pen)
    until = f"until {one.until}, {one.at_most} times at most"
    item = part.item
    match item:
        case Frame():
            item = Frame(item.id, item.label, _joined(item.note, until), item.items, item.stacked)
        case Shape():
            item = Shape(item.id, item.label, _joined(item.note, until), item.kind, item.stacked)
    for name, reference in one.carry.items():
        read = reference.path if not one.is_chain and reference.root == OUTPUT else (reference.root, *reference.path)
        for target in part.entries.get(name, [item.id]):
            source = part.exit(read)
            pen.line(source, target, "again", back=True)
    return _Part(item, part.entries, part.exit)


def _branch(one: Branch, label: str, path: str, pen: _Pen) -> _Part:
    own = pen.id(path)
    is_switch = len(one.arms) > 1
    first = one.arms[0][0]
    choice = Shape(pen.id(f"{path}_choice"), f"{first.ref if is_switch else first}?", kind="choice")
    items: list[Shape | Frame] = [choice]
    for number, (when, body) in enumerate(one.arms):
        part = _inside(body, body.stage.label, f"{path}_{number}", pen)
        items.append(part.item)
        pen.line(choice.id, part.item.id, str(when.constant) if is_switch else "yes")
    if one.otherwise is not None:
        part = _inside(one.otherwise, one.otherwise.stage.label, f"{path}_otherwise", pen)
        items.append(part.item)
        pen.line(choice.id, part.item.id, "otherwise" if is_switch else "no")
    reads = {param.name: [choice.id] for param in one.stage_inputs}
    return _Part(Frame(own, label, "", tuple(items)), reads, lambda _: own)


def _joined(*notes: str) -> str:
    return ", ".join(note for note in notes if note)
