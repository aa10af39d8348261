"""Who runs a run, where the system can lock one byte of a file: one open file a journal, one byte a run.

Cheaper than a file for each run (`locks`), which costs more than all else at a run's beginning and end. The
lock is of the open file, so that two journals of one process exclude each other too; within one
journal a set does. The operating system drops it when the process dies.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import sys
import threading
from pathlib import Path

from ziggurat.chain.journal.locks import OWNERS, Claim, in_progress, not_lockable

if sys.platform == "linux":
    import fcntl

    AVAILABLE = hasattr(fcntl, "F_OFD_SETLK")

    def _lock(descriptor: int, kind: int, byte: int) -> None:
        """Lock or free a byte; the structure is ``struct flock`` of fcntl(2)."""
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0))

    _EXCLUSIVE, _FREE = fcntl.F_WRLCK, fcntl.F_UNLCK
else:
    AVAILABLE = False
    _EXCLUSIVE = _FREE = 0

    def _lock(descriptor: int, kind: int, byte: int) -> None:  # noqa: ARG001 (as above)
        """Refuse, as a file system without locks does."""
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class ByteLocks:
    """The claims of one journal.

    Args:
        path: The file whose bytes stand for runs; made at the first claim, and left.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._held: set[int] = set()
        self._guard = threading.Lock()
        OWNERS.add(self)

    def hold(self, run_id: str) -> ByteHold:
        """Claim a run.

        Raises:
            RunInProgress: If it is held.
            JournalWriteError: If the file cannot be opened, or its file system has no locks.
        """
        # Two runs share a byte once in 2**62 pairs; the second would then wait for the first.
        byte = int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=8).digest()) >> 2
        with self._guard:
            if byte in self._held:
                raise in_progress(run_id)
            try:
                if self._descriptor is None:
                    self._descriptor = os.open(self._path, _FLAGS, 0o644)
                _lock(self._descriptor, _EXCLUSIVE, byte)
            except BlockingIOError as error:
                raise in_progress(run_id) from error
            except OSError as error:
                raise not_lockable(run_id, self._path, error) from error
            self._held.add(byte)
        return ByteHold(self, byte)

    def release(self, byte: int) -> None:
        """Give a claim up; doing so twice is harmless."""
        with self._guard:
            if byte in self._held and self._descriptor is not None:
                self._held.discard(byte)
                _lock(self._descriptor, _FREE, byte)

    def close(self) -> None:
        """Give all claims up, and the file."""
        with self._guard:
            descriptor, self._descriptor = self._descriptor, None
            self._held.clear()
        if descriptor is not None:
            os.close(descriptor)

    def disown(self) -> None:
        """In the child of a fork: the claims are the parent's, and end with it."""
        self._guard = threading.Lock()  # its holder may be a thread that the child does not have
        self.close()


class ByteHold(Claim):
    """A claim to one run, among all threads, processes and `Journal` objects."""

    __slots__ = ("_byte", "_locks")

    def __init__(self, locks: ByteLocks, byte: int) -> None:
        self._locks = locks
        self._byte = byte

    def release(self) -> None:
        """Give the run up; doing so twice is harmless."""
        locks, byte = self._locks, self._byte
        self._byte = -1
        locks.release(byte)
