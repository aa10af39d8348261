"""One folder and what is under it, and no way out: not by ``..``, not by a link, not by a race.

Every path is walked from the root one part at a time, and a part that is a link is not followed, so a link
that is put there meanwhile leads nowhere either. Knows nothing of tools.
Invariant: no file descriptor of anything outside of the root is ever held.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from ziggurat.errors import InputError

_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Root:
    """A folder that cannot be left.

    Args:
        folder: It; must exist.

    Raises:
        InputError: If it is no folder, or this system cannot walk one safely.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not self.folder.is_dir():
            raise InputError("This is no folder.", where=str(folder))
        if os.open not in os.supports_dir_fd or not getattr(os, "O_NOFOLLOW", 0):
            raise InputError("This system cannot keep a tool within a folder.", fix="leave the file tools out")

    def parts(self, path: str) -> tuple[str, ...]:
        """The steps from the root to a path.

        Raises:
            InputError: If it leads out of the root.
        """
        pure = PurePosixPath(path.strip() or ".")
        if pure.is_absolute() or ".." in pure.parts or "\0" in path:
            raise InputError(f"{path[:100]!r} is outside of the folder.", fix="a path inside, such as notes/today.md")
        return pure.parts

    @contextmanager
    def directory(self, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder under the root, while the block lasts."""
        descriptor = os.open(self.folder, _DIRECTORY)
        try:
            for part in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=descriptor)
                deeper = os.open(part, _DIRECTORY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = deeper
            yield descriptor
        except OSError as error:
            raise _said("/".join(parts), error) from error
        finally:
            os.close(descriptor)

    def read(self, path: str, most: int) -> tuple[bytes, int]:
        """At most so many bytes of a file, and how many it has.

        Raises:
            InputError: If it is no file in here.
        """
        *above, name = self._file(path)
        with self.directory(tuple(above)) as folder:
            descriptor = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise InputError(f"{path[:100]!r} is not a file.")
                return file.read(most), found.st_size

    def write(self, path: str, data: bytes) -> bool:
        """Write a file whole, or not at all; returns whether there was one before.

        Raises:
            InputError: If it cannot be in here.
        """
        *above, name = self._file(path)
        with self.directory(tuple(above), make=True) as folder:
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                found = None
            if found is not None and not stat.S_ISREG(found.st_mode):
                raise InputError(f"{path[:100]!r} is not a file.", fix="another name")
            beside = f".{name[:80]}.{os.urandom(6).hex()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(beside, flags, 0o644, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(beside, dir_fd=folder)
                raise
            return found is not None

    def entries(self, path: str) -> list[tuple[str, int | None]]:
        """What lies in a folder, sorted: names, with bytes for files and None for folders; links are left out."""
        with self.directory(self.parts(path)) as folder, os.scandir(folder) as listing:
            return sorted(
                (one.name, None if one.is_dir(follow_symlinks=False) else one.stat(follow_symlinks=False).st_size)
                for one in listing
                if one.is_dir(follow_symlinks=False) or one.is_file(follow_symlinks=False)
            )

    def walk(self, path: str, most: int) -> Iterator[str]:
        """The files under a folder, level by level, at most so many; hidden folders are left out."""
        waiting, told = [path], 0
        while waiting:
            here = waiting.pop(0)
            for name, size in self.entries(here):
                inner = name if here in ("", ".") else f"{here}/{name}"
                if size is None:
                    waiting += [] if name.startswith(".") else [inner]
                    continue
                told += 1
                if told > most:
                    return
                yield inner

    def _file(self, path: str) -> tuple[str, ...]:
        parts = self.parts(path)
        if not parts:
            raise InputError("The path names no file.", fix="such as notes/today.md")
        return parts


def _said(path: str, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError("There is no such file or folder.", where=path or None)
    what = (error.strerror or type(error).__name__).lower()
    if "symbolic link" in what or isinstance(error, NotADirectoryError):
        return InputError("Links are not followed, and a file is no folder.", where=path or None)
    return InputError(f"The path cannot be used: {what}.", where=path or None)
