"""What a stage takes as documents: a text, a path to load, LangChain's documents or those of `ziggurat.loaders`.

All become `SourceDocument`s, one after another; a LangChain document keeps its metadata, by which a chunk says where it
stands in its own document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from ziggurat.errors import InputError
from ziggurat.loaders import SourceDocument, load


def documents_of(given: Any, where: str) -> Iterator[SourceDocument]:
    """The documents in what a stage was given.

    Args:
        given: A text, a path, a document or several.
        where: What errors say of it.

    Raises:
        InputError: If it is none of these.
        DocumentError: If a file under a path cannot be read.
    """
    if isinstance(given, Path):
        given = load(given)
    if isinstance(given, str | Document | SourceDocument):
        given = [given]
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise InputError(
            f"A {type(given).__name__} is no text.", where=where, fix="give a text, a Path, or a list of documents"
        )
    for number, one in enumerate(given):
        yield _document(one, number, where)


def _document(given: Any, number: int, where: str) -> SourceDocument:
    match given:
        case SourceDocument():
            return given
        case str():
            return SourceDocument("text" if number == 0 else f"text {number + 1}", given)
        case Document():
            source = str(given.metadata.get("source", given.id or f"document {number + 1}"))
            return SourceDocument(source, given.page_content, metadata=dict(given.metadata))
        case _:
            raise InputError(f"A {type(given).__name__} is no document.", where=f"{where}, number {number + 1}")
