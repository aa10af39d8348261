"""Plain text and Markdown: bytes into text, strictly.

Here is the one way that bytes become text; the parsers of other text formats use `decode` too. Knows
nothing of files.
Invariant: text comes out as the bytes say it or not at all; nothing is dropped or replaced.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders.document import Kind, SourceDocument

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, the longest first: that of UTF-32 little-endian begins like that of UTF-16."""

_BINARY = bytes([*range(9), 11, *range(14, 27), *range(28, 32)])
"""Control characters no text has; tab, line ends, form feed and escape are not among them."""

_ENOUGH = 8
_HEADING = re.compile(r"^# +(.*?)[ #]*$", re.MULTILINE)
_CONTROL = re.compile(f"[{re.escape(_BINARY.decode())}]")


def parse_text(blob: Blob, *, encoding: str | None = None) -> Iterator[SourceDocument]:
    """Plain text.

    Args:
        blob: The file.
        encoding: What it is in, where that is known; None reads Unicode, see `decode`. For a folder of
            older files: ``{**PARSERS, ".txt": partial(parse_text, encoding="cp1252")}``.
    """
    yield _read(blob, "text", encoding)


def parse_markdown(blob: Blob, *, encoding: str | None = None) -> Iterator[SourceDocument]:
    """Markdown; its marks stay in the text."""
    yield _read(blob, "markdown", encoding)


def parse_code(blob: Blob, *, encoding: str | None = None) -> Iterator[SourceDocument]:
    """A program's source."""
    yield _read(blob, "code", encoding)


def _read(blob: Blob, kind: Kind, named: str | None) -> SourceDocument:
    data, where = blob.as_bytes(), str(blob.source)
    text, encoding = decode(data, where, named)
    text = one_line_end(text)
    if not text or text.isspace():
        raise UnreadableDocument("The file is empty." if not data else "The file holds only white space.", where=where)
    metadata: dict[str, Any] = {"source": where}
    if encoding != "utf-8":
        metadata["encoding"] = encoding
    title = _HEADING.search(text) if kind == "markdown" else None
    if title is not None:
        metadata["title"] = title[1]
    return SourceDocument(where, text, kind, metadata)


def one_line_end(text: str) -> str:
    """The text with a line feed for every line end, so that a position is the same on every machine."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode(data: bytes, where: str, named: str | None = None) -> tuple[str, str]:
    """Text from bytes, and the encoding it was in.

    A byte order mark decides; else the encoding that was named; else it is strict UTF-8, or UTF-16
    that shows in its zeros. Older encodings are not guessed: a common detector reads a plain Spanish
    page in cp1252 as cp1250, and a wrong letter that nobody notices is worse than a file refused.

    Args:
        data: The file.
        where: Its name, for messages.
        named: An encoding as Python names it.

    Raises:
        UnreadableDocument: If the bytes are not text, with the offset of the first that is not.
        InputError: If Python knows no encoding of that name.
    """
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _strict(data, encoding, where), encoding.removesuffix("-sig")
    if named is not None:
        try:
            codecs.lookup(named)
        except LookupError as error:
            raise InputError(f"There is no encoding {named!r}.", where=where) from error
        return _strict(data, named, where), named
    wide = _unmarked_utf16(data)
    if wide is not None:
        return _strict(data, wide, where), wide
    stripped = data.translate(None, _BINARY)
    if len(stripped) != len(data):
        fault = next(at for at, byte in enumerate(data) if byte in _BINARY)
        raise UnreadableDocument(
            f"The file is not text: byte {fault} is 0x{data[fault]:02x}.", where=where, fix="is the suffix right?"
        )
    return _strict(data, "utf-8", where), "utf-8"


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without a byte order mark, where no doubt is possible.

    The high bytes of Latin letters, digits and spaces are zero: every NUL then stands in the same half
    of its pair, and at least a quarter of the pairs have one, and eight do or all. No text in another encoding has any.
    """
    high, low = data[::2].count(0), data[1::2].count(0)
    few = max(high, low) < min(_ENOUGH, len(data) // 2)
    if len(data) % 2 or (high and low) or 8 * max(high, low) < len(data) or few or not data:
        return None
    return "utf-16-be" if high else "utf-16-le"


def _strict(data: bytes, encoding: str, where: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(encoding.upper().removesuffix("-SIG"), error, data, where) from error
    control = _CONTROL.search(text)
    if control is not None:
        raise UnreadableDocument(
            f"The file is not text: character {control.start()} is the control character 0x{ord(control[0]):02x}.",
            where=where,
        )
    return text


def _undecodable(encoding: str, error: UnicodeDecodeError, data: bytes, where: str) -> UnreadableDocument:
    # A decoder may report an offset behind the last byte when the file ends too early.
    at = min(error.start, len(data) - 1)
    return UnreadableDocument(
        f"The file is not valid {encoding}: byte {at} is 0x{data[at]:02x}.",
        where=where,
        fix="save it as UTF-8, or name its encoding: parse_text(blob, encoding=...)",
    )
