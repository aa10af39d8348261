"""Where everything in a diagram stands: Graphviz places boxes, arrows and labels.

Text in, coordinates out; nothing is drawn here. Boxes are measured with the fonts they will be
drawn in and given to Graphviz at that size, so what it separates stays separate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ziggurat.drawing.fonts import text_width, wrap
from ziggurat.drawing.spec import Diagram, Group, Kind, Node
from ziggurat.errors import PictureError
from ziggurat.optional import require

Point = tuple[float, float]
Direction = Literal["LR", "TB"]

LABEL_SIZE = 19.0
"""Pixels of the text in a box."""

EDGE_LABEL_SIZE = 15.0
GROUP_LABEL_SIZE = 15.0
GROUP_INSET = 22.0
"""Pixels between a frame's edge and its label."""

GROUP_BAND = 38.0
"""Pixels along a frame's edge in which its label is written."""

_DOWNWARD_GAIN = 1.3
"""How much larger a diagram must come out downwards to give up reading from left to right."""

ICON = 40.0
"""Pixels of the round icon at the left of a box."""

_LABEL_EDGE: dict[Direction, str] = {"LR": "t", "TB": "b"}
"""Arrows come into a frame from the left or from above, and there its label would be in the way."""

_PADDING = 16.0
_LINE_HEIGHT = 1.25
_TEXT_WIDTH = 190.0
_POINTS_PER_INCH = 72.0


@dataclass(frozen=True, slots=True)
class Box:
    """A node in its place; pixels, the origin at the top left.

    Attributes:
        id: The node's id.
        kind: Its kind.
        lines: Its label, broken into lines.
        x: The centre.
        y: The centre.
        width: Outer width.
        height: Outer height.
    """

    id: str
    kind: Kind
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge in its place.

    Attributes:
        points: A start point and groups of three control points (cubic Bézier).
        tip: The point of the arrow.
        label: What is written beside it.
        label_at: The centre of the label, if there is one.
    """

    points: tuple[Point, ...]
    tip: Point
    label: str
    label_at: Point | None


@dataclass(frozen=True, slots=True)
class Frame:
    """A group in its place.

    Attributes:
        label: What is written on it.
        x: The left edge.
        y: The upper edge.
        width: Outer width.
        height: Outer height.
        label_at: Where the label begins (its base line): on the edge, and at the place along it,
            where fewest arrows pass.
    """

    label: str
    x: float
    y: float
    width: float
    height: float
    label_at: Point


@dataclass(frozen=True, slots=True)
class Layout:
    """A placed diagram.

    Attributes:
        width: Of everything, in pixels.
        height: Of everything, in pixels.
        boxes: The nodes.
        arrows: The edges.
        frames: The groups.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    frames: tuple[Frame, ...]

    def scale_into(self, width: float, height: float) -> float:
        """How much the layout is scaled to fill a space of this size."""
        return min(width / self.width, height / self.height)


def best_layout(diagram: Diagram, width: float, height: float) -> Layout:
    """Lay the diagram out from left to right, or downwards where that can be drawn much larger."""
    across, down = lay_out(diagram, "LR"), lay_out(diagram, "TB")
    gain = down.scale_into(width, height) / across.scale_into(width, height)
    return down if gain > _DOWNWARD_GAIN else across


def lay_out(diagram: Diagram, direction: Direction) -> Layout:
    """Place a tidy diagram.

    Raises:
        MissingDependency: Without pygraphviz.
        PictureError: If Graphviz cannot place it.
    """
    pgv = require("pygraphviz", for_="laying out diagrams", extra="pictures")
    graph = pgv.AGraph(directed=True, strict=False, rankdir=direction, nodesep="0.55", ranksep="0.6", margin="0")
    graph.graph_attr["compound"] = "true"
    sizes = {node.id: _measure(node) for node in diagram.nodes}
    order = {node.id: position for position, node in enumerate(diagram.nodes)}
    for node in diagram.nodes:
        _, width, height = sizes[node.id]
        box = {"shape": "box", "fixedsize": "true", "label": "", "width": _inches(width), "height": _inches(height)}
        graph.add_node(_name(order[node.id]), **box)
    for position, edge in enumerate(diagram.edges):
        label = _room(text_width(edge.label, EDGE_LABEL_SIZE) + 14, 26) if edge.label else ""
        onward = order[edge.source] < order[edge.target]  # an arrow back must not turn the reading order round
        ends = _name(order[edge.source]), _name(order[edge.target])
        graph.add_edge(*ends, key=str(position), label=label, constraint=str(onward).lower())
    for position, group in enumerate(diagram.groups):
        room = _room(text_width(group.label, GROUP_LABEL_SIZE, "bold") + 24, 24)
        graph.add_subgraph(
            [_name(order[one]) for one in group.nodes],
            name=f"cluster_{position}",
            label=room,
            margin="22",
            labeljust="l",
            labelloc=_LABEL_EDGE[direction],
        )
    try:
        graph.layout(prog="dot")
    except (OSError, ValueError) as error:
        raise PictureError(f"Graphviz could not lay the diagram out: {error}.", where=diagram.title) from error
    return _read(diagram, graph, sizes, direction)


