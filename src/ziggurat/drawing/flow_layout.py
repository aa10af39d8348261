"""Where everything in a `Sketch` stands: Graphviz places boxes, diamonds, nested frames and arrows.

Text in, coordinates out; nothing is drawn here. Like `layout`, but for charts of any size: frames
nest, an arrow may end at a frame, and the chart is as large as it needs to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ziggurat.drawing.fonts import text_width, wrap
from ziggurat.drawing.layout import Direction, Point, read_numbers, read_points
from ziggurat.drawing.spec import shorten
from ziggurat.errors import PictureError
from ziggurat.optional import require
from ziggurat.sketch import Frame, Line, Shape, Sketch, shapes

LABEL_SIZE = 17.0
"""Pixels of the text in a box."""

NOTE_SIZE = 13.0
FRAME_LABEL_SIZE = 15.0
LINE_LABEL_SIZE = 13.0
STACK = 6.0
"""Pixels by which the boxes of a stack lie behind one another."""

LINE_HEIGHT = 1.3
FRAME_MARGIN = 22
FRAME_INSET = 5.0
"""Pixels a frame is drawn within its place, so that neighbours do not touch."""

_LONGEST = 42
_LONGEST_NOTE = 60
_TEXT_WIDTH = 260.0
_PADDING = 14.0
_NARROWEST = 70.0
_POINTS_PER_INCH = 72.0
_FORMS = {"input": "ellipse", "stage": "box", "choice": "diamond"}
"""Graphviz's names of the forms; a pill covers its ellipse, so an arrow always begins under it."""

_PAGE = (2400.0, 1500.0)
"""The size, in pixels, that a chart should fit into with legible text."""


@dataclass(frozen=True, slots=True)
class FlowBox:
    """A shape in its place; pixels, the origin at the top left.

    Attributes:
        shape: What it is.
        label: Its label, broken into lines.
        note: Its note, broken into lines.
        x: The centre.
        y: The centre.
        width: Outer width, a stack's hind boxes left out.
        height: Outer height, likewise.
    """

    shape: Shape
    label: tuple[str, ...]
    note: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class FlowFrame:
    """A frame in its place.

    Attributes:
        frame: What it is.
        depth: How many frames it is in.
        x: The left edge.
        y: The upper edge.
        width: Outer width.
        height: Outer height.
    """

    frame: Frame
    depth: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class FlowArrow:
    """A line in its place.

    Attributes:
        line: What it is.
        points: A start point and groups of three control points (cubic Bézier).
        tip: The point of the arrow.
        label_at: The centre of the label, if there is one.
    """

    line: Line
    points: tuple[Point, ...]
    tip: Point
    label_at: Point | None


@dataclass(frozen=True, slots=True)
class FlowLayout:
    """A placed sketch.

    Attributes:
        width: Of everything, in pixels.
        height: Of everything, in pixels.
        boxes: The shapes.
        frames: The frames, outer ones first.
        arrows: The lines.
    """

    width: float
    height: float
    boxes: tuple[FlowBox, ...]
    frames: tuple[FlowFrame, ...]
    arrows: tuple[FlowArrow, ...]

    @property
    def fit(self) -> float:
        """How much it must be scaled to fit on a page; at most 1."""
        return min(_PAGE[0] / self.width, _PAGE[1] / self.height, 1.0)


def place_in(sketch: Sketch, direction: Direction) -> FlowLayout:
    """Place a sketch in one direction.

    Raises:
        MissingDependency: Without pygraphviz.
        PictureError: If there is nothing to draw, or Graphviz cannot place it.
    """
    if not any(True for _ in shapes(sketch.items)):
        raise PictureError("There is nothing to draw.", where=sketch.title)
    pgv = require("pygraphviz", for_="laying out charts", extra="pictures")
    graph = pgv.AGraph(directed=True, strict=False, rankdir=direction, nodesep="0.4", ranksep="0.55", margin="0")
    graph.graph_attr["compound"] = "true"
    graph.graph_attr["remincross"] = "true"
    boxes = {shape.id: _measure(shape) for shape in shapes(sketch.items)}
    _add(graph, sketch.items, boxes)
    held = {frame.id: [one.id for one in shapes(frame.items)] for frame, _ in _frames(sketch.items)}
    order = {name: position for position, name in enumerate(boxes)}
    for number, line in enumerate(sketch.lines):
        _add_line(graph, line, str(number), held, order)
    try:
        graph.layout(prog="dot")
    except (OSError, ValueError) as error:
        raise PictureError(f"Graphviz could not lay the chart out: {error}.", where=sketch.title) from error
    return _read(sketch, graph, boxes, held)


def _measure(shape: Shape) -> FlowBox:
    """A shape with its lines and its size, not placed yet."""
    label = tuple(wrap(shorten(shape.label, _LONGEST), LABEL_SIZE, _TEXT_WIDTH, "bold"))
    note = tuple(wrap(shorten(shape.note, _LONGEST_NOTE), NOTE_SIZE, _TEXT_WIDTH, max_lines=2)) if shape.note else ()
    text = max(
        *(text_width(line, LABEL_SIZE, "bold") for line in label), *(text_width(line, NOTE_SIZE) for line in note), 1.0
    )
    high = (len(label) * LABEL_SIZE + len(note) * NOTE_SIZE) * LINE_HEIGHT
    width, height = max(text, _NARROWEST) + 2 * _PADDING, high + 1.6 * _PADDING
    if shape.kind == "choice":
        width, height = text * 1.5 + 44, high * 2.0 + 30
    if shape.kind == "input":
        width += _PADDING
    return FlowBox(shape, label, note, 0, 0, width, height)


