"""Other vector stores behind one interface, and moving between any two. The shop window of the room."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.stores.address import Address, parse_address
    from ziggurat.stores.connected import ConnectedStore
    from ziggurat.stores.migration import MigrationReport, migrate
    from ziggurat.stores.opening import AnyStore, open_store
    from ziggurat.stores.retriever import StoreRetriever

_HOMES = {
    "Address": "address",
    "AnyStore": "opening",
    "ConnectedStore": "connected",
    "MigrationReport": "migration",
    "StoreRetriever": "retriever",
    "migrate": "migration",
    "open_store": "opening",
    "parse_address": "address",
}

__all__ = [
    "Address",
    "AnyStore",
    "ConnectedStore",
    "MigrationReport",
    "StoreRetriever",
    "migrate",
    "open_store",
    "parse_address",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
