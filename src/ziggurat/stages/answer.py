"""`Answer` and `Citation`: what a question gets, and how each sentence of it can be checked.

Pure values. A citation holds where its words stand and a hash of them, so that anybody with the document
can check it; who finds the citations is not known here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.loaders.youtube import video_of

Span = tuple[int, int]

_MOMENT = re.compile(r"(?:(\d+):)?(\d+):(\d\d)")
_PAGE = re.compile(r"page (\d+)\b")


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in a document that supports a sentence of an answer.

    Attributes:
        document: The document's source: a path, an address or an id.
        chunk: The id of the passage it was found in.
        start: Where the quote begins in the document, in characters.
        end: Where it ends, exclusive.
        quote: The words that stand there.
        sha256: The hash of the quote (UTF-8), in hexadecimal.
        answer_span: The characters of the answer it supports.
        support: How much of that sentence the quote covers, from 0 to 1.
        line: The quote's first line in the document, from 1, if known.
        last_line: Its last line, if known.
        at: The page, row, slide or moment of a file that has such: ``page 3``; empty for others.
    """

    document: str
    chunk: str
    start: int
    end: int
    quote: str
    sha256: str
    answer_span: Span
    support: float
    line: int | None = None
    last_line: int | None = None
    at: str = ""

    def holds(self, document_text: str) -> bool:
        """Whether the document still says what was quoted, at the place that was cited."""
        return quote_hash(document_text[self.start : self.end]) == self.sha256

    @property
    def place(self) -> str:
        """Where to look: the document and its page or row; else its line, as an editor opens it: ``notes.md:12``."""
        if self.at:
            return f"{self.document}, {self.at}"
        return self.document if self.line is None else f"{self.document}:{self.line}"

    @property
    def link(self) -> str:
        """Where a browser opens the place: a video at its moment, a PDF at its page; others as they are."""
        video = video_of(self.document)
        if video is not None and (moment := _MOMENT.fullmatch(self.at)):
            hours, minutes, seconds = (int(one or 0) for one in moment.groups())
            return f"https://www.youtube.com/watch?v={video}&t={hours * 3600 + minutes * 60 + seconds}s"
        if page := _PAGE.match(self.at):
            return f"{self.document}#page={page[1]}"
        return self.document


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its evidence. Pieces of a streamed answer are answers too, and add up.

    Attributes:
        text: What was answered; a fixed sentence when nothing was found.
        citations: The evidence, in order of the sentences it supports.
        found: False when the documents do not hold an answer.
        unsupported: Characters of the text that no passage supports.
        usage: What the models used.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    found: bool = True
    unsupported: tuple[Span, ...] = ()
    usage: Usage = field(default=NO_USAGE, compare=False)

    def __add__(self, other: object) -> Answer:
        """The answer continued by a later piece; the piece's spans are already those of the whole."""
        if not isinstance(other, Answer):
            return NotImplemented
        return Answer(
            self.text + other.text,
            self.citations + other.citations,
            self.found and other.found,
            self.unsupported + other.unsupported,
            self.usage + other.usage,
        )

    def __str__(self) -> str:
        """The text with numbered marks, and the numbered places below it."""
        return self.annotated() if not self.citations else self.annotated() + "\n\n" + "\n".join(self.references())

    def annotated(self) -> str:
        """The text with ``[1]`` after each supported sentence and ``[?]`` after each unsupported one."""
        marks: dict[int, str] = {end: "[?]" for _, end in self.unsupported}
        for number, one in self._numbered():
            marks[one.answer_span[1]] = marks.get(one.answer_span[1], "") + f"[{number}]"
        out, at = [], 0
        for end in sorted(marks):
            out += [self.text[at:end], " ", marks[end]]
            at = end
        return "".join([*out, self.text[at:]])

    def references(self) -> list[str]:
        """One line for each cited place: its number, the document and line, the quote."""
        lines: dict[int, str] = {}
        for number, one in self._numbered():
            lines.setdefault(number, f'[{number}] {one.place} "{" ".join(one.quote.split())}"')
        return list(lines.values())

    def _numbered(self) -> list[tuple[int, Citation]]:
        numbers: dict[tuple[str, int, int], int] = {}
        return [
            (numbers.setdefault((one.document, one.start, one.end), len(numbers) + 1), one) for one in self.citations
        ]


def quote_hash(quote: str) -> str:
    """The SHA-256 of a quote's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(quote.encode("utf-8", errors="surrogatepass")).hexdigest()
