"""Who answers for an endpoint: the workspace's models, opened when they are first asked.

Knows specs and LangChain's objects; nothing of HTTP or of an endpoint's state. Invariant: a spec is opened once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from ziggurat import models

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace


class Answering:
    """The models of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._opened: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def chat(self, names: Iterable[str]) -> BaseChatModel:
        """Who chats for a served model, by the first of its names that has somebody of its own."""
        found = self._chosen(names, self._workspace.models.chat)
        if found is not None and not isinstance(found, str):
            return found  # type: ignore[no-any-return]  # a LangChain model, by contract
        model: BaseChatModel = self._open("chat", found)
        return model

    def embeddings(self, names: Iterable[str]) -> Embeddings:
        """Who embeds for a served model."""
        found = self._chosen(names, self._workspace.models.embeddings)
        if found is not None and not isinstance(found, str):
            return found  # type: ignore[no-any-return]  # the same
        model: Embeddings = self._open("embeddings", found)
        return model

    def _chosen(self, names: Iterable[str], otherwise: Any) -> Any:
        served = self._workspace.models.served
        return next((served[name] for name in names if name in served), otherwise)

    def _open(self, kind: str, spec: str | None) -> Any:
        with self._lock:
            key = (kind, spec or "")
            if key not in self._opened:
                self._opened[key] = models.chat(spec) if kind == "chat" else models.embeddings(spec)
            return self._opened[key]
