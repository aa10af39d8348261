"""What a job may be: tasks the stand-in can run, dependencies that end, compute that can be.

Invariant: what `checked` lets pass can be carried out, as far as can be known before it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from ziggurat.databricks.local.call import invalid, unimplemented
from ziggurat.databricks.local.clusters import checked as checked_cluster
from ziggurat.suggest import did_you_mean

_KINDS = {"python_wheel_task": ("package_name", "entry_point"), "spark_python_task": ("python_file",)}
_COMPUTE = ("existing_cluster_id", "new_cluster", "job_cluster_key", "environment_key")
_RULES = ("ALL_SUCCESS", "ALL_DONE", "NONE_FAILED", "AT_LEAST_ONE_SUCCESS", "ALL_FAILED", "AT_LEAST_ONE_FAILED")


def checked(settings: Mapping[str, Any]) -> None:
    """Refuse a job that could not run.

    Raises:
        Refusal: 400, naming the task and what does not fit; 501 for a kind of task that is not implemented.
    """
    tasks = settings.get("tasks") or ()
    if not tasks:
        raise invalid("A job needs at least one task.")
    keys = [str(task.get("task_key") or "") for task in tasks]
    if "" in keys:
        raise invalid("Every task needs a task_key.")
    if len(set(keys)) < len(keys):
        raise invalid(f"Two tasks have the same task_key: {next(key for key in keys if keys.count(key) > 1)}.")
    clusters = {
        str(one.get("job_cluster_key")): one.get("new_cluster") or {} for one in settings.get("job_clusters") or ()
    }
    for spec in clusters.values():
        checked_cluster(spec)
    environments = {str(one.get("environment_key")) for one in settings.get("environments") or ()}
    for task in tasks:
        _kind(task)
        _placed(task, clusters, environments)
        if str(task.get("run_if") or "ALL_SUCCESS") not in _RULES:
            raise invalid(f"Task {task['task_key']}: run_if {task['run_if']!r}{did_you_mean(task['run_if'], _RULES)}.")
    _ordered(tasks, keys)


def _kind(task: Mapping[str, Any]) -> None:
    kinds = [name for name in task if name.endswith("_task")]
    if len(kinds) != 1:
        raise invalid(f"Task {task['task_key']} must have exactly one kind of work; it has {len(kinds)}.")
    if kinds[0] not in _KINDS:
        raise unimplemented(kinds[0])
    for name in _KINDS[kinds[0]]:
        if not task[kinds[0]].get(name):
            raise invalid(f"Task {task['task_key']}: {kinds[0]}.{name} is missing.")
    wheel = task.get("python_wheel_task") or {}
    if wheel.get("parameters") and wheel.get("named_parameters"):
        raise invalid(f"Task {task['task_key']}: only one of parameters and named_parameters can be given.")


def _placed(task: Mapping[str, Any], clusters: Mapping[str, Any], environments: set[str]) -> None:
    where = [name for name in _COMPUTE if task.get(name)]
    key = task["task_key"]
    if len(where) != 1:
        raise invalid(f"Task {key} needs exactly one of {', '.join(_COMPUTE)}.")
    if where[0] == "new_cluster":
        checked_cluster(task["new_cluster"])
    if where[0] == "job_cluster_key" and task["job_cluster_key"] not in clusters:
        close = did_you_mean(str(task["job_cluster_key"]), clusters)
        raise invalid(f"Task {key}: no job cluster {task['job_cluster_key']!r} is declared{close}.")
    if where[0] == "environment_key":
        if task["environment_key"] not in environments:
            close = did_you_mean(str(task["environment_key"]), environments)
            raise invalid(f"Task {key}: no environment {task['environment_key']!r} is declared{close}.")
        if task.get("libraries"):
            raise invalid(f"Task {key}: libraries of serverless compute are dependencies of its environment.")


def _ordered(tasks: Any, keys: list[str]) -> None:
    graph: dict[str, list[str]] = {}
    for task in tasks:
        before = [str(one.get("task_key")) for one in task.get("depends_on") or ()]
        for one in before:
            if one not in keys:
                raise invalid(
                    f"Task {task['task_key']} depends on {one!r}, which is not there{did_you_mean(one, keys)}."
                )
        graph[str(task["task_key"])] = before
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise invalid(f"The tasks wait for one another: {' -> '.join(error.args[1])}.") from error
