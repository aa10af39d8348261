"""A document's text as it is put together, block by block, with the place of each block.

What every structured format writes into. Knows no format.
Invariant: what comes out has no control character, no lone surrogate and one kind of line end, so it
can be stored, searched and shown anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.document import Kind, Place, SourceDocument

PAGE_MARK = "\x0c"
"""Stands in a text where a new page begins, until `pages_marked` takes it out."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


class Draft:
    """A text that grows.

    Args:
        source: What it is read from.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._pieces: list[str] = []
        self._length = 0
        self._places: list[Place] = []
        self._next: Mapping[str, str | int | float] | None = None

    def place(self, **at: str | float) -> None:
        """What follows stands here. A place that nothing follows is left out."""
        self._next = at

    def add(self, text: str, gap: str = "\n\n") -> None:
        """Add a block, if there is anything in it.

        Args:
            text: The block; white space at its ends is cut off, except what indents its first line.
            gap: What parts it from the block before.
        """
        text = fit(text).rstrip()
        while text[:1] in ("\n", "\r"):
            text = text.lstrip("\n\r")
        if not text:
            return
        if self._pieces:
            self._pieces.append(gap)
            self._length += len(gap)
        if self._next is not None:
            self._places.append(Place(self._length, self._next))
            self._next = None
        self._pieces.append(text)
        self._length += len(text)

    def add_all(self, texts: Iterable[str], gap: str = "\n\n") -> None:
        """Add several blocks."""
        for text in texts:
            self.add(text, gap)

    @property
    def empty(self) -> bool:
        """Whether nothing was added yet."""
        return not self._pieces

    def document(self, kind: Kind, metadata: Mapping[str, Any] | None = None) -> SourceDocument:
        """The document.

        Args:
            kind: How the text is structured.
            metadata: JSON values; None and blank ones are left out.

        Raises:
            UnreadableDocument: If nothing was added.
        """
        text = "".join(self._pieces)
        if not text or text.isspace():
            raise UnreadableDocument("There is no text in it.", where=self._source)
        return SourceDocument(self._source, text, kind, known(self._source, metadata or {}), tuple(self._places))


def pages_marked(text: str) -> tuple[str, list[Place]]:
    """A text without its page marks, and the places of the pages they told of; the first needs no mark."""
    pieces = text.split(PAGE_MARK)
    places, start = [], 0
    for number, piece in enumerate(pieces, 1):
        places.append(Place(start, {"page": number}))
        start += len(piece)
    return "".join(pieces), places


def known(source: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with the source first and without what is not known."""
    kept = {name: fit(value).strip() if isinstance(value, str) else value for name, value in metadata.items()}
    return {"source": source} | {name: value for name, value in kept.items() if value not in (None, "", [], {})}


def fit(text: str) -> str:
    """A text that can be stored and shown.

    Pairs of surrogates become the character they stand for, lone ones U+FFFD; line ends become line
    feeds, other control characters spaces.
    """
    if not text.isprintable():
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = _UNFIT.sub(" ", text)
    return text
