"""What a file is, by its bytes, whatever its name says.

Only what cannot be mistaken is named; a file of which nothing is known may still be text. Reads no
content beyond the first bytes and, of containers, the list of what is in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.archive import Archive

_HEAD = 1024
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL
)
_ENEX = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!DOCTYPE\s+en-export[^>]*>\s*)?<en-export[\s>]")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True, slots=True)
class Found:
    """What a file turned out to be.

    Attributes:
        suffix: The suffix such files have.
        name: As it reads after "The file is".
        sure: Whether its first bytes are a signature; HTML and XML may also be quoted in a text.
    """

    suffix: str
    name: str
    sure: bool = True


PDF = Found(".pdf", "a PDF")
RTF = Found(".rtf", "an RTF document")
HTML = Found(".html", "an HTML page", sure=False)
ENEX = Found(".enex", "an Evernote export", sure=False)
ZIP = Found(".zip", "a zip archive")
MSG = Found(".msg", "an Outlook message")

_SIGNATURES = (
    (b"{\\rtf", RTF),
    (b"\x89PNG\r\n\x1a\n", Found(".png", "a PNG picture")),
    (b"\xff\xd8\xff", Found(".jpg", "a JPEG picture")),
    (b"GIF87a", Found(".gif", "a GIF picture")),
    (b"GIF89a", Found(".gif", "a GIF picture")),
    (b"II*\0", Found(".tiff", "a TIFF picture")),
    (b"MM\0*", Found(".tiff", "a TIFF picture")),
    (b"\x1f\x8b\x08", Found(".gz", "a gzip archive")),
    (b"BZh", Found(".bz2", "a bzip2 archive")),
    (b"\xfd7zXZ\0", Found(".xz", "an xz archive")),
    (b"7z\xbc\xaf\x27\x1c", Found(".7z", "a 7-Zip archive")),
    (b"Rar!\x1a\x07", Found(".rar", "a RAR archive")),
    (b"\x7fELF", Found(".bin", "a program")),
    (b"SQLite format 3\0", Found(".sqlite", "a SQLite database")),
    (b"ID3", Found(".mp3", "a sound file")),
    (b"OggS", Found(".ogg", "a sound file")),
)
_IN_ZIP = (
    ("word/document.xml", Found(".docx", "a Word document")),
    ("word/document2.xml", Found(".docx", "a Word document")),
    ("ppt/presentation.xml", Found(".pptx", "a PowerPoint presentation")),
    ("xl/workbook.xml", Found(".xlsx", "an Excel workbook")),
    ("xl/workbook.bin", Found(".xlsb", "a binary Excel workbook")),
    ("META-INF/container.xml", Found(".epub", "an EPUB book")),
)
_BY_MIMETYPE = {
    b"application/epub+zip": Found(".epub", "an EPUB book"),
    b"application/vnd.oasis.opendocument.text": Found(".odt", "an OpenDocument text"),
    b"application/vnd.oasis.opendocument.spreadsheet": Found(".ods", "an OpenDocument spreadsheet"),
    b"application/vnd.oasis.opendocument.presentation": Found(".odp", "an OpenDocument presentation"),
}
# Names in the directory of an OLE file, as they are written there: UTF-16.
_IN_OLE = (
    ("EncryptedPackage", Found(".locked", "an Office document protected with a password")),
    ("__properties_version1.0", MSG),
    ("WordDocument", Found(".doc", "a Word document of the old kind (.doc)")),
    ("Workbook", Found(".xls", "an Excel workbook of the old kind (.xls)")),
    ("Book", Found(".xls", "an Excel workbook of the old kind (.xls)")),
    ("PowerPoint Document", Found(".ppt", "a PowerPoint presentation of the old kind (.ppt)")),
)


def sniff(data: bytes, where: str) -> Found | None:
    """What the bytes are, or None if that cannot be told.

    Raises:
        UnreadableDocument: If it is an archive that is damaged, protected, or unpacks to too much.
    """
    head = data[:_HEAD]
    if b"%PDF-" in head and not _HTML.match(head):
        return PDF
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _in_zip(data, where)
    if head.startswith(_OLE):
        return _in_ole(data)
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return found
    head = head.removeprefix(b"\xef\xbb\xbf")
    if _ENEX.match(head):
        return ENEX
    return HTML if _HTML.match(head) else None


def promising(head: bytes) -> bool:
    """Whether the first bytes are those of a document, under whatever name."""
    return b"%PDF-" in head[:_HEAD] or head.startswith((b"PK\x03\x04", b"{\\rtf", _OLE))


def _in_zip(data: bytes, where: str) -> Found:
    archive = Archive(data, where)
    if "mimetype" in archive:
        found = _BY_MIMETYPE.get(archive.read("mimetype", 200).strip().removesuffix(b"-template"))
        if found is not None:
            return found
    return next((found for name, found in _IN_ZIP if name in archive), ZIP)


def _in_ole(data: bytes) -> Found | None:
    for name, found in _IN_OLE:
        if name.encode("utf-16-le") + b"\0\0" in data:
            return found
    return Found(".ole", "an OLE container of another program")


def refused(found: Found, suffix: str, where: str) -> UnreadableDocument:
    """The error for a file whose bytes are not what its name says, and that nothing reads."""
    if found.suffix == ".locked":
        return UnreadableDocument("The file is protected with a password.", where=where)
    said = f", not what {suffix} says" if suffix else ""
    return UnreadableDocument(f"The file is {found.name}{said}; nothing reads it.", where=where)
