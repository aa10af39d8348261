"""Databricks: endpoints as models, driver applications, and a workspace to learn on.

Importing it imports neither LangChain nor any SDK; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls
    from ziggurat.databricks.chat import ChatDatabricks
    from ziggurat.databricks.driver_app import DriverApp
    from ziggurat.databricks.embeddings import DatabricksEmbeddings
    from ziggurat.databricks.endpoints import Endpoints, custom, external, foundation
    from ziggurat.databricks.llm import Databricks
    from ziggurat.databricks.local import LocalWorkspace
    from ziggurat.databricks.secrets import Secrets

__all__ = [
    "Calls",
    "ChatDatabricks",
    "Databricks",
    "DatabricksEmbeddings",
    "DriverApp",
    "Endpoints",
    "LocalWorkspace",
    "Secrets",
    "custom",
    "external",
    "foundation",
]

_HOMES = {
    "Calls": "calls",
    "ChatDatabricks": "chat",
    "Databricks": "llm",
    "DatabricksEmbeddings": "embeddings",
    "DriverApp": "driver_app",
    "Endpoints": "endpoints",
    "LocalWorkspace": "local",
    "Secrets": "secrets",
    "custom": "endpoints",
    "external": "endpoints",
    "foundation": "endpoints",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
