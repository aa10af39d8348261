"""A Databricks workspace on this machine: a stand-in that the real clients talk to, answering with real models."""

from __future__ import annotations

from ziggurat.databricks.local.server import LocalWorkspace
from ziggurat.databricks.local.workspace import Delays, Models, Workspace

__all__ = ["Delays", "LocalWorkspace", "Models", "Workspace"]
