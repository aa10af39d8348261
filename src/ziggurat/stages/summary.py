"""`Summary` and `Point`: what was said of a text, and for each sentence where it comes from.

Pure values. Every point holds the places it rests on as `Citation`s, so anybody with the document can check
it; a summary also says how much of the text was read, so that nothing is left out silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.stages.answer import Answer, Citation

Strategy = Literal["stuff", "map_reduce", "refine", "map_rerank"]


@dataclass(frozen=True, slots=True)
class Point:
    """One sentence of a summary.

    Attributes:
        text: The sentence.
        start: Where it begins in the summary's text, in characters.
        end: Where it ends, exclusive.
        citations: The places it comes from, best first.
        quoted: Whether it is a sentence of the text itself, for want of one by the model that the text supports.
    """

    text: str
    start: int
    end: int
    citations: tuple[Citation, ...]
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary with pointers. Pieces of a streamed summary are summaries too, and add up.

    Attributes:
        text: The summary; a fixed sentence where a question has no answer in the text.
        points: Its sentences, each with the places it comes from.
        strategy: How it was made.
        passages_read: Passages that a model read.
        passages: Passages of the text.
        characters_read: Characters of these.
        characters: Characters of the text.
        usage: What the models used.
    """

    text: str
    points: tuple[Point, ...] = ()
    strategy: Strategy = "stuff"
    passages_read: int = 0
    passages: int = 0
    characters_read: int = 0
    characters: int = 0
    usage: Usage = field(default=NO_USAGE, compare=False)

    def __add__(self, other: object) -> Summary:
        """The summary continued by a later piece; the piece's spans are already those of the whole."""
        if not isinstance(other, Summary):
            return NotImplemented
        return Summary(
            self.text + other.text,
            self.points + other.points,
            other.strategy,
            self.passages_read + other.passages_read,
            self.passages + other.passages,
            self.characters_read + other.characters_read,
            self.characters + other.characters,
            self.usage + other.usage,
        )

    @property
    def share(self) -> float:
        """How much of the text was read, from 0 to 1."""
        return self.characters_read / self.characters if self.characters else 0.0

    def __str__(self) -> str:
        """The text with numbered marks, the numbered places, and what was read."""
        lines = [self.annotated(), "", *self.references()]
        return "\n".join([*lines, "", self.coverage()] if self.points else [self.text, "", self.coverage()])

    def annotated(self) -> str:
        """The text with ``[1]`` after each sentence."""
        return self._as_answer().annotated()

    def references(self) -> list[str]:
        """One line for each place: its number, the document and page or line, the quote."""
        return self._as_answer().references()

    def coverage(self) -> str:
        """What was read, in a line."""
        share = f"{self.share:.0%}" if self.share in (0.0, 1.0) or self.share >= 0.01 else f"{self.share:.1%}"  # noqa: PLR2004 (less than a hundredth)
        return f"Read {self.passages_read:,} of {self.passages:,} passages ({share} of the text), {self.strategy}."

    def _as_answer(self) -> Answer:
        """The same as an answer, which knows how marks and places are numbered."""
        spans = [(point, (point.start, point.end)) for point in self.points]
        return Answer(
            self.text, tuple(replace(one, answer_span=span) for point, span in spans for one in point.citations)
        )
