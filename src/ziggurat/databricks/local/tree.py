"""A folder that paths cannot leave: where workspace files, volumes and DBFS keep their bytes.

Knows no protocol. Invariant: whatever path comes in, the file that is touched lies below the root, links
followed; a write is whole or did not happen.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath

from ziggurat.databricks.local.call import Refusal, invalid, missing

_LONGEST = 4096


class Tree:
    """A folder.

    Args:
        root: Made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()

    def place(self, path: str) -> Path:
        """Where a path lies on this machine.

        Raises:
            Refusal: 400 for a path that is not absolute, or that would leave the folder.
        """
        clean = cleaned(path)
        place = self.root.joinpath(*PurePosixPath(clean).parts[1:])
        if not place.resolve().is_relative_to(self.root):
            raise invalid(f"The path {path} leaves its folder.")
        return place

    def shown(self, place: Path) -> str:
        """The path of a place, as clients know it."""
        return "/" + place.relative_to(self.root).as_posix().removeprefix(".")

    def file(self, path: str) -> Path:
        """A file that is there.

        Raises:
            Refusal: 404 if it is not; 400 if it is a folder.
        """
        place = self.place(path)
        if place.is_dir():
            raise invalid(f"The path {path} is a directory.")
        if not place.exists():
            raise missing(f"No file or directory exists on path {path}.")
        return place

    def folder(self, path: str) -> Path:
        """A folder that is there.

        Raises:
            Refusal: 404 if it is not; 400 if it is a file.
        """
        place = self.place(path)
        if place.is_file():
            raise invalid(f"The path {path} is not a directory.")
        if not place.exists():
            raise missing(f"No file or directory exists on path {path}.")
        return place

    def write(self, path: str, content: bytes) -> Path:
        """Put a file there whole, its folders with it."""
        place = self.place(path)
        if place.is_dir():
            raise invalid(f"The path {path} is a directory.")
        self.make(self.shown(place.parent))
        with tempfile.NamedTemporaryFile(dir=self.root.parent, prefix=".writing-", delete=False) as half:
            half.write(content)
        Path(half.name).replace(place)
        return place

    def make(self, path: str) -> Path:
        """Make a folder and those above it.

        Raises:
            Refusal: 400 ``RESOURCE_ALREADY_EXISTS`` if a file is in the way.
        """
        place = self.place(path)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"A file is in the way of the directory {path}.") from error
        return place

    def remove(self, path: str, *, recursive: bool) -> None:
        """Remove a file or a folder.

        Raises:
            Refusal: 400 ``DIRECTORY_NOT_EMPTY`` for one with contents, unless recursive.
        """
        place = self.place(path)
        if place.is_dir():
            if not recursive and any(place.iterdir()):
                raise Refusal(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty")
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def cleaned(path: str) -> str:
    """A path with single slashes and no end slash.

    Raises:
        Refusal: 400 if it is not absolute, or has a part that is no name.
    """
    if not path.startswith("/"):
        raise invalid(f"Path ({path}) doesn't start with '/'")
    if "\x00" in path or len(path) > _LONGEST or ".." in path.split("/"):
        raise invalid(f"The path {path[:100]!r} is not a path of the workspace.")
    return str(PurePosixPath("/" + path.strip("/")))
