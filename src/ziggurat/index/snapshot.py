"""The snapshot file: the vectors of one generation as FAISS reads them, opened by mmap.

The file is a FAISS index, then the row numbers of its vectors, then checksums, then a footer of
fixed size; FAISS ignores what stands behind its own part. It is written beside the old one, synced
and renamed, so it is always whole; and it is only ever a copy, so a file that is missing, torn, of
another index or of a lost future is not an error but `None`: the caller builds from SQLite.
Nothing is handed to FAISS before its checksum agrees. Knows nothing of SQLite.

Footer, little-endian: magic ``ZIGSNAP2``; uint64 generation; 16 bytes stamp; uint32 dimensions;
uint32 factor, uint64 rows it was learnt from (see `searcher`); uint64 rows; uint64 bytes of the FAISS part; uint32 block count;
uint32 CRC-32 of the checksums; uint32 CRC-32 of the footer so far. The checksums are one uint32
CRC-32 for each 4 MiB block of what stands before them.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ziggurat.index.searcher import Positions, Searcher, opened

FILE = "vectors.faiss"
MAGIC = b"ZIGSNAP2"
_FOOTER = struct.Struct("<8sQ16sIIQQQIII")
_BLOCK = 4 * 1024 * 1024
_CHECKED_ON_OPENING = 16
"""Blocks (64 MiB) whose checksums are compared on opening; of a larger file the first, the last and
some between. `read` with ``thorough`` compares all."""

_KNOWN_KINDS = (b"IxFI", b"IxRF")
"""FAISS's marks of the two index types we write; another type is not ours and is not loaded."""


class Snapshot(NamedTuple):
    """An opened snapshot.

    Attributes:
        generation: The generation it shows.
        stamp: That generation's stamp.
        rows: Row numbers, ascending, shape (n,).
        searcher: Their vectors, in the same order.
    """

    generation: int
    stamp: bytes
    rows: Positions
    searcher: Searcher


@dataclass(frozen=True, slots=True)
class _Footer:
    generation: int
    stamp: bytes
    dimensions: int
    factor: int
    learnt: int
    rows: int
    faiss_bytes: int
    blocks: int
    checksums_crc: int

    def pack(self) -> bytes:
        head = _FOOTER.pack(
            MAGIC, self.generation, self.stamp, self.dimensions, self.factor, self.learnt, self.rows,
            self.faiss_bytes, self.blocks, self.checksums_crc, 0,
        )[:-4]  # fmt: skip
        return head + struct.pack("<I", zlib.crc32(head))

    @classmethod
    def unpack(cls, data: bytes) -> _Footer | None:
        magic, *values, crc = _FOOTER.unpack(data)
        if magic != MAGIC or crc != zlib.crc32(data[:-4]):
            return None
        return cls(*values)


def write(directory: Path, snapshot: Snapshot) -> None:
    """Write a snapshot and put it in the old one's place, atomically and durably.

    Raises:
        OSError: If the disk refuses; the old file is still there then.
    """
    import faiss

    handle, name = tempfile.mkstemp(prefix=f".{FILE}.", suffix=".tmp", dir=directory)
    os.close(handle)
    try:
        try:
            faiss.write_index(snapshot.searcher.index, name)
        except RuntimeError as error:  # FAISS's only exception
            raise OSError(f"FAISS could not write the snapshot: {error}") from error
        with open(name, "r+b") as file:  # noqa: PTH123 (the same path FAISS was given)
            faiss_bytes = file.seek(0, os.SEEK_END)
            file.write(snapshot.rows.astype("<i8").tobytes())
            file.flush()
            checksums = _checksums(file.fileno(), faiss_bytes + 8 * len(snapshot.rows))
            packed = struct.pack(f"<{len(checksums)}I", *checksums)
            file.write(packed)
            footer = _Footer(
                snapshot.generation, snapshot.stamp, int(snapshot.searcher.matrix.shape[1]), snapshot.searcher.factor,
                snapshot.searcher.learnt, len(snapshot.rows), faiss_bytes, len(checksums), zlib.crc32(packed),
            )  # fmt: skip
            file.write(footer.pack())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(directory / FILE)
        _sync_directory(directory)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _checksums(descriptor: int, length: int) -> list[int]:
    with mmap.mmap(descriptor, length, access=mmap.ACCESS_READ) as body, memoryview(body) as view:
        return [zlib.crc32(view[at : at + _BLOCK]) for at in range(0, length, _BLOCK)]


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(directory: Path, *, thorough: bool = False) -> Snapshot | None:
    """Open the snapshot if it is whole.

    Args:
        directory: The index's directory.
        thorough: Compare every checksum, however large the file.

    Returns:
        None if there is no snapshot, or it is torn or not ours.
    """
    path = directory / FILE
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            footer = _read_footer(file, length)
            if footer is None or not _is_whole(file, footer, thorough=thorough):
                return None
            file.seek(footer.faiss_bytes)
            rows = np.frombuffer(file.read(8 * footer.rows), dtype="<i8").astype(np.int64, copy=False)
    except (OSError, struct.error):
        return None
    searcher = _open_faiss(path, footer)
    if searcher is None or not _ascending(rows):
        return None
    return Snapshot(footer.generation, footer.stamp, rows, searcher)


def _read_footer(file: Any, length: int) -> _Footer | None:
    if length < _FOOTER.size:
        return None
    file.seek(length - _FOOTER.size)
    footer = _Footer.unpack(file.read(_FOOTER.size))
    if footer is None:
        return None
    body = footer.faiss_bytes + 8 * footer.rows
    expected = body + 4 * footer.blocks + _FOOTER.size
    return footer if expected == length and footer.blocks == -(-body // _BLOCK) else None


def _is_whole(file: Any, footer: _Footer, *, thorough: bool) -> bool:
    body = footer.faiss_bytes + 8 * footer.rows
    file.seek(0)
    if file.read(4) not in _KNOWN_KINDS:
        return False
    file.seek(body)
    packed = file.read(4 * footer.blocks)
    if zlib.crc32(packed) != footer.checksums_crc:
        return False
    checksums = struct.unpack(f"<{footer.blocks}I", packed)
    with mmap.mmap(file.fileno(), body, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
        return all(
            zlib.crc32(view[at * _BLOCK : min((at + 1) * _BLOCK, body)]) == checksums[at]
            for at in _blocks_to_check(footer.blocks, thorough=thorough)
        )


def _blocks_to_check(blocks: int, *, thorough: bool) -> Iterable[int]:
    if thorough or blocks <= _CHECKED_ON_OPENING:
        return range(blocks)
    return sorted({round(at * (blocks - 1) / (_CHECKED_ON_OPENING - 1)) for at in range(_CHECKED_ON_OPENING)})


def _open_faiss(path: Path, footer: _Footer) -> Searcher | None:
    import faiss

    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        searcher = opened(index, footer.factor, footer.learnt)
    except (RuntimeError, AttributeError):
        return None
    return searcher if searcher.matrix.shape == (footer.rows, footer.dimensions) else None


def _ascending(rows: Positions) -> bool:
    return bool((rows[1:] > rows[:-1]).all())
