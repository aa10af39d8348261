"""Compressed bytes from strangers, unpacked piece by piece and never past a bound.

A kilobyte of gzip can hold a megabyte of nothing, so nothing here unpacks more than was allowed before
it is counted. Knows nothing of where the bytes come from.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from ziggurat.errors import UnreadableDocument

GZIP = b"\x1f\x8b"
_STEP = 1 << 18
_EITHER = 32 + zlib.MAX_WBITS
"""What tells zlib to look whether it is gzip or zlib."""


def unpacked(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """What was sent, in pieces of at most 256 kB.

    Args:
        pieces: As they came.
        encoding: The ``Content-Encoding``: none, ``identity``, ``gzip`` or ``deflate``.

    Raises:
        UnreadableDocument: If it is another encoding, or the bytes are not what it says.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableDocument(f"The server sends it packed as {encoding[:40]!r}, which was not asked for.")
    yield from inflated(pieces, bare=encoding == "deflate")


def inflated(pieces: Iterable[bytes], *, bare: bool = False) -> Iterator[bytes]:
    """The contents of a gzip file of one or several members.

    Args:
        pieces: Of the file.
        bare: Whether it may also be deflate without any header, which some servers send.

    Raises:
        UnreadableDocument: If it is damaged or breaks off.
    """
    reader, fresh = zlib.decompressobj(_EITHER), True
    try:
        for piece in pieces:
            data = piece
            while data:
                if reader.eof:
                    if not data.startswith(GZIP):
                        return  # padding behind the last member
                    reader, fresh = zlib.decompressobj(_EITHER), True
                try:
                    out = reader.decompress(data, _STEP)
                except zlib.error:
                    if not (bare and fresh):
                        raise
                    reader, bare = zlib.decompressobj(-zlib.MAX_WBITS), False
                    out = reader.decompress(data, _STEP)
                fresh = False
                if out:
                    yield out
                data = reader.unused_data if reader.eof else reader.unconsumed_tail
    except zlib.error as error:
        raise UnreadableDocument("What was sent is damaged: it cannot be unpacked.") from error
    if not reader.eof:
        raise UnreadableDocument("What was sent breaks off before its end.")
