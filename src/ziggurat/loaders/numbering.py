"""The numbers and bullets Word puts before paragraphs, as it shows them.

Word keeps no numbers in the text: a paragraph names a list and a level, and the list says how its
levels count and look. Counts as one reads on, so one `Numbering` serves one pass through a document.
"""

from __future__ import annotations

import re
from typing import Any

from ziggurat.loaders.xml import local

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_LEVEL = re.compile(r"%([1-9])")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"))
_ROMAN_ONES = ((9, "ix"), (5, "v"), (4, "iv"), (1, "i"))
_MOST = 3999


class Numbering:
    """The lists of a document.

    Args:
        root: The root of ``numbering.xml``; None if there is none.
    """

    def __init__(self, root: Any) -> None:
        self._levels: dict[str, dict[int, tuple[str, str, int]]] = {}
        self._list: dict[str, str] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._seen: set[str] = set()
        for element in root if root is not None else ():
            if local(element) == "abstractNum":
                self._levels[element.get(f"{W}abstractNumId", "")] = dict(
                    _level(one) for one in element.iterfind(f"{W}lvl")
                )
            elif local(element) == "num":
                self._add(element)

    def _add(self, element: Any) -> None:
        name = element.get(f"{W}numId", "")
        abstract = element.find(f"{W}abstractNumId")
        self._list[name] = value(abstract) or ""
        for override in element.iterfind(f"{W}lvlOverride"):
            start = value(override.find(f"{W}startOverride"))
            if start and start.isdecimal():
                self._starts[name, _number(override.get(f"{W}ilvl"), 0)] = int(start)

    def marker(self, name: str, level: int) -> str | None:
        """What stands before the next paragraph of a list: ``-`` for a bullet, else the number as shown.

        Args:
            name: The list's id (``numId``).
            level: From 0.

        Returns:
            None where nothing is shown.
        """
        abstract = self._list.get(name)
        levels = self._levels.get(abstract or "", {})
        if abstract is None or level not in levels:
            return None
        kind, text, start = levels[level]
        if kind == "bullet":
            return "-"
        if kind == "none":
            return None
        counts = self._counts.setdefault(abstract, {})
        if name not in self._seen:
            self._seen.add(name)
            for (owner, at), first in self._starts.items():
                if owner == name:
                    counts[at] = first - 1
        counts[level] = counts.get(level, start - 1) + 1
        for deeper in [one for one in counts if one > level]:
            del counts[deeper]

        def shown(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            kind, _, start = levels.get(at, ("decimal", "", 1))
            return _shown(counts.get(at, start), kind)

        return _LEVEL.sub(shown, text).strip() or None


def value(element: Any) -> str | None:
    """The ``w:val`` of an element that may not be there."""
    return None if element is None else element.get(f"{W}val")


def _level(element: Any) -> tuple[int, tuple[str, str, int]]:
    kind = value(element.find(f"{W}numFmt")) or "decimal"
    text = value(element.find(f"{W}lvlText"))
    start = _number(value(element.find(f"{W}start")), 1)
    return _number(element.get(f"{W}ilvl"), 0), (kind, text or "", start)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 6 else default  # noqa: PLR2004 (longer than any list)


def _shown(count: int, kind: str) -> str:
    if kind in ("lowerLetter", "upperLetter") and count > 0:
        letter = chr(ord("a") + (count - 1) % 26) * min((count - 1) // 26 + 1, 8)
        return letter.upper() if kind == "upperLetter" else letter
    if kind in ("lowerRoman", "upperRoman") and 0 < count <= _MOST:
        text = ""
        for worth, digits in (*_ROMAN, *_ROMAN_ONES):
            times, count = divmod(count, worth)
            text += digits * times
        return text.upper() if kind == "upperRoman" else text
    if kind == "decimalZero":
        return f"{count:02}"
    return str(count)
