"""What every loader makes: a document with its text, and where each part of the text stands in its file.

Small frozen values. A place says on which page, sheet, row, slide or message, or at which second, a
stretch of text stands, so that whoever cites the text can name it. Knows nothing of files, networks,
chunks or indexes.
Invariant: places are in order of their start, and a place reaches as far as the next one.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from ziggurat.errors import InputError

Kind = Literal["text", "markdown", "table", "code"]
"""How a text is structured: plain, with Markdown's marks, one row a line, or a program's."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the text from ``start`` on stands in its file.

    Attributes:
        start: Offset of its first character in the document's text.
        at: What a reader would look for, outermost first, as JSON scalars: ``{"page": 3}``,
            ``{"sheet": "Sales", "row": 12}``, ``{"slide": 2}``, ``{"message": 1}``, ``{"cell": 4}``,
            ``{"seconds": 83.5}``. Numbers count from 1, except seconds.
    """

    start: int
    at: Mapping[str, str | int | float]

    def __str__(self) -> str:
        return ", ".join(_said(name, value) for name, value in self.at.items())


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as it was read.

    Attributes:
        source: Where it is from, as it was given; also its id in an index. A part of a file (an
            attachment, a note) has the file's source, ``#`` and a name: ``mail.eml#attachments/a.pdf``.
        text: All of it, line ends as line feeds.
        kind: How it is structured.
        metadata: JSON values; ``source`` is always among them, ``title`` where there is one.
        places: Where each part stands, in order; empty where lines are all there is to say.
    """

    source: str
    text: str = field(repr=False)
    kind: Kind = "text"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    places: Sequence[Place] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        starts = [place.start for place in self.places]
        if any(later < earlier for earlier, later in pairwise(starts)):
            raise InputError("The places of a document are not in order.", where=self.source)

    @property
    def title(self) -> str | None:
        """What the document calls itself."""
        title = self.metadata.get("title")
        return title if isinstance(title, str) and title.strip() else None


def places_within(places: Sequence[Place], start: int, end: int) -> Iterator[Place]:
    """The places of a stretch of text, with starts counted from the stretch's own.

    Args:
        places: Of the whole document, in order.
        start: Offset of the stretch's first character.
        end: Offset after its last.
    """
    first = bisect.bisect_right(places, start, key=lambda place: place.start) - 1
    for place in places[max(first, 0) :]:
        if place.start >= end:
            return
        yield Place(max(place.start - start, 0), place.at)


def _said(name: str, value: str | float) -> str:
    if name == "seconds" and not isinstance(value, str):
        minutes, seconds = divmod(int(value), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{name} {value}"