def _measure(node: Node) -> tuple[tuple[str, ...], float, float]:
    """A node's lines, and the width and height of its box in pixels."""
    lines = wrap(node.label, LABEL_SIZE, _TEXT_WIDTH, "bold")
    text = max(text_width(line, LABEL_SIZE, "bold") for line in lines)
    width = _PADDING * 2.5 + ICON + max(text, 60.0)
    height = max(ICON, len(lines) * LABEL_SIZE * _LINE_HEIGHT) + 2 * _PADDING
    return tuple(lines), width, height


def _name(position: int) -> str:
    """What Graphviz calls a node: an id may hold anything, and Graphviz reads some of it as its own."""
    return f"n{position}"


def _inches(pixels: float) -> str:
    return f"{pixels / _POINTS_PER_INCH:.4f}"


def _room(width: float, height: float) -> str:
    """A label that only takes up room, so that our own text fits where Graphviz left a place."""
    size = f'border="0" fixedsize="true" width="{width:.0f}" height="{height:.0f}"'
    return f"<<table {size}><tr><td></td></tr></table>>"


def _read(
    diagram: Diagram, graph: Any, sizes: dict[str, tuple[tuple[str, ...], float, float]], direction: Direction
) -> Layout:
    left, bottom, right, top = read_numbers(graph.graph_attr["bb"])

    def turned(points: Iterable[Point]) -> tuple[Point, ...]:
        return tuple((x - left, top - y) for x, y in points)

    boxes = []
    order = {node.id: position for position, node in enumerate(diagram.nodes)}
    for node in diagram.nodes:
        ((x, y),) = turned(read_points(graph.get_node(_name(order[node.id])).attr["pos"]))
        lines, width, height = sizes[node.id]
        boxes.append(Box(node.id, node.kind, lines, x, y, width, height))
    arrows = []
    for position, edge in enumerate(diagram.edges):
        ends = _name(order[edge.source]), _name(order[edge.target])
        drawn = graph.get_edge(*ends, key=str(position)).attr
        tip, *points = turned(read_points(drawn["pos"].removeprefix("e,")))
        label_at = turned(read_points(drawn["lp"]))[0] if edge.label and drawn["lp"] else None
        arrows.append(Arrow(tuple(points), tip, edge.label, label_at))
    frames = [
        _frame(graph.get_subgraph(f"cluster_{position}"), group, (left, top), arrows, direction)
        for position, group in enumerate(diagram.groups)
    ]
    return Layout(right - left, top - bottom, tuple(boxes), tuple(arrows), tuple(frames))


def _frame(cluster: Any, group: Group, corner: Point, arrows: Sequence[Arrow], direction: Direction) -> Frame:
    x0, y0, x1, y1 = read_numbers(cluster.graph_attr["bb"])
    x, y, width, height = x0 - corner[0], corner[1] - y1, x1 - x0, y1 - y0
    label = text_width(group.label, GROUP_LABEL_SIZE, "bold")
    band = y if _LABEL_EDGE[direction] == "t" else y + height - GROUP_BAND
    passing = [at for arrow in arrows for at in path(arrow) if band <= at[1] <= band + GROUP_BAND]
    starts = (x + GROUP_INSET, x + (width - label) / 2, x + width - GROUP_INSET - label)
    start = min(starts, key=lambda one: sum(one - 8 <= at[0] <= one + label + 8 for at in passing))
    return Frame(group.label, x, y, width, height, (start, band + GROUP_BAND - 12))


def path(arrow: Arrow, steps: int = 16) -> Iterator[Point]:
    """Points along an arrow's curve, ``steps`` for each of its pieces, and its tip."""
    start = arrow.points[0]
    for at in range(1, len(arrow.points) - 2, 3):
        one, two, end = arrow.points[at : at + 3]
        for step in range(steps):
            t = step / steps
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            corners = (start, one, two, end)
            yield (
                sum(weight * corner[0] for weight, corner in zip(weights, corners, strict=True)),
                sum(weight * corner[1] for weight, corner in zip(weights, corners, strict=True)),
            )
        start = end
    yield arrow.tip


def read_points(text: str) -> list[Point]:
    """The points in one of Graphviz's attributes."""
    numbers = read_numbers(text)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def read_numbers(text: str) -> list[float]:
    """The numbers in one of Graphviz's attributes."""
    return [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]
