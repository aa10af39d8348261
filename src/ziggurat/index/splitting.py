"""Documents into chunks, by their structure, with exact positions.

Splits at headings first, then between paragraphs, tables' rows, list items, code fences, sentences (Chinese and
Japanese marks too) and words, and inside a word only when nothing else is left. A chunk is always one
unbroken span of the text, so ``text[start:end]`` is the chunk; neighbouring chunks of one section
share their border sentences. What a text is made of is `structure`'s, what it weighs `measuring`'s. Knows nothing
of files. Works in time linear in the text.

Sizes are in characters, a Chinese, Japanese or Korean character counting as two: it says about as
much as two or three Latin ones, to an embedding model's tokeniser as well. The default of 1,000
leaves XQuAD's passages (785 characters on average, 250 in Chinese) whole, fits multilingual-e5's
512 tokens in every script, and lets four chunks be read by a small local chat model in seconds. Sizes in
tokens are those of the index's embedding model, or of another one that is given.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

from ziggurat.errors import InputError
from ziggurat.index.embedder import fingerprint_of
from ziggurat.index.langchain_splitter import LangChainSplitter
from ziggurat.index.measuring import Characters, Measure, tokens_of
from ziggurat.index.structure import Piece, Section, Unit, sections, units, weight
from ziggurat.loaders.document import Kind

__all__ = [
    "OVERLAP",
    "SIZE",
    "SMALLEST_SIZE",
    "LangChainSplitter",
    "Lines",
    "Piece",
    "Splitter",
    "StructureSplitter",
    "counted",
    "open_splitter",
    "weight",
]

SIZE = 1000
OVERLAP = 120
SMALLEST_SIZE = 40
SMALLEST_TOKENS = 16
RULES = 2
"""Raised when the same settings come to other chunks, so that a sync splits unchanged files again."""

_Weighed = tuple[int, int, int]
_CHARACTERS = Characters()


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
        size: The most a chunk may weigh: in characters, of which one of CJK weighs two, or in tokens.
        overlap: How much of the chunk before, in whole sentences, a chunk may begin with.
        measure: What sizes are in.
        counter: Whose tokens are counted: a model with ``count_tokens(texts)`` or LangChain's
            ``get_num_tokens(text)``. In an index, its embedding model when none.

    Raises:
        InputError: If the sizes make no sense, or the counter tells no tokens.
    """

    size: int = SIZE
    overlap: int = OVERLAP
    measure: Literal["characters", "tokens"] = "characters"
    counter: object | None = field(default=None, repr=False)
    _measure: Measure | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.measure not in {"characters", "tokens"}:
            raise InputError(f"{self.measure!r} is no measure of a text.", fix="choose from: characters, tokens")
        smallest = SMALLEST_SIZE if self.measure == "characters" else SMALLEST_TOKENS
        if self.size < smallest:
            raise InputError(f"A chunk size of {self.size} is too small.", fix=f"use {smallest} or more")
        if not 0 <= self.overlap <= self.size // 2:
            raise InputError(
                f"An overlap of {self.overlap} does not fit chunks of {self.size}.", fix="use at most half"
            )
        if self.measure == "characters":
            object.__setattr__(self, "_measure", _CHARACTERS)
        elif self.counter is not None:
            object.__setattr__(self, "_measure", tokens_of(self.counter))

    def describe(self) -> dict[str, Any]:
        """Name and settings, and whose tokens are counted where that is known."""
        said: dict[str, Any] = {"name": "structure", "size": self.size, "overlap": self.overlap, "rules": RULES}
        if self.measure == "tokens":
            said["measure"] = self.measure
            if self.counter is not None:
                said["counter"] = _name_of(self.counter)
        return said

    def split(self, text: str, kind: Kind = "text") -> list[Piece]:
        """Chunks of a text.

        Args:
            text: The whole document.
            kind: What its lines mean: ``#``, bars and code fences in Markdown, a row each in a table, code.

        Raises:
            InputError: If tokens are to be counted and nobody was named who tells them.
        """
        measure = self._measure
        if measure is None:
            raise InputError(
                "Nobody counts the tokens of this splitter.",
                fix="give StructureSplitter a counter=, or give the splitter to an index, whose model counts",
            )
        pieces: list[Piece] = []
        for section in sections(text, kind):
            pieces.extend(self._split_section(text, section, kind, measure))
        return pieces

    def _split_section(self, text: str, section: Section, kind: Kind, measure: Measure) -> Iterator[Piece]:
        whole = (section.start, section.end)
        if measure.may_fit(text, whole, self.size) and measure.weigh(text, [whole])[0] <= self.size:
            yield from _trimmed(text, section.start, section.end, section.headings)
            return
        atoms = list(self._atoms(text, units(text, section, kind), measure))
        first = 0
        while first < len(atoms):
            last, total = first, 0
            while last < len(atoms) and (total + atoms[last][2] <= self.size or last == first):
                total += atoms[last][2]
                last += 1
            last = self._better_border(text, atoms, first, last)
            last = self._fitting(text, atoms, first, last, measure)
            yield from _trimmed(text, atoms[first][0], atoms[last - 1][1], section.headings)
            if last == len(atoms):
                return
            first = self._overlapping_start(atoms, first, last)

    def _atoms(self, text: str, parts: Iterable[Unit], measure: Measure) -> Iterator[_Weighed]:
        """The units that fit, and what the others are cut into, each with its weight."""
        known = list(parts)
        for unit, heavy in zip(known, measure.weigh(text, [(one.start, one.end) for one in known]), strict=True):
            if heavy <= self.size or unit.end - unit.start == 1:
                yield unit.start, unit.end, heavy
            else:
                yield from self._atoms(text, unit.finer(text, unit.start, unit.end, self.size), measure)

    def _fitting(self, text: str, atoms: Sequence[_Weighed], first: int, last: int, measure: Measure) -> int:
        """Where a chunk ends that is no heavier together than it may be; tokens do not quite add up."""
        while measure is not _CHARACTERS and last - first > 1:
            if measure.weigh(text, [(atoms[first][0], atoms[last - 1][1])])[0] <= self.size:
                break
            last -= 1
        return last

    def _better_border(self, text: str, atoms: Sequence[_Weighed], first: int, last: int) -> int:
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

    def _overlapping_start(self, atoms: Sequence[_Weighed], first: int, last: int) -> int:
        """Where the next chunk begins: some whole atoms back, if they are light and room is left."""
        start, shared = last, 0
        room = self.size - atoms[last][2]
        while start - 1 > first and shared + atoms[start - 1][2] <= min(self.overlap, room):
            start -= 1
            shared += atoms[start][2]
        return start


