"""Files and folders as sources.

A folder is walked in sorted order, without following links to folders, so the walk ends; hidden files
and folders of caches and installed packages are left out. A file's stamp is its size and its time of
change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.parsers import PARSERS, Parser, parse
from ziggurat.loaders.source import Item

_IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})


def open_path(path: str | os.PathLike[str], *, parsers: Mapping[str, Parser] = PARSERS) -> Folder:
    """The source of a file or a folder.

    Raises:
        InputError: If there is nothing at that path.
    """
    found = Path(path)
    if not found.exists():
        raise InputError("There is no such file or folder.", where=str(found))
    return Folder(found, parsers)


@dataclass(frozen=True)
class Folder:
    """The files of a folder and its folders, or one file.

    Args:
        path: The folder or file.
        parsers: Which suffix is read by what.
    """

    path: Path
    parsers: Mapping[str, Parser] = field(repr=False)

    @property
    def name(self) -> str:
        """Its absolute path."""
        return str(self.path.absolute())

    def items(self) -> Iterator[Item]:
        """Its files, sorted by path.

        Raises:
            InputError: If there is nothing at that path any more.
        """
        for file in walk(self.path):
            yield self._item(file)

    def _item(self, file: Path) -> Item:
        try:
            about = file.stat()
            stamp, size = f"{about.st_size}:{about.st_mtime_ns}", about.st_size
        except OSError:
            stamp, size = None, None  # reading it will say what is wrong
        return Item(str(file), lambda: read_file(file, parsers=self.parsers), stamp, size)


def read_file(path: Path, *, parsers: Mapping[str, Parser] = PARSERS) -> Iterator[SourceDocument]:
    """The documents in one file.

    Raises:
        UnsupportedDocument: If no parser reads its type.
        UnreadableDocument: If it is gone, empty, damaged, or not what its name says.
    """
    from langchain_core.documents.base import Blob

    if not path.is_file():
        gone = "The file is gone." if not path.exists() else "This is neither a file nor a folder."
        raise UnreadableDocument(gone, where=str(path))
    yield from parse(Blob.from_path(path), parsers=parsers)


def walk(source: str | os.PathLike[str]) -> Iterator[Path]:
    """The files of a folder and its folders, sorted by path, or the one file given.

    Raises:
        InputError: If there is nothing at that path.
    """
    path = Path(source)
    if not path.is_dir():
        if not path.exists():
            raise InputError("There is no such file or folder.", where=str(path))
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _IGNORED_FOLDERS)
        yield from (Path(folder) / name for name in sorted(files) if not name.startswith("."))
