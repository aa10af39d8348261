r"""RTF into text, by the code page each of its fonts declares.

A reader of its own, in one pass over the bytes: of the small libraries for it, the one most used takes
a minute over 60 kB of fields that nobody closed. Text boxes, headers, footers and notes are read;
what RTF hides, deletes or keeps for its programs is not. What a word means stands in the tables of
`rtf_words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.charset import python_name
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.rtf_words import BULLETS, CHARSETS, LEFT_OUT, MEANING, PLATFORMS, SHOWN_THOUGH_STARRED, SIGNS

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\$", re.DOTALL
)
_ROW = re.compile(r"^.*\x1f[ \t]*$", re.MULTILINE)
_CELL = "\x1f"
_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_SYMBOL = "symbol"
_DEEPEST = 10_000


def parse_rtf(blob: Blob) -> Iterator[SourceDocument]:
    """An RTF document."""
    where = str(blob.source)
    text, metadata = rtf_text(blob.as_bytes(), where)
    draft = Draft(where)
    draft.add(text)
    yield draft.document("text", metadata)


def rtf_text(data: bytes, where: str) -> tuple[str, dict[str, Any]]:
    """The text of RTF, and its title, and what went wrong with its encoding or its end, as metadata.

    Bytes that are no characters of the code page declared become U+FFFD, counted in the metadata.

    Args:
        data: The document.
        where: Its name, for messages.

    Raises:
        UnreadableDocument: If it is no RTF, or nested past all use.
    """
    reader = _Reader(where)
    reader.read(data)
    text = "".join(reader.pieces)
    text = _ROW.sub(lambda row: " | ".join(cell.strip() for cell in row[0].rstrip(f"{_CELL} \t").split(_CELL)), text)
    text = _LINES.sub("\n\n", text.replace(_CELL, " ")).strip()
    metadata: dict[str, Any] = {"title": "".join(reader.title).strip(" ;")}
    if reader.wrong:
        metadata["replaced_characters"] = reader.wrong
    if reader.cut_off:
        metadata["cut_off"] = True
    return text, metadata


@dataclass(frozen=True, slots=True)
class _State:
    """What holds inside a group until it is closed.

    Attributes:
        into: Where its text goes: ``text``, ``title``, ``fonts``, or nowhere.
        skipped: How many characters stand in for one of Unicode, to be passed over.
        encoding: That of its bytes.
        hidden: Whether its text is not shown.
    """

    into: str = "text"
    skipped: int = 1
    encoding: str = "cp1252"
    hidden: bool = False


class _Reader:
    """One pass over a document."""

    def __init__(self, where: str) -> None:
        self.pieces: list[str] = []
        self.title: list[str] = []
        self.wrong = 0
        self.cut_off = False
        self._where = where
        self._default = "cp1252"
        self._default_font = 0
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._bytes = bytearray()
        self._state = _State()
        self._stack: list[_State] = []
        self._to_skip = 0
        self._starred = False
        self._notes: set[int] = set()
        """How deep the notes are that are open now."""

    def read(self, data: bytes) -> None:
        """Read it all."""
        at = data.find(b"{\\rtf")
        if at < 0:
            raise UnreadableDocument("The file is no RTF document.", where=self._where)
        while at < len(data):
            token = _TOKEN.match(data, at)
            if token is None:  # pragma: no cover (every byte begins a token)
                break
            at = token.end()
            word, number, code, sign, brace, text = token.groups()
            if brace:
                self._brace(brace)
                if not self._stack:
                    break
            elif word:
                at += self._word(word.decode("ascii"), None if number is None else int(number))
            elif code:
                self._text(bytes([int(code, 16)]))
            elif text:
                self._text(text)
            elif sign:
                self._sign(sign)
        self._flush()
        self.cut_off = bool(self._stack)

    def _brace(self, brace: bytes) -> None:
        self._flush()
        self._to_skip, self._starred = 0, False
        if brace == b"{":
            self._stack.append(self._state)
            if len(self._stack) > _DEEPEST:
                raise UnreadableDocument("The file is nested too deeply to be read.", where=self._where)
        elif self._stack:
            if len(self._stack) in self._notes:
                self._notes.discard(len(self._stack))
                self._put(")")
            self._state = self._stack.pop()

    def _sign(self, sign: bytes) -> None:
        if sign == b"*":
            self._starred = True
        elif sign in (b"\r", b"\n"):
            self._put("\n")
        else:
            self._put(SIGNS.get(sign, ""))

    def _word(self, word: str, number: int | None) -> int:
        """Obey a word; how many bytes after it are no text."""
        starred, self._starred = self._starred, False
        if word == "bin":
            return max(number or 0, 0)
        if word in MEANING:
            self._put(MEANING[word])
        elif word == "u":
            self._put(chr((number or 0) % 0x10000))
            self._to_skip = self._state.skipped
        elif word in LEFT_OUT or (starred and word not in SHOWN_THOUGH_STARRED):
            self._go("")
        elif word in ("footnote", "annotation"):
            self._put(" (Note: ")
            self._notes.add(len(self._stack))
        elif word in ("title", "info", "fonttbl"):
            self._go({"title": "title", "info": "", "fonttbl": "fonts"}[word])
        elif word in ("ud", "shptxt"):
            self._go("text")
        else:
            self._set(word, number)
        return 0

    def _set(self, word: str, number: int | None) -> None:
        """Obey a word that changes how what follows is read."""
        match word:
            case "ansicpg":
                self._default = python_name(f"cp{number}") or self._default
                self._encode(self._default)
            case "mac" | "pc" | "pca":
                self._default = PLATFORMS[word]
                self._encode(self._default)
            case "deff":
                self._default_font = number or 0
            case "f":
                self._font = number or 0
                if self._state.into != "fonts":
                    self._encode(self._fonts.get(self._font, self._default))
            case "fcharset" if self._state.into == "fonts":
                self._fonts[self._font] = CHARSETS.get(number or 0, self._default)
            case "plain":
                self._encode(self._fonts.get(self._default_font, self._default))
                self._state = replace(self._state, hidden=False)
            case "v" | "deleted":
                self._flush()
                self._state = replace(self._state, hidden=number != 0)
            case "uc":
                self._state = replace(self._state, skipped=max(number or 0, 0))

    def _go(self, into: str) -> None:
        self._flush()
        self._state = replace(self._state, into=into)

    def _encode(self, encoding: str) -> None:
        if encoding != self._state.encoding:
            self._flush()
            self._state = replace(self._state, encoding=encoding)

    def _text(self, data: bytes) -> None:
        self._starred = False
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        if self._state.into in ("text", "title") and not self._state.hidden:
            self._bytes += data

    def _put(self, text: str) -> None:
        self._flush()
        self._to_skip = 0
        if text and not self._state.hidden:
            if self._state.into == "text":
                self.pieces.append(text)
            elif self._state.into == "title":
                self.title.append(text)

    def _flush(self) -> None:
        """Turn the bytes that wait into text; a letter may be two bytes, in two tokens."""
        if not self._bytes:
            return
        data, self._bytes = bytes(self._bytes), bytearray()
        if self._state.encoding == _SYMBOL:
            text = "".join(BULLETS.get(byte, chr(byte) if byte < 0x80 else "•") for byte in data)  # noqa: PLR2004 (ASCII)
        else:
            text = data.decode(self._state.encoding, "replace")
            self.wrong += text.count("\ufffd")
        (self.pieces if self._state.into == "text" else self.title).append(text)
