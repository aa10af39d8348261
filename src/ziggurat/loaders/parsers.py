"""Which parser reads which type of file.

A parser turns one LangChain `Blob` (bytes with a name) into `SourceDocument`s or raises; the table
`PARSERS` says which suffix is whose, and a later format is one more row. `parse` is the only way in:
it looks at the name, the size and the first bytes, so that a mislabelled or oversized file is refused
before a parser meets it, and whatever a third-party reader throws at broken bytes becomes one error of
ours. Parsers import their libraries when they are called. What a reader cannot be kept from is taking
long over bytes made to that end: sizes are bounded here, time is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ziggurat.errors import DocumentError, UnreadableDocument, UnsupportedDocument, ZigguratError, gist
from ziggurat.loaders import sniff
from ziggurat.loaders.bundle import Bundle, Unread
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import fit
from ziggurat.loaders.epub import parse_epub
from ziggurat.loaders.evernote import parse_evernote
from ziggurat.loaders.hush import hushed
from ziggurat.loaders.mail import parse_mail
from ziggurat.loaders.markup import parse_html
from ziggurat.loaders.mhtml import parse_mhtml
from ziggurat.loaders.notebook import parse_notebook
from ziggurat.loaders.opendocument import parse_odp, parse_ods, parse_odt
from ziggurat.loaders.outlook import parse_outlook
from ziggurat.loaders.pdf import parse_pdf
from ziggurat.loaders.records import parse_json, parse_json_lines
from ziggurat.loaders.rtf import parse_rtf
from ziggurat.loaders.sheets import parse_excel
from ziggurat.loaders.slides import parse_slides
from ziggurat.loaders.tables import parse_csv, parse_tsv
from ziggurat.loaders.text import parse_code, parse_markdown, parse_text
from ziggurat.loaders.word import parse_word

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

Parser = Callable[["Blob"], Iterator[SourceDocument | Bundle]] | Callable[["Blob"], Iterator[SourceDocument]]

MAX_BYTES = 256 << 20
"""The largest file that is read, unless another limit is given."""
MAX_DEPTH = 4
"""How deep files may stand inside one another: a PDF in a mail in a mail is two deep."""
MAX_PARTS = 1000
"""How many files inside one file are read."""

_CODE = (
    ".py .pyi .js .mjs .ts .tsx .jsx .java .kt .scala .c .h .cc .cpp .hpp .cs .go .rs .rb .php .swift .r .jl .lua .pl .sh"
    " .bash .ps1 .bat .sql .css .yaml .yml .toml .ini .cfg .conf .properties .xml .xsd .xsl"
).split()

PARSERS: Mapping[str, Parser] = MappingProxyType(
    {
        ".txt": parse_text,
        ".text": parse_text,
        ".log": parse_text,
        ".rst": parse_text,
        ".md": parse_markdown,
        ".markdown": parse_markdown,
        ".html": parse_html,
        ".htm": parse_html,
        ".xhtml": parse_html,
        ".pdf": parse_pdf,
        ".docx": parse_word,
        ".docm": parse_word,
        ".dotx": parse_word,
        ".pptx": parse_slides,
        ".pptm": parse_slides,
        ".ppsx": parse_slides,
        ".xlsx": parse_excel,
        ".xlsm": parse_excel,
        ".csv": parse_csv,
        ".tsv": parse_tsv,
        ".tab": parse_tsv,
        ".json": parse_json,
        ".jsonl": parse_json_lines,
        ".ndjson": parse_json_lines,
        ".eml": parse_mail,
        ".msg": parse_outlook,
        ".epub": parse_epub,
        ".rtf": parse_rtf,
        ".odt": parse_odt,
        ".ods": parse_ods,
        ".odp": parse_odp,
        ".mht": parse_mhtml,
        ".mhtml": parse_mhtml,
        ".enex": parse_evernote,
        ".ipynb": parse_notebook,
        **dict.fromkeys((".tex", ".bib", ".srt", ".vtt"), parse_text),
        **dict.fromkeys(_CODE, parse_code),
    }
)
"""The parser of each suffix, in lower case. To add one: ``{**PARSERS, ".xyz": parse_xyz}``."""

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        "text/html": ".html",
        "application/xhtml+xml": ".xhtml",
        "application/pdf": ".pdf",
        "text/markdown": ".md",
        "text/csv": ".csv",
        "text/tab-separated-values": ".tsv",
        "application/json": ".json",
        "application/x-ndjson": ".jsonl",
        "application/jsonl": ".jsonl",
        "message/rfc822": ".eml",
        "application/vnd.ms-outlook": ".msg",
        "application/epub+zip": ".epub",
        "application/rtf": ".rtf",
        "text/rtf": ".rtf",
        "multipart/related": ".mht",
        "application/x-mimearchive": ".mht",
        "application/enex+xml": ".enex",
        "application/x-ipynb+json": ".ipynb",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
        "application/vnd.oasis.opendocument.text": ".odt",
        "application/vnd.oasis.opendocument.spreadsheet": ".ods",
        "application/vnd.oasis.opendocument.presentation": ".odp",
    }
)
"""The suffix of each media type. ``text/plain`` is no type: servers send it with anything."""

_OWN_BYTES = frozenset({".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".ods", ".odp", ".epub", ".rtf", ".msg"})
"""Types whose files begin with a signature, always."""
_OWN_WORDS = frozenset({".eml", ".mht", ".enex", ".ipynb", ".json"})
"""Types that are text, but never begin as a web page does."""


def parse(
    blob: Blob, *, parsers: Mapping[str, Parser] = PARSERS, max_bytes: int = MAX_BYTES
) -> Iterator[SourceDocument]:
    """The documents in one file, or in bytes that have a name; then those of the files inside it.

    The type is told by the name's suffix; for an address by the media type first; then the bytes are
    looked at. A file that is unmistakably another type that can be read is read as what it is, and
    ``metadata["read_as"]`` says so. Files inside have the file's source, ``#attachments/`` and their
    name; ``metadata["unread_attachments"]`` names those that cannot be read, and why.

    Args:
        blob: The file. Of an open-ended source, give ``data``, ``path`` (its name or address) and
            ``mime_type``.
        parsers: Which suffix is read by what.
        max_bytes: The largest file that is read.

    Raises:
        UnsupportedDocument: If no parser reads its type.
        UnreadableDocument: If it is empty, damaged, protected, too large, or not what its name says.
    """
    yield from _read(blob, parsers, max_bytes, depth=0)


def suffix_of(blob: Blob, parsers: Mapping[str, Parser] = PARSERS) -> str:
    """The suffix that tells a blob's type, in lower case; empty if nothing does."""
    where = str(blob.source)
    address = "://" in where
    named = PurePath(urlsplit(where).path if address else where).suffix.lower()
    by_type = SUFFIXES.get((blob.mimetype or "").partition(";")[0].strip().lower(), "")
    first, second = (by_type, named) if address else (named, by_type)
    return next((suffix for suffix in (first, second) if suffix in parsers), named or by_type)


