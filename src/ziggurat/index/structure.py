"""What a text is made of: sections under headings, and the units that are not broken unless they must be.

A unit is a sentence, a code fence, a list item, a table or one of its rows, a block of code; each knows what it
is cut into when it does not fit. Says nothing of sizes, chunks or models. The invariant: units follow one
another without a gap, so that whatever is put together of neighbours is one span of the text. Linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from ziggurat.loaders.document import Kind

_WIDE = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]")
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s)\s*|[。！？；｡]+[”』」）]*\s*|\n\s*")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?$")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,9}[.)])[ \t]+\S")
_CLOSES = re.compile(r"[)\]}]|end\b")


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk's place in its document.

    Attributes:
        start: Offset of the first character.
        end: Offset after the last.
        headings: The headings above it, outermost first.
    """

    start: int
    end: int
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """A span that stays whole if it fits.

    Attributes:
        start: Offset of the first character.
        end: Offset after the last.
        finer: What it is cut into if it does not.
    """

    start: int
    end: int
    finer: Finer


Finer = Callable[[str, int, int, int], Iterator[Unit]]
"""Cuts a span of a text, given the weight that is too much; gives at least two units where there are two characters."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document under its headings.

    Attributes:
        start: Offset of the first character.
        end: Offset after the last.
        headings: The headings above it, outermost first.
        fences: The code fences in it, as spans.
    """

    start: int
    end: int
    headings: tuple[str, ...] = ()
    fences: tuple[tuple[int, int], ...] = ()


def weight(text: str, start: int, end: int) -> int:
    """Characters of a span, those of CJK counted twice."""
    if text.isascii():
        return end - start
    return end - start + sum(1 for _ in _WIDE.finditer(text, start, end))


def sections(text: str, kind: Kind) -> Iterator[Section]:
    """The parts of a text that no chunk reaches across: Markdown by its headings, anything else whole."""
    if kind == "markdown":
        yield from _by_headings(text)
    else:
        yield Section(0, len(text))


def units(text: str, section: Section, kind: Kind) -> Iterator[Unit]:
    """What a section is made of."""
    if kind == "markdown":
        at = section.start
        for start, end in section.fences:
            yield from _marked(text, at, start)
            yield Unit(start, end, _sentences)
            at = end
        yield from _marked(text, at, section.end)
    else:
        cut = {"table": _rows, "code": _blocks}.get(kind, _sentences)
        yield from cut(text, section.start, section.end, 0)


def _by_headings(text: str) -> Iterator[Section]:
    """A heading without text of its own stays with what follows it."""
    path: list[tuple[int, str]] = []
    fences: list[tuple[int, int]] = []
    start, has_body, fence, fence_start, at = 0, False, "", 0, 0
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        opening = _FENCE.match(bare)
        if fence:
            if opening and opening[1].startswith(fence) and not bare[opening.end() :].strip():
                fences.append((fence_start, at + len(line)))
                fence = ""
        elif opening:
            fence, fence_start, has_body = opening[1], at, True
        elif (heading := _HEADING.match(bare)) is not None:
            if has_body:
                yield Section(start, at, tuple(title for _, title in path), tuple(fences))
                start, has_body, fences = at, False, []
            level = len(heading[1])
            while path and path[-1][0] >= level:
                path.pop()
            path.append((level, _title(heading[2])))
        elif bare.strip():
            has_body = True
        at += len(line)
    if fence:
        fences.append((fence_start, len(text)))
    yield Section(start, len(text), tuple(title for _, title in path), tuple(fences))


def _title(written: str) -> str:
    """A heading without the signs that may close it."""
    title = written.strip()
    opened = title.rstrip("#")
    return opened.rstrip() if opened != title and (not opened or opened[-1].isspace()) else title


def _marked(text: str, start: int, end: int) -> Iterator[Unit]:
    """Markdown between code fences: tables and list items whole, the rest by sentences."""
    for _, run in groupby(_told_apart(text, start, end), key=lambda line: line[2]):
        lines = list(run)
        first, last, (_, kind) = lines[0][0], lines[-1][1], lines[0][2]
        if kind == "prose":
            yield from _sentences(text, first, last, 0)
        else:
            yield Unit(first, last, _rows if kind == "table" else _sentences)


