"""A chain as a Mermaid flowchart: text that documents, notebooks and code hosts draw themselves.

Pure text of a `Sketch`. Our own SVG of the same sketch is drawn elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from ziggurat.chain.outline import sketch
from ziggurat.chain.wiring import Wiring
from ziggurat.sketch import Frame, Shape, Sketch

_ESCAPED = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"}


def mermaid(wiring: Wiring) -> str:
    """A left-to-right flowchart.

    Inputs are rounded, stages boxed, nested chains framed; what runs for each item has double
    sides, a choice is a diamond, and what runs again has a dotted arrow back.
    """
    return mermaid_of(sketch(wiring))


def mermaid_of(drawn: Sketch) -> str:
    """A sketch as Mermaid."""
    lines = ["flowchart LR", *(line for item in drawn.items for line in _item(item, "  "))]
    for one in drawn.lines:
        label = f"|{_quoted(one.label)}|" if one.label else ""
        lines.append(f"  {one.source} {'-.->' if one.back else '-->'}{label} {one.target}")
    return "\n".join(lines) + "\n"


def _item(item: Shape | Frame, indent: str) -> Iterator[str]:
    text = _quoted(item.label, item.note)
    match item:
        case Shape(kind="input"):
            yield f"{indent}{item.id}([{text}])"
        case Shape(kind="choice"):
            yield f"{indent}{item.id}{{{text}}}"
        case Shape(stacked=True):
            yield f"{indent}{item.id}[[{text}]]"
        case Shape():
            yield f"{indent}{item.id}[{text}]"
        case Frame():
            yield f"{indent}subgraph {item.id} [{text}]"
            for one in item.items:
                yield from _item(one, indent + "  ")
            yield f"{indent}end"


def _quoted(*texts: str) -> str:
    """Texts in quotes, one below the other, with nothing in them that Mermaid would read as its own."""
    lines = (" ".join("".join(_ESCAPED.get(char, char) for char in text).split()) for text in texts if text)
    return f'"{"<br/>".join(lines)}"'
