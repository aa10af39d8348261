"""The lab's folder in a workspace: files up, files down. Knows paths and bytes, not what they are for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from ziggurat.databricks.calls import Calls
from ziggurat.errors import InputError, WorkspaceError, WorkspaceNotFound

_API = "/api/2.0/workspace"
_RAW = ".raw"
_NOTEBOOKS = (".py", ".ipynb", ".sql", ".scala", ".r", ".rmd", ".dbc")
LARGEST = 10 << 20
"""Bytes that a workspace file may have to be imported so."""


class Folder:
    """A folder of workspace files.

    Args:
        calls: The way into the workspace.
        path: ``/Users/…``, or the same after ``/Workspace``.
    """

    def __init__(self, calls: Calls, path: str) -> None:
        self._calls = calls
        self.path = path.removeprefix("/Workspace")

    def make(self, name: str = "") -> None:
        """Make it, or one in it, and all above."""
        self._calls.post(f"{_API}/mkdirs", {"path": self._at(name)})

    def there(self) -> bool:
        """Whether it is there."""
        try:
            self._calls.get(f"{_API}/get-status", path=self.path)
        except WorkspaceNotFound:
            return False
        return True

    def put(self, name: str, content: bytes) -> None:
        """Write a file; its folder must be there.

        Raises:
            InputError: If it is too large.
        """
        if len(content) > LARGEST:
            raise InputError(
                f"{name} has {len(content):,} bytes; a workspace file takes {LARGEST:,}.",
                fix="put large documents into a volume and name it in the chain file",
            )
        told = {
            "path": self._at(stored(name)),
            "format": "AUTO",
            "overwrite": True,
            "content": base64.b64encode(content).decode(),
        }
        self._calls.post(f"{_API}/import", told)

    def fetch(self, name: str) -> bytes:
        """A file.

        Raises:
            WorkspaceNotFound: If it is not there.
        """
        told = self._calls.get(f"{_API}/export", path=self._at(stored(name)), format="AUTO")
        return base64.b64decode(told["content"])

    def list(self, name: str = "") -> Iterator[str]:
        """The files below, by their names from here."""
        try:
            told: Any = self._calls.get(f"{_API}/list", path=self._at(name))
        except WorkspaceNotFound:
            return
        for one in told.get("objects") or ():
            below = one["path"].removeprefix(self.path).strip("/")
            if one["object_type"] == "DIRECTORY":
                yield from self.list(below)
            else:
                yield below.removesuffix(_RAW) if stored(below.removesuffix(_RAW)) == below else below

    def remove(self, name: str = "") -> None:
        """Remove it, or something in it; what is gone already is fine."""
        try:
            self._calls.post(f"{_API}/delete", {"path": self._at(stored(name)), "recursive": True})
        except WorkspaceNotFound:
            return

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path


def stored(name: str) -> str:
    """The name under which a file stays a file: what looks like a notebook would be made one, without its ending."""
    return name + _RAW if name.lower().endswith(_NOTEBOOKS) else name


def gone(error: WorkspaceError) -> bool:
    """Whether an error says that a thing is not there; clusters and jobs say so with 400."""
    return isinstance(error, WorkspaceNotFound) or "does not exist" in error.what
