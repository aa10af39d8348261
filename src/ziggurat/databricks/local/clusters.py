"""Clusters: every verb of the API, with states that take time and libraries on them.

What one cluster is stands in `cluster`, what may be installed on it in `libraries`. Invariant: a verb that does
not fit the state is refused with ``INVALID_STATE``, and nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import count
from secrets import choice
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.local.call import Call, Refusal, Route, invalid
from ziggurat.databricks.local.cluster import (
    JOB_FINISHED,
    PENDING,
    RESIZING,
    RESTARTING,
    RUNNING,
    TERMINATED,
    TERMINATING,
    UP,
    USER_REQUEST,
    Cluster,
)
from ziggurat.databricks.local.cluster_types import NODE_TYPES, SPARK_VERSIONS
from ziggurat.databricks.local.libraries import Libraries
from ziggurat.databricks.local.paging import page
from ziggurat.databricks.local.timeline import Timeline
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_API = "/api/2.1/clusters"
_SHORTEST_MINUTES, _LONGEST_MINUTES = 10, 10_000
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_NOT_SPEC = frozenset({"cluster_id", "idempotency_token", "clone_from"})


class Clusters:
    """Clusters and their libraries."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._clusters: dict[str, Cluster] = {}
        self._tokens: dict[str, str] = {}
        self._numbers = count(1)
        self.libraries = Libraries(workspace, self.get)

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("POST", f"{_API}/create", self._create, "create a cluster"),
            Route("GET", f"{_API}/get", self._get, "look at a cluster"),
            Route("GET", f"{_API}/list", self._list, "list clusters"),
            Route("POST", f"{_API}/start", self._start, "start a terminated cluster"),
            Route("POST", f"{_API}/restart", self._restart, "restart a running cluster"),
            Route("POST", f"{_API}/delete", self._delete, "terminate a cluster"),
            Route("POST", f"{_API}/permanent-delete", self._remove, "remove a cluster for good"),
            Route("POST", f"{_API}/edit", self._edit, "declare a cluster anew"),
            Route("POST", f"{_API}/resize", self._resize, "change a cluster's workers"),
            Route("POST", f"{_API}/events", self._events, "what happened to a cluster"),
            Route("POST", f"{_API}/pin", self._pin, "pin a cluster"),
            Route("POST", f"{_API}/unpin", self._unpin, "unpin a cluster"),
            Route("GET", f"{_API}/spark-versions", self._versions, "list runtimes"),
            Route("GET", f"{_API}/list-node-types", self._nodes, "list node types"),
            *self.libraries.routes(),
        ]

    def close(self) -> None:
        """Nothing runs by itself."""

    def all(self) -> list[Cluster]:
        """Every cluster, newest first."""
        with self._workspace.lock:
            for cluster in self._clusters.values():
                self._settle(cluster)
            return list(reversed(self._clusters.values()))

    def get(self, cluster_id: str) -> Cluster:
        """A cluster, with its state brought up to date.

        Raises:
            Refusal: 400, as the service words it, if there is none of that id.
        """
        with self._workspace.lock:
            cluster = self._clusters.get(cluster_id)
            if cluster is None:
                raise invalid(f"Cluster {cluster_id} does not exist{did_you_mean(cluster_id, self._clusters)}")
            self._settle(cluster)
            return cluster

    def make(self, spec: Mapping[str, Any], creator: str, source: str = "API") -> Cluster:
        """Create a cluster, which starts at once.

        Raises:
            Refusal: 400 for a specification that cannot be.
        """
        checked(spec)
        kept = {key: value for key, value in spec.items() if key not in _NOT_SPEC}
        kept.setdefault("autotermination_minutes", 120 if source == "API" else 0)
        with self._workspace.lock:
            identity = (
                f"{time.strftime('%m%d-%H%M%S')}-{next(self._numbers):02d}{''.join(choice(_LETTERS) for _ in '123456')}"
            )
            cluster = Cluster(identity, kept, creator, source, Timeline([(PENDING, 0.0), (RUNNING, 0)]))
            cluster.note("CREATING", user=creator)
            cluster.start(self._workspace.delays.cluster)
            self._clusters[identity] = cluster
            return cluster

    def start(self, cluster: Cluster) -> None:
        """Start a terminated cluster.

        Raises:
            Refusal: 400 ``INVALID_STATE`` in any other state.
        """
        with self._workspace.lock:
            self._in(cluster, {TERMINATED})
            self.libraries.restarted(cluster.id)
            cluster.note("STARTING", user=cluster.creator)
            cluster.start(self._workspace.delays.cluster)

    def end(self, cluster: Cluster, reason: str = JOB_FINISHED) -> None:
        """Terminate a cluster, whatever it does; one that ended stays as it is."""
        with self._workspace.lock:
            self._settle(cluster)
            if cluster.state not in {TERMINATING, TERMINATED}:
                cluster.end(self._workspace.delays.cluster / 2, reason)

    def _settle(self, cluster: Cluster) -> None:
        cluster.settle(self._workspace.delays.cluster / 2)

    def _in(self, cluster: Cluster, states: Iterable[str]) -> None:
        self._settle(cluster)
        if cluster.state not in states:
            raise Refusal(
                400, "INVALID_STATE", f"Cluster {cluster.id} is in unexpected state {cluster.state.capitalize()}."
            )

    def _called(self, call: Call) -> Cluster:
        return self.get(call.need("cluster_id"))

    def _create(self, call: Call) -> dict[str, Any]:
        token = str(call.body.get("idempotency_token") or "")
        with self._workspace.lock:
            known = self._clusters.get(self._tokens.get(token, ""))
            if known is not None and self.get(known.id).state != TERMINATED:
                return {"cluster_id": known.id}
            cluster = self.make(call.body, call.user)
            if token:
                self._tokens[token] = cluster.id
        return {"cluster_id": cluster.id}

    def _get(self, call: Call) -> dict[str, Any]:
        with self._workspace.lock:
            return self._called(call).shown()

    def _list(self, call: Call) -> dict[str, Any]:
        given = call.request.query_params
        states = set(given.getlist("filter_by.cluster_states"))
        sources = set(given.getlist("filter_by.cluster_sources"))
        pinned = given.get("filter_by.is_pinned")
        with self._workspace.lock:
            found = [
                cluster.shown()
                for cluster in self.all()
                if (not states or cluster.state in states)
                and (not sources or cluster.source in sources)
                and (pinned is None or cluster.pinned == (pinned == "true"))
            ]
        return page(call, "clusters", found, size=20, at_most=100, token_name="page_token", size_name="page_size")  # noqa: S106 (names of parameters)

    def _start(self, call: Call) -> None:
        self.start(self._called(call))

    def _restart(self, call: Call) -> None:
        with self._workspace.lock:
            cluster = self._called(call)
            self._in(cluster, UP)
            self.libraries.restarted(cluster.id)
            cluster.note("RESTARTING", user=call.user)
            cluster.start(self._workspace.delays.cluster, RESTARTING)

    def _delete(self, call: Call) -> None:
        self.end(self._called(call), USER_REQUEST)

    def _remove(self, call: Call) -> None:
        with self._workspace.lock:
            cluster = self._called(call)
            del self._clusters[cluster.id]
            self.libraries.forget(cluster.id)

    def _edit(self, call: Call) -> None:
        with self._workspace.lock:
            cluster = self._called(call)
            self._in(cluster, {RUNNING, TERMINATED})
            checked(call.body)
            cluster.spec = {key: value for key, value in call.body.items() if key not in _NOT_SPEC}
            cluster.note("EDITED", user=call.user)
            if cluster.state == RUNNING:
                self.libraries.restarted(cluster.id)
                cluster.start(self._workspace.delays.cluster, RESTARTING)

    def _resize(self, call: Call) -> None:
        with self._workspace.lock:
            cluster = self._called(call)
            self._in(cluster, {RUNNING})
            sizes = {key: call.body[key] for key in ("num_workers", "autoscale") if key in call.body}
            if len(sizes) != 1:
                raise invalid("Exactly one of num_workers or autoscale must be given.")
            spec = {
                key: value for key, value in cluster.spec.items() if key not in {"num_workers", "autoscale"}
            } | sizes
            checked(spec)
            cluster.spec = spec
            cluster.note("RESIZING", target_num_workers=cluster.workers, user=call.user)
            cluster.timeline.walk((RESIZING, self._workspace.delays.cluster / 2), (RUNNING, 0))
            cluster.touch()

    def _events(self, call: Call) -> dict[str, Any]:
        with self._workspace.lock:
            cluster = self._called(call)
            body = call.body
            kinds = set(body.get("event_types") or ())
            found = [
                event
                for event in cluster.events
                if (not kinds or event["type"] in kinds)
                and int(body.get("start_time") or 0) <= event["timestamp"] <= int(body.get("end_time") or 1 << 62)
            ]
        if body.get("order", "DESC") == "DESC":
            found.reverse()
        offset, limit = int(body.get("offset") or 0), min(int(body.get("limit") or 50), 500)
        answer: dict[str, Any] = {"events": found[offset : offset + limit], "total_count": len(found)}
        if offset + limit < len(found):
            answer["next_page"] = {**body, "offset": offset + limit, "limit": limit}
        return answer

    def _pin(self, call: Call) -> None:
        self._called(call).pinned = True

    def _unpin(self, call: Call) -> None:
        self._called(call).pinned = False

    def _versions(self, _: Call) -> dict[str, Any]:
        return {"versions": [{"key": key, "name": name} for key, name in SPARK_VERSIONS.items()]}

    def _nodes(self, _: Call) -> dict[str, Any]:
        return {"node_types": list(NODE_TYPES.values())}


