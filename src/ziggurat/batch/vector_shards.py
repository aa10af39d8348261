"""Read, split and embedded items as files: what workers leave for whoever builds the index.

A file is a header and a frame for each item, each with its length and checksum, written under another name and
renamed when it is whole. Knows nothing of Spark or of indexes. Invariant: what is read is what was written, or it
is not there.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import ormsgpack

from ziggurat.index.sync import ReadItem
from ziggurat.index.transaction import Chunk, DocumentRow

SUFFIX = ".vectors"
_MAGIC = b"ZVS1"
_FRAME = struct.Struct("<II")


class Place(NamedTuple):
    """Where a finished item lies: the file, and the offset of its frame."""

    path: Path
    offset: int


Version = tuple[str, str | None, bytes | None]
"""An item's key, the source's stamp when it was read, and the digest the index had of it then."""


class Header(NamedTuple):
    """What all items of a file have in common.

    Attributes:
        settings: What decides how an item becomes chunks and vectors.
        fingerprint: Of the embedding model.
        dimensions: Of the vectors; None where no item has any.
    """

    settings: str
    fingerprint: str | None
    dimensions: int | None


def write_shard(path: Path, header: Header, items: Iterable[tuple[ReadItem, bytes | None]]) -> None:
    """Write a file whole or not at all.

    Args:
        path: Its name.
        header: Of the file.
        items: Each with the digest the index had of it before.
    """
    half = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with half.open("wb") as file:
            file.write(_MAGIC)
            _frame(file, ormsgpack.packb(tuple(header)))
            for item, before in items:
                _frame(file, ormsgpack.packb((item.key, item.stamp, before)))
                _frame(file, _packed(item))
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException:
        with suppress(OSError):
            half.unlink()
        raise


def _frame(file: BinaryIO, data: bytes) -> None:
    file.write(_FRAME.pack(len(data), zlib.crc32(data)))
    file.write(data)


def _packed(item: ReadItem) -> bytes:
    vectors = None if item.vectors is None else np.ascontiguousarray(item.vectors, dtype="<f4")
    documents = [[astuple(row)[:5], [tuple(chunk) for chunk in chunks]] for row, chunks in item.documents]
    fields = (
        item.key,
        item.stamp,
        item.digest,
        documents,
        item.problem,
        item.supported,
        None if vectors is None else vectors.tobytes(),
        None if vectors is None else vectors.shape[1],
        item.embedded,
    )
    return ormsgpack.packb(fields)


def finished_items(folder: Path, settings: str) -> tuple[dict[Version, Place], str | None]:
    """Every finished item in a folder's files, and the fingerprint of the model that embedded them.

    Files of other settings, and files that are damaged, are passed over.
    """
    found: dict[Version, Place] = {}
    fingerprint: str | None = None
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with suppress(OSError, ValueError):
            header, items = _listed(path)
            if header.settings == settings:
                fingerprint = header.fingerprint or fingerprint
                found.update(items)
    return found, fingerprint


def tidy(folder: Path, settings: str) -> None:
    """Remove what an earlier build left that cannot be used.

    That is what is damaged, was made with other settings, or is of items without a stamp, which may have changed.
    """
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            header, items = _listed(path)
            if header.settings == settings and all(stamp is not None for _, stamp, _ in items):
                continue
        except (OSError, ValueError):
            pass
        path.unlink(missing_ok=True)


def _listed(path: Path) -> tuple[Header, dict[Version, Place]]:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError(path.name)
        header = Header(*ormsgpack.unpackb(_next(file) or b""))
        found: dict[Version, Place] = {}
        while (about := _next(file)) is not None:
            key, stamp, before = ormsgpack.unpackb(about)
            found[key, stamp, before] = Place(path, file.tell())
            if _next(file) is None:
                raise ValueError(path.name)
    return header, found


def _next(file: BinaryIO) -> bytes | None:
    """The next frame; None at the end of the file.

    Raises:
        ValueError: If it is torn or damaged.
    """
    head = file.read(_FRAME.size)
    if not head:
        return None
    if len(head) < _FRAME.size:
        raise ValueError(head)
    length, checksum = _FRAME.unpack(head)
    data = file.read(length)
    if len(data) < length or zlib.crc32(data) != checksum:
        raise ValueError(length)
    return data


def read_finished(places: Iterable[Place]) -> Iterator[ReadItem]:
    """The items at some places, in that order; a file that is read on from is not opened again."""
    file: BinaryIO | None = None
    at: Path | None = None
    try:
        for place in places:
            if file is None or at != place.path:
                if file is not None:
                    file.close()
                file, at = place.path.open("rb"), place.path
            file.seek(place.offset)
            yield _unpacked(ormsgpack.unpackb(_next(file) or b""))
    finally:
        if file is not None:
            file.close()


def _unpacked(fields: Any) -> ReadItem:
    key, stamp, digest, documents, problem, supported, vectors, dimensions, embedded = fields
    return ReadItem(
        key,
        stamp,
        digest,
        [(DocumentRow(*row), [_chunk(chunk) for chunk in chunks]) for row, chunks in documents],
        problem,
        supported,
        None if vectors is None else np.frombuffer(vectors, dtype="<f4").reshape(-1, dimensions),
        embedded,
    )


def _chunk(fields: list[Any]) -> Chunk:
    return Chunk._make([*fields[:-1], tuple((name, kind) for name, kind in fields[-1])])
