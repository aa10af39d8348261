"""Where the finished cells of a ledger lie: a hash table of places, flat in memory whatever its size.

A key's first eight bytes and a 64-bit place, side by side in one block of memory, 16 bytes a slot; at most
six slots in ten are used, so a cell costs 27 to 54 bytes. It can be written to a file and opened there by
any number of processes, which then share its pages. It says where to look, not what is there: who reads
a cell compares the whole key.

Theory of operation: open addressing with linear probing and no wrap; behind the slots that a key may hash to lies
a margin for runs that spill over. Growing sorts what is there by its new home and lays it out in one pass
(each at its home, or right behind the one before), which is a valid state of such a table.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ziggurat.batch.coordination import Place
from ziggurat.errors import LedgerError

_MAGIC = b"ZIGPLC1\0"
_HEADER = struct.Struct("<8sQQQ")  # magic, slots, entries, bytes of names
_SMALLEST = 1 << 10
_MARGIN = 1 << 9
_FULL = 0.6
_OFFSET_BITS = 40
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1
_SEGMENTS = 1 << (64 - _OFFSET_BITS)


class PlaceTable:
    """Keys to places, in memory.

    Keys are 16 bytes or more and are hashes: their first eight bytes are taken as they are.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._entries = 0
        self._allocate(_SMALLEST)

    def __len__(self) -> int:
        return self._entries

    def get(self, key: bytes) -> Place | None:
        """Where the cell of a key lies, as far as eight bytes can tell."""
        tag = int.from_bytes(key[:8], "little") or 1
        slots, at = self._slots, (tag & self._mask) * 2
        while found := slots[at]:
            if found == tag:
                place = slots[at + 1]
                return Place(self._names[place >> _OFFSET_BITS], place & _OFFSET_MASK)
            at += 2
        return None

    def put(self, key: bytes, place: Place) -> None:
        """Note where the cell of a key lies; the last word counts.

        Raises:
            LedgerError: If there are more segments, or a larger one, than a place can name.
        """
        if self._entries >= self._limit:
            self._grow()
        tag, value = int.from_bytes(key[:8], "little") or 1, self._packed(place)
        while not self._insert(tag, value):
            self._grow()

    def extend(self, cells: Iterable[tuple[bytes, int]], segment: str) -> None:
        """Note the places of many cells of one segment, as pairs of key and offset."""
        number = self._number(segment) << _OFFSET_BITS
        for key, offset in cells:
            if self._entries >= self._limit:
                self._grow()
            while not self._insert(int.from_bytes(key[:8], "little") or 1, number | offset):
                self._grow()

    def save(self, path: Path) -> None:
        """Write the table to a file, whole or not at all.

        Raises:
            LedgerError: If the disk refuses.
        """
        names = "\n".join(self._names).encode()
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                file.write(_HEADER.pack(_MAGIC, self._mask + 1, self._entries, len(names)))
                file.write(names)
                file.write(bytes(-file.tell() % mmap.PAGESIZE))
                file.write(self._memory)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise LedgerError(f"The table of places cannot be written: {error}.", where=str(path)) from error

    @classmethod
    def open(cls, path: Path) -> PlaceTable:
        """A table that was saved, its pages read as they are needed; it takes no further entries.

        Raises:
            LedgerError: If the file is no such table.
        """
        table = cls()
        try:
            with path.open("rb") as file:
                table._map(file)
        except (OSError, ValueError, struct.error) as error:
            raise LedgerError(
                "The table of places is damaged.", where=str(path), fix="start the batch again: it is made anew"
            ) from error
        return table

    # -- inside ----------------------------------------------------------------------------------

    def _map(self, file: BinaryIO) -> None:
        magic, slots, entries, length = _HEADER.unpack(file.read(_HEADER.size))
        begin = -(-(_HEADER.size + length) // mmap.PAGESIZE) * mmap.PAGESIZE
        size = (slots + _MARGIN) * 16
        if magic != _MAGIC or os.fstat(file.fileno()).st_size != begin + size:
            raise ValueError(magic)
        names = file.read(length).decode()
        self._memory = mmap.mmap(file.fileno(), size, offset=begin, access=mmap.ACCESS_READ)
        self._slots = memoryview(self._memory).cast("Q")
        self._mask, self._entries, self._limit = slots - 1, entries, sys.maxsize
        self._names = names.split("\n") if names else []
        self._numbers = {name: number for number, name in enumerate(self._names)}

    def _allocate(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, (slots + _MARGIN) * 16)
        self._slots = memoryview(self._memory).cast("Q")
        self._mask = slots - 1
        self._limit = int(slots * _FULL)

    def _insert(self, tag: int, value: int) -> bool:
        slots, at = self._slots, (tag & self._mask) * 2
        while found := slots[at]:
            if found == tag:
                slots[at + 1] = value
                return True
            at += 2
        if at >= len(slots) - 2:  # the last slot stays empty, so that every search ends
            return False
        slots[at], slots[at + 1] = tag, value
        self._entries += 1
        return True

    def _grow(self) -> None:
        old: NDArray[np.uint64] = np.frombuffer(self._memory, dtype=np.uint64).reshape(-1, 2)
        used = old[old[:, 0] != 0]
        slots = (self._mask + 1) * 2
        while True:
            homes = (used[:, 0] & np.uint64(slots - 1)).astype(np.int64)
            order = np.argsort(homes, kind="stable")
            steps = np.arange(len(order))
            laid = np.maximum.accumulate(homes[order] - steps) + steps
            if not len(laid) or laid[-1] < slots + _MARGIN - 1:
                break
            slots *= 2
        self._allocate(slots)
        np.frombuffer(self._memory, dtype=np.uint64).reshape(-1, 2)[laid] = used[order]

    def _packed(self, place: Place) -> int:
        if place.offset > _OFFSET_MASK:
            raise LedgerError("A segment of the ledger is larger than a terabyte.", where=place.segment)
        return self._number(place.segment) << _OFFSET_BITS | place.offset

    def _number(self, segment: str) -> int:
        number = self._numbers.get(segment)
        if number is None:
            number = len(self._names)
            if number >= _SEGMENTS:
                raise LedgerError(f"The ledger has more than {_SEGMENTS:,} segments.", fix="use another output")
            self._names.append(segment)
            self._numbers[segment] = number
        return number
