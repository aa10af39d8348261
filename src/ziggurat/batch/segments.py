"""Segments of a ledger: append-only files of frames, each written by one worker alone.

A frame is a length, a CRC-32 over all that follows it, a kind, a 16-byte key and a payload. What was handed
to the operating system survives the process; it is flushed to the disk every other second, so that a loss of
power costs the last moments. A torn frame at the end is what a kill leaves: a reader stops before it. Where files are
there only once they are closed (object storage behind a mount), a worker goes on in a new segment every other second.
Knows nothing of what payloads mean.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from zlib import crc32

from ziggurat.errors import LedgerError

SUFFIX = ".cells"
_HEAD = struct.Struct("<II")  # bytes of what follows, their CRC
_BODY = struct.Struct("<B16s")
_LARGEST = 1 << 31
_SYNC_SECONDS = 2.0
_PENDING_BYTES = 1 << 18
"""Bytes that are written at once even before the event loop's turn is over."""


class FrameKind(IntEnum):
    """What a frame says of its key."""

    CELL = 1
    """A finished cell, under its content key."""
    FAILURE = 2
    """A cell that failed, under its content key."""
    BEGUN = 3
    """A row some cells of which are being computed, under the row's digest."""
    ENDED = 4
    """A row that is through, under the row's digest."""
    ACTING = 5
    """A cell that acts on the world and was begun, under its key."""
    CLOSED = 6
    """The worker ended in order; nothing follows."""
    CONTINUED = 7
    """The worker goes on in another segment, of the same name but for its part."""


_MOUNTS = ("/Volumes/", "/dbfs/")
"""Databricks' mounts of object storage."""


def shows_closed_files_only(folder: Path) -> bool:
    """Whether a folder lies on storage that shows a file only once it is closed, and takes no appending."""
    return str(folder).startswith(_MOUNTS)