def checked(spec: Mapping[str, Any]) -> None:
    """Refuse a cluster that could not be.

    Raises:
        Refusal: 400, naming what does not fit and the closest name.
    """
    version = spec.get("spark_version")
    if not version:
        raise invalid("Missing required field: settings.cluster_spec.new_cluster.spark_version")
    if version not in SPARK_VERSIONS:
        raise invalid(f"Invalid spark version {version}{did_you_mean(str(version), SPARK_VERSIONS)}.")
    if not spec.get("instance_pool_id"):
        node = spec.get("node_type_id")
        if not node:
            raise invalid("Exactly one of instance_pool_id or node_type_id must be specified.")
        if node not in NODE_TYPES:
            raise invalid(f"Node type {node} is not supported{did_you_mean(str(node), NODE_TYPES)}.")
    _sized(spec)
    minutes = spec.get("autotermination_minutes")
    if minutes and not _SHORTEST_MINUTES <= int(minutes) <= _LONGEST_MINUTES:
        raise invalid(
            f"autotermination_minutes must be between {_SHORTEST_MINUTES} and {_LONGEST_MINUTES}, or 0 for never."
        )


def _sized(spec: Mapping[str, Any]) -> None:
    scale = spec.get("autoscale")
    if scale is not None:
        if spec.get("num_workers") is not None:
            raise invalid("Only one of autoscale or num_workers can be given.")
        if int(scale.get("min_workers", 0)) > int(scale.get("max_workers", 0)):
            raise invalid("autoscale: min_workers is greater than max_workers.")
        return
    alone = spec.get("is_single_node") or (
        (spec.get("spark_conf") or {}).get("spark.databricks.cluster.profile") == "singleNode"
    )
    workers = spec.get("num_workers")
    if workers is None and not alone:
        raise invalid("Missing required field: size; give num_workers or autoscale.")
    if workers is not None and int(workers) < 0:
        raise invalid("num_workers cannot be negative.")
    if workers == 0 and not alone:
        raise invalid("num_workers is 0: a cluster without workers must be declared as a single node.")
