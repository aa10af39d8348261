"""A folder of small files somewhere: in a volume of a workspace, or mounted on this machine.

What `index_home` needs of it and no more: list, read, write whole, remove. Knows nothing of what the files are.
Invariant: a file that is listed under its name is whole, or has another size than it should.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from ziggurat import workspace
from ziggurat.errors import InputError, WorkspaceDenied, WorkspaceUnavailable, ZigguratError
from ziggurat.optional import require

_NAMES_OF_A_VOLUME = 4


class Held(NamedTuple):
    """A file as it is listed.

    Attributes:
        size: In bytes.
        changed: When, in seconds since 1970.
    """

    size: int
    changed: float


class Shelf(Protocol):
    """A folder with folders of files."""

    @property
    def where(self) -> str:
        """Its address."""

    def listed(self, folder: str) -> dict[str, Held]:
        """The files of one of its folders by name; none where it is not there."""

    def read(self, name: str) -> bytes | None:
        """A file; None where it is not there."""

    def write(self, name: str, content: bytes) -> None:
        """Put a file there whole, replacing one of its name."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no fault."""


def shelf_at(
    address: str | os.PathLike[str],
    *,
    host: str | None = None,
    token: str | None = None,
    profile: str | None = None,
    client: Any | None = None,
) -> Shelf:
    """The folder at an address.

    Args:
        address: ``/Volumes/catalog/schema/volume/folder``, also with ``dbfs:`` before it; where the volume is
            mounted, as on a cluster, it is used as a folder. Any other path is a folder of this machine.
        host: Of the workspace; by default as `ziggurat.workspace.access` finds it.
        token: Of the workspace; the same.
        profile: Of ``~/.databrickscfg``.
        client: A ``WorkspaceClient``, instead of these three.

    Raises:
        InputError: If the address is a volume's and names no folder in it.
        WorkspaceDenied: If there are no credentials.
        WorkspaceUnavailable: If the workspace cannot be reached.
        MissingDependency: If ``databricks-sdk`` is needed and not installed.
    """
    text = os.fspath(address).removeprefix("dbfs:").rstrip("/")
    if not text.startswith("/Volumes/"):
        return MountedShelf(Path(text))
    if text.count("/") <= _NAMES_OF_A_VOLUME or ".." in text.split("/"):
        fix = "/Volumes/CATALOG/SCHEMA/VOLUME/FOLDER"
        raise InputError("An index's home is a folder in a volume.", where=os.fspath(address), fix=fix)
    volume = Path(*Path(text).parts[: _NAMES_OF_A_VOLUME + 1])
    if client is None and host is None and volume.is_dir():
        return MountedShelf(Path(text))
    require("databricks.sdk", for_="files of a workspace's volume", extra="databricks")
    return VolumeShelf(text, client if client is not None else workspace.client(host, token, profile=profile))


class MountedShelf:
    """A folder of this machine.

    Args:
        root: Made when it is first written to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.where = str(root)

    def listed(self, folder: str) -> dict[str, Held]:
        """By a listing of the folder."""
        with self._told():
            try:
                found = [(one.name, one.stat()) for one in os.scandir(self._root / folder) if one.is_file()]
            except FileNotFoundError:
                return {}
        return {name: Held(told.st_size, told.st_mtime) for name, told in found}

    def read(self, name: str) -> bytes | None:
        """Whole."""
        with self._told(), suppress(FileNotFoundError):
            return (self._root / name).read_bytes()
        return None

    def write(self, name: str, content: bytes) -> None:
        """Beside it, then renamed."""
        place = self._root / name
        half = place.with_name(f".{place.name}.{uuid4().hex}")
        with self._told():
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                with half.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                half.replace(place)
            finally:
                half.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """By its name."""
        with self._told():
            (self._root / name).unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise InputError(f"The folder cannot be used: {error.strerror}.", where=self.where) from error


class VolumeShelf:
    """A folder of a volume, through the workspace's Files API, which puts a file there whole or not at all.

    Args:
        root: ``/Volumes/catalog/schema/volume/folder``.
        client: A ``WorkspaceClient``.
    """

    def __init__(self, root: str, client: Any) -> None:
        self._root = root
        self._files = client.files
        self._made: set[str] = set()
        self.where = f"dbfs:{root}"

    def listed(self, folder: str) -> dict[str, Held]:
        """By the listing of the directory, page by page."""
        errors = self._errors()
        with self._told():
            try:
                return {
                    str(one.name): Held(int(one.file_size or 0), (one.last_modified or 0) / 1000)
                    for one in self._files.list_directory_contents(f"{self._root}/{folder}")
                    if not one.is_directory
                }
            except errors.NotFound:
                return {}

    def read(self, name: str) -> bytes | None:
        """Whole."""
        errors = self._errors()
        with self._told():
            try:
                with closing(self._files.download(f"{self._root}/{name}").contents) as body:
                    content: bytes = body.read()
            except errors.NotFound:
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """By one upload."""
        folder = f"{self._root}/{name}".rpartition("/")[0]
        with self._told():
            if folder not in self._made:
                self._files.create_directory(folder)
                self._made.add(folder)
            self._files.upload(f"{self._root}/{name}", io.BytesIO(content), overwrite=True)

    def remove(self, name: str) -> None:
        """By its path."""
        with self._told(), suppress(self._errors().NotFound):
            self._files.delete(f"{self._root}/{name}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        errors = self._errors()
        try:
            yield
        except ZigguratError:
            raise
        except (errors.Unauthenticated, errors.PermissionDenied) as error:
            fix = "READ VOLUME and WRITE VOLUME on the volume, with USE on its catalog and schema"
            said = workspace.without_secrets(str(error))
            raise WorkspaceDenied(f"The volume may not be used: {said}", where=self.where, fix=fix) from error
        except errors.DatabricksError as error:
            said = workspace.without_secrets(str(error))
            raise InputError(f"The volume cannot be used: {said}", where=self.where) from error
        except (OSError, ValueError) as error:  # requests' errors and the SDK's time-outs are OSErrors
            said = workspace.without_secrets(str(error)) or type(error).__name__
            raise WorkspaceUnavailable(f"The volume cannot be reached: {said}", where=self.where) from error

    def _errors(self) -> Any:
        return require("databricks.sdk.errors", for_="files of a workspace's volume", extra="databricks")
