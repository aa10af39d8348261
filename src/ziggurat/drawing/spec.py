"""What a diagram says: nodes, edges, groups and kinds, typed and small enough to read on a slide.

Pure values and their repair. Who writes a spec (a chat model, a person, a program) and how it is
laid out are not known here. After `tidy` a diagram can always be drawn.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ziggurat.errors import PictureError

Kind = Literal["person", "document", "database", "model", "process", "service", "output", "decision"]

MAX_NODES = 16
MAX_LABEL = 48
MAX_EDGE_LABEL = 24
MAX_TITLE = 80


class Node(BaseModel):
    """A box.

    Attributes:
        id: A short name that edges and groups use.
        label: What is written in the box.
        kind: What sort of thing it is; decides the icon and the colour.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    label: str
    kind: Kind = "process"


class Edge(BaseModel):
    """An arrow from one node to another.

    Attributes:
        source: The id it starts from.
        target: The id it points to.
        label: A word or two beside it, or nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    target: str
    label: str = ""


class Group(BaseModel):
    """A frame around some nodes.

    Attributes:
        label: What is written on the frame.
        nodes: The ids inside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    nodes: tuple[str, ...]


class Diagram(BaseModel):
    """A whole diagram.

    Attributes:
        title: One line above it.
        nodes: The boxes, in reading order.
        edges: The arrows.
        groups: Frames; a node is in one at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    nodes: tuple[Node, ...] = Field(default=())
    edges: tuple[Edge, ...] = Field(default=())
    groups: tuple[Group, ...] = Field(default=())

    def tidy(self) -> Diagram:
        """The same diagram, drawable: no repeats, no arrow to nowhere, nothing unconnected.

        Nodes of one label become one; arrows that lead nowhere, to themselves, or stand twice are
        dropped; a node without an arrow is dropped where others have some; long texts are cut at
        a word.

        Raises:
            PictureError: If fewer than two nodes are left.
        """
        named: dict[str, Node] = {}
        same_as: dict[str, str] = {}
        by_label: dict[str, str] = {}
        for node in self.nodes:
            label = shorten(node.label, MAX_LABEL)
            key = label.casefold()
            if not label or node.id in same_as:
                continue
            same_as[node.id] = by_label.setdefault(key, node.id)
            if same_as[node.id] == node.id and len(named) < MAX_NODES:
                named[node.id] = Node(id=node.id, label=label, kind=node.kind)
        edges: dict[tuple[str, str], Edge] = {}
        for edge in self.edges:
            source, target = same_as.get(edge.source, ""), same_as.get(edge.target, "")
            if source in named and target in named and source != target:
                label = shorten(edge.label, MAX_EDGE_LABEL)
                edges.setdefault((source, target), Edge(source=source, target=target, label=label))
        touched = {end for pair in edges for end in pair}
        nodes = tuple(node for node in named.values() if not touched or node.id in touched)
        if len(nodes) < 2:  # noqa: PLR2004 (one box is no diagram)
            raise PictureError(
                f"The diagram {self.title!r} has {len(nodes)} connected nodes; it takes at least two.",
                fix="name the things to show, or ask for an illustration",
            )
        return Diagram(
            title=shorten(self.title, MAX_TITLE),
            nodes=nodes,
            edges=tuple(edges.values()),
            groups=tuple(_groups(self.groups, same_as, {node.id for node in nodes})),
        )


def shorten(text: str, limit: int) -> str:
    """One line of at most ``limit`` characters, cut at a word and marked with an ellipsis."""
    line = " ".join("".join(char if _is_drawable(char) else " " for char in text).split())
    if len(line) <= limit:
        return line
    head, _, _ = line[:limit].rpartition(" ")
    return (head if len(head) > limit // 2 else line[: limit - 1]).rstrip(" ,;:.-") + "…"


def _is_drawable(char: str) -> bool:
    """Whether a character is text: no control character, and no emoji, which the fonts do not have."""
    return char.isprintable() and not (char >= "\u2190" and unicodedata.category(char) in ("So", "Sk", "Co", "Cn"))


def _groups(groups: Iterable[Group], same_as: dict[str, str], known: set[str]) -> Iterable[Group]:
    taken: set[str] = set()
    for group in groups:
        inside = [same_as.get(name, "") for name in group.nodes]
        members = tuple(dict.fromkeys(name for name in inside if name in known and name not in taken))
        if len(members) > 1 and len(members) < len(known):
            taken |= set(members)
            yield Group(label=shorten(group.label, MAX_LABEL), nodes=members)
