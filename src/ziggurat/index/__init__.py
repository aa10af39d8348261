"""What is known: documents in, chunks found. The shop window of the room; nothing is loaded until used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.index.hits import (
        Check,
        HealthReport,
        Hit,
        IndexStats,
        IngestReport,
        LeftOut,
        Leg,
        Position,
        RepairReport,
        SearchMode,
    )
    from ziggurat.index.retriever import VectorIndexRetriever
    from ziggurat.index.sharded import ShardedIndex
    from ziggurat.index.splitting import Piece, Splitter, StructureSplitter
    from ziggurat.index.vector_index import VectorIndex

_HOMES = {
    "Check": "hits",
    "HealthReport": "hits",
    "Hit": "hits",
    "IndexStats": "hits",
    "IngestReport": "hits",
    "LeftOut": "hits",
    "Leg": "hits",
    "Piece": "splitting",
    "Position": "hits",
    "RepairReport": "hits",
    "SearchMode": "hits",
    "ShardedIndex": "sharded",
    "Splitter": "splitting",
    "StructureSplitter": "splitting",
    "VectorIndex": "vector_index",
    "VectorIndexRetriever": "retriever",
}

__all__ = [
    "Check",
    "HealthReport",
    "Hit",
    "IndexStats",
    "IngestReport",
    "LeftOut",
    "Leg",
    "Piece",
    "Position",
    "RepairReport",
    "SearchMode",
    "ShardedIndex",
    "Splitter",
    "StructureSplitter",
    "VectorIndex",
    "VectorIndexRetriever",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
