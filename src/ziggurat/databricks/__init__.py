"""Databricks: endpoints as models, driver applications, and a workspace to learn on.

Importing it imports neither LangChain nor any SDK; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.databricks.chat import ChatDatabricks
    from ziggurat.databricks.embeddings import DatabricksEmbeddings
    from ziggurat.databricks.llm import Databricks
    from ziggurat.databricks.local import LocalWorkspace

__all__ = ["ChatDatabricks", "Databricks", "DatabricksEmbeddings", "LocalWorkspace"]

_HOMES = {
    "ChatDatabricks": "ziggurat.databricks.chat",
    "Databricks": "ziggurat.databricks.llm",
    "DatabricksEmbeddings": "ziggurat.databricks.embeddings",
    "LocalWorkspace": "ziggurat.databricks.local",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
