"""Who runs a run, where the system has no locks of single bytes (`ranges`): one locked file for each.

The operating system holds the lock and drops it when the process dies, so no clock is asked and
no lease runs out. Invariant: two holds of one run never live at once, in one process or in many.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from weakref import WeakSet

from ziggurat.errors import JournalWriteError, RunInProgress

_PLAIN = re.compile(r"[a-z0-9_-]{1,80}")  # the same file for no two ids, also where case is not told apart
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Claim(ABC):
    """A claim to one run, that ends with `release`, with its block, or with the process."""

    __slots__ = ()

    @abstractmethod
    def release(self) -> None:
        """Give the run up; doing so twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


class Owner(Protocol):
    """What has claims that a forked child must not keep alive."""

    def disown(self) -> None:
        """In the child: let go of what is the parent's, without giving it up for the parent."""


class FileHold(Claim):
    """A hold by a locked file.

    Args:
        folder: Where the files are; made when missing.
        run_id: The run.

    Raises:
        RunInProgress: If it is held.
        JournalWriteError: If no file can be made there, or the file system has no locks.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        name = run_id if _PLAIN.fullmatch(run_id) else hashlib.blake2b(run_id.encode(), digest_size=16).hexdigest()
        self._path = folder / f"{name}.lock"
        try:
            found = self._claimed()
            if found is None:
                folder.mkdir(parents=True, exist_ok=True)
                found = self._claimed()
        except BlockingIOError as error:
            raise in_progress(run_id) from error
        except OSError as error:
            raise not_lockable(run_id, self._path, error) from error
        self._descriptor = found
        OWNERS.add(self)

    def _claimed(self) -> int | None:
        """The locked file; None when there is no folder for it."""
        while True:
            try:
                descriptor = os.open(self._path, _FLAGS, 0o644)
            except FileNotFoundError:
                return None
            try:
                _lock(descriptor)
                # Its last holder may have removed the file after we opened it: then our lock is on a
                # file without a name, and the next comer would lock another.
                if os.fstat(descriptor).st_nlink:
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def release(self) -> None:
        """Give the run up and remove the file; doing so twice is harmless."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # a system that cannot remove an open file leaves it; an unlocked file is no claim
                self._path.unlink()
            os.close(descriptor)

    def disown(self) -> None:
        """Close the child's copy of the file after a fork: the claim is the parent's, and ends with it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


OWNERS: WeakSet[Owner] = WeakSet()
"""Everybody with claims in this process."""


def _after_fork() -> None:
    for owner in list(OWNERS):
        owner.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


if sys.platform == "win32":

    def _lock(descriptor: int) -> None:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
else:

    def _lock(descriptor: int) -> None:
        import fcntl

        # Of the open file, not of the process: a second hold in this process is refused as well.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def not_lockable(run_id: str, path: Path, error: OSError) -> JournalWriteError:
    """The error for a run that cannot be claimed at all."""
    return JournalWriteError(
        f"The run {run_id!r} cannot be locked: {error.strerror or error}.",
        where=str(path),
        fix="see that the folder can be written to, and that its file system has locks",
    )


def in_progress(run_id: str) -> RunInProgress:
    """The error for a run that is held."""
    return RunInProgress(
        f"The run {run_id!r} is in progress: another process, or another part of this one, has it.",
        fix="wait for it to end; should its process die, the run is free at once",
    )
