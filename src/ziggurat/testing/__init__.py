"""Public test doubles for code that builds on Ziggurat.

`FakeChat`, `FakeEmbeddings`, `FakeImages` and `FakeReranker` stand in for models; `OpenAIServer`, `PineconeServer` and
`SearchServer` stand in for the services, the first with faults on demand. Importing this module imports none of them, so it stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.testing.chat import Call, FakeChat, tool_call
    from ziggurat.testing.embeddings import FakeEmbeddings
    from ziggurat.testing.images import FakeImages
    from ziggurat.testing.openai_server import Fault, OpenAIServer, Received
    from ziggurat.testing.pinecone_server import PineconeServer
    from ziggurat.testing.reranker import FakeReranker
    from ziggurat.testing.search_server import Searched, SearchServer

__all__ = [
    "Call",
    "FakeChat",
    "FakeEmbeddings",
    "FakeImages",
    "FakeReranker",
    "Fault",
    "OpenAIServer",
    "PineconeServer",
    "Received",
    "SearchServer",
    "Searched",
    "tool_call",
]

_HOMES = {
    "Call": "chat",
    "FakeChat": "chat",
    "FakeEmbeddings": "embeddings",
    "FakeImages": "images",
    "FakeReranker": "reranker",
    "Fault": "openai_server",
    "OpenAIServer": "openai_server",
    "PineconeServer": "pinecone_server",
    "Received": "openai_server",
    "SearchServer": "search_server",
    "Searched": "search_server",
    "tool_call": "chat",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
