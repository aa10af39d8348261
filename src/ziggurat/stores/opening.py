"""`open_store`: a store by its address, whichever kind it is."""

from __future__ import annotations

import os
from typing import Any

from langchain_core.embeddings import Embeddings

from ziggurat.index.vector_index import VectorIndex
from ziggurat.stores.address import parse_address
from ziggurat.stores.connected import ConnectedStore
from ziggurat.stores.kinds import check_options

AnyStore = VectorIndex | ConnectedStore
"""What an address opens: both are LangChain vector stores with the same filters and the same retriever."""


def open_store(
    address: str | os.PathLike[str],
    embedding: Embeddings | str | None = None,
    *,
    create: bool = True,
    **options: Any,
) -> AnyStore:
    """Open a store.

    Args:
        address: A folder for an index of ours, or one of the forms in `ziggurat.stores.address`.
        embedding: The model of its vectors: a LangChain ``Embeddings``, a model spec, or None for the
            one the store remembers, or for the local default in a new one.
        create: Whether a store that is not there may be made; it is when it is first written to.
        **options: What the kind takes: ``headers`` (Chroma's server), ``api_key`` (Qdrant's server,
            Pinecone), ``host`` (Pinecone's controller); ``host``, ``token``, ``profile``, ``columns``,
            ``text_column``, ``wait_seconds`` (AI Search).

    Raises:
        InputError: If the address names no store, or an option is unknown.
        IndexNotFound: If it is not there and may not be made.
        EmbeddingMismatch: If it remembers another model.
        MissingDependency: If the packages of its kind are not installed.
    """
    place = parse_address(address)
    if place.kind != "index":
        return ConnectedStore.open(place, embedding, create=create, **options)
    check_options(_an_index, options, place)
    if create:
        return VectorIndex.open_or_create(place.place, embedding)
    return VectorIndex.open(place.place, embedding)


def _an_index() -> None:
    """An index of ours takes no options."""