def _read(blob: Blob, parsers: Mapping[str, Parser], max_bytes: int, depth: int) -> list[SourceDocument]:
    where = str(blob.source)
    suffix = suffix_of(blob, parsers)
    if suffix not in parsers and not sniff.promising(_bytes(blob, where, max_bytes, head=True)):
        raise _unsupported(suffix, where, parsers)
    data = _bytes(blob, where, max_bytes)
    if not data:
        raise UnreadableDocument("The file is empty.", where=where)
    read_as = _recognised(data, suffix, where, parsers)
    made = _parsed(parsers[read_as or suffix], _whole(blob, data, where), where)
    documents: list[SourceDocument] = []
    for one in made:
        documents.extend(_unpacked(one, parsers, max_bytes, depth) if isinstance(one, Bundle) else [one])
    if read_as:
        documents = [replace(one, metadata={**one.metadata, "read_as": read_as}) for one in documents]
    if not documents:
        raise UnreadableDocument("There is no text in it.", where=where)
    return documents


def _recognised(data: bytes, suffix: str, where: str, parsers: Mapping[str, Parser]) -> str | None:
    """The suffix of what the bytes are, where that is not what the name says; None where it is.

    Raises:
        UnreadableDocument: If they are something that nothing reads.
    """
    found = sniff.sniff(data, where)
    named = parsers.get(suffix)
    own = next((one for one in _OWN_BYTES if named is not None and PARSERS[one] is named), None)
    if found is None:
        if named is None:
            raise _unsupported(suffix, where, parsers)
        if own is None:
            return None
        raise UnreadableDocument(f"The file does not begin like {suffix}.", where=where, fix="is the suffix right?")
    if named is not None and (found.suffix == suffix or parsers.get(found.suffix) is named):
        return None
    if not found.sure and own is None and suffix not in _OWN_WORDS and named is not None:
        return None  # a text that begins with a tag is still a text
    if found.suffix not in parsers:
        raise sniff.refused(found, suffix, where) if named is not None else _unsupported(suffix, where, parsers)
    return found.suffix


