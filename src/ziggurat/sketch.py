"""A chain as shapes, frames and lines: what is drawn, whoever draws it and however.

Values only, a leaf: the chain makes them, and Mermaid or our own SVG is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Shape:
    """A box.

    Attributes:
        id: Letters, digits and underscores; no two are the same.
        label: What is written in it.
        note: A smaller second line, or nothing.
        kind: What the run is given, a stage, or a choice between stages.
        stacked: Whether it stands for many at once.
    """

    id: str
    label: str
    note: str = ""
    kind: Literal["input", "stage", "choice"] = "stage"
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame around boxes and other frames.

    Attributes:
        id: As of a shape.
        label: What is written on it.
        note: What is written behind it, smaller.
        items: What it holds, in order.
        stacked: Whether it stands for many at once.
    """

    id: str
    label: str
    note: str
    items: tuple[Shape | Frame, ...]
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow between two boxes or frames.

    Attributes:
        source: The id it starts from.
        target: The id it points to.
        label: What is written beside it.
        back: Whether it leads back, to be done again.
    """

    source: str
    target: str
    label: str = ""
    back: bool = False


@dataclass(frozen=True, slots=True)
class Sketch:
    """A whole drawing.

    Attributes:
        title: One line above it.
        note: One line below it.
        items: Boxes and frames, in reading order.
        lines: The arrows.
    """

    title: str
    note: str
    items: tuple[Shape | Frame, ...]
    lines: tuple[Line, ...]


def shapes(items: tuple[Shape | Frame, ...]) -> Iterator[Shape]:
    """Every box, those in frames too, in order."""
    for one in items:
        if isinstance(one, Shape):
            yield one
        else:
            yield from shapes(one.items)
