"""Evernote exports: each note a document of its own, with its times, tags and attached files.

An export is read note by note, so a large one does not stand in memory as a tree. Notes are HTML of a
kind; what Evernote adds to it (media, check boxes) becomes words and marks. An encrypted passage is
named, not read.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.bundle import Bundle, Parts
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.markup import write_page
from ziggurat.loaders.xml import local
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$")


def parse_evernote(blob: Blob) -> Iterator[Bundle]:
    """An Evernote export; a note that has neither text nor title is counted and passed over."""
    where = str(blob.source)
    etree = require("lxml.etree", for_="reading Evernote exports", extra="documents")
    found = 0
    number = 0
    steps = etree.iterparse(
        io.BytesIO(blob.as_bytes()),
        events=("end",),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,
    )
    try:
        for _, element in steps:
            if local(element) != "note":
                continue
            number += 1
            bundle = _note(element, f"{where}#notes/{number}")
            element.clear()
            if bundle is not None:
                found += 1
                yield bundle
    except etree.XMLSyntaxError as error:
        raise UnreadableDocument(
            f"The export is damaged after note {number}: its XML breaks off or is not well-formed.", where=where
        ) from error
    if local(steps.root) != "en-export":
        raise UnreadableDocument("The file is no Evernote export.", where=where)
    if not found:
        raise UnreadableDocument(
            "There is no text in its notes." if number else "There are no notes in it.", where=where
        )


def _note(note: Any, source: str) -> Bundle | None:
    draft = Draft(source)
    title = _text(note, "title")
    content = _text(note, "content")
    draft.place(note=int(source.rpartition("/")[2]))
    draft.add(f"# {title}" if title else "")
    if content:
        write_page(content, draft, source, media=_media)
    if draft.empty:
        return None
    attributes = note.find("note-attributes")
    metadata = {
        "title": title,
        "created": _time(_text(note, "created")),
        "modified": _time(_text(note, "updated")),
        "tags": [tag.text.strip() for tag in note.iterfind("tag") if tag.text and tag.text.strip()],
        "author": _text(attributes, "author") if attributes is not None else "",
        "address": _text(attributes, "source-url") if attributes is not None else "",
    }
    parts = Parts(source)
    for resource in note.iterfind("resource"):
        parts.add(
            _text(resource, "resource-attributes/file-name") or None, _data(resource), _text(resource, "mime") or None
        )
    return Bundle(draft.document("markdown", metadata), parts.blobs, parts.unread)


def _media(element: Any) -> str:
    name = local(element).lower()
    if name == "en-media":
        return f"![{element.get('alt') or element.get('type') or 'media'}]"
    if name == "en-todo":
        return "[x] " if element.get("checked") == "true" else "[ ] "
    return "[encrypted] " if name == "en-crypt" else ""


def _data(resource: Any) -> bytes | None:
    data = resource.find("data")
    try:
        return base64.b64decode(data.text or "", validate=False) if data is not None else None
    except (binascii.Error, ValueError):
        return None


def _text(element: Any, way: str) -> str:
    return (element.findtext(way) or "").strip()


def _time(text: str) -> str:
    match = _TIME.match(text)
    return "{}-{}-{}T{}:{}:{}+00:00".format(*match.groups()) if match else text
