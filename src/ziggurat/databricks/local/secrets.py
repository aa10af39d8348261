"""Secret scopes and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ziggurat.databricks.local.call import Route

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace


class Secrets:
    """Secret scopes and values."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[Route]:
        """What it answers."""
        return []

    def close(self) -> None:
        """End what it started."""
