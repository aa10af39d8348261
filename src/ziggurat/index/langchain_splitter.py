"""LangChain's text splitters as ours: their chunks, each found again in the text.

Some of them tidy white space; their chunks are found by what is not white space, and are then the span of the text
itself. One that rewrites more is refused with the chunk that shows it, since a chunk without a place cannot be
cited. Knows nothing of files or indexes. Invariant: a piece's text is a span of the document's, and of two pieces
the later one begins later.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.documents import Document

from ziggurat.errors import InputError
from ziggurat.index.structure import Piece
from ziggurat.loaders.document import Kind


class LangChainSplitter:
    """A LangChain ``TextSplitter`` with the positions of its chunks found in the text.

    Args:
        splitter: Anything with ``split_text(text)`` that gives texts, or documents whose metadata are
            headings, as those that split by headers do.
    """

    def __init__(self, splitter: Any) -> None:
        self._split: Callable[[str], list[Any]] = splitter.split_text
        self._name = f"{type(splitter).__module__}.{type(splitter).__qualname__}"
        counts_characters = getattr(splitter, "_length_function", None) is len
        self._overlap: int | None = getattr(splitter, "_chunk_overlap", None) if counts_characters else None

    def describe(self) -> dict[str, Any]:
        """The class's name; its settings are its own."""
        return {"name": self._name}

    def split(self, text: str, kind: Kind = "text") -> list[Piece]:  # noqa: ARG002 (a Splitter takes it)
        """The splitter's chunks, each at its first place after what it may share with the one before.

        Raises:
            InputError: If the splitter cannot split it, or a chunk is not a part of the text.
        """
        pieces: list[Piece] = []
        finder = _Finder(text)
        for chunk, headings in self._chunks(text):
            found = finder.find(chunk, self._earliest(pieces))
            if found is None and pieces:
                found = finder.find(chunk, pieces[-1].start + 1)
            if found is None:
                raise InputError(
                    f"{self._name} changes the text it splits, so its chunks have no position: {chunk[:40]!r}.",
                    fix="turn its rewriting off, or use the default splitter",
                )
            pieces.append(Piece(*found, headings))
        return pieces

    def _chunks(self, text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        try:
            made = self._split(text)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise InputError(
                f"{self._name} could not split a text: {reason}", fix="use another splitter for these documents"
            ) from error
        for one in made:
            chunk = one.page_content if isinstance(one, Document) else str(one)
            if chunk.strip():
                said = one.metadata.values() if isinstance(one, Document) else ()
                yield chunk, tuple(value for value in said if isinstance(value, str))

    def _earliest(self, pieces: list[Piece]) -> int:
        """Where the next chunk may begin at the earliest."""
        if not pieces:
            return 0
        last = pieces[-1]
        return last.start + 1 if self._overlap is None else max(last.end - self._overlap, last.start + 1)


class _Finder:
    """Places of chunks in one text; as they are, or but for white space."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: list[int] | None = None
        self._bare = ""

    def find(self, chunk: str, after: int) -> tuple[int, int] | None:
        start = self._text.find(chunk, after)
        if start >= 0:
            return start, start + len(chunk)
        if self._places is None:
            self._places = [at for at, character in enumerate(self._text) if not character.isspace()]
            self._bare = "".join(self._text.split())
        wanted = "".join(chunk.split())
        found = self._bare.find(wanted, bisect.bisect_left(self._places, after))
        return None if found < 0 else (self._places[found], self._places[found + len(wanted) - 1] + 1)
