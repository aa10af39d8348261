"""E-mail as RFC 5322 has it: headers as lines of text, the best body, the files attached.

Bodies come in several forms at once; the plain one is taken unless the web page says what it does not. Digests are read as one document of several messages. Attachments are handed to whoever called,
as they are: nothing here knows their formats.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.bundle import Bundle, Parts
from ziggurat.loaders.charset import decode_declared, python_name
from ziggurat.loaders.draft import Draft, fit
from ziggurat.loaders.markup import decode_page, page_text
from ziggurat.loaders.text import MARKS

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

SHOWN = ("From", "To", "Cc", "Bcc", "Date", "Subject")
"""The headers that become lines of text, in this order."""
_TELLING = frozenset({"from", "to", "cc", "subject", "date", "message-id", "received", "sender", "reply-to"})
_SAME = 0.35
"""The share of its words that one form of a body may have alone and still say the same."""
_WORD = re.compile(r"\w+")
_DEEPEST = 50
_MOST_REPEATED = 1000
_LONGEST_HEADER = 100_000
_LONGEST_METADATA = 2_000


def parse_mail(blob: Blob) -> Iterator[Bundle]:
    """A mail."""
    where = str(blob.source)
    mail = read_message(blob.as_bytes(), where)
    reader = _Reader(where)
    draft = Draft(where)
    messages = _digest(mail)
    if messages is None:
        reader.write(mail, draft)
    else:
        draft.add(header_lines(mail))
        for number, one in enumerate(messages, 1):
            draft.place(message=number)
            reader.write(one, draft)
        reader.metadata["messages"] = len(messages)
    document = draft.document("markdown" if reader.marked else "text", about(mail) | reader.metadata)
    yield Bundle(document, reader.parts.blobs, reader.parts.unread)


def read_message(data: bytes, where: str) -> Message:
    """A message from its bytes.

    Raises:
        UnreadableDocument: If they are no mail.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            data = data.decode(encoding, "replace").encode()
            break
    data = data.lstrip()
    if not data:
        raise UnreadableDocument("The file holds only white space.", where=where)
    mail = email.message_from_bytes(data, policy=email.policy.compat32)
    if not any(name.lower() in _TELLING for name in mail.keys()):  # noqa: SIM118 (a message is no mapping: names repeat)
        raise UnreadableDocument("The file is no mail: it begins with none of a mail's headers.", where=where)
    return mail


def header_lines(mail: Message) -> str:
    """The headers a reader sees, a line each."""
    return "\n".join(f"{name}: {said}" for name in SHOWN if (said := header(mail, name)))


def about(mail: Message) -> dict[str, Any]:
    """What the headers say, as metadata."""
    return {
        "title": header(mail, "Subject")[:_LONGEST_METADATA],
        "from": header(mail, "From")[:_LONGEST_METADATA],
        "to": header(mail, "To")[:_LONGEST_METADATA],
        "cc": header(mail, "Cc")[:_LONGEST_METADATA],
        "date": _date(mail),
        "message_id": header(mail, "Message-ID"),
    }


def header(mail: Message, name: str) -> str:
    """A header as a reader sees it: encoded words decoded, on one line; empty if it is not there."""
    values = mail.get_all(name, [])[:_MOST_REPEATED]
    said = ", ".join(_words(value) for value in values)
    return said if len(said) <= _LONGEST_HEADER else f"{said[:_LONGEST_HEADER]}…"


def _words(value: Any) -> str:
    text = str(value)
    if len(text) > _LONGEST_HEADER:
        text = f"{text[:_LONGEST_HEADER]}…"
    try:
        # A header object (eight-bit bytes where none may be) is taken as those bytes.
        raw = (
            text
            if isinstance(value, str)
            else b"".join(
                piece if isinstance(piece, bytes) else piece.encode("ascii", "surrogateescape")
                for piece, _ in decode_header(value)
            ).decode("utf-8", "replace")
        )
        pieces = decode_header(raw)
        decoded = (decode_declared(piece, label)[0] if isinstance(piece, bytes) else piece for piece, label in pieces)
        text = "".join(decoded).strip() or raw
    except (ValueError, LookupError, email.errors.MessageError):
        pass  # an encoded word that is none stands as it is written
    return fit(" ".join(text.split()))


