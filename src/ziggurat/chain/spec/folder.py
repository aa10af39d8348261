"""The folder a chain file lives in: the only place where files it names are looked for.

Every name is relative to the file that says it, and leads nowhere outside the folder of the first
file that was read, links followed. Reads texts; opens nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ziggurat.chain.spec.text import MAX_CHARACTERS
from ziggurat.errors import InputError

_NOWHERE = "give the folder it is relative to, or read the chain from a file"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where names in a chain file lead.

    Attributes:
        root: Nothing outside of it is read; None where there is no folder at all.
        here: The folder names are relative to.
    """

    root: Path | None = None
    here: Path | None = None

    @classmethod
    def at(cls, path: Path | None) -> Folder:
        """A folder that is its own root."""
        found = None if path is None else path.resolve()
        return cls(found, found)

    def find(self, name: str) -> Path:
        """The path of something in the folder.

        Raises:
            InputError: If it is outside of the folder, or is not there.
        """
        if self.root is None or self.here is None:
            raise InputError(f"{name!r} is a file's name, and this text is in no folder", fix=_NOWHERE)
        try:
            found = (self.here / name).resolve()
            inside = found.is_relative_to(self.root) and not Path(name).is_absolute()
            exists = inside and found.exists()
        except (ValueError, OSError) as error:
            raise InputError(f"{name!r} is no file's name") from error
        if not inside:
            raise InputError(f"{name!r} leads out of the folder of the chain", fix="put it beside the chain file")
        if not exists:
            raise InputError(f"there is no {name!r} in the folder of the chain")
        return found

    def read(self, name: str) -> str:
        """The text of a file in the folder, UTF-8.

        Raises:
            InputError: If it cannot be read, or is too long.
        """
        return read_text(self.find(name), name)

    def beside(self, file: Path) -> Folder:
        """The same root, for names that another file in it says."""
        return Folder(self.root, file.parent)

    def name_of(self, path: Path) -> str:
        """What a chain file in this folder calls a path: relative, with forward slashes.

        Raises:
            InputError: If it is outside.
        """
        if self.root is None or self.here is None:
            raise InputError(f"{path.name!r} is a file, and this chain is written for no folder", fix=_NOWHERE)
        found = path.resolve()
        if not found.is_relative_to(self.root):
            raise InputError(
                f"{path.name!r} is outside of the folder of the chain", fix="keep it beside the chain file"
            )
        return Path(os.path.relpath(found, self.here)).as_posix()


def read_text(path: Path, name: str) -> str:
    """The text of a file, UTF-8, a byte order mark left out.

    Raises:
        InputError: If it is no file, is too long, or is not UTF-8.
    """
    try:
        if not path.is_file():
            raise InputError(f"{name!r} is not a file")
        if path.stat().st_size > 4 * MAX_CHARACTERS:
            raise InputError(f"{name!r} is too long: {path.stat().st_size:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name!r} is not UTF-8: byte {error.start}") from error
    except OSError as error:
        raise InputError(f"{name!r} cannot be read: {error.strerror or error}") from error
