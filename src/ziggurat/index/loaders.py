"""Files into text: which loader reads which type, and what each refuses.

A loader turns one file into `SourceDocument`s or raises; the table `LOADERS` says which suffix is
whose, and a later format is one more row. Here are the loaders of plain text and Markdown. Knows
nothing of chunks or indexes.
Invariant: text comes out as the file says it or not at all; bytes are never dropped or replaced.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ziggurat.errors import InputError, UnreadableDocument, UnsupportedDocument
from ziggurat.index.splitting import Kind


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as it was read.

    Attributes:
        source: Where it is from, as it was given; also its id in an index.
        text: All of it.
        kind: How it is structured.
        metadata: JSON values; ``source`` is always among them.
    """

    source: str
    text: str = field(repr=False)
    kind: Kind = "text"
    metadata: Mapping[str, Any] = field(default_factory=dict)


Loader = Callable[[Path], Iterator[SourceDocument]]

# Longest mark first: the one of UTF-32 little-endian begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = bytes([*range(9), 11, *range(14, 27), *range(28, 32)])
"""Control characters no text has; tab, line ends, form feed and escape are not among them."""

_CONTROL = re.compile(f"[{re.escape(_BINARY.decode())}]")
_IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})


def load_text(path: Path, *, encoding: str | None = None) -> Iterator[SourceDocument]:
    """Read a plain text file.

    Args:
        path: The file.
        encoding: What it is in, where that is known; None reads Unicode, see `decode`. For a folder of
            older files: ``{**LOADERS, ".txt": partial(load_text, encoding="cp1252")}``.
    """
    yield _read(path, "text", encoding)


def load_markdown(path: Path, *, encoding: str | None = None) -> Iterator[SourceDocument]:
    """Read a Markdown file; its marks stay in the text."""
    yield _read(path, "markdown", encoding)


LOADERS: Mapping[str, Loader] = MappingProxyType(
    {
        ".txt": load_text,
        ".text": load_text,
        ".log": load_text,
        ".rst": load_text,
        ".md": load_markdown,
        ".markdown": load_markdown,
    }
)
"""The loader of each suffix, in lower case. To add one: ``{**LOADERS, ".xyz": load_xyz}``."""


def load(source: str | os.PathLike[str], *, loaders: Mapping[str, Loader] = LOADERS) -> Iterator[SourceDocument]:
    """The documents in one file.

    Raises:
        InputError: If there is no such file, or it is a folder.
        UnsupportedDocument: If no loader reads its type.
        UnreadableDocument: If it is empty, damaged, or not what its name says.
    """
    path = Path(source)
    if path.is_dir():
        raise InputError("This is a folder, and one file was meant.", where=str(path), fix="add_files takes folders")
    if not path.exists():
        raise InputError("There is no such file.", where=str(path))
    if not path.is_file():
        raise UnreadableDocument("This is neither a file nor a folder.", where=str(path))
    loader = loaders.get(path.suffix.lower())
    if loader is None:
        kind = f"{path.suffix.lower()} files" if path.suffix else "files without a suffix"
        raise UnsupportedDocument(f"No loader reads {kind}.", where=str(path), fix=f"readable: {', '.join(loaders)}")
    try:
        yield from loader(path)
    except OSError as error:
        raise UnreadableDocument(f"The file cannot be read: {error.strerror or error}.", where=str(path)) from error


def walk(source: str | os.PathLike[str]) -> Iterator[Path]:
    """The files of a folder and its folders, sorted by path, or the one file given.

    Hidden files and folders are left out, and so are folders of caches and installed packages.
    Links to folders are not followed, so the walk ends.

    Raises:
        InputError: If there is nothing at that path.
    """
    path = Path(source)
    if not path.is_dir():
        if not path.exists():
            raise InputError("There is no such file or folder.", where=str(path))
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _IGNORED_FOLDERS)
        yield from (Path(folder) / name for name in sorted(files) if not name.startswith("."))


def _read(path: Path, kind: Kind, named: str | None) -> SourceDocument:
    data = path.read_bytes()
    text, encoding = decode(data, str(path), named)
    # One kind of line end, so that a position is the same on every machine.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text or text.isspace():
        raise UnreadableDocument(
            "The file is empty." if not data else "The file holds only white space.", where=str(path)
        )
    metadata: dict[str, Any] = {"source": str(path)}
    if encoding != "utf-8":
        metadata["encoding"] = encoding
    return SourceDocument(str(path), text, kind, metadata)


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
    for mark, encoding in _MARKS:
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
    of its pair, and at least a quarter of the pairs have one. No text in another encoding has any.
    """
    high, low = data[::2].count(0), data[1::2].count(0)
    if len(data) % 2 or (high and low) or 8 * max(high, low) < len(data) or not data:
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
        fix="save it as UTF-8, or name its encoding: load_text(path, encoding=...)",
    )
