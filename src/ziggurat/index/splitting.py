"""Documents into chunks, by their structure, with exact positions.

Splits at headings first, then between paragraphs, code fences, sentences (Chinese and Japanese
marks too) and words, and inside a word only when nothing else is left. A chunk is always one
unbroken span of the text, so ``text[start:end]`` is the chunk; neighbouring chunks of one section
share their border sentences. Knows nothing of files or models. Works in time linear in the text.

Sizes are in characters, a Chinese, Japanese or Korean character counting as two: it says about as
much as two or three Latin ones, to an embedding model's tokeniser as well. The default of 1,000
leaves XQuAD's passages (785 characters on average, 250 in Chinese) whole, fits multilingual-e5's
512 tokens in every script, and lets four chunks be read by a small local chat model in seconds.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from ziggurat.errors import InputError
from ziggurat.loaders.document import Kind

SIZE = 1000
OVERLAP = 120
SMALLEST_SIZE = 40

_WIDE = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)\s*|[。！？；｡]+[”』」）]*\s*|\n\s*")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


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


@runtime_checkable
class Splitter(Protocol):
    """Anything that finds chunks in a text and can say how."""

    def split(self, text: str, kind: Kind) -> list[Piece]:
        """Chunks in order of their start; none is blank."""

    def describe(self) -> dict[str, Any]:
        """Name and settings, as JSON values, for the index's manifest."""


