"""Saved web pages (MHTML): the page and its frames, out of the mail-like file a browser wraps them in."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.mail import header
from ziggurat.loaders.markup import decode_page, write_page

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob


def parse_mhtml(blob: Blob) -> Iterator[SourceDocument]:
    """A web page as a browser saves it in one file."""
    where = str(blob.source)
    mail = email.message_from_bytes(blob.as_bytes().lstrip(), policy=email.policy.compat32)
    if not mail.keys() or "MIME-Version" not in mail:
        raise UnreadableDocument("The file is no saved web page: it does not begin like one.", where=where)
    draft = Draft(where)
    said: dict[str, Any] = {}
    for part in mail.walk():
        if part.get_content_type() not in ("text/html", "application/xhtml+xml", "text/plain"):
            continue
        data = part.get_payload(decode=True)
        if not isinstance(data, bytes):
            continue
        text, metadata = decode_page(data, part.get_content_charset())
        if part.get_content_type() == "text/plain":
            draft.add(text)
            continue
        title, language = write_page(text, draft, where)
        if not said:
            address = header(mail, "Snapshot-Content-Location") or header(part, "Content-Location")
            said = {"title": title, "language": language, "address": address, **metadata}
    said["title"] = said.get("title") or header(mail, "Subject")
    yield draft.document("markdown", said)
