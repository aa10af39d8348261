"""Libraries on clusters: what was asked for, and whether it is there.

There is no package index here: a package from one counts as installed if the Python that runs the stand-in has
it, since that is where jobs run, and fails otherwise with a message that says so. A wheel must lie in the
workspace. Invariant: nothing is installed while the cluster does not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.local.call import Call, Refusal, Route, invalid
from ziggurat.databricks.local.cluster import RUNNING, Cluster
from ziggurat.databricks.local.timeline import Timeline

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_API = "/api/2.0/libraries"
_FILES = ("whl", "requirements")
_ELSEWHERE = ("jar", "egg", "maven", "cran")
PENDING, INSTALLING, INSTALLED, FAILED = "PENDING", "INSTALLING", "INSTALLED", "FAILED"


@dataclass(slots=True)
class Library:
    """One library on one cluster."""

    asked: dict[str, Any]
    fault: str
    timeline: Timeline | None = None
    leaving: bool = False

    @property
    def status(self) -> str:
        """Its state now."""
        if self.leaving:
            return "UNINSTALL_ON_RESTART"
        if self.timeline is None:
            return PENDING
        return self.timeline.now

    def shown(self) -> dict[str, Any]:
        """As the service shows it."""
        shown: dict[str, Any] = {
            "library": self.asked,
            "status": self.status,
            "is_library_for_all_clusters": False,
        }
        if self.status == FAILED:
            shown["messages"] = [self.fault]
        return shown


class Libraries:
    """Libraries of all clusters.

    Args:
        workspace: Whose they are.
        cluster: Finds a cluster by its id.
    """

    def __init__(self, workspace: Workspace, cluster: Callable[[str], Cluster]) -> None:
        self._workspace = workspace
        self._cluster = cluster
        self._by_cluster: dict[str, dict[str, Library]] = {}

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("POST", f"{_API}/install", self._install, "install libraries on a cluster"),
            Route("POST", f"{_API}/uninstall", self._uninstall, "uninstall libraries at the next restart"),
            Route("GET", f"{_API}/cluster-status", self._status, "the libraries of a cluster"),
            Route("GET", f"{_API}/all-cluster-statuses", self._statuses, "the libraries of every cluster"),
        ]

    def forget(self, cluster_id: str) -> None:
        """The cluster is gone."""
        self._by_cluster.pop(cluster_id, None)

    def restarted(self, cluster_id: str) -> None:
        """The cluster comes up anew: what was to leave has left, the rest is installed again."""
        kept = {key: library for key, library in self._by_cluster.get(cluster_id, {}).items() if not library.leaving}
        for library in kept.values():
            library.timeline = None
        self._by_cluster[cluster_id] = kept

    def of(self, cluster_id: str) -> list[Library]:
        """The libraries of a cluster, their installation begun if it runs."""
        found = list(self._by_cluster.get(cluster_id, {}).values())
        if self._cluster(cluster_id).state == RUNNING:
            for library in found:
                if library.timeline is None:
                    end = FAILED if library.fault else INSTALLED
                    library.timeline = Timeline([(INSTALLING, self._workspace.delays.library), (end, 0)])
        return found

    def _install(self, call: Call) -> None:
        asked = self._asked(call)
        with self._workspace.lock:
            cluster = self._cluster(call.need("cluster_id"))
            mine = self._by_cluster.setdefault(cluster.id, {})
            for one in asked:
                key = json.dumps(one, sort_keys=True)
                known = mine.get(key)
                if known is None or known.leaving or known.status == FAILED:
                    mine[key] = Library(dict(one), fault_of(one, self._workspace))
            cluster.touch()
            self.of(cluster.id)

    def _uninstall(self, call: Call) -> None:
        asked = self._asked(call)
        with self._workspace.lock:
            mine = self._by_cluster.get(self._cluster(call.need("cluster_id")).id, {})
            for one in asked:
                if found := mine.get(json.dumps(one, sort_keys=True)):
                    found.leaving = True

    def _status(self, call: Call) -> dict[str, Any]:
        with self._workspace.lock:
            return self._all_of(self._cluster(call.need("cluster_id")).id)

    def _statuses(self, _: Call) -> dict[str, Any]:
        with self._workspace.lock:
            return {"statuses": [self._all_of(one) for one in self._by_cluster]}

    def _all_of(self, cluster_id: str) -> dict[str, Any]:
        return {"cluster_id": cluster_id, "library_statuses": [library.shown() for library in self.of(cluster_id)]}

    def _asked(self, call: Call) -> list[Mapping[str, Any]]:
        asked: list[Mapping[str, Any]] = call.need("libraries", list)
        for one in asked:
            kinds = set(one) & {"pypi", *_FILES, *_ELSEWHERE}
            if len(kinds) != 1:
                raise invalid("A library is exactly one of pypi, whl, requirements, jar, egg, maven or cran.")
        return asked


def fault_of(library: Mapping[str, Any], workspace: Workspace) -> str:
    """Why a library cannot be installed here; empty if it can."""
    for kind in _ELSEWHERE:
        if kind in library:
            return f"The local workspace installs no {kind} libraries."
    for kind in _FILES:
        if kind in library:
            try:
                workspace.files.find(str(library[kind]))
            except Refusal as refusal:
                return f"Library installation failed: {refusal.message}"
            return ""
    return requirement_fault(str((library.get("pypi") or {}).get("package") or ""))


def requirement_fault(text: str) -> str:
    """Why a requirement of a package index cannot be met by this Python; empty if it can."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
    except InvalidRequirement as error:
        return f"Library installation failed: {text!r} is no requirement: {error}"
    if wanted.marker and not wanted.marker.evaluate():
        return ""
    try:
        there = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return (
            f"Library installation failed: the Python that runs the local workspace does not have {wanted.name!r}; "
            f"install it there with: pip install {text!r}"
        )
    if not wanted.specifier.contains(there, prereleases=True):
        return (
            f"Library installation failed: the Python that runs the local workspace has {wanted.name} {there}, "
            f"which is not {text!r}."
        )
    return ""
