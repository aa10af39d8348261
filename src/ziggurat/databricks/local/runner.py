"""Carries a run out: tasks in the order of their dependencies, on their clusters, with their retries.

One thread a run, one a task under way. What a task does stands in `tasks`. Invariant: a cluster that a run made
is terminated when the run ends, however it ends.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from ziggurat.databricks.local import run as states
from ziggurat.databricks.local.call import Refusal
from ziggurat.databricks.local.cluster import (
    PENDING,
    RESIZING,
    RESTARTING,
    RUNNING,
    TERMINATED,
    TERMINATING,
    Cluster,
    milliseconds,
)
from ziggurat.databricks.local.run import Run, State, TaskRun
from ziggurat.databricks.local.tasks import carry_out

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_AT_ONCE = 8
_LOOK_SECONDS = 0.02
_GOOD = frozenset({states.SUCCESS})


class ClusterFault(Exception):
    """The cluster of a task did not come up."""


class Runner:
    """One run's way to its end."""

    def __init__(self, workspace: Workspace, run: Run) -> None:
        self._workspace = workspace
        self._run = run
        self._specs = {str(task["task_key"]): task for task in run.settings["tasks"]}
        self._results: dict[str, State] = {}
        self._clusters: dict[str, Cluster] = {}
        self._timed_out = False

    def carry_out(self) -> None:
        """Run everything, and note how the run ended."""
        run = self._run
        limit = int(run.settings.get("timeout_seconds") or 0)
        until = time.monotonic() + limit if limit else None
        try:
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ziggurat-task") as pool:
                self._all(pool, until)
        finally:
            for cluster in self._clusters.values():
                self._workspace.clusters.end(cluster)
            self._conclude(limit)
            run.clock.end = milliseconds()

    def _all(self, pool: ThreadPoolExecutor, until: float | None) -> None:
        waiting = dict(self._specs)
        under_way: dict[Future[State], str] = {}
        while waiting or under_way:
            for key in [key for key, spec in waiting.items() if self._may_start(spec)]:
                spec = waiting.pop(key)
                refused = self._refused(spec)
                if refused:
                    self._results[key] = self._not_run(spec, refused)
                else:
                    under_way[pool.submit(self._task, spec)] = key
            if not under_way:
                continue
            done, _ = wait(under_way, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for one in done:
                self._results[under_way.pop(one)] = one.result()
            if until is not None and time.monotonic() > until and not self._run.stop.is_set():
                self._timed_out = True
                self._run.stop.set()

    def _may_start(self, spec: Mapping[str, Any]) -> bool:
        return all(one["task_key"] in self._results for one in spec.get("depends_on") or ())

    def _refused(self, spec: Mapping[str, Any]) -> str:
        """The result of a task that is not run; empty if it is to run."""
        if self._run.stop.is_set():
            return states.CANCELED
        before = [self._results[one["task_key"]].result for one in spec.get("depends_on") or ()]
        if not before:
            return ""
        good, bad = sum(one in _GOOD for one in before), sum(one not in _GOOD | {states.EXCLUDED} for one in before)
        runs = {
            "ALL_SUCCESS": good == len(before),
            "ALL_DONE": True,
            "NONE_FAILED": bad == 0,
            "AT_LEAST_ONE_SUCCESS": good > 0,
            "ALL_FAILED": bad == len(before),
            "AT_LEAST_ONE_FAILED": bad > 0,
        }
        rule = str(spec.get("run_if") or "ALL_SUCCESS")
        if runs[rule]:
            return ""
        if rule in {"ALL_FAILED", "AT_LEAST_ONE_FAILED"}:
            return states.EXCLUDED
        return states.UPSTREAM_CANCELED if states.CANCELED in before else states.UPSTREAM_FAILED

    def _attempt(self, spec: Mapping[str, Any], attempt: int) -> TaskRun:
        with self._workspace.lock:
            made = TaskRun(spec, self._workspace.folder / "runs" / str(states.number()), attempt)
            if self._run.state.life == states.PENDING:
                self._run.state.life = states.RUNNING
            self._run.tasks.append(made)
            return made

    def _not_run(self, spec: Mapping[str, Any], result: str) -> State:
        task = self._attempt(spec, 0)
        messages = {
            states.CANCELED: "Run cancelled.",
            states.EXCLUDED: "Task was excluded: its condition was not met.",
        }
        life = states.TERMINATED if result == states.CANCELED else states.SKIPPED
        task.state.end(result, messages.get(result, f"{result.replace('_', ' ').capitalize()}."), life=life)
        task.clock.end = milliseconds()
        return task.state

    def _task(self, spec: Mapping[str, Any]) -> State:
        most = int(spec.get("max_retries") or 0)
        attempt = 0
        while True:
            task = self._attempt(spec, attempt)
            try:
                environment = self._placed(task)
            except (ClusterFault, Refusal) as fault:
                self._no_cluster(task, fault)
            else:
                carry_out(self._workspace, self._run, task, environment)
            result = task.state.result
            again = result == states.FAILED or (result == states.TIMEDOUT and bool(spec.get("retry_on_timeout")))
            if not again or self._run.stop.is_set() or (most >= 0 and attempt >= most):
                return task.state
            attempt += 1
            if self._run.stop.wait(int(spec.get("min_retry_interval_millis") or 0) / 1000):
                return task.state

    def _no_cluster(self, task: TaskRun, fault: Exception) -> None:
        told = fault.message if isinstance(fault, Refusal) else str(fault)
        if self._run.stop.is_set():
            task.state.end(states.CANCELED, "Run cancelled.")
        else:
            task.error = told
            task.state.end(states.FAILED, told, code="CLUSTER_ERROR", life=states.INTERNAL_ERROR)
        task.clock.end = milliseconds()

    def _placed(self, task: TaskRun) -> Mapping[str, str]:
        """Bring the task's cluster up; the variables it gives."""
        cluster = self._cluster(task.spec)
        if cluster is None:
            return {}
        task.cluster_id = cluster.id
        task.state.message = "Waiting for cluster"
        while (state := self._workspace.clusters.get(cluster.id).state) != RUNNING:
            if self._run.stop.wait(_LOOK_SECONDS):
                raise ClusterFault("The run was cancelled.")
            if state == TERMINATED:
                if cluster.source == "JOB":
                    raise ClusterFault(f"Cluster {cluster.id} was terminated during the run.")
                self._workspace.clusters.start(cluster)
            elif state not in {PENDING, RESTARTING, RESIZING, TERMINATING}:
                raise ClusterFault(f"Cluster {cluster.id} is in unexpected state {state}.")
        cluster.touch()
        return dict(cluster.spec.get("spark_env_vars") or {})

    def _cluster(self, spec: Mapping[str, Any]) -> Cluster | None:
        if known := spec.get("existing_cluster_id"):
            return self._workspace.clusters.get(str(known))
        if key := spec.get("job_cluster_key"):
            declared = {one["job_cluster_key"]: one["new_cluster"] for one in self._run.settings["job_clusters"]}
            return self._own(f"job:{key}", declared[key])
        if new := spec.get("new_cluster"):
            return self._own(f"task:{spec['task_key']}", new)
        return None

    def _own(self, key: str, spec: Mapping[str, Any]) -> Cluster:
        with self._workspace.lock:
            if key not in self._clusters:
                name = f"job-{self._run.job_id}-run-{self._run.id}"
                made = self._workspace.clusters.make({**spec, "cluster_name": name}, self._run.creator, "JOB")
                self._clusters[key] = made
            return self._clusters[key]

    def _conclude(self, limit: int) -> None:
        state = self._run.state
        if self._timed_out:
            state.end(states.TIMEDOUT, f"Run timed out after {limit} seconds.")
            return
        if self._run.stop.is_set():
            state.end(states.CANCELED, "Run cancelled.")
            return
        needed = {one["task_key"] for spec in self._specs.values() for one in spec.get("depends_on") or ()}
        bad = {key: one for key, one in self._results.items() if one.result not in _GOOD | {states.EXCLUDED}}
        first = next((key for key in bad if bad[key].result != states.UPSTREAM_FAILED), next(iter(bad), ""))
        if not bad and len(self._results) == len(self._specs):
            state.end(states.SUCCESS)
        elif bad and not any(key not in needed for key in bad):
            state.end("SUCCESS_WITH_FAILURES", code="SUCCESS_WITH_FAILURES")
        elif first and bad[first].result == states.TIMEDOUT:
            state.end(states.TIMEDOUT, f"Task {first} timed out.")
        else:
            told = (
                f"Task {first} failed with message: {bad[first].message}."
                if first
                else "The run could not be carried out."
            )
            state.end(states.FAILED, told, life=states.INTERNAL_ERROR)
