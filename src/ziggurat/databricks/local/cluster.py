"""One cluster: what it was asked to be, the state it is in, and what happened to it.

Knows no routes. A state is worked out when it is asked for (`Timeline`), the end by inactivity too. Invariant:
`settle` is called under the workspace's lock before anything is read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from secrets import randbelow
from typing import Any

from ziggurat.databricks.local.cluster_types import NODE_TYPES
from ziggurat.databricks.local.timeline import Timeline

PENDING, RUNNING, RESTARTING, RESIZING = "PENDING", "RUNNING", "RESTARTING", "RESIZING"
TERMINATING, TERMINATED = "TERMINATING", "TERMINATED"
UP = frozenset({RUNNING, RESIZING})
USER_REQUEST, INACTIVITY, JOB_FINISHED = "USER_REQUEST", "INACTIVITY", "JOB_FINISHED"


def milliseconds() -> int:
    """The time, as the service writes it."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Cluster:
    """A cluster.

    Attributes:
        id: Its id.
        spec: What it was asked to be, as it was sent.
        creator: Who made it.
        source: ``API`` or ``JOB``.
        timeline: Its states.
        active: When something was last done with it, in seconds of the monotonic clock.
        reason: Why it ended.
        events: What happened to it, oldest first.
    """

    id: str
    spec: dict[str, Any]
    creator: str
    source: str
    timeline: Timeline
    active: float = field(default_factory=time.monotonic)
    reason: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    started: int = field(default_factory=milliseconds)
    ended: int = 0
    pinned: bool = False
    context: int = field(default_factory=lambda: 1 + randbelow(1 << 60))
    _seen: str = ""

    @property
    def state(self) -> str:
        """Its state now."""
        return self.timeline.now

    @property
    def name(self) -> str:
        """Its name; clusters may share one."""
        return str(self.spec.get("cluster_name") or f"cluster-{self.id}")

    def touch(self) -> None:
        """Something is done with it: inactivity begins anew."""
        self.active = time.monotonic()

    def note(self, kind: str, **details: Any) -> None:
        """Write an event down."""
        self.events.append({"cluster_id": self.id, "timestamp": milliseconds(), "type": kind, "details": details})

    def start(self, seconds: float, state: str = PENDING) -> None:
        """Begin to come up."""
        self.timeline.walk((state, seconds), (RUNNING, 0))
        self.started, self.ended, self.reason, self._seen = milliseconds(), 0, "", ""
        self.touch()

    def end(self, seconds: float, reason: str) -> None:
        """Begin to terminate."""
        self.timeline.walk((TERMINATING, seconds), (TERMINATED, 0))
        self.reason = reason
        self.note(TERMINATING, reason=self.termination())

    def settle(self, ending_seconds: float) -> None:
        """Bring events and the end by inactivity up to date."""
        state = self.state
        if state == RUNNING:
            if self._seen != RUNNING:
                self.note(RUNNING, current_num_workers=self.workers)
            minutes = self.spec.get("autotermination_minutes") or 0
            if minutes and self.timeline.settled and time.monotonic() - self.active > minutes * 60:
                self.end(ending_seconds, INACTIVITY)
        if state == TERMINATED and not self.ended:
            self.ended = milliseconds()
        self._seen = state

    @property
    def workers(self) -> int:
        """How many workers it has."""
        if scale := self.spec.get("autoscale"):
            return int(scale.get("min_workers", 1))
        return int(self.spec.get("num_workers") or 0)

    def termination(self) -> dict[str, Any]:
        """Why it ended, as the service words it."""
        kind = "SUCCESS" if self.reason in {USER_REQUEST, JOB_FINISHED, INACTIVITY} else "CLIENT_ERROR"
        found: dict[str, Any] = {"code": self.reason, "type": kind}
        if self.reason == INACTIVITY:
            found["parameters"] = {"inactivity_duration_min": str(self.spec.get("autotermination_minutes"))}
        elif self.reason == USER_REQUEST:
            found["parameters"] = {"username": self.creator}
        return found

    def shown(self) -> dict[str, Any]:
        """The cluster, as the service shows it; secrets of its environment stay the references they are."""
        node = NODE_TYPES.get(str(self.spec.get("node_type_id")), {})
        state = self.state
        nodes = self.workers + 1
        shown = {
            **self.spec,
            "cluster_id": self.id,
            "cluster_name": self.name,
            "creator_user_name": self.creator,
            "driver_node_type_id": self.spec.get("driver_node_type_id") or self.spec.get("node_type_id"),
            "cluster_source": self.source,
            "state": state,
            "state_message": _MESSAGES[state],
            "start_time": self.started,
            "last_restarted_time": self.started,
            "default_tags": {
                "Vendor": "Databricks",
                "Creator": self.creator,
                "ClusterName": self.name,
                "ClusterId": self.id,
            },
            "spark_context_id": self.context,
            "spec": dict(self.spec),
        }
        if state in UP:
            shown["cluster_cores"] = node.get("num_cores", 4.0) * nodes
            shown["cluster_memory_mb"] = node.get("memory_mb", 16384) * nodes
            shown["jdbc_port"] = 10000
        if state in {TERMINATING, TERMINATED}:
            shown["termination_reason"] = self.termination()
        if self.ended:
            shown["terminated_time"] = self.ended
        return shown


_MESSAGES = {
    PENDING: "Setting up the driver",
    RUNNING: "",
    RESTARTING: "Restarting",
    RESIZING: "Resizing",
    TERMINATING: "Terminating",
    TERMINATED: "Terminated",
}
