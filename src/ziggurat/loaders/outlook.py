"""Outlook's messages (.msg): the same lines, bodies and attachments as other mail.

Bodies come as plain text, as a web page, or only as compressed RTF, as Outlook itself likes to keep
them. A message attached to a message is read in its turn.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.loaders.bundle import Bundle, Parts, Unread
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.markup import decode_page, page_text
from ziggurat.loaders.outlook_rtf import decompressed
from ziggurat.loaders.rtf import rtf_text
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_PAGE, _RTF, _SHORT_NAME, _DATA, _METHOD = 0x1013, 0x1009, 0x3704, 0x3701, 0x3705
_DISPLAY_TO, _DISPLAY_CC, _DISPLAY_NAME, _DELIVERED = 0x0E04, 0x0E03, 0x3001, 0x0E06
_INTERNET_ID, _RECIPIENT_KIND = 0x1035, 0x0C15
_EMBEDDED = 5
_KINDS = {1: "to", 2: "cc", 3: "bcc"}


def parse_outlook(blob: Blob) -> Iterator[Bundle]:
    """An Outlook message."""
    oxmsg = require("oxmsg", for_="reading Outlook messages", extra="documents")
    yield _bundle(oxmsg.Message.load(io.BytesIO(blob.as_bytes())), str(blob.source))


def _bundle(message: Any, source: str) -> Bundle:
    draft = Draft(source)
    people = _people(message)
    date = message.sent_date or message.properties.date_prop_value(_DELIVERED)
    said = {
        "From": message.sender or "",
        "To": people["to"] or message.properties.str_prop_value(_DISPLAY_TO) or "",
        "Cc": people["cc"] or message.properties.str_prop_value(_DISPLAY_CC) or "",
        "Bcc": people["bcc"],
        "Date": date.isoformat() if date is not None else "",
        "Subject": message.subject,
    }
    said = {name: " ".join(value.split()) for name, value in said.items()}
    draft.add("\n".join(f"{name}: {value}" for name, value in said.items() if value))
    kind, text, metadata = _body(message, source)
    draft.add(text)
    metadata |= {
        "title": said["Subject"],
        "from": said["From"],
        "to": said["To"],
        "cc": said["Cc"],
        "date": said["Date"],
        "message_id": message.properties.str_prop_value(_INTERNET_ID),
    }
    parts = Parts(source)
    unread: list[Unread] = []
    for attachment in message.attachments:
        properties = attachment.properties
        name = (
            attachment.file_name or properties.str_prop_value(_SHORT_NAME) or properties.str_prop_value(_DISPLAY_NAME)
        )
        if properties.int_prop_value(_METHOD) == _EMBEDDED and attachment.file_bytes is None:
            unread.append(Unread(name or "message", "It is a message inside the message, kept in Outlook's own form."))
        else:
            parts.add(name, attachment.file_bytes, attachment.mime_type)
    return Bundle(
        draft.document("markdown" if kind == "html" else "text", metadata), parts.blobs, [*parts.unread, *unread]
    )


def _people(message: Any) -> dict[str, str]:
    found: dict[str, list[str]] = {"to": [], "cc": [], "bcc": []}
    for recipient in message.recipients:
        kind = _KINDS.get(recipient.properties.int_prop_value(_RECIPIENT_KIND) or 1, "to")
        name, address = recipient.name or "", recipient.email_address or ""
        found[kind].append(f"{name} <{address}>" if name and address and name != address else name or address)
    return {kind: ", ".join(one for one in people if one) for kind, people in found.items()}


def _body(message: Any, source: str) -> tuple[str, str, dict[str, Any]]:
    plain = (message.body or "").strip()
    if plain:
        return "plain", plain, {}
    page = message.properties.binary_prop_value(_PAGE)
    if page:
        text, said = decode_page(page)
        return "html", page_text(text, source), said
    if message.html_body:
        return "html", page_text(message.html_body, source), {}
    packed = message.properties.binary_prop_value(_RTF)
    if packed:
        text, said = rtf_text(decompressed(packed, source), source)
        return "plain", text, said
    return "plain", "", {}
