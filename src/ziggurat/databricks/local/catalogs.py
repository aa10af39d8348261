"""Unity Catalog's names: catalogs, schemas and the volumes in them.

Holds what is declared; the bytes of a volume are `volumes`'. From the start there is the catalog ``main`` with
the schema ``default``. Invariant: a name exists only below one that exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ziggurat.databricks.local.call import Call, Refusal, Route, invalid
from ziggurat.databricks.local.cluster import milliseconds
from ziggurat.databricks.local.paging import page
from ziggurat.databricks.local.tree import Tree
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_API = "/api/2.1/unity-catalog"
_NAME = re.compile(r"[^./\s\x00]{1,255}")
_LEVELS = ("CATALOG", "SCHEMA", "VOLUME")


class Catalogs:
    """Catalogs, schemas and volumes by their full names."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.tree = Tree(workspace.folder / "volumes")
        self._known: dict[str, dict[str, Any]] = {}
        self._put("main", {"name": "main", "catalog_type": "MANAGED_CATALOG"}, workspace.user)
        self._put("main.default", {"name": "default", "catalog_name": "main"}, workspace.user)

    def routes(self) -> list[Route]:
        """What it answers."""
        found = []
        for level, plural in enumerate(("catalogs", "schemas", "volumes")):
            one = plural.removesuffix("s")
            found += [
                Route("POST", f"{_API}/{plural}", self._creator(level), f"create a {one}"),
                Route("GET", f"{_API}/{plural}", self._lister(level), f"list {plural}"),
                Route("GET", f"{_API}/{plural}/{{name}}", self._getter(level), f"look at a {one}"),
                Route("DELETE", f"{_API}/{plural}/{{name}}", self._remover(level), f"delete a {one}"),
            ]
        return found

    def volume(self, path: str) -> Path:
        """The folder of the volume that a path ``/Volumes/catalog/schema/volume/…`` lies in.

        Raises:
            Refusal: 404 if a name on the way is not there; 400 if the path names no volume.
        """
        parts = path.strip("/").split("/")
        if len(parts) < 4 or parts[0] != "Volumes":  # noqa: PLR2004 (/Volumes and three names)
            raise invalid(f"The path {path} is not inside a volume: /Volumes/<catalog>/<schema>/<volume>/…")
        with self._workspace.lock:
            for level in range(3):
                self._get(level, ".".join(parts[1 : level + 2]))
        return self.tree.folder("/" + "/".join(parts[1:4]))

    def _creator(self, level: int) -> Callable[[Call], dict[str, Any]]:
        def create(call: Call) -> dict[str, Any]:
            name = call.need("name")
            if not _NAME.fullmatch(name) or name == "..":
                raise invalid(f"{name!r} is not a valid name")
            above = [call.need(field) for field in ("catalog_name", "schema_name")[:level]]
            if level == 2:  # noqa: PLR2004 (volumes)
                kind = call.need("volume_type")
                if kind != "MANAGED":
                    raise Refusal(501, "NOT_IMPLEMENTED", f"The local workspace does not implement {kind} volumes.")
            full = ".".join([*above, name])
            with self._workspace.lock:
                for depth in range(level):
                    self._get(depth, ".".join(above[: depth + 1]))
                if full in self._known:
                    raise Refusal(
                        400,
                        f"{_LEVELS[level]}_ALREADY_EXISTS",
                        f"{_LEVELS[level].capitalize()} '{full}' already exists",
                    )
                return self._put(full, dict(call.body), call.user)

        return create

    def _lister(self, level: int) -> Callable[[Call], dict[str, Any]]:
        key = ("catalogs", "schemas", "volumes")[level]

        def listed(call: Call) -> dict[str, Any]:
            above = ".".join(call.need(field) for field in ("catalog_name", "schema_name")[:level])
            with self._workspace.lock:
                if above:
                    self._get(level - 1, above)
                found = [
                    one
                    for full, one in sorted(self._known.items())
                    if full.count(".") == level and (not above or full.startswith(above + "."))
                ]
            return page(call, key, found, size=1000, at_most=10_000, size_name="max_results")

        return listed

    def _getter(self, level: int) -> Callable[[Call], dict[str, Any]]:
        def got(call: Call) -> dict[str, Any]:
            with self._workspace.lock:
                return self._get(level, call.path["name"])

        return got

    def _remover(self, level: int) -> Callable[[Call], None]:
        def removed(call: Call) -> None:
            name = call.path["name"]
            with self._workspace.lock:
                self._get(level, name)
                below = [full for full in self._known if full.startswith(name + ".")]
                if below and call.query.get("force") != "true":
                    raise Refusal(
                        400, f"{_LEVELS[level]}_NOT_EMPTY", f"{_LEVELS[level].capitalize()} '{name}' is not empty."
                    )
                for full in [*below, name]:
                    del self._known[full]
                self.tree.remove("/" + name.replace(".", "/"), recursive=True)

        return removed

    def _get(self, level: int, full: str) -> dict[str, Any]:
        found = self._known.get(full)
        if found is None or full.count(".") != level:
            same = [name for name in self._known if name.count(".") == level]
            raise Refusal(
                404,
                f"{_LEVELS[level]}_DOES_NOT_EXIST",
                f"{_LEVELS[level].capitalize()} '{full}' does not exist{did_you_mean(full, same)}.",
            )
        return found

    def _put(self, full: str, body: dict[str, Any], user: str) -> dict[str, Any]:
        now = milliseconds()
        made = {
            **body,
            "full_name": full,
            "owner": user,
            "created_by": user,
            "updated_by": user,
            "created_at": now,
            "updated_at": now,
        }
        if full.count(".") == 2:  # noqa: PLR2004 (a volume)
            made |= {"volume_id": str(uuid4()), "storage_location": f"local:/{full.replace('.', '/')}"}
        self.tree.make("/" + full.replace(".", "/"))
        self._known[full] = made
        return made
