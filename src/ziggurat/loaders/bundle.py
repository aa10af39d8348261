"""A document with files inside it: what a parser hands back when it met attachments.

The parser takes the files out; `parsers.parse` reads them, so that a parser knows no other format and
nesting is bounded in one place. A file inside that cannot be read costs a line, never the document.
"""

from __future__ import annotations

import mimetypes
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ziggurat.loaders.document import SourceDocument

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob


@dataclass(frozen=True, slots=True)
class Unread:
    """A file inside that cannot be read.

    Attributes:
        name: What it is called there.
        reason: Why, in one sentence.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A document and the files inside it.

    Attributes:
        document: The document itself.
        parts: The files, each under the source that `inside` gives it.
        unread: Those whose bytes could not even be taken out.
    """

    document: SourceDocument
    parts: Sequence[Blob] = field(default=(), repr=False)
    unread: Sequence[Unread] = ()


class Parts:
    """The files found inside one document, each under a name of its own.

    Args:
        source: Of the document.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._names: set[str] = set()
        self._again: Counter[str] = Counter()
        self.blobs: list[Blob] = []
        self.unread: list[Unread] = []

    def add(self, name: str | None, data: bytes | None, mimetype: str | None = None) -> None:
        """Take a file in.

        Args:
            name: What it is called; None names it after its number and type.
            data: Its bytes; None if they cannot be had.
            mimetype: Its type as the document says.
        """
        from langchain_core.documents.base import Blob

        name = self._own(name, mimetype)
        if data is None:
            self.unread.append(Unread(name, "It is linked or kept elsewhere, not in this file."))
            return
        self.blobs.append(
            Blob.from_data(data, path=f"{self._source}#attachments/{name}", mime_type=mimetype, metadata={"name": name})
        )

    def _own(self, name: str | None, mimetype: str | None) -> str:
        name = " ".join((name or "").replace("\\", "/").rpartition("/")[2].split())
        if not name:
            suffix = mimetypes.guess_extension(mimetype or "", strict=False) or ""
            name = f"part-{len(self._names) + 1}{suffix}"
        first = PurePosixPath(name)
        while name in self._names:
            self._again[first.name] += 1
            name = f"{first.stem} ({self._again[first.name] + 1}){first.suffix}"
        self._names.add(name)
        return name