def _trimmed(text: str, start: int, end: int, headings: tuple[str, ...]) -> Iterator[Piece]:
    """The span without white space around it; nothing if that is all there is."""
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    end -= len(part) - len(part.rstrip())
    if start < end:
        yield Piece(start, end, headings)


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
        if described.get("name") == "structure" and "counter" not in described:
            return StructureSplitter(
                size=int(described["size"]),
                overlap=int(described["overlap"]),
                measure=described.get("measure", "characters"),
            )
        counter = f" and the counter {described['counter']!r}" if "counter" in described else ""
        raise InputError(
            f"The index was made with the splitter {described.get('name')!r}{counter}, which must be given again.",
            fix="VectorIndex.open(path, splitter=...)",
        )
    if isinstance(given, Splitter):
        return given
    if callable(getattr(given, "split_text", None)):
        return LangChainSplitter(given)
    raise InputError(
        f"{type(given).__name__} is not a splitter.", fix="give a LangChain TextSplitter or a StructureSplitter"
    )


def counted(splitter: Splitter, model: Callable[[], object]) -> Splitter:
    """The splitter, with an index's model counting its tokens where they are to be counted and nobody does yet.

    Args:
        splitter: Any.
        model: Gives the embedding model; asked only if it is needed.

    Raises:
        InputError: If the model does not tell its tokens.
    """
    if isinstance(splitter, StructureSplitter) and splitter.measure == "tokens" and splitter.counter is None:
        return replace(splitter, counter=model())
    return splitter


def _name_of(counter: Any) -> str:
    """What tells one counter of tokens from another."""
    return fingerprint_of(counter)


class Lines:
    """Line numbers of offsets in one text, from 1."""

    def __init__(self, text: str) -> None:
        self._ends = [found.start() for found in re.finditer("\n", text)]

    def of(self, offset: int) -> int:
        """The line that the character at ``offset`` stands in."""
        return bisect.bisect_left(self._ends, offset) + 1
