"""Which class stands behind which kind of store, and what it can be told beyond its address.

Imports a kind's module, and its packages, only when a store of that kind is opened.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from ziggurat.errors import InputError
from ziggurat.stores.address import Address, Kind
from ziggurat.stores.backend import Backend

_BACKENDS: dict[Kind, str] = {
    "chroma": "chroma:ChromaBackend",
    "qdrant": "qdrant:QdrantBackend",
    "pgvector": "pgvector:PgvectorBackend",
    "lancedb": "lancedb:LanceBackend",
    "pinecone": "pinecone:PineconeBackend",
    "databricks-search": "ai_search:AISearchBackend",
}


def connect(place: Address, *, create: bool, options: Mapping[str, Any]) -> Backend:
    """Open the collection at an address that is not an index of ours.

    Args:
        place: Its address.
        create: Whether it may be made.
        options: Passed to the ``connect`` of its class.

    Raises:
        InputError: If an option is unknown to that kind.
        MissingDependency: If its packages are not installed.
    """
    module, _, name = _BACKENDS[place.kind].partition(":")
    connecting = getattr(import_module(f"ziggurat.stores.{module}"), name).connect
    check_options(connecting, options, place)
    backend: Backend = connecting(place, create=create, **options)
    return backend


def check_options(connecting: Callable[..., Any], options: Mapping[str, Any], place: Address) -> None:
    """Refuse options that nobody reads.

    Raises:
        InputError: If there are any.
    """
    known = inspect.signature(connecting).parameters.keys() - {"address", "create"}
    if unknown := sorted(options.keys() - known):
        raise InputError(
            f"Unknown options: {', '.join(unknown)}.",
            where=str(place),
            fix=f"known here: {', '.join(sorted(known)) or 'none'}",
        )
