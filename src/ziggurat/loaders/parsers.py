"""Which parser reads which type of file.

A parser turns one LangChain `Blob` (bytes with a name) into `SourceDocument`s or raises; the table
`PARSERS` says which suffix is whose, and a later format is one more row. `parse` is the only way in:
it looks at the name, the size and the first bytes, so that a mislabelled or oversized file is refused
before a parser meets it, and whatever a third-party reader throws at broken bytes becomes one error of
ours. Parsers import their libraries when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING

from ziggurat.errors import UnreadableDocument, UnsupportedDocument
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.text import parse_markdown, parse_text

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

Parser = Callable[["Blob"], Iterator[SourceDocument]]

PARSERS: Mapping[str, Parser] = MappingProxyType(
    {
        ".txt": parse_text,
        ".text": parse_text,
        ".log": parse_text,
        ".rst": parse_text,
        ".md": parse_markdown,
        ".markdown": parse_markdown,
    }
)
"""The parser of each suffix, in lower case. To add one: ``{**PARSERS, ".xyz": parse_xyz}``."""


def parse(blob: Blob, *, parsers: Mapping[str, Parser] = PARSERS) -> Iterator[SourceDocument]:
    """The documents in one file, or in bytes that have a name.

    Raises:
        UnsupportedDocument: If no parser reads its type.
        UnreadableDocument: If it is empty, damaged, or not what its name says.
    """
    where = str(blob.source)
    suffix = PurePath(where).suffix.lower()
    parser = parsers.get(suffix)
    if parser is None:
        kind = f"{suffix} files" if suffix else "files without a suffix"
        raise UnsupportedDocument(f"Nothing reads {kind}.", where=where, fix=f"readable: {', '.join(parsers)}")
    try:
        yield from parser(blob)
    except OSError as error:
        raise UnreadableDocument(f"The file cannot be read: {error.strerror or error}.", where=where) from error
