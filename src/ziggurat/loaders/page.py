"""A tree of HTML elements into Markdown blocks.

The tree is walked with a stack of our own, so no depth of nesting ends it; marks inside marks stop
being written past a depth nobody reads, so no nesting makes it slow either. Knows nothing of bytes,
encodings or parsers.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

from ziggurat.loaders import marks
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.grid import Grid
from ziggurat.loaders.xml import local

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SKIPPED = frozenset(
    "script style template noscript head svg math object embed iframe audio video canvas map datalist select button"
    " title meta link base rt rp".split()
)
_GATHERING = frozenset("ul ol menu dir li blockquote pre table td th caption".split())
_BLOCKS = (
    frozenset(
        "address article aside body center dd details dialog div dl dt fieldset figcaption figure footer form header hgroup"
        " hr html legend main nav p search section summary tbody tfoot thead tr en-note".split()
    )
    | frozenset(_HEADINGS)
    | _GATHERING
)
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f\xa0]+")
_BREAK = "\v"
_BREAKS = re.compile(rf" ?{_BREAK}+ ?")
_UNSEEN = str.maketrans("", "", "\u00ad\u200b\ufeff")
_BULLETS = frozenset("• · ● ○ ▪ ■ □ – — * o § ‣ ◦".split())
_DEEPEST = 16
_LONG_CELL = 3


class _Open:
    """An element that gathers blocks of its own until it is closed."""

    def __init__(self, element: Any, name: str) -> None:
        self.element = element
        self.name = name
        self.blocks: list[str] = []
        self.grid = Grid()
        self.cells: list[list[str]] = []
        self.number = _whole(element.get("start"), 1)
        self.lists = False


class PageWriter:
    """Writes what a page shows into a draft.

    Args:
        draft: What is written into.
        media: What to write for an element that is no HTML; None writes nothing.
    """

    def __init__(self, draft: Draft, media: Callable[[Any], str] | None = None) -> None:
        self._draft = draft
        self._media = media
        self._line: list[str] = []
        self._open: list[_Open] = []
        self._layouts: set[Any] = set()
        self._raw = 0
        self.first_heading: str | None = None

    def write(self, root: Any) -> None:
        """Write a tree, all of it."""
        self._layouts = _layouts(root)
        # An element, what is left of its children, and whether it gathers.
        stack: list[tuple[Any, Iterator[Any], bool]] = []
        waiting: Iterator[Any] = iter((root,))
        while True:
            element = next(waiting, None)
            if element is not None:
                if self._shown(element):
                    stack.append((element, waiting, self._start(element)))
                    waiting = iter(element)
                elif stack:
                    self._line.append(element.tail or "")
            elif stack:
                element, waiting, gathers = stack.pop()
                self._end(element, gathers)
                if stack:
                    self._line.append(element.tail or "")
            else:
                break
        self._flush()

    def _shown(self, element: Any) -> bool:
        name = local(element).lower()
        if not name:
            entity = getattr(element, "name", None)
            if entity and not callable(entity) and str(getattr(element, "text", "")).startswith("&"):
                self._line.append(html.unescape(f"&{entity};"))
            return False
        if name == "br":
            self._line.append(_BREAK)
            return False
        if name in _SKIPPED or element.get("hidden") is not None or _INVISIBLE.search(element.get("style") or ""):
            return False
        if name in ("img", "image", "area"):
            alt = _SPACE.sub(" ", element.get("alt") or "").strip()
            self._line.append(f"![{alt}]" if alt else "")
            return False
        return True

    def _start(self, element: Any) -> bool:
        name = local(element).lower()
        if name in _BLOCKS:
            self._flush()
        elif self._media is not None:
            self._line.append(self._media(element))
        if name in ("code", "kbd", "samp", "tt") and not self._raw:
            self._line.append("`")
        gathers = (
            name in _GATHERING
            and len(self._open) < _DEEPEST
            and not (name == "table" and element in self._layouts)
            and not (name in ("td", "th", "caption") and not self._in("table"))
        )
        if gathers:
            self._open.append(_Open(element, name))
            self._raw += name == "pre"
        elif name == "tr" and self._in("table"):
            self._open[-1].grid.row()
        self._line.append(element.text or "")
        return gathers

    def _in(self, name: str) -> bool:
        return bool(self._open) and self._open[-1].name == name

    def _end(self, element: Any, gathers: bool) -> None:
        name = local(element).lower()
        if name in ("code", "kbd", "samp", "tt") and not self._raw:
            self._line.append("`")
        if name in _HEADINGS:
            self._heading(_HEADINGS[name])
        elif name in _BLOCKS:
            self._flush()
        if gathers:
            done = self._open.pop()
            self._raw -= name == "pre"
            self._close(done)

    def _flush(self) -> None:
        text = self._taken()
        if text:
            self._put(text)

    def _taken(self) -> str:
        text = "".join(self._line)
        self._line.clear()
        if self._raw:
            return text.replace(_BREAK, "\n").strip("\n")
        if not text or text.isspace():
            return ""
        text = _BREAKS.sub("\n", _SPACE.sub(" ", text.translate(_UNSEEN))).strip()
        return text.replace("``", "").strip()

    def _heading(self, level: int) -> None:
        text = marks.one_line(self._taken())
        if not text:
            return
        if self.first_heading is None:
            self.first_heading = text
        in_cell = any(one.name in ("td", "th") for one in self._open)
        self._put(text if in_cell else marks.heading(level, text))

    def _put(self, block: str) -> None:
        if self._open:
            self._open[-1].blocks.append(block)
        else:
            self._draft.add(block)

    def _close(self, done: _Open) -> None:
        match done.name:
            case "li":
                self._item(done)
            case "ul" | "ol" | "menu" | "dir":
                self._put_all(["\n".join(done.blocks)])
                for around in self._open:
                    around.lists = True
            case "blockquote":
                self._put_all([marks.quote("\n\n".join(done.blocks))] if done.blocks else [])
            case "pre":
                self._put_all([marks.fence("\n".join(done.blocks))] if done.blocks else [])
            case "td" | "th":
                self._cell(done)
            case "table":
                self._table(done)
            case _:
                self._put_all(done.blocks)

    def _put_all(self, blocks: list[str]) -> None:
        for block in blocks:
            if block:
                self._put(block)

    def _item(self, done: _Open) -> None:
        if not done.blocks:
            return
        around = self._open[-1] if self._open else None
        marker = "-"
        if around is not None and around.name == "ol":
            marker = f"{_whole(done.element.get('value'), around.number)}."
            around.number = _whole(done.element.get("value"), around.number) + 1
        self._put(marks.item(0, marker, "\n".join(done.blocks)))

    def _cell(self, done: _Open) -> None:
        table = self._open[-1]
        table.cells.append(done.blocks)
        table.grid.cell(
            " ".join(done.blocks),
            columns=_whole(done.element.get("colspan"), 1),
            rows=_whole(done.element.get("rowspan"), 1),
        )

    def _table(self, done: _Open) -> None:
        self._put_all(done.blocks)
        if (
            done.lists
            or any(len(blocks) > _LONG_CELL for blocks in done.cells)
            or done.element.get("role") == "presentation"
        ):
            for blocks in done.cells:
                self._put_all(blocks)
            return
        rows = [[cell for cell in row if cell] for row in done.grid.rows]
        rows = [row for row in rows if row]
        if rows and all(len(row) == 2 and row[0] in _BULLETS for row in rows):  # noqa: PLR2004 (a bullet and its text)
            self._put_all(["\n".join(marks.item(0, "-", row[1]) for row in rows)])
            return
        self._put_all([marks.table(done.grid.rows)])


def _layouts(root: Any) -> set[Any]:
    """The tables that have tables inside: they lay out the page."""
    found: set[Any] = set()
    for table in root.iter("table", "{*}table"):
        above = table.getparent()
        while above is not None and above not in found:
            if local(above).lower() == "table":
                found.add(above)
                break
            above = above.getparent()
    return found


def _whole(text: str | None, default: int) -> int:
    text = (text or "").strip()
    return int(text) if text.isdecimal() and len(text) < 5 else default  # noqa: PLR2004 (no table or list is longer)
