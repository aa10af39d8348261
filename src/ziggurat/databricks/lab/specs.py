"""A declaration's parts as the REST API takes them. Pure."""

from __future__ import annotations

from typing import Any

from ziggurat.databricks.endpoints import custom, external, foundation
from ziggurat.databricks.lab.declaration import Endpoint, Lab
from ziggurat.databricks.lab.wheel import ENTRY, PACKAGE
from ziggurat.databricks.secrets import Reference

TAG = "ziggurat-lab"


def cluster_spec(lab: Lab, mark: str) -> dict[str, Any]:
    """The lab's cluster, kept or for a job."""
    declared = lab.compute.cluster or lab.compute.job
    if declared is None:
        raise ValueError(lab.name)
    spec: dict[str, Any] = {
        "spark_version": declared.spark_version,
        "node_type_id": declared.node_type_id,
        "num_workers": declared.num_workers,
        "custom_tags": {TAG: mark},
    }
    if declared.num_workers == 0:
        spec["spark_conf"] = {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}
        spec["custom_tags"]["ResourceClass"] = "SingleNode"
    if declared.data_security_mode:
        spec["data_security_mode"] = declared.data_security_mode
    if declared.environment:
        spec["spark_env_vars"] = {name: str(Reference.parse(place)) for name, place in declared.environment.items()}
    if lab.compute.cluster is not None:
        spec["cluster_name"] = f"{lab.name}-{mark}"
        spec["autotermination_minutes"] = declared.autotermination_minutes
    return spec


def endpoint_config(endpoint: Endpoint) -> dict[str, Any]:
    """What an endpoint serves."""
    if endpoint.external is not None:
        one = endpoint.external
        return external(one.model, one.provider, one.secret, task=one.task)
    if endpoint.custom is not None:
        registered = endpoint.custom
        return custom(
            registered.model, registered.version, size=registered.size, scale_to_zero=registered.scale_to_zero
        )
    if endpoint.foundation is not None:
        base = endpoint.foundation
        return foundation(base.model, base.version, tokens_per_second=base.tokens_per_second)
    return dict(endpoint.config or {})


def library_specs(lab: Lab) -> list[dict[str, Any]]:
    """The libraries of a cluster."""
    return [{"pypi": {"package": one}} for one in lab.libraries]


def chain_task(lab: Lab, package: str, folder: str, place: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The task that runs the lab's chain, and the environments it names; there are none where a cluster runs it.

    Args:
        lab: The declaration.
        package: Where the wheel is.
        folder: Where the lab's files are.
        place: Where the run leaves what came out.
    """
    task: dict[str, Any] = {
        "task_key": "chain",
        "python_wheel_task": {
            "package_name": PACKAGE,
            "entry_point": ENTRY,
            "parameters": ["--folder", folder, "--run", place],
        },
    }
    serverless = lab.compute.serverless
    if serverless is None:
        task["libraries"] = [{"whl": package}, *library_specs(lab)]
        return task, []
    task["environment_key"] = "lab"
    spec = {"environment_version": serverless.environment_version, "dependencies": [package, *lab.libraries]}
    return task, [{"environment_key": "lab", "spec": spec}]