def _add(graph: Any, items: Sequence[Shape | Frame], boxes: dict[str, FlowBox]) -> None:
    for one in items:
        match one:
            case Shape():
                box = boxes[one.id]
                more = 2 * STACK if one.stacked else 0.0
                size = {"width": _inches(box.width + more), "height": _inches(box.height + more)}
                graph.add_node(one.id, shape=_FORMS[one.kind], fixedsize="true", label="", **size)
            case Frame():
                room = _room(frame_text_width(one) + 16, FRAME_LABEL_SIZE * 1.7)
                inner = graph.add_subgraph(
                    [], name=f"cluster_{one.id}", label=room, margin=str(FRAME_MARGIN), labeljust="l", labelloc="t"
                )
                _add(inner, one.items, boxes)


def frame_text_width(frame: Frame) -> float:
    """How wide a frame's label and note are, in pixels."""
    note = text_width(frame_note(frame), NOTE_SIZE) + 10 if frame.note else 0.0
    return text_width(frame_label(frame), FRAME_LABEL_SIZE, "bold") + note


def frame_label(frame: Frame) -> str:
    """A frame's label as it is written."""
    return shorten(frame.label, _LONGEST)


def frame_note(frame: Frame) -> str:
    """A frame's note as it is written."""
    return shorten(frame.note, _LONGEST_NOTE)


def _ends(line: Line, held: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """The boxes a line goes between: of a frame, its last one as a source and its first as a target."""
    source = held[line.source][-1] if line.source in held else line.source
    return source, held[line.target][0] if line.target in held else line.target


def _add_line(graph: Any, line: Line, key: str, held: dict[str, list[str]], order: dict[str, int]) -> None:
    """An edge; one that ends at a frame goes to a box in it and is cut at the frame's edge."""
    source, target = _ends(line, held)
    more = {}
    if line.source in held and target not in held[line.source]:
        more["ltail"] = f"cluster_{line.source}"
    if line.target in held and source not in held[line.target]:
        more["lhead"] = f"cluster_{line.target}"
    if line.label:
        more["label"] = _room(text_width(line_label(line), LINE_LABEL_SIZE) + 12, LINE_LABEL_SIZE * 1.6)
    backwards = line.back and order[source] >= order[target]  # it must not turn the reading order round
    graph.add_edge(source, target, key=key, constraint=str(not backwards).lower(), **more)


def line_label(line: Line) -> str:
    """A line's label as it is written."""
    return shorten(line.label, _LONGEST_NOTE)


def _inches(pixels: float) -> str:
    return f"{pixels / _POINTS_PER_INCH:.4f}"


def _room(width: float, height: float) -> str:
    """A label that only takes up room, so that our own text fits where Graphviz left a place."""
    size = f'border="0" fixedsize="true" width="{width:.0f}" height="{height:.0f}"'
    return f"<<table {size}><tr><td></td></tr></table>>"


def _frames(items: Iterable[Shape | Frame], depth: int = 0) -> Iterator[tuple[Frame, int]]:
    for one in items:
        if isinstance(one, Frame):
            yield one, depth
            yield from _frames(one.items, depth + 1)


def _read(sketch: Sketch, graph: Any, boxes: dict[str, FlowBox], held: Mapping[str, Sequence[str]]) -> FlowLayout:
    left, bottom, right, top = read_numbers(graph.graph_attr["bb"])

    def turned(text: str) -> tuple[Point, ...]:
        return tuple((x - left, top - y) for x, y in read_points(text))

    placed = []
    for name, box in boxes.items():
        ((x, y),) = turned(graph.get_node(name).attr["pos"])
        placed.append(FlowBox(box.shape, box.label, box.note, x, y, box.width, box.height))
    clusters = {one.name: one for one in _subgraphs(graph)}
    frames = []
    for frame, depth in _frames(sketch.items):
        x0, y0, x1, y1 = read_numbers(clusters[f"cluster_{frame.id}"].graph_attr["bb"])
        inset = FRAME_INSET
        frames.append(
            FlowFrame(frame, depth, x0 - left + inset, top - y1 + inset, x1 - x0 - 2 * inset, y1 - y0 - 2 * inset)
        )
    arrows = []
    for number, line in enumerate(sketch.lines):
        source, target = _ends(line, held)
        drawn = graph.get_edge(source, target, key=str(number)).attr
        tip, *rest = turned(drawn["pos"].removeprefix("e,"))
        if line.source in held:  # frames are drawn a little smaller than Graphviz thinks they are
            rest[0] = _beyond(rest[0], rest[1])
        if line.target in held:
            tip = _beyond(tip, rest[-1])
        label_at = turned(drawn["lp"])[0] if line.label and drawn["lp"] else None
        arrows.append(FlowArrow(line, tuple(rest), tip, label_at))
    return FlowLayout(right - left, top - bottom, tuple(placed), tuple(frames), tuple(arrows))


def _beyond(end: Point, inner: Point) -> Point:
    """The end of an arrow, a little further on."""
    away = math.hypot(end[0] - inner[0], end[1] - inner[1]) or 1.0
    share = FRAME_INSET / away
    return end[0] + (end[0] - inner[0]) * share, end[1] + (end[1] - inner[1]) * share


def _subgraphs(graph: Any) -> Iterator[Any]:
    for one in graph.subgraphs_iter():
        yield one
        yield from _subgraphs(one)
