"""Everything that holds bytes: workspace objects, volumes and DBFS, each a file of its own.

Joins their routes, and finds the file behind a path as a job writes it, wherever it lies.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ziggurat.databricks.local.call import Route, missing
from ziggurat.databricks.local.catalogs import Catalogs
from ziggurat.databricks.local.dbfs import Dbfs
from ziggurat.databricks.local.volumes import Volumes
from ziggurat.databricks.local.workspace_objects import WorkspaceObjects

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace


class Files:
    """Workspace files, volumes and DBFS."""

    def __init__(self, workspace: Workspace) -> None:
        self.catalogs = Catalogs(workspace)
        self.volumes = Volumes(workspace, self.catalogs)
        self.objects = WorkspaceObjects(workspace)
        self.dbfs = Dbfs(workspace)

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            *self.objects.routes(),
            *self.volumes.routes(),
            *self.dbfs.routes(),
            *self.catalogs.routes(),
        ]

    def close(self) -> None:
        """Nothing runs by itself."""

    def find(self, path: str) -> Path:
        """The file on this machine behind ``/Volumes/…``, ``/Workspace/…``, ``dbfs:/…`` or ``/dbfs/…``.

        Raises:
            Refusal: 404 if there is none.
        """
        plain = path.removeprefix("dbfs:")
        if plain.startswith("/Volumes/"):
            return self.volumes.find(plain)
        if path.startswith("dbfs:"):
            return self.dbfs.tree.file(plain)
        if plain.startswith("/dbfs/"):
            return self.dbfs.tree.file(plain.removeprefix("/dbfs"))
        if plain.startswith(("/Workspace/", "/Users/", "/Shared/", "/Repos/")):
            return self.objects.find(plain)
        raise missing(f"No file exists at {path}; a path begins with /Volumes, /Workspace or dbfs:/")