_KINDS = {kind.value: kind for kind in FrameKind}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        kind: What it says.
        key: Of what.
        payload: The rest, encoded.
        offset: Where it begins.
    """

    kind: FrameKind
    key: bytes
    payload: bytes
    offset: int


class SegmentWriter:
    """Appends frames to a new segment.

    Args:
        path: The file, which must not exist; it is made with the first frame.
        parts: Whether to go on in a new file with each `sync`: for storage that shows a file once it is closed.

    Attributes:
        name: The segment's name.
    """

    def __init__(self, path: Path, *, parts: bool = False) -> None:
        self._path = self._first = path
        self.parts = parts
        self._part = 0
        self._part_began = time.monotonic()
        self.name = path.name
        self._file: int | None = None
        self._pending: list[bytes] = []
        self._size = 0
        self._written = 0
        self._unsynced = time.monotonic()
        self._broken: LedgerError | None = None

    @property
    def has_pending(self) -> bool:
        """Whether frames wait for `flush`."""
        return bool(self._pending)

    def append(self, kind: FrameKind, key: bytes, payload: bytes = b"") -> int:
        """Add a frame; returns its offset. It is with the operating system after the next `flush`.

        Raises:
            LedgerError: If the segment could not be written before.
        """
        self.check()
        offset = self._size
        self._add(kind, key, payload)
        if self._size - self._written > _PENDING_BYTES:
            self.flush()
        return offset

    def flush(self) -> None:
        """Hand the frames to the operating system.

        Raises:
            LedgerError: If the disk refuses. What was written before stays; nothing is written after.
        """
        self.check()
        self._hand_over()
        if self.parts and time.monotonic() - self._part_began > _SYNC_SECONDS:
            self.go_on()

    def _add(self, kind: FrameKind, key: bytes, payload: bytes = b"") -> None:
        body = _BODY.pack(kind, key) + payload
        self._pending.append(_HEAD.pack(len(body), crc32(body)))
        self._pending.append(body)
        self._size += _HEAD.size + len(body)

    def _hand_over(self) -> None:
        if not self._pending:
            return
        data = b"".join(self._pending)
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._broken = LedgerError(
                f"The ledger cannot be written: {error.strerror or error}.",
                where=str(self._path),
                fix="what finished before is kept; make room, and start the batch again",
            )
            raise self._broken from error
        self._pending.clear()
        self._written = self._size

    def go_on(self) -> None:
        """Close the file, so that everybody sees it, and go on in another.

        Raises:
            LedgerError: If the disk refuses.
        """
        if self._size == 0:
            return
        self._part_began = time.monotonic()
        self.check()
        self._add(FrameKind.CONTINUED, bytes(16))
        self._hand_over()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._part += 1
        self._path = self._first.with_name(f"{self._first.name.removesuffix(SUFFIX)}.{self._part:05d}{SUFFIX}")
        self.name = self._path.name
        self._size = self._written = 0

    def check(self) -> None:
        """Refuse to go on once the segment could not be written.

        Raises:
            LedgerError: As it was raised first.
        """
        if self._broken is not None:
            raise self._broken

    def sync(self, *, always: bool = False) -> None:
        """Have the disk keep what was flushed, if that was not done of late. May take milliseconds."""
        now = time.monotonic()
        if self._file is not None and (always or now - self._unsynced > _SYNC_SECONDS):
            self._unsynced = now
            os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)

    def close(self) -> None:
        """End the segment in order. A segment without frames leaves no file."""
        try:
            if self._broken is None and (self._file is not None or self._pending or self._part):
                self._add(FrameKind.CLOSED, bytes(16))
                self._hand_over()
                self.sync(always=True)
        finally:
            if self._file is not None:
                os.close(self._file)
                self._file = None


def frames(path: Path) -> Iterator[Frame]:
    """The frames of a segment, up to the first that is not whole.

    Raises:
        LedgerError: If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), end, access=mmap.ACCESS_READ) if end else b""
    except OSError as error:
        raise LedgerError(f"The segment cannot be read: {error.strerror or error}.", where=str(path)) from error
    at = 0
    while at + _HEAD.size + _BODY.size <= end:
        length, check = _HEAD.unpack_from(data, at)
        begin = at + _HEAD.size
        if length < _BODY.size or begin + length > end:
            return
        body = data[begin : begin + length]
        if crc32(body) != check:
            return
        kind, key = _BODY.unpack_from(body)
        yield Frame(_KINDS[kind], key, body[_BODY.size :], at)
        at = begin + length


class SegmentReader:
    """Reads single frames of the segments of one folder, keeping their files open.

    Args:
        folder: Where the segments are.
    """

    _OPEN = 256

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}

    def frame(self, segment: str, offset: int) -> Frame | None:
        """The frame that begins at an offset; None if there is no whole one.

        Raises:
            LedgerError: If the segment cannot be read.
        """
        try:
            file = self._files.get(segment)
            if file is None:
                file = self._open(segment)
            head = os.pread(file, 4096, offset)  # most frames are short: one read does for them
            if len(head) < _HEAD.size:
                return None
            length, check = _HEAD.unpack_from(head)
            if not _BODY.size <= length < _LARGEST:
                return None
            body = head[_HEAD.size : _HEAD.size + length]
            if len(body) < length:
                body += os.pread(file, length - len(body), offset + len(head))
        except OSError as error:
            raise LedgerError(
                f"A segment of the ledger cannot be read: {error.strerror or error}.", where=str(self._folder / segment)
            ) from error
        if len(body) < length or crc32(body) != check:
            return None
        kind, key = _BODY.unpack_from(body)
        return Frame(_KINDS[kind], key, body[_BODY.size :], offset)

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _open(self, segment: str) -> int:
        if len(self._files) >= self._OPEN:
            os.close(self._files.pop(next(iter(self._files))))
        file = self._files[segment] = os.open(self._folder / segment, os.O_RDONLY)
        return file
