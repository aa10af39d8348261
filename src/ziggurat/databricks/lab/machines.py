"""A lab's cluster and the libraries on it. A cluster whose id was never written down is found by its tag."""

from __future__ import annotations

from typing import Any

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.lab.declaration import Lab
from ziggurat.databricks.lab.remote import gone
from ziggurat.databricks.lab.specs import TAG, cluster_spec, library_specs
from ziggurat.databricks.lab.state import Entry, State
from ziggurat.databricks.lab.thing import ABSENT, ASLEEP, OURS, WAIT_SECONDS, Found, Tell, digest_of, pages, patiently
from ziggurat.errors import WorkspaceError, ZigguratError

_CLUSTERS = "/api/2.1/clusters"
_LIBRARIES = "/api/2.0/libraries"


class LabCluster:
    """A cluster, tagged with the mark."""

    kind = "cluster"

    def __init__(self, calls: Calls, lab: Lab, state: State) -> None:
        self._calls = calls
        self._mark = state.mark
        self._spec = cluster_spec(lab, state.mark)
        self.name = str(self._spec["cluster_name"])
        self.digest = digest_of(self._spec)

    def find(self, entry: Entry | None) -> Found:
        """By its id, or by its tag where the id was never written down."""
        told: Any = None
        if entry is not None and entry.id:
            try:
                told = self._calls.get(f"{_CLUSTERS}/get", cluster_id=entry.id)
            except WorkspaceError as error:
                if not gone(error):
                    raise
        if told is None:
            told = next((one for one in clusters(self._calls, self._mark) if one.get("cluster_source") != "JOB"), None)
        if told is None:
            return Found(ABSENT)
        return Found(ASLEEP if told["state"] in {"TERMINATED", "TERMINATING"} else OURS, str(told["cluster_id"]))

    def make(self) -> str:
        """Make it; it begins to start."""
        return str(
            self._calls.post(f"{_CLUSTERS}/create", {**self._spec, "idempotency_token": self._mark})["cluster_id"]
        )

    def change(self, identity: str) -> None:
        """Declare it anew; it restarts if it runs."""
        self._settled(identity)
        self._calls.post(f"{_CLUSTERS}/edit", {**self._spec, "cluster_id": identity})

    def start(self, identity: str) -> None:
        """Start it."""
        if self._settled(identity) == "TERMINATED":
            self._calls.post(f"{_CLUSTERS}/start", {"cluster_id": identity})

    def wait(self, identity: str, tell: Tell) -> None:
        """Wait until it runs.

        Raises:
            ZigguratError: If it ends instead.
        """
        said = ""
        for _ in patiently(WAIT_SECONDS, f"cluster {self.name}", tell):
            told = self._calls.get(f"{_CLUSTERS}/get", cluster_id=identity)
            if told["state"] != said:
                said = told["state"]
                tell(f"cluster {self.name}: {said}")
            if said == "RUNNING":
                return
            if said in {"TERMINATED", "ERROR"}:
                reason = (told.get("termination_reason") or {}).get("code") or told.get("state_message")
                raise ZigguratError(f"The cluster ended while it started: {reason}.", where=self.name)

    def _settled(self, identity: str) -> str:
        for _ in patiently(WAIT_SECONDS, f"cluster {self.name}"):
            state = str(self._calls.get(f"{_CLUSTERS}/get", cluster_id=identity)["state"])
            if state in {"RUNNING", "TERMINATED", "ERROR"}:
                return state
        return ""


class LabLibraries:
    """The libraries of the cluster; they go with it."""

    kind = "libraries"

    def __init__(self, calls: Calls, lab: Lab, cluster: LabCluster, state: State) -> None:
        self._calls = calls
        self._cluster = cluster
        self._state = state
        self._wanted = library_specs(lab)
        self.name = cluster.name
        self.digest = digest_of(self._wanted)

    def find(self, entry: Entry | None) -> Found:
        """Ours once they were asked for on the cluster that is there."""
        cluster = self._cluster.find(self._state.find(self._cluster.kind, self._cluster.name)).id
        asked = entry is not None and entry.id and entry.id == cluster
        return Found(OURS, cluster) if asked else Found(ABSENT)

    @property
    def _id(self) -> str:
        entry = self._state.find(self._cluster.kind, self._cluster.name)
        return entry.id if entry else ""

    def make(self) -> str:
        """Ask for them."""
        self._calls.post(f"{_LIBRARIES}/install", {"cluster_id": self._id, "libraries": self._wanted})
        return self._id

    def change(self, identity: str) -> None:
        """Ask for what is declared now; the rest leaves at the next restart."""
        told = self._calls.get(f"{_LIBRARIES}/cluster-status", cluster_id=identity)
        left = [one["library"] for one in told.get("library_statuses") or () if one["library"] not in self._wanted]
        if left:
            self._calls.post(f"{_LIBRARIES}/uninstall", {"cluster_id": identity, "libraries": left})
        self.make()

    def wait(self, identity: str, tell: Tell) -> None:
        """Wait until all are there.

        Raises:
            ZigguratError: If one cannot be, with its reason.
        """
        said = ""
        for _ in patiently(WAIT_SECONDS, f"libraries {self.name}", tell):
            told = self._calls.get(f"{_LIBRARIES}/cluster-status", cluster_id=identity).get("library_statuses") or ()
            mine = [one for one in told if one["library"] in self._wanted]
            for one in mine:
                if one["status"] == "FAILED":
                    raise ZigguratError("; ".join(one.get("messages") or ["A library failed."]), where=self.name)
            done = sum(one["status"] == "INSTALLED" for one in mine)
            if said != (said := f"libraries: {done} of {len(self._wanted)} installed"):
                tell(said)
            if done == len(self._wanted):
                return


def clusters(calls: Calls, mark: str) -> list[dict[str, Any]]:
    """The clusters that carry a mark, those of jobs too."""
    return [
        one for one in pages(calls, f"{_CLUSTERS}/list", "clusters") if (one.get("custom_tags") or {}).get(TAG) == mark
    ]
