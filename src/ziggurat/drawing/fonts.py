"""The fonts we ship, and how wide a text is in them.

Inter for Latin, Greek and Cyrillic, Droid Sans Fallback for Chinese, Japanese and Korean. No font of
the system is ever used, so a picture is the same on every machine and no text goes missing.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from ziggurat.optional import require

Weight = Literal["regular", "bold"]

FAMILY = "Inter, 'Droid Sans Fallback'"
"""The CSS ``font-family`` of every text we draw."""

_FILES: dict[Weight, str] = {"regular": "Inter-Regular.otf", "bold": "Inter-SemiBold.otf"}
_FALLBACK = "DroidSansFallback.ttf"
_EASTERN = 0x2E80


@cache
def font_files() -> tuple[str, ...]:
    """The paths of the shipped fonts."""
    folder = Path(str(resources.files("ziggurat.drawing") / "fonts"))
    return tuple(str(folder / name) for name in (*_FILES.values(), _FALLBACK))


def text_width(text: str, size: float, weight: Weight = "regular") -> float:
    """The width of one line of text, in pixels at ``size`` pixels."""
    width, run, eastern = 0.0, "", False
    for char in [*text, ""]:
        is_eastern = ord(char) >= _EASTERN if char else not eastern
        if char and is_eastern == eastern:
            run += char
            continue
        if run:
            width += _font(_FALLBACK if eastern else _FILES[weight]).getlength(run)
        run, eastern = char, is_eastern
    return width * size / _MEASURE_SIZE


def wrap(text: str, size: float, width: float, weight: Weight = "regular", max_lines: int = 3) -> list[str]:
    """Break a text into lines no wider than ``width`` pixels, if words allow.

    Text without spaces is broken between characters where it is Chinese, Japanese or Korean. What does not fit
    in ``max_lines`` ends in an ellipsis.
    """
    lines: list[str] = []
    for word in _words(text):
        if lines and text_width((lines[-1] + word).strip(), size, weight) <= width:
            lines[-1] += word
        else:
            lines.append(word.lstrip())
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], lines[max_lines - 1] + "…"]
    return lines or [""]


def _words(text: str) -> list[str]:
    words: list[str] = []
    for char in text:
        if char == " " or ord(char) >= _EASTERN or not words or ord(words[-1][-1]) >= _EASTERN:
            words.append(char)
        else:
            words[-1] += char
    return words


_MEASURE_SIZE = 100


@cache
def _font(name: str) -> Any:
    truetype = require("PIL.ImageFont", for_="measuring text in pictures", extra="pictures").truetype
    return truetype(str(resources.files("ziggurat.drawing") / "fonts" / name), _MEASURE_SIZE)
