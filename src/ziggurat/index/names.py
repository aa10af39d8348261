"""What a document can be called, and where a text calls one by name.

A title is a name, and so is what is left of it without a closing bracket ("Paris (mythology)") or
behind its first comma ("Ernest, Duke of Saxony"); each of its words is a part of a name. Names and
texts are compared as folded words: case, diacritics and punctuation do not count, and a Chinese,
Japanese or Korean character is a word of its own. Pure functions; which document has which name is
the database's business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import NamedTuple

LONGEST = 10
"""Words of a name; a longer title is known by its first ones."""
WHOLE, SHORT, PART = 0, 1, 2
"""The kinds of names: the whole title, the title shortened, a word of it."""

Name = tuple[str, int]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_WORD = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])\w)+")
_BRACKET = re.compile(r"\s*[(（][^()（）]*[)）]\s*$")
_POSSESSIVE = re.compile(r"['’]s\b")
SHORTEST_PART = 4
"""Letters of a word of a title that can stand for the title."""


class Word(NamedTuple):
    """A word of a text.

    Attributes:
        folded: As it is compared.
        start: Offset of its first character.
        end: Offset after its last.
    """

    folded: str
    start: int
    end: int


class Mention(NamedTuple):
    """A name that stands in a text.

    Attributes:
        name: As it is compared.
        start: Offset of its first character.
        end: Offset after its last.
        rank: From 0, the order in which names are first mentioned.
    """

    name: str
    start: int
    end: int
    rank: int


def words(text: str) -> list[Word]:
    """The words of a text, a possessive ``'s`` left out."""
    plain = _POSSESSIVE.sub("  ", text)
    return [Word(folded(found[0]), found.start(), found.end()) for found in _WORD.finditer(plain)]


def normal(title: str) -> str:
    """A name as it is compared: its first words, folded, a space between."""
    return " ".join(word.folded for word in words(title)[:LONGEST])


def names_of(title: str) -> tuple[Name, ...]:
    """Everything a document with this title can be called, with the kind of each name."""
    whole = normal(title)
    if not whole:
        return ()
    bare = short_title(title)
    names = {whole: WHOLE}
    names.setdefault(normal(bare), SHORT)
    before_comma = re.split(r",\s|，|、", bare, maxsplit=1)[0]
    if before_comma != bare and " " in normal(before_comma):
        names.setdefault(normal(before_comma), SHORT)
    parts = {word for word in whole.split() if len(word) >= SHORTEST_PART}
    return (*((name, kind) for name, kind in names.items() if name), *((part, PART) for part in sorted(parts)))


def short_title(title: str) -> str:
    """A title without what its closing bracket says."""
    return _BRACKET.sub("", title)


def candidates(text_words: list[Word]) -> Iterator[tuple[str, int, int]]:
    """Every run of words that could be a name, with the positions of its first and last word + 1."""
    for first in range(len(text_words)):
        name = ""
        for last in range(first, min(first + LONGEST, len(text_words))):
            name = f"{name} {text_words[last].folded}" if name else text_words[last].folded
            yield name, first, last + 1


def mentions(text: str, text_words: list[Word], known: Collection[str]) -> list[Mention]:
    """Where a text names something, the longest name first where several begin.

    A name of one word counts only where it is written with a capital and has three letters or more:
    "Will" may be a name, "will" is not.

    Args:
        text: The text.
        text_words: Its `words`.
        known: Those of its `candidates` that are names.
    """
    found: list[Mention] = []
    ranks: dict[str, int] = {}
    starts: dict[int, list[tuple[int, str]]] = {}
    for name, first, last in candidates(text_words):
        if name in known and (last - first > 1 or _stands_alone(text, text_words[first])):
            starts.setdefault(first, []).append((last, name))
    at = 0
    while at < len(text_words):
        if at not in starts:
            at += 1
            continue
        last, name = max(starts[at])
        rank = ranks.setdefault(name, len(ranks))
        found.append(Mention(name, text_words[at].start, text_words[last - 1].end, rank))
        at = last
    return found


def _stands_alone(text: str, word: Word) -> bool:
    return word.end - word.start >= 3 and text[word.start].isupper()  # noqa: PLR2004 (letters of a name)


def folded(word: str) -> str:
    """A word without case and diacritics."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word).casefold()
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
