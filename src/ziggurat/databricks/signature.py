"""What kind of model an endpoint serves and what it takes, asked of the workspace.

Best effort where it only helps to explain an error. Knows the JSON of ``/api/2.0/serving-endpoints``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ziggurat.errors import EndpointRefused

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls

Tasks = Literal["llm/v1/completions", "llm/v1/chat", "custom"]
_ENDPOINTS = "/api/2.0/serving-endpoints"


def task_of(calls: Calls, endpoint: str) -> Tasks:
    """What an endpoint is for; ``custom`` where it names no task.

    Raises:
        EndpointRefused: If it makes no text.
        WorkspaceError: As `Calls.get`.
    """
    told = calls.get(f"{_ENDPOINTS}/{quote(endpoint, safe='')}")
    task = told.get("task") or next(filter(None, _tasks(told)), None)
    if task == "llm/v1/chat":
        return "llm/v1/chat"
    if task == "llm/v1/completions":
        return "llm/v1/completions"
    if task == "llm/v1/embeddings":
        raise EndpointRefused(
            "The endpoint makes vectors, not text.", where=f"databricks:{endpoint}", fix="use DatabricksEmbeddings"
        )
    return "custom"


def _tasks(told: Mapping[str, Any]) -> Iterator[str | None]:
    for config in (told.get("config"), told.get("pending_config")):
        for entity in (config or {}).get("served_entities") or ():
            for kind in ("external_model", "foundation_model"):
                if entity.get(kind):
                    yield entity[kind].get("task")
