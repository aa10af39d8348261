"""Files and folders as sources.

A folder is walked in sorted order. Left out are hidden files, folders of caches and installed packages,
and what ignore files name, each speaking for its own folder as git's do; globs choose among the rest.
Links to files are read under the link's name; links to folders are not followed, so the walk ends. A
folder that may not be listed is an item whose reading says so. A file's stamp is its size and its time
of change, as the listing gives them: no file is opened before it is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.ignore import Ignored, Rules
from ziggurat.loaders.parsers import MAX_BYTES, PARSERS, Parser, parse
from ziggurat.loaders.source import Item

IGNORE_FILES = (".gitignore", ".zigguratignore")
_IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})


def open_path(
    path: str | os.PathLike[str],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    ignore_files: Sequence[str] = IGNORE_FILES,
    parsers: Mapping[str, Parser] = PARSERS,
    hidden: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Folder:
    """The source of a file or a folder.

    Args:
        path: The file or folder.
        include: Globs, as git's ignore files have them (``*.pdf``, ``reports/**``), of the files wanted;
            none wants all.
        exclude: Globs of files and folders to leave out.
        ignore_files: Names of files that list what to leave out of their folder; a later one overrules
            an earlier one. None are read for a single file.
        parsers: Which suffix is read by what.
        hidden: Whether files and folders whose names begin with a dot are taken too.
        max_bytes: The largest file that is read.

    Raises:
        InputError: If there is nothing at that path, or a glob is none.
    """
    found = Path(path)
    if not os.path.exists(found):  # noqa: PTH110 (unlike Path's, it also answers where nothing may be looked at)
        raise InputError("There is no such file or folder.", where=str(found))
    return Folder(found, parsers, Rules(include, exclude, tuple(ignore_files)), hidden=hidden, max_bytes=max_bytes)


@dataclass(frozen=True)
class Folder:
    """The files of a folder and its folders, or one file; `open_path` makes it.

    Args:
        path: The folder or file.
        parsers: Which suffix is read by what.
        rules: Which files are wanted.
        hidden: Whether hidden ones are.
        max_bytes: The largest file that is read.
        shown: What its files' names begin with in place of the path; None for the path as it was given.
    """

    path: Path
    parsers: Mapping[str, Parser] = field(default_factory=lambda: PARSERS, repr=False)
    rules: Rules = field(default_factory=Rules, repr=False)
    hidden: bool = False
    max_bytes: int = MAX_BYTES
    shown: str | None = None

    @property
    def name(self) -> str:
        """Its absolute path."""
        return os.path.normpath(self.path.absolute())

    @property
    def given(self) -> str:
        """Its path as it was given, which its files' names begin with."""
        return str(self.path) if self.shown is None else self.shown

    def known_as(self, given: str) -> Folder:
        """The same, its files named as they are under another way to name the folder."""
        return replace(self, shown=given)

    def items(self) -> Iterator[Item]:
        """Its files, sorted by path; a folder that cannot be listed is an item too.

        Raises:
            InputError: If there is nothing at that path any more.
        """
        if not self.path.is_dir():
            if not self.path.exists():
                raise InputError("There is no such file or folder.", where=str(self.path))
            yield self._item(str(self.path), self.path.stat)
            return
        for found in _walk(str(self.path), self.rules.of_root(), hidden=self.hidden):
            if isinstance(found, OSError):
                key = self._key(str(found.filename))
                yield Item(key, _failing(found), hides=key + os.sep)
            else:
                yield self._item(found.path, found.stat)

    def named(self, keys: Iterable[str]) -> Iterator[Item]:
        """The items of these names, which the folder listed before, without listing it again."""
        for key in keys:
            path = str(self.path) + key[len(self.given) :]
            yield self._item(path, Path(path).stat)

    def _item(self, path: str, about: Callable[[], os.stat_result]) -> Item:
        key = self._key(path)

        def read() -> Iterator[SourceDocument]:
            return read_file(Path(path), parsers=self.parsers, max_bytes=self.max_bytes, shown=key)

        try:
            told = about()
        except OSError:
            return Item(key, read)  # reading it will say what is wrong
        return Item(key, read, f"{told.st_size}:{told.st_mtime_ns}", told.st_size)

    def _key(self, path: str) -> str:
        """What a file is called."""
        return path if self.shown is None else self.shown + path[len(str(self.path)) :]


def read_file(
    path: Path, *, parsers: Mapping[str, Parser] = PARSERS, max_bytes: int = MAX_BYTES, shown: str | None = None
) -> Iterator[SourceDocument]:
    """The documents in one file.

    Args:
        path: The file.
        parsers: Which suffix is read by what.
        max_bytes: The largest file that is read.
        shown: What the file is called in documents and messages; its path unless given.

    Raises:
        UnsupportedDocument: If no parser reads its type.
        UnreadableDocument: If it is gone, empty, damaged, too large, or not what its name says.
    """
    from langchain_core.documents.base import Blob

    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UnreadableDocument(_gone(path, error), where=str(path)) from error
    if not stat.S_ISREG(mode):
        what = "This is a folder, not a file." if stat.S_ISDIR(mode) else "This is neither a file nor a folder."
        raise UnreadableDocument(what, where=str(path))
    about = {} if shown is None else {"source": shown}
    yield from parse(Blob.from_path(path, guess_type=False, metadata=about), parsers=parsers, max_bytes=max_bytes)


def walk(source: str | os.PathLike[str]) -> Iterator[Path]:
    """The files of a folder and its folders, sorted by path, or the one file given.

    Raises:
        InputError: If there is nothing at that path.
    """
    for item in open_path(source).items():
        yield Path(item.key)


def _walk(root: str, rules: Ignored, *, hidden: bool) -> Iterator[os.DirEntry[str] | OSError]:
    """The files wanted, a folder's own before those of its folders; an error for a folder that cannot be listed."""
    # Folders still to be looked into, the next one last: path, path from the root, rules that hold there.
    waiting = [(root, "", rules)]
    while waiting:
        folder, inside, rules = waiting.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=_by_name)
        except OSError as error:
            error.filename = folder
            yield error
            continue
        rules = rules.within(folder, inside, {entry.name for entry in entries})
        folders = []
        for entry in entries:
            if entry.name.startswith(".") and not hidden:
                continue
            path = f"{inside}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _IGNORED_FOLDERS and not rules.leaves_out(f"{path}/"):
                    folders.append((entry.path, f"{path}/", rules))
            elif not _is_folder(entry) and rules.wants(path):
                yield entry
        waiting.extend(reversed(folders))


def _gone(path: Path, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"The file cannot be read: {error.strerror}."
    return "The link leads nowhere." if path.is_symlink() else "The file is gone."


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a folder; one that leads in a circle leads nowhere, and reading it will say so."""
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:
        return False


def _by_name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _failing(error: OSError) -> Callable[[], Iterator[SourceDocument]]:
    def read() -> Iterator[SourceDocument]:
        raise UnreadableDocument(
            f"The folder cannot be listed: {error.strerror}.", where=str(error.filename)
        ) from error
        yield  # pragma: no cover (makes this a generator)

    return read
