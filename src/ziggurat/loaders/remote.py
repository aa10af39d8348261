"""Objects of a store into documents: a bounded download, then the parsers.

What buckets, containers and drives have in common. Knows no store.
Invariant: nothing is downloaded whole of which the name, the size or the first bytes already say that
it will not be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders import sniff
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.parsers import MAX_BYTES, PARSERS, parse, suffix_of


def documents(
    pieces: Iterable[bytes],
    key: str,
    *,
    media_type: str | None = None,
    size: int | None = None,
    max_bytes: int = MAX_BYTES,
) -> Iterator[SourceDocument]:
    """The documents in an object that comes in pieces.

    Args:
        pieces: Its bytes; not asked for more than are needed.
        key: Its name, with the suffix that tells its type.
        media_type: What the store says it is; the suffix goes first.
        size: What the store says it has, in bytes.
        max_bytes: The largest object that is read.

    Raises:
        UnsupportedDocument: If nothing reads its type.
        UnreadableDocument: If it is empty, too large, damaged, protected, or not what its name says.
    """
    from langchain_core.documents.base import Blob

    if size is not None and size > max_bytes:
        raise _too_large(key, max_bytes, size)
    given = _media_type(key, media_type)
    data = bytearray()
    for piece in pieces:
        first = not data
        data += piece
        if first and piece:
            head = Blob.from_data(bytes(data), path=key, mime_type=given)
            if suffix_of(head) not in PARSERS and not sniff.promising(bytes(data)):
                yield from parse(head)  # says what nothing reads
                return
        if len(data) > max_bytes:
            raise _too_large(key, max_bytes, None)
    yield from parse(Blob.from_data(bytes(data), path=key, mime_type=given), max_bytes=max_bytes)


def chosen(name: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    """Whether a name is meant: one of the patterns fits, if there are any, and none that excludes."""
    return (not include or any(fnmatchcase(name, one) for one in include)) and not any(
        fnmatchcase(name, one) for one in exclude
    )


def below(name: str, prefix: str) -> bool:
    """Whether an object's name is a prefix, or stands below it as a file stands in a folder."""
    return not prefix or name == prefix or name.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def texts(given: str | Iterable[str]) -> tuple[str, ...]:
    """One or several patterns."""
    return (given,) if isinstance(given, str) else tuple(given)


def split(address: str, scheme: str, form: str) -> tuple[str, str]:
    """What stands before and after the first slash of ``scheme://first/rest``.

    Raises:
        InputError: If it has another scheme or no first part.
    """
    found, mark, rest = address.partition("://")
    first, _, path = rest.partition("/")
    if found.lower() != scheme or not mark or not first:
        raise InputError(f"This is no address of the form {form}.", where=address.partition("?")[0])
    return first, path


def nothing_there(name: str) -> InputError:
    """The error for a prefix or a folder below which there is nothing."""
    return InputError("There is nothing at this address.", where=name, fix="is it spelt like the objects' names?")


def _media_type(key: str, media_type: str | None) -> str | None:
    """A media type that goes after the suffix: stores are told types by whoever uploads."""
    from langchain_core.documents.base import Blob

    return None if suffix_of(Blob.from_data(b"", path=key)) in PARSERS else media_type


def _too_large(key: str, max_bytes: int, size: int | None) -> UnreadableDocument:
    said = "more than" if size is None else f"{size:,} bytes; at most"
    return UnreadableDocument(
        f"The object has {said} {max_bytes:,} bytes."
        if size is None
        else f"The object has {said} {max_bytes:,} are read.",
        where=key,
        fix="give a larger max_bytes",
    )
