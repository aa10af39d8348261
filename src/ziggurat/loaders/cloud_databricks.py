"""Files of a Databricks workspace: those of Unity Catalog's volumes, and workspace files and notebooks.

Listed and read by databricks-sdk from any machine; on a cluster, where ``/Volumes`` is a real folder, it is read
as one. How the workspace is reached is `ziggurat.workspace`'s. Knows no file format.
Invariant: a folder that may not be listed is an item that says so, and nothing below it counts as gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from typing import Any, NamedTuple, Protocol

from ziggurat import workspace
from ziggurat.errors import InputError, UnreadableDocument, ZigguratError
from ziggurat.loaders import remote
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.folder import open_path
from ziggurat.loaders.parsers import MAX_BYTES
from ziggurat.loaders.source import Item, Source
from ziggurat.optional import require

_FOR, _EXTRA = "reading files of a Databricks workspace", "databricks"
_PIECE = 1 << 20
_NAMES_OF_A_VOLUME = 4
_SAID = (
    ("Unauthenticated", "The token is not accepted.", "set DATABRICKS_HOST and DATABRICKS_TOKEN, or name a profile"),
    ("PermissionDenied", "Access is denied.", "READ VOLUME on the volume, with USE on its catalog and schema"),
    ("NotFound", "There is no such catalog, schema, volume or path.", None),
)


def open_volume(
    address: str | os.PathLike[str],
    *,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
    host: str | None = None,
    token: str | None = None,
    profile: str | None = None,
    client: Any | None = None,
) -> Source:
    """The files of a volume, or of a folder in it.

    Args:
        address: ``dbfs:/Volumes/catalog/schema/volume``, or a folder, a file or a glob
            (``…/reports/*.pdf``) in it; or the same without ``dbfs:``.
        include: Patterns (``*.pdf``) of which one must fit a file's path below the address.
        exclude: Patterns of which none may.
        max_bytes: The largest file that is read.
        host: Of the workspace; by default as `ziggurat.workspace.access` finds it.
        token: Of the workspace; the same.
        profile: Of ``~/.databrickscfg``.
        client: A ``WorkspaceClient``, instead of these three.

    Raises:
        InputError: If the address is no path in a volume.
        WorkspaceDenied: If there are no credentials.
        WorkspaceUnavailable: If the workspace cannot be reached.
        MissingDependency: If ``databricks-sdk`` is not installed.
    """
    path, glob = _path(os.fspath(address), "dbfs")
    if not path.startswith("/Volumes/") or path.count("/") < _NAMES_OF_A_VOLUME:
        raise InputError(
            "This is no path in a volume.",
            where=os.fspath(address),
            fix="dbfs:/Volumes/CATALOG/SCHEMA/VOLUME/FOLDER; the root of DBFS is not read, copy it to a volume",
        )
    wanted = _Wanted(glob, remote.texts(include), remote.texts(exclude))
    if client is None and host is None and (mounted := Path(_mounted(path))).exists():
        folder = open_path(mounted, include=(*wanted.include, *([glob] if glob else ())), exclude=wanted.exclude)
        return folder.known_as(f"dbfs:{path}")
    return Files(f"dbfs:{path}", _Volumes(_client(client, host, token, profile)), wanted, max_bytes)


def open_workspace(
    address: str,
    *,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    max_bytes: int = MAX_BYTES,
    host: str | None = None,
    token: str | None = None,
    profile: str | None = None,
    client: Any | None = None,
) -> Files:
    """The files and notebooks of a workspace's folder; a notebook is read as the source of its language.

    Args:
        address: ``workspace:/Users/someone@example.com/docs``: a folder, a file, a notebook or a glob.
        include: As in `open_volume`.
        exclude: As in `open_volume`.
        max_bytes: As in `open_volume`.
        host: As in `open_volume`.
        token: As in `open_volume`.
        profile: As in `open_volume`.
        client: As in `open_volume`.

    Raises:
        InputError: If the address is no path.
        WorkspaceDenied: If there are no credentials.
        WorkspaceUnavailable: If the workspace cannot be reached.
        MissingDependency: If ``databricks-sdk`` is not installed.
    """
    path, glob = _path(address, "workspace")
    wanted = _Wanted(glob, remote.texts(include), remote.texts(exclude))
    return Files(f"workspace:{path}", _Objects(_client(client, host, token, profile)), wanted, max_bytes)


def is_volume(path: str | os.PathLike[str], options: Mapping[str, Any]) -> bool:
    """Whether a path is one of a volume that is not mounted here, and a workspace is there to be asked.

    Args:
        path: As it was given.
        options: For the source.
    """
    text = os.fspath(path)
    if not text.startswith("/Volumes/") or text.rstrip("/").count("/") < _NAMES_OF_A_VOLUME or Path(text).exists():
        return False
    given = any(options.get(name) is not None for name in ("host", "token", "profile", "client"))
    named = ("DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_CONFIG_FILE")
    return given or any(os.environ.get(name) for name in named) or Path("~/.databrickscfg").expanduser().exists()


def _mounted(path: str) -> str:
    """Where a cluster has the files of a volume."""
    return path


class _Wanted(NamedTuple):
    """Which files are meant."""

    glob: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def takes(self, below: str) -> bool:
        """Whether a file is, by its path below the address."""
        return remote.chosen(below, (self.glob,) if self.glob else (), ()) and remote.chosen(
            below, self.include, self.exclude
        )


class _Entry(NamedTuple):
    """A file or a folder.

    Attributes:
        path: In the workspace.
        is_folder: Whether it has others in it.
        stamp: Changes with the content.
        size: In bytes, where the listing tells.
        suffix: Added to its name where that does not tell its type.
    """

    path: str
    is_folder: bool
    stamp: str
    size: int | None
    suffix: str = ""


class _Place(Protocol):
    """A part of the workspace that has files."""

    def listed(self, folder: str) -> Iterator[_Entry]:
        """What is in a folder."""

    def looked_at(self, path: str) -> _Entry:
        """A file."""

    def opened(self, entry: _Entry) -> Any:
        """A file's bytes, to be read and closed."""


@dataclass(frozen=True)
class Files:
    """Files of a workspace below a path.

    Args:
        name: Its address.
        place: Where they are listed and read.
        wanted: Which of them are meant.
        max_bytes: The largest file that is read.
    """

    name: str
    place: _Place = field(repr=False)
    wanted: _Wanted = field(default=_Wanted("", (), ()))
    max_bytes: int = MAX_BYTES

    def items(self) -> Iterator[Item]:
        """Its files, by path, with size and time of change as stamps; a folder at a time.

        Raises:
            InputError: If there is nothing at this path, or it may not be listed.
        """
        scheme, _, root = self.name.partition(":")
        with _said(self.name, InputError):
            if (first := self._sorted(root)) is None:
                yield self._item(scheme, self.place.looked_at(root))
                return
        waiting: list[tuple[str, list[_Entry] | None]] = [(root, first)]
        while waiting:
            folder, entries = waiting.pop()
            if entries is None:
                try:
                    with _said(f"{scheme}:{folder}", UnreadableDocument):
                        entries = self._sorted(folder) or []
                except UnreadableDocument as error:
                    yield Item(f"{scheme}:{folder}", _failing(error), hides=f"{scheme}:{folder}/")
                    continue
            waiting.extend((one.path, None) for one in reversed(entries) if one.is_folder)
            for one in entries:
                if not one.is_folder and self.wanted.takes((one.path + one.suffix)[len(root) :].lstrip("/")):
                    yield self._item(scheme, one)

    def _sorted(self, folder: str) -> list[_Entry] | None:
        """A folder's contents; None if it is a file."""
        errors = require("databricks.sdk.errors", for_=_FOR, extra=_EXTRA)
        try:
            found = sorted(self.place.listed(folder))
        except (errors.NotFound, errors.BadRequest):
            self.place.looked_at(folder)  # raises where nothing is there at all
            return None
        return None if [one.path for one in found] == [folder] else found

    def _item(self, scheme: str, entry: _Entry) -> Item:
        key = f"{scheme}:{entry.path}{entry.suffix}"
        return Item(key, lambda: self._read(entry, key), entry.stamp, entry.size)

    def _read(self, entry: _Entry, key: str) -> Iterator[SourceDocument]:
        if entry.size is not None and entry.size > self.max_bytes:
            yield from remote.documents((), key, size=entry.size, max_bytes=self.max_bytes)
        with _said(key, UnreadableDocument):
            body = self.place.opened(entry)
        with closing(body):
            yield from remote.documents(_pieces(body, key), key, size=entry.size, max_bytes=self.max_bytes)


@dataclass(frozen=True)
class _Volumes:
    client: Any

    def listed(self, folder: str) -> Iterator[_Entry]:
        for one in self.client.files.list_directory_contents(folder):
            yield _Entry(
                str(one.path).rstrip("/"), bool(one.is_directory), f"{one.file_size}:{one.last_modified}", one.file_size
            )

    def looked_at(self, path: str) -> _Entry:
        # The listing tells the time to the millisecond, a look at the file to the second: so the folder is asked.
        told = self.client.files.get_metadata(path)
        for one in self.listed(path.rpartition("/")[0]):
            if one.path == path:
                return one
        return _Entry(
            path, is_folder=False, stamp=f"{told.content_length}:{told.last_modified}", size=told.content_length
        )

    def opened(self, entry: _Entry) -> Any:
        return self.client.files.download(entry.path).contents


@dataclass(frozen=True)
class _Objects:
    client: Any

    def listed(self, folder: str) -> Iterator[_Entry]:
        for one in self.client.workspace.list(folder):
            if (entry := _object(one)) is not None:
                yield entry

    def looked_at(self, path: str) -> _Entry:
        found = _object(self.client.workspace.get_status(path))
        if found is None:
            raise InputError("This is neither a file, a notebook nor a folder.", where=f"workspace:{path}")
        return found

    def opened(self, entry: _Entry) -> Any:
        from databricks.sdk.service.workspace import ExportFormat

        form = ExportFormat.SOURCE if entry.suffix else ExportFormat.AUTO
        return self.client.workspace.download(entry.path, format=form)


_SUFFIXES = {"PYTHON": ".py", "SQL": ".sql", "SCALA": ".scala", "R": ".r"}


def _object(told: Any) -> _Entry | None:
    """An object of the workspace; None for one that is no text: a dashboard, a library."""
    kind = told.object_type.value if told.object_type else ""
    if kind in {"DIRECTORY", "REPO"}:
        return _Entry(str(told.path), is_folder=True, stamp="", size=None)
    if kind == "FILE":
        return _Entry(str(told.path), is_folder=False, stamp=f"{told.size}:{told.modified_at}", size=told.size)
    if kind != "NOTEBOOK":
        return None
    suffix = _SUFFIXES.get(told.language.value if told.language else "", ".py")
    return _Entry(str(told.path), is_folder=False, stamp=f"{told.modified_at}", size=None, suffix=suffix)


def _path(address: str, scheme: str) -> tuple[str, str]:
    """The path that an address names, and the glob in its end."""
    text = address.removeprefix(f"{scheme}:")
    text = "/" + text.lstrip("/") if text.startswith("/") else ""
    parts = text.split("/")
    plain = next((at for at, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    if not text.strip("/") or ".." in parts or "\0" in text:
        raise InputError("This address names no path of the workspace.", where=address, fix=f"{scheme}:/…")
    return normpath("/".join(parts[:plain]) or "/"), "/".join(parts[plain:])


def _client(client: Any | None, host: str | None, token: str | None, profile: str | None) -> Any:
    require("databricks.sdk", for_=_FOR, extra=_EXTRA)
    return client if client is not None else workspace.client(host, token, profile=profile)


def _pieces(body: Any, key: str) -> Iterator[bytes]:
    with _said(key, UnreadableDocument):
        while piece := body.read(_PIECE):
            yield piece


def _failing(error: UnreadableDocument) -> Callable[[], Iterator[SourceDocument]]:
    def read() -> Iterator[SourceDocument]:
        raise error
        yield  # pragma: no cover (makes this a generator)

    return read


@contextmanager
def _said(where: str, kind: type[InputError | UnreadableDocument]) -> Iterator[None]:
    """What the SDK raises within the block, as one line of ours."""
    errors = require("databricks.sdk.errors", for_=_FOR, extra=_EXTRA)
    try:
        yield
    except ZigguratError:
        raise
    except errors.DatabricksError as error:
        for name, what, fix in _SAID:
            if isinstance(error, getattr(errors, name)):
                raise kind(what, where=where, fix=fix) from error
        told = workspace.without_secrets(str(error))
        raise kind(f"The workspace refuses the request: {told}", where=where) from error
    except (OSError, ValueError) as error:  # requests' errors and the SDK's time-outs are OSErrors
        raise kind(
            f"The workspace cannot be reached: {type(error).__name__}.", where=where, fix="is the host right?"
        ) from error
