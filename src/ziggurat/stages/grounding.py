"""Where a value stands in a text: the words themselves, a number however it is written, a date in any form.

Pure. Spelling is compared without regard to case, width, accents of typography and runs of white
space; offsets are always of the text as given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import Any

Span = tuple[int, int]

_NUMBER = re.compile(r"(?<![\w.,])[-−]?\d[\d.,'’\s\u00a0\u202f]*\d|(?<![\w.,])[-−]?\d")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-"})


class Ground:
    """A text in which values are looked up.

    Args:
        text: Any text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._plain, self._at = _plain(text)

    def find(self, value: Any) -> Span | None:
        """Where a value stands; None if it does not, or is of a kind that does not stand in texts.

        Args:
            value: A text, a number, or a date as ``YYYY-MM-DD``.
        """
        match value:
            case bool() | None:
                return None
            case int() | float():
                return self._number(float(value))
            case str() if value.strip():
                return self._words(value) or (self._date(value.strip()) if _ISO_DATE.fullmatch(value.strip()) else None)
            case _:
                return None

    def _words(self, value: str) -> Span | None:
        wanted = _plain(value)[0].strip(" .,;:'\"")
        if not wanted:
            return None
        for at in _occurrences(self._plain, wanted):
            before = self._plain[at - 1] if at else " "
            after = self._plain[at + len(wanted)] if at + len(wanted) < len(self._plain) else " "
            # A number must not be a part of another one, nor a short word a part of a longer one.
            if _joins(before, wanted[0]) or _joins(wanted[-1], after):
                continue
            return self._at[at], self._at[at + len(wanted) - 1] + 1
        return None

    def _number(self, value: float) -> Span | None:
        for found in _NUMBER.finditer(self.text):
            if value in _values(found.group()):
                return found.span()
        return None

    def _date(self, value: str) -> Span | None:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            return None
        for form in _forms(day):
            if (found := self._words(form)) is not None:
                return found
        return None


def _plain(text: str) -> tuple[str, list[int]]:
    """The text as it is compared, and for each character where it stands in the given one."""
    out: list[str] = []
    at: list[int] = []
    for position, character in enumerate(text):
        for one in unicodedata.normalize("NFKC", character).translate(_QUOTES).casefold():
            if one.isspace():
                if out and out[-1] == " ":
                    continue
                one = " "  # noqa: PLW2901 (the same character, as it is compared)
            out.append(one)
            at.append(position)
    return "".join(out), at


def _occurrences(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _joins(left: str, right: str) -> bool:
    """Whether two neighbouring characters belong to one word or number; Chinese characters stand alone."""
    return all(one.isalnum() and one.isascii() for one in (left, right))


def _values(written: str) -> set[float]:
    """What a number as it is written may mean: 1.234 is one and a bit in English and many in Portuguese."""
    bare = re.sub(r"[\s\u00a0\u202f'’]", "", written).replace("−", "-")
    found = set()
    for thousands, decimal in ((",", "."), (".", ",")):
        try:
            found.add(float(bare.replace(thousands, "").replace(decimal, ".")))
        except ValueError:
            continue
    return found


def _forms(day: date) -> Iterator[str]:
    """How a date is written in English, Chinese, Portuguese and Spanish."""
    y, m, d = day.year, day.month, day.day
    yield from (f"{y}年{m}月{d}日", f"{y}/{m}/{d}", f"{y}/{m:02}/{d:02}", f"{y}.{m:02}.{d:02}")
    yield from (f"{d:02}/{m:02}/{y}", f"{m:02}/{d:02}/{y}", f"{d}/{m}/{y}", f"{m}/{d}/{y}", f"{d:02}.{m:02}.{y}")
    english, portuguese, spanish = (names.split()[m - 1] for names in _MONTHS)
    for name in (english, english[:3]):
        for number in (f"{d}", f"{d:02}"):
            yield from (f"{name} {number}, {y}", f"{number} {name} {y}", f"{name} {number} {y}", f"{number}-{name}-{y}")
    yield from (f"{d} de {portuguese} de {y}", f"{d} de {spanish} de {y}", f"{d}º de {portuguese} de {y}")
    yield f"{d}{_ORDINALS.get(d % 10 if d not in (11, 12, 13) else 0, 'th')} {english} {y}"


_MONTHS = (
    "january february march april may june july august september october november december",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
)
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}
