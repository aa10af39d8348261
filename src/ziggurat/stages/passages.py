"""`Passage`: a piece of a document that a model reads, and where it stands, so that it can be cited.

Pure values; who finds passages and who checks what is said of them is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ziggurat.loaders.document import Place
from ziggurat.stages.answer import Citation, quote_hash

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from ziggurat.stages.evidence import Support


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved passage and where it stands.

    Attributes:
        text: Its words.
        document: The document's source.
        chunk: Its id.
        start: Where it begins in the document, in characters.
        line: Its first line in the document, from 1, if known.
        places: The pages, rows, slides or moments it runs over, with their offsets in it.
        led: The path that led to it, in words, where a search took several hops: a passage at its end
            need not speak of what the question speaks of.
    """

    text: str
    document: str
    chunk: str
    start: int
    line: int | None
    places: tuple[Place, ...] = ()
    led: str = ""

    @classmethod
    def of(cls, document: Document, position: int) -> Passage:
        """Read the place from a document's metadata, as our index and LangChain's splitters write it."""
        metadata = document.metadata
        chunk = document.id or str(metadata.get("id", position))
        line = metadata.get("first_line")
        return cls(
            document.page_content,
            str(metadata.get("source", chunk)),
            chunk,
            int(metadata.get("start_index", 0)),
            int(line) if line is not None else None,
            tuple(Place(at, said) for at, said in metadata.get("places", ())),
            " ".join(map(str, metadata.get("path", ()))),
        )

    def cite(self, support: Support, answer_span: tuple[int, int]) -> Citation:
        """The citation for a piece of this passage."""
        quote = self.text[support.start : support.end]
        line = None if self.line is None else self.line + self.text.count("\n", 0, support.start)
        at = next((str(place) for place in reversed(self.places) if place.start <= support.start), "")
        return Citation(
            self.document,
            self.chunk,
            self.start + support.start,
            self.start + support.end,
            quote,
            quote_hash(quote),
            answer_span,
            round(support.share, 3),
            line,
            None if line is None else line + quote.count("\n"),
            at,
        )


def fitting(passages: Sequence[Passage], characters: int) -> list[Passage]:
    """The first passages that fit into so many characters; the very first always does, cut if need be."""
    kept: list[Passage] = []
    for one in passages:
        if kept and len(one.text) > characters:
            break
        kept.append(replace(one, text=one.text[:characters]))
        characters -= len(one.text)
    return kept
