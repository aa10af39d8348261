"""What kind of model an endpoint serves and what it takes, asked of the workspace.

Best effort where it only helps to explain an error. Knows the JSON of ``/api/2.0/serving-endpoints``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ziggurat.errors import EndpointRefused, WorkspaceNotFound
from ziggurat.suggest import did_you_mean

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls

Tasks = Literal["llm/v1/completions", "llm/v1/chat", "custom"]
ENDPOINTS = "/api/2.0/serving-endpoints"
FAILED = ("UPDATE_FAILED", "UPDATE_CANCELED")
"""What a change of an endpoint is called that came to nothing."""

_SHOWN = 12


def place_of(endpoint: str) -> str:
    """The path that tells of an endpoint."""
    return f"{ENDPOINTS}/{quote(endpoint, safe='')}"


def no_endpoint(name: str, names: Sequence[str], host: str, status: int | None) -> WorkspaceNotFound:
    """The error of an endpoint that is not among ``names``; the closest is suggested."""
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return WorkspaceNotFound(
        f"There is no endpoint {name!r} in the workspace{did_you_mean(name, names)}.",
        where=host,
        fix=f"there are {shown}" if names else "`ziggurat databricks endpoints create` makes one",
        status_code=status,
    )


def task_in(told: Mapping[str, Any]) -> str:
    """What an endpoint is for, from what the workspace says of it; empty where it names no task."""
    return str(told.get("task") or next(_tasks(told), ""))


def task_of(calls: Calls, endpoint: str) -> Tasks:
    """What an endpoint is for; ``custom`` where it names no task.

    Raises:
        EndpointRefused: If it makes no text.
        WorkspaceError: As `Calls.get`.
    """
    task = task_in(calls.get(place_of(endpoint)))
    if task == "llm/v1/chat":
        return "llm/v1/chat"
    if task == "llm/v1/completions":
        return "llm/v1/completions"
    if task == "llm/v1/embeddings":
        raise EndpointRefused(
            "The endpoint makes vectors, not text.", where=f"databricks:{endpoint}", fix="use DatabricksEmbeddings"
        )
    return "custom"


def _tasks(told: Mapping[str, Any]) -> Iterator[str]:
    for config in (told.get("config"), told.get("pending_config")):
        for entity in (config or {}).get("served_entities") or ():
            for kind in ("external_model", "foundation_model"):
                task = (entity.get(kind) or {}).get("task")
                if task:
                    yield str(task)
