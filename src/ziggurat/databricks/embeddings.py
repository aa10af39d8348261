"""`DatabricksEmbeddings`: an embedding endpoint of a workspace as LangChain embeddings.

Thin: batches texts, sends, puts vectors in order. Invariant: as many vectors as texts, or an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings
from pydantic import Field, model_validator

from ziggurat.databricks.endpoint import Endpoint, InWorkspace, called
from ziggurat.errors import AnswerCut

_AT_ONCE = 4

if TYPE_CHECKING:
    pass


class DatabricksEmbeddings(InWorkspace, Embeddings):
    """An embedding endpoint.

    Example:
        ``DatabricksEmbeddings(endpoint="databricks-bge-large-en").embed_query("hello")``

    Attributes:
        endpoint: The serving endpoint's name; ``model`` is another name for it.
        target_uri: ``databricks``, or ``databricks://PROFILE`` for a profile of ``~/.databrickscfg``.
        query_params: Goes into every request for a question.
        documents_params: Goes into every request for documents.
        batch_size: Texts in one request; endpoints refuse more than about 150.
        host: The workspace; ``DATABRICKS_HOST`` if left out.
        token: A personal access token; ``DATABRICKS_TOKEN`` if left out.
        credentials: Other ways in, as `ziggurat.workspace.access` takes them.
        workspace_client: A ``WorkspaceClient`` that is there already, instead of all these.
        timeout: Seconds of silence before a call is given up.
        max_retries: How often a call is repeated while the endpoint is too busy.
        patience: Seconds within which it is repeated.
    """

    endpoint: str = Field(min_length=1)
    query_params: dict[str, Any] = Field(default_factory=dict)
    documents_params: dict[str, Any] = Field(default_factory=dict)
    batch_size: int = Field(default=100, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _known_by_other_names(cls, values: Any) -> Any:
        return called(values, {"model": "endpoint", "api_token": "token"})

    @cached_property
    def _endpoint(self) -> Endpoint:
        return Endpoint(self._opened(), self.endpoint)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text.

        Raises:
            WorkspaceError: As `ziggurat.databricks.calls.Calls.post`.
        """
        return [vector for batch in self._batches(texts) for vector in self._embed(batch, self.documents_params)]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question; errors as for `embed_documents`."""
        return self._embed([text], self.query_params)[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The same without blocking, a few batches at a time."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(batch: Sequence[str]) -> list[list[float]]:
            async with gate:
                return await self._aembed(batch, self.documents_params)

        batches = await asyncio.gather(*(one(batch) for batch in self._batches(texts)))
        return [vector for batch in batches for vector in batch]

    async def aembed_query(self, text: str) -> list[float]:
        """The same without blocking."""
        return (await self._aembed([text], self.query_params))[0]

    def _batches(self, texts: Sequence[str]) -> list[Sequence[str]]:
        return [texts[at : at + self.batch_size] for at in range(0, len(texts), self.batch_size)]

    def _embed(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[list[float]]:
        return self._vectors(self._endpoint.post({"input": list(texts), **options}), len(texts))

    async def _aembed(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[list[float]]:
        reply = await self._endpoint.apost({"input": list(texts), **options})
        return self._vectors(reply, len(texts))

    def _vectors(self, reply: Any, asked: int) -> list[list[float]]:
        data = reply.get("data") if isinstance(reply, Mapping) else None
        if not isinstance(data, list) or len(data) != asked:
            raise AnswerCut(
                f"The endpoint gave {len(data) if isinstance(data, list) else 'no'} vectors for {asked} texts.",
                where=f"databricks:{self.endpoint}",
                fix="is it an embedding endpoint (task llm/v1/embeddings)?",
            )
        ordered = sorted(enumerate(data), key=lambda pair: pair[1].get("index", pair[0]))
        return [one["embedding"] for _, one in ordered]