@dataclass(frozen=True, slots=True)
class StructureSplitter:
    """The default splitter.

    Args:
        size: The most a chunk may weigh, in characters; a CJK character weighs two.
        overlap: How much of the chunk before, in whole sentences, a chunk may begin with.

    Raises:
        InputError: If the sizes make no sense.
    """

    size: int = SIZE
    overlap: int = OVERLAP

    def __post_init__(self) -> None:
        if self.size < SMALLEST_SIZE:
            raise InputError(f"A chunk size of {self.size} is too small.", fix=f"use {SMALLEST_SIZE} or more")
        if not 0 <= self.overlap <= self.size // 2:
            raise InputError(
                f"An overlap of {self.overlap} does not fit chunks of {self.size}.", fix="use at most half"
            )

    def describe(self) -> dict[str, Any]:
        """Name and settings."""
        return {"name": "structure", **asdict(self)}

    def split(self, text: str, kind: Kind = "text") -> list[Piece]:
        """Chunks of a text.

        Args:
            text: The whole document.
            kind: Whether ``#`` and code fences mean something.
        """
        pieces: list[Piece] = []
        for section in _sections(text) if kind == "markdown" else [_Section(0, len(text), (), ())]:
            pieces.extend(self._split_section(text, section))
        return pieces

    def _split_section(self, text: str, section: _Section) -> Iterator[Piece]:
        if weight(text, section.start, section.end) <= self.size:
            yield from _trimmed(text, section.start, section.end, section.headings)
            return
        atoms = [(start, end, weight(text, start, end)) for start, end in self._atoms(text, section)]
        first = 0
        while first < len(atoms):
            last, total = first, 0
            while last < len(atoms) and (total + atoms[last][2] <= self.size or last == first):
                total += atoms[last][2]
                last += 1
            last = self._better_border(text, atoms, first, last)
            yield from _trimmed(text, atoms[first][0], atoms[last - 1][1], section.headings)
            if last == len(atoms):
                return
            first = self._overlapping_start(atoms, first, last)

    def _better_border(self, text: str, atoms: list[tuple[int, int, int]], first: int, last: int) -> int:
        """The last paragraph break in the second half of a full chunk, or where it is full."""
        if last == len(atoms):
            return last
        half = sum(atom[2] for atom in atoms[first:last]) / 2
        kept = 0
        best = last
        for at in range(first, last):
            kept += atoms[at][2]
            if kept >= half and "\n\n" in text[max(atoms[at][0], atoms[at][1] - 8) : atoms[at][1]]:
                best = at + 1
        return best

    def _overlapping_start(self, atoms: list[tuple[int, int, int]], first: int, last: int) -> int:
        """Where the next chunk begins: some whole atoms back, if they are light and room is left."""
        start, shared = last, 0
        room = self.size - atoms[last][2]
        while start - 1 > first and shared + atoms[start - 1][2] <= min(self.overlap, room):
            start -= 1
            shared += atoms[start][2]
        return start

    def _atoms(self, text: str, section: _Section) -> Iterator[tuple[int, int]]:
        """Spans that are not broken: code fences that fit, sentences, and bits of longer ones."""
        at = section.start
        for start, end in section.fences:
            yield from self._sentences(text, at, start)
            if weight(text, start, end) <= self.size:
                yield start, end
            else:
                yield from self._sentences(text, start, end)
            at = end
        yield from self._sentences(text, at, section.end)

    def _sentences(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        at = start
        for mark in _SENTENCE_END.finditer(text, start, end):
            yield from self._fitting(text, at, mark.end())
            at = mark.end()
        yield from self._fitting(text, at, end)

    def _fitting(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """One sentence, or bits of it that fit, broken at white space where there is some."""
        longest = self.size // 2
        while end - start > longest and weight(text, start, end) > self.size:
            cut = start + longest
            space = max(text.rfind(" ", start + longest // 2, cut), text.rfind("\n", start + longest // 2, cut))
            if space > 0:
                cut = space + 1
            yield start, cut
            start = cut
        if end > start:
            yield start, end


@dataclass(frozen=True, slots=True)
class _Section:
    start: int
    end: int
    headings: tuple[str, ...]
    fences: tuple[tuple[int, int], ...]


def _sections(text: str) -> Iterator[_Section]:
    """Markdown by headings; a heading without text of its own stays with what follows it."""
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
                yield _Section(start, at, tuple(title for _, title in path), tuple(fences))
                start, has_body, fences = at, False, []
            level = len(heading[1])
            while path and path[-1][0] >= level:
                path.pop()
            path.append((level, heading[2]))
        elif bare.strip():
            has_body = True
        at += len(line)
    if fence:
        fences.append((fence_start, len(text)))
    yield _Section(start, len(text), tuple(title for _, title in path), tuple(fences))


def weight(text: str, start: int, end: int) -> int:
    """Characters of a span, those of CJK counted twice."""
    if text.isascii():
        return end - start
    return end - start + sum(1 for _ in _WIDE.finditer(text, start, end))


def _trimmed(text: str, start: int, end: int, headings: tuple[str, ...]) -> Iterator[Piece]:
    """The span without white space around it; nothing if that is all there is."""
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    end -= len(part) - len(part.rstrip())
    if start < end:
        yield Piece(start, end, headings)


class LangChainSplitter:
    """A LangChain ``TextSplitter`` with the positions of its chunks found in the text.

    Args:
        splitter: Anything with ``split_text(text) -> list[str]``.
    """

    def __init__(self, splitter: Any) -> None:
        self._split: Callable[[str], list[str]] = splitter.split_text
        self._name = f"{type(splitter).__module__}.{type(splitter).__qualname__}"

    def describe(self) -> dict[str, Any]:
        """The class's name; its settings are its own."""
        return {"name": self._name}

    def split(self, text: str, kind: Kind = "text") -> list[Piece]:  # noqa: ARG002 (a Splitter takes it)
        """The splitter's chunks, each at its first place after the start of the one before.

        Raises:
            InputError: If a chunk is not a part of the text, so that it has no position.
        """
        pieces: list[Piece] = []
        at = 0
        for chunk in self._split(text):
            if not chunk.strip():
                continue
            start = text.find(chunk, at)
            if start < 0:
                raise InputError(
                    f"{self._name} changes the text it splits, so its chunks have no position: {chunk[:40]!r}.",
                    fix="turn its rewriting off, or use the default splitter",
                )
            pieces.append(Piece(start, start + len(chunk)))
            at = start + 1
        return pieces


def open_splitter(given: object | None, described: Mapping[str, Any] | None = None) -> Splitter:
    """The splitter to use.

    Args:
        given: A `Splitter`, a LangChain ``TextSplitter``, or None.
        described: What the manifest says of the splitter the index was made with.

    Raises:
        InputError: If that one is not ours and was not given again.
    """
    if given is None:
        if described is None:
            return StructureSplitter()
        if described.get("name") == "structure":
            return StructureSplitter(size=int(described["size"]), overlap=int(described["overlap"]))
        raise InputError(
            f"The index was made with the splitter {described.get('name')!r}, which must be given again.",
            fix="VectorIndex.open(path, splitter=...)",
        )
    if isinstance(given, Splitter):
        return given
    if callable(getattr(given, "split_text", None)):
        return LangChainSplitter(given)
    raise InputError(
        f"{type(given).__name__} is not a splitter.", fix="give a LangChain TextSplitter or a StructureSplitter"
    )


class Lines:
    """Line numbers of offsets in one text, from 1."""

    def __init__(self, text: str) -> None:
        self._ends = [found.start() for found in re.finditer("\n", text)]

    def of(self, offset: int) -> int:
        """The line that the character at ``offset`` stands in."""
        return bisect.bisect_left(self._ends, offset) + 1