def _told_apart(text: str, start: int, end: int) -> Iterator[tuple[int, int, tuple[int, str]]]:
    """Every line with the number and the kind of the run it is in; blank lines stay with what is before them."""
    number, kind, blank = 0, "prose", False
    lines = list(_lines(text, start, end))
    for at, (first, last) in enumerate(lines):
        line = text[first:last]
        bare = line.strip()
        if not bare:
            blank = True
            yield first, last, (number, kind)
            continue
        goes_on = not blank and kind != "prose"
        if (
            bare[0] == bare[-1] == "|" != bare
            or (kind == "table" and goes_on and "|" in line)
            or _heads_table(text, lines, at)
        ):
            now, new = "table", kind != "table" or not goes_on
        elif _ITEM.match(line):
            now, new = "item", True
        elif kind == "item" and goes_on:
            now, new = "item", False
        else:
            now, new = "prose", kind != "prose"
        number, kind, blank = number + new, now, False
        yield first, last, (number, kind)


def _heads_table(text: str, lines: list[tuple[int, int]], at: int) -> bool:
    """Whether a line is the head of a table whose rows have no bars at their ends."""
    if at + 1 == len(lines) or "|" not in text[slice(*lines[at])]:
        return False
    return _RULE.match(text[slice(*lines[at + 1])].strip()) is not None


def _blocks(text: str, start: int, end: int, too_much: int) -> Iterator[Unit]:  # noqa: ARG001 (a Finer)
    """Code by what stands at the margin after a blank line: functions, classes, groups of statements."""
    first, blank = start, False
    for at, last in _lines(text, start, end):
        line = text[at:last]
        if blank and at > first and not line[0].isspace() and not _CLOSES.match(line):
            yield Unit(first, at, _paragraphs)
            first = at
        blank = not line.strip()
    if end > first:
        yield Unit(first, end, _paragraphs)


def _paragraphs(text: str, start: int, end: int, too_much: int) -> Iterator[Unit]:
    """Code between blank lines; by lines if there are none."""
    first, blank, found = start, False, []
    for at, last in _lines(text, start, end):
        here = not text[at:last].strip()
        if blank and not here and at > first:
            found.append(Unit(first, at, _rows))
            first = at
        blank = here
    if found:
        yield from found
        yield Unit(first, end, _rows)
    else:
        yield from _rows(text, start, end, too_much)


def _rows(text: str, start: int, end: int, too_much: int) -> Iterator[Unit]:  # noqa: ARG001 (a Finer)
    """One unit a line."""
    for first, last in _lines(text, start, end):
        yield Unit(first, last, _sentences)


def _sentences(text: str, start: int, end: int, too_much: int) -> Iterator[Unit]:  # noqa: ARG001 (a Finer)
    at = start
    for mark in _SENTENCE_END.finditer(text, start, end):
        if mark.end() > at:
            yield Unit(at, mark.end(), _bits)
        at = mark.end()
    if end > at:
        yield Unit(at, end, _bits)


def _bits(text: str, start: int, end: int, too_much: int) -> Iterator[Unit]:
    """Bits of a sentence, each of half the weight in characters or less, cut at white space where there is some."""
    longest = max(too_much // 2, 1)
    while end - start > longest and (end - start > too_much or weight(text, start, end) > too_much):
        cut = start + longest
        space = max(text.rfind(" ", start + longest // 2, cut), text.rfind("\n", start + longest // 2, cut))
        if space > 0:
            cut = space + 1
        yield Unit(start, cut, _halves)
        start = cut
    if end > start:
        yield Unit(start, end, _halves)


def _halves(text: str, start: int, end: int, too_much: int) -> Iterator[Unit]:  # noqa: ARG001 (a Finer)
    """For what is short and still too much: letters that a tokeniser reads one by one, or in several bytes."""
    middle = (start + end) // 2
    space = text.rfind(" ", start + 1, middle)
    cut = space + 1 if space > (start + middle) // 2 else max(middle, start + 1)
    yield Unit(start, cut, _halves)
    if cut < end:
        yield Unit(cut, end, _halves)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The lines of a span, each with its line feed."""
    while start < end:
        feed = text.find("\n", start, end)
        after = end if feed < 0 else feed + 1
        yield start, after
        start = after
