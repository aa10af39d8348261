"""Documents in any form as passages, in order, as often as asked; what they weigh.

Passages are made one after another, so what is held is the documents, and two numbers for each passage. Weights are
estimated tokens: a token for three bytes, which seldom is too low in any script.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document

from ziggurat.errors import InputError
from ziggurat.index.splitting import Lines, StructureSplitter
from ziggurat.loaders import SourceDocument
from ziggurat.loaders.document import places_within
from ziggurat.stages.documents import documents_of
from ziggurat.stages.passages import Passage

_SPLITTER = StructureSplitter(size=1000, overlap=0)
_WHERE = "the documents to summarise"


def weight(text: str) -> int:
    """The tokens of a text, estimated."""
    return len(text.encode(errors="replace")) // 3 + 1


@dataclass(frozen=True, slots=True)
class Survey:
    """What a text amounts to.

    Attributes:
        passages: How many.
        characters: Of all passages.
        tokens: Of all passages, estimated.
        beginning: The first passage's text.
    """

    passages: int
    characters: int
    tokens: int
    beginning: str


class Reader:
    """The passages of some documents.

    Args:
        given: A text, a path to load, a document or several: LangChain's or those of `ziggurat.loaders`.

    Raises:
        InputError: If it is none of these, or holds no text.
        DocumentError: If a file under a path cannot be read.
    """

    def __init__(self, given: Any) -> None:
        self._texts = [_Text(one, number) for number, one in enumerate(documents_of(given, _WHERE))]
        passages = characters = tokens = 0
        beginning = ""
        for one in self:
            passages, characters, tokens = passages + 1, characters + len(one.text), tokens + weight(one.text)
            beginning = beginning or one.text
        if not passages:
            raise InputError("There is no text to summarise.", where=_WHERE)
        self.survey = Survey(passages, characters, tokens, beginning)

    def __iter__(self) -> Iterator[Passage]:
        for one in self._texts:
            yield from one.passages()


class _Text:
    """One document, where its passages begin and end, and its lines; passages themselves are made when asked for."""

    def __init__(self, document: SourceDocument, number: int) -> None:
        self._document = document
        self._lines = Lines(document.text)
        self._spans = array(
            "Q", [at for one in _SPLITTER.split(document.text, document.kind) for at in (one.start, one.end)]
        )
        # A LangChain document may be a chunk, and say where it stands in its own.
        self._told = Passage.of(Document("", metadata=dict(document.metadata)), number)

    def passages(self) -> Iterator[Passage]:
        document, told = self._document, self._told
        for start, end in zip(self._spans[::2], self._spans[1::2], strict=True):
            line = self._lines.of(start)
            yield Passage(
                document.text[start:end],
                document.source,
                f"{document.source}#{told.start + start}",
                told.start + start,
                self._line(line),
                tuple(places_within(document.places or told.places, start, end)),
            )

    def _line(self, line: int) -> int | None:
        """A line of this text as a line of its document; unknown for a chunk that does not say its own."""
        if self._told.line is not None:
            return self._told.line + line - 1
        return line if self._told.start == 0 else None
