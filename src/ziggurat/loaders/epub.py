"""EPUB books: the chapters in reading order, as Markdown.

The package's own list (the spine) is the order; what is in the archive but not in the list is not part
of the book. Books under rights management are refused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.archive import Archive
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.markup import decode_page, write_page
from ziggurat.loaders.xml import attribute, local, parse_xml

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/xml", "application/x-dtbook+xml"})


def parse_epub(blob: Blob) -> Iterator[SourceDocument]:
    """An EPUB book."""
    where = str(blob.source)
    archive = Archive(blob.as_bytes(), where)
    package = _package_name(archive, where)
    root = parse_xml(archive.read(package), where)
    locked = _locked(archive, where)
    draft = Draft(where)
    missing: list[str] = []
    number = 0
    for name in _chapters(root, posixpath.dirname(package)):
        if name in locked:
            raise UnreadableDocument("The book is protected by rights management.", where=where)
        if name not in archive:
            missing.append(name)
            continue
        number += 1
        draft.place(chapter=number)
        text, _ = decode_page(archive.read(name))
        write_page(text, draft, f"{where}#{name}")
    yield draft.document("markdown", {**_about(root), "missing_chapters": missing})


def _package_name(archive: Archive, where: str) -> str:
    for element in parse_xml(archive.read(_CONTAINER), where).iter():
        if local(element) == "rootfile" and element.get("full-path") in archive:
            return str(element.get("full-path"))
    raise UnreadableDocument("The file is damaged: the book's list of contents is missing.", where=where)


def _chapters(root: Any, folder: str) -> Iterator[str]:
    """The names of the chapters' files, in reading order, each once."""
    files: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    for element in root.iter():
        if local(element) == "item":
            name = posixpath.normpath(posixpath.join(folder, unquote(element.get("href", ""))))
            files[element.get("id", "")] = (name, element.get("media-type", ""))
    for element in root.iter():
        if local(element) == "itemref":
            name, kind = files.get(element.get("idref", ""), ("", ""))
            if name and kind in _PAGES and name not in seen:
                seen.add(name)
                yield name


def _locked(archive: Archive, where: str) -> set[str]:
    """The files that are encrypted; fonts often are, and do not matter."""
    if _ENCRYPTION not in archive:
        return set()
    root = parse_xml(archive.read(_ENCRYPTION), where)
    return {unquote(attribute(element, "URI") or "") for element in root.iter() if local(element) == "CipherReference"}


def _about(root: Any) -> dict[str, Any]:
    said: dict[str, list[str]] = {}
    for element in root.iter():
        name = local(element)
        if name in ("title", "creator", "language", "date") and element.text and "purl.org/dc" in str(element.tag):
            said.setdefault(name, []).append(" ".join(element.text.split()))
    return {
        "title": said.get("title", [""])[0],
        "author": ", ".join(said.get("creator", [])),
        "language": said.get("language", [""])[0],
        "created": said.get("date", [""])[0],
    }
