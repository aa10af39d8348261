"""A LangChain ``Embeddings`` that opens its model when it is first asked for a vector.

Handed to the objects of other packages, so that they embed with the model their collection remembers
and no model is loaded before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.embeddings import Embeddings


class LazyEmbeddings(Embeddings):
    """The model that ``opened`` returns.

    Args:
        opened: Opens the model, or returns the one that is open already.
    """

    def __init__(self, opened: Callable[[], Embeddings]) -> None:
        self._opened = opened

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """As the model does."""
        return self._opened().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        """As the model does."""
        return self._opened().embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As the model does."""
        return await self._opened().aembed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        """As the model does."""
        return await self._opened().aembed_query(text)
