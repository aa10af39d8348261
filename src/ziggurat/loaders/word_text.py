"""The text of one paragraph of a Word document, from its XML.

Follows runs, links, fields, insertions and equations; leaves out deletions, hidden text and the second
form that a drawing is kept in. A text box in the paragraph is handed back beside the text.
"""

from __future__ import annotations

from typing import Any

from ziggurat.loaders.draft import PAGE_MARK
from ziggurat.loaders.numbering import W as _W
from ziggurat.loaders.numbering import value

_LEFT_OUT = frozenset(
    "pPr rPr del moveFrom instrText delText delInstrText Fallback rt tblPr sectPr ctrlPr oMathParaPr footnoteRef endnoteRef".split()
)
_SYMBOLS = {"noBreakHyphen": "-", "softHyphen": "", "cr": "\n", "ptab": "\t", "tab": "\t"}
_OFF = frozenset({"0", "false", "off"})


def paragraph_text(paragraph: Any) -> tuple[str, list[Any]]:
    """Its text, page marks in it, and the text boxes it holds.

    Args:
        paragraph: The ``w:p`` element.
    """
    pieces: list[str] = []
    boxes: list[Any] = []
    _collect(paragraph, pieces, boxes)
    return "".join(pieces), boxes


def _collect(element: Any, pieces: list[str], boxes: list[Any]) -> None:
    for child in element:
        tag = child.tag
        name = tag.rpartition("}")[2] if isinstance(tag, str) else ""
        if not name or name in _LEFT_OUT:
            continue
        if name == "t":
            pieces.append(child.text or "")
        elif name in _SYMBOLS:
            pieces.append(_SYMBOLS[name])
        elif name == "br":
            pieces.append("" if child.get(f"{_W}type") in ("page", "column") else "\n")
        elif name == "lastRenderedPageBreak":
            pieces.append(PAGE_MARK)
        elif name in ("footnoteReference", "endnoteReference"):
            pieces.append(f"[^{child.get(f'{_W}id')}]")
        elif name == "txbxContent":
            boxes.append(child)
        elif name == "docPr":
            described = " ".join((child.get("descr") or "").split())
            pieces.append(f"![{described}]" if described else "")
        elif name == "sym":
            pieces.append(_symbol(child))
        elif not (name == "r" and _hidden(child)):
            _collect(child, pieces, boxes)


def _hidden(run: Any) -> bool:
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    return vanish is not None and (value(vanish) or "1") not in _OFF


def _symbol(element: Any) -> str:
    """A character of a symbol font; those fonts' own places are bullets and ticks, which say nothing."""
    code = element.get(f"{_W}char") or ""
    try:
        character = chr(int(code, 16))
    except ValueError:
        return ""
    return "" if "\ue000" <= character <= "\uf8ff" or not character.isprintable() else character