def _parsed(parser: Parser, blob: Blob, where: str) -> Sequence[SourceDocument | Bundle]:
    """What the parser makes, all of it: silence and errors end where it does."""
    try:
        with hushed():
            return list(parser(blob))
    except (ZigguratError, MemoryError):
        raise
    except RecursionError as error:
        raise UnreadableDocument("The file is nested too deeply to be read.", where=where) from error
    except Exception as error:  # whatever a reader throws at broken bytes says one thing
        raise UnreadableDocument(f"The file is damaged: {_one_line(error)}.", where=where) from error


def _unpacked(bundle: Bundle, parsers: Mapping[str, Parser], max_bytes: int, depth: int) -> list[SourceDocument]:
    unread = list(bundle.unread)
    documents: list[SourceDocument] = []
    for part in bundle.parts[:MAX_PARTS]:
        name = str(part.source).rpartition("#attachments/")[2]
        if depth + 1 >= MAX_DEPTH:
            unread.append(Unread(name, f"It stands {depth + 1} files deep; {MAX_DEPTH - 1} are read."))
        else:
            try:
                documents.extend(_read(part, parsers, max_bytes, depth + 1))
            except DocumentError as error:
                unread.append(Unread(name, gist(error)))
    if len(bundle.parts) > MAX_PARTS:
        unread.append(Unread("…", f"There are {len(bundle.parts):,} files in it; {MAX_PARTS:,} are read."))
    document, source = bundle.document, bundle.document.source
    if unread:
        said = [{"name": fit(one.name), "reason": fit(one.reason)} for one in unread]
        document = replace(document, metadata={**document.metadata, "unread_attachments": said})
    return [document, *(replace(one, metadata={"part_of": source, **one.metadata}) for one in documents)]


def _bytes(blob: Blob, where: str, max_bytes: int, *, head: bool = False) -> bytes:
    """The bytes of a blob; of a file, as it was in one moment."""
    if blob.data is not None:
        data = blob.as_bytes()
        _check_size(len(data), max_bytes, where)
        return data
    try:
        with open(str(blob.path), "rb") as file:  # noqa: PTH123 (a blob's path may be any path-like)
            size = os.fstat(file.fileno()).st_size
            if head:
                return file.read(4096)
            _check_size(size, max_bytes, where)
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise UnreadableDocument(f"The file cannot be read: {error.strerror or error}.", where=where) from error
    if len(data) != size:
        raise UnreadableDocument("The file changed while it was read.", where=where, fix="read it again")
    return data


def _check_size(size: int, max_bytes: int, where: str) -> None:
    if size > max_bytes:
        raise UnreadableDocument(
            f"The file has {size:,} bytes; at most {max_bytes:,} are read.", where=where, fix="give a larger max_bytes"
        )


def _whole(blob: Blob, data: bytes, where: str) -> Blob:
    from langchain_core.documents.base import Blob as Whole

    return Whole.from_data(data, path=where, mime_type=blob.mimetype, metadata=blob.metadata)


def _unsupported(suffix: str, where: str, parsers: Mapping[str, Parser]) -> UnsupportedDocument:
    kind = f"{suffix} files" if suffix else "files without a suffix"
    return UnsupportedDocument(f"Nothing reads {kind}.", where=where, fix=f"readable: {', '.join(parsers)}")


def _one_line(error: Exception) -> str:
    if type(error).__name__ == "XMLSyntaxError":
        return "its XML breaks off, is not well-formed, or is made to grow without end"
    text = fit(" ".join(str(error).split()))[:200].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