def _date(mail: Message) -> str:
    written = header(mail, "Date")
    try:
        return parsedate_to_datetime(written).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return written


def _digest(mail: Message) -> list[Message] | None:
    """The messages of a digest; None if it is none."""
    if mail.get_content_type() != "multipart/digest" or not mail.is_multipart():
        return None
    found = []
    for part in mail.get_payload():
        inner = part.get_payload() if isinstance(part, Message) else None
        if isinstance(inner, list) and inner and isinstance(inner[0], Message):
            found.append(inner[0])
    return found or None


class _Reader:
    """One pass through a mail: what it found beside the text."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.parts = Parts(where)
        self.metadata: dict[str, Any] = {}
        self.marked = False

    def write(self, mail: Message, draft: Draft) -> None:
        """Write a message into a draft."""
        draft.add(header_lines(mail))
        bodies: list[tuple[str, str]] = []
        self._gather(mail, bodies, 0)
        for kind, text in bodies:
            draft.add(text)
            self.marked = self.marked or kind == "html"

    def _gather(self, part: Message, bodies: list[tuple[str, str]], depth: int) -> None:
        """The bodies of a part, in order, one of each set of alternatives."""
        kind = part.get_content_type()
        payload = part.get_payload()
        if kind == "message/rfc822" or (kind.startswith("message/") and isinstance(payload, list)):
            self._attach_message(part)
        elif isinstance(payload, list):
            if depth > _DEEPEST:
                raise RecursionError
            found: list[tuple[str, str]] = []
            for inner in payload:
                if isinstance(inner, Message):
                    self._gather(inner, found, depth + 1)
            bodies.extend(_best(found) if kind == "multipart/alternative" else found)
        elif (
            kind in ("text/plain", "text/html")
            and part.get_content_disposition() != "attachment"
            and not filename(part)
        ):
            bodies.append((kind.partition("/")[2], self._body(part)))
        else:
            self._attach(part)

    def _attach_message(self, part: Message) -> None:
        payload = part.get_payload()
        found = payload[0] if isinstance(payload, list) and payload else None
        inner = found if isinstance(found, Message) else None
        name = filename(part) or (header(inner, "Subject") if inner is not None else "") or "message"
        name = name.replace("/", "-")
        self.parts.add(
            name if name.endswith(".eml") else f"{name}.eml", None if inner is None else bytes(inner), "message/rfc822"
        )

    def _body(self, part: Message) -> str:
        data = part.get_payload(decode=True)
        label = _label(part)
        if part.get_content_type() == "text/html":
            text, said = decode_page(data if isinstance(data, bytes) else b"", label)
            text = page_text(text, self._where)
        else:
            text, said = decode_declared(data if isinstance(data, bytes) else b"", label)
        for name, value in said.items():
            if name != "encoding" or "declared_encoding" in said:
                self.metadata[name] = value
        return text.strip()

    def _attach(self, part: Message) -> None:
        data = part.get_payload(decode=True)
        self.parts.add(filename(part), data if isinstance(data, bytes) else None, part.get_content_type())


def _best(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of the forms of one body, the plain one, unless the page says what it leaves out.

    Forms should say the same, and do not always: a plain one may be a stub, or another text. What is
    in neither of the two alone is kept from both.
    """
    plain = [one for one in found if one[0] == "plain" and one[1]]
    page = [one for one in found if one[0] == "html" and one[1]]
    if not plain or not page:
        return plain or page
    in_plain, in_page = _words_of(plain), _words_of(page)
    if len(in_page - in_plain) <= _SAME * len(in_page):
        return plain
    return page if len(in_plain - in_page) <= _SAME * len(in_plain) else plain + page


def _words_of(bodies: list[tuple[str, str]]) -> set[str]:
    return {word.lower() for _, text in bodies for word in _WORD.findall(text)}


def _label(part: Message) -> str | None:
    label = part.get_content_charset()
    if label is not None and python_name(label) is None:
        # Some programs run two headers together: charset="UTF-8"Content-Transfer-Encoding: 8bit
        quoted = str(part.get("Content-Type", "")).partition("charset")[2].partition('"')[2].partition('"')[0]
        return quoted or label
    return label


def filename(part: Message) -> str | None:
    """What an attached file is called."""
    name = part.get_filename()
    return _words(name) if name else None
