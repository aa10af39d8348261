"""PDF: the text of each page, tables by their lines, forms with what is filled in.

Reads with PDFium. That library is not made for several threads, so one reads at a time. Pages that
show something but have no text are pictures: they are named, and a file of nothing else is a scan.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.bundle import Bundle, Parts
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.pdf_tables import with_tables
from ziggurat.optional import require

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_lock = threading.Lock()
_NO_PASSWORD = 4
_NO_FORM = 0
_MOST_ATTACHED = 1000
_PARTED = re.compile("(?<=\\w)[\x02\ufffe\xad](?:\r?\n)?(?=\\w)")
_HYPHEN = re.compile("(\\w+)\ufffe(\\w+)")
_WORD = re.compile(r"\w+(?:-\w+)*")
_BULLET = re.compile(r"^[\uf020-\uf0ff](?=\s)", re.MULTILINE)
_UNKNOWN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ue000-\uf8ff]")
_GARBLED = 0.5
_LINE_END_SPACES = re.compile(r"[ \t]+$", re.MULTILINE)
_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?")
_MADE_UP = re.compile(
    r"untitled|microsoft (word|powerpoint) - |.*\.(docx?|pptx?|indd|tex|dvi|qxd|jpe?g|png|tiff?|pdf)$", re.IGNORECASE
)


def parse_pdf(blob: Blob) -> Iterator[Bundle]:
    """A PDF, and the files attached to it."""
    where, data = str(blob.source), blob.as_bytes()
    pdfium = require("pypdfium2", for_="reading PDF files", extra="documents")
    with _lock:
        try:
            document = pdfium.PdfDocument(data)
        except pdfium.PdfiumError as error:
            raise _unopened(error, where) from error
        try:
            yield _read(document, pdfium, where)
        finally:
            document.close()


def _unopened(error: Any, where: str) -> UnreadableDocument:
    if getattr(error, "err_code", None) == _NO_PASSWORD:
        return UnreadableDocument("The file is protected with a password.", where=where)
    return UnreadableDocument("The file is damaged: it begins like a PDF, but its pages cannot be found.", where=where)


def _read(document: Any, pdfium: Any, where: str) -> Bundle:
    if document.get_formtype() != _NO_FORM:
        document.init_forms()
    texts: dict[int, str] = {}
    pictures: list[int] = []
    unreadable: list[int] = []
    unknown = 0
    for number in range(1, len(document) + 1):
        try:
            text, shows = _page(document, number - 1, pdfium)
        except pdfium.PdfiumError:
            unreadable.append(number)
            continue
        nameless = text.count("\ufffd")
        if text and nameless > _GARBLED * len(text):
            unreadable.append(number)
        elif text:
            texts[number] = text
            unknown += nameless
        elif shows:
            pictures.append(number)
    if not texts:
        raise _without_text(where, len(document), pictures, unreadable)
    draft = Draft(where)
    words = {word.lower() for text in texts.values() for word in _WORD.findall(_HYPHEN.sub(" ", text))}
    for number, text in texts.items():
        draft.place(page=number)
        draft.add(_HYPHEN.sub(lambda match: _mended(match, words), text))
    metadata = {
        **_about(document),
        "pages": len(document),
        "pages_without_text": pictures,
        "pages_unreadable": unreadable,
        "unknown_characters": unknown or None,
    }
    parts = _attached(document, where, pdfium)
    return Bundle(draft.document("text", metadata), parts.blobs, parts.unread)


def _about(document: Any) -> dict[str, str]:
    about = document.get_metadata_dict()
    title = about.get("Title", "").strip()
    created = _DATE.match(about.get("CreationDate", ""))
    return {
        "title": "" if _MADE_UP.match(title) else title,
        "author": about.get("Author", ""),
        "created": _iso(created) if created else "",
    }


def _page(document: Any, index: int, pdfium: Any) -> tuple[str, bool]:
    """A page's text, and whether it shows anything at all.

    A character whose letter the fonts do not tell is U+FFFD; bullets of symbol fonts are bullets.
    """
    page = document[index]
    try:
        if document.formenv is not None:
            page.flatten()  # what is filled into a form becomes part of the page
            page.close()
            page = document[index]
        words = page.get_textpage()
        try:
            text = with_tables(page, words, pdfium)
        finally:
            words.close()
        text = _BULLET.sub("•", _PARTED.sub("\ufffe", text.replace("\r\n", "\n")))
        text = _LINE_END_SPACES.sub("", _UNKNOWN.sub("\ufffd", text)).strip()
        return text, bool(text) or next(iter(page.get_objects(max_depth=1)), None) is not None
    finally:
        page.close()


def _mended(match: re.Match[str], words: set[str]) -> str:
    """A word that a line end parts, made whole.

    The hyphen stays where it belongs to the word, which the rest of the document tells: it has the
    word with a hyphen, or both halves as words of their own and never the whole.
    """
    first, second = match[1], match[2]
    whole, hyphened = f"{first}{second}", f"{first}-{second}"
    if whole.lower() in words:
        return whole
    apart = len(first) == 1 or (first.lower() in words and second.lower() in words)
    return hyphened if hyphened.lower() in words or apart or not second[0].islower() else whole


def _without_text(where: str, pages: int, pictures: list[int], unreadable: list[int]) -> UnreadableDocument:
    fix: str | None = "run text recognition (OCR) over it first"
    if unreadable:
        said = "Its text cannot be told: its pages are damaged, or its fonts do not say which letters their shapes are."
    elif pictures:
        said = f"It is a scan: {'its page is a picture' if pages == 1 else 'its pages are pictures'} without text."
    else:
        said, fix = "There is nothing on its pages.", None
    return UnreadableDocument(said, where=where, fix=fix)


def _attached(document: Any, where: str, pdfium: Any) -> Parts:
    parts = Parts(where)
    for index in range(min(document.count_attachments(), _MOST_ATTACHED)):
        attachment = document.get_attachment(index)
        try:
            data: bytes | None = bytes(attachment.get_data())
        except pdfium.PdfiumError:
            data = None
        parts.add(attachment.get_name(), data)
    return parts


def _iso(match: re.Match[str]) -> str:
    year, month, day, *clock = match.groups()
    return f"{year}-{month}-{day}" + (f"T{':'.join(clock)}" if clock[0] else "")
