"""A chain over a table: on this machine, or on Apache Spark.

    ``batch``         what is asked for, checked and begun
    ``here``          rows on this machine             ``spark/``       rows on a cluster
    ``reading``, ``writing``, ``types``, ``layout``    tables and the chain's inputs and outputs
    ``engine``, ``flow``, ``row``, ``cells``           rows through the chain
    ``ledger``, ``segments``, ``places``               what is done, on disk
    ``coordinator``, ``remote``, ``alone``             budget, pace and claims, led or alone

Tables are read with ``pyarrow`` (the extra ``tables``); it is asked for when a name of this room is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ziggurat.optional import require

if TYPE_CHECKING:
    from ziggurat.batch.batch import BatchResult, map_table
    from ziggurat.batch.index import BuildReport, build_index
    from ziggurat.batch.passages import PassageTable
    from ziggurat.batch.rates import Rate
    from ziggurat.batch.spark.streaming import stream_table

__all__ = ["BatchResult", "BuildReport", "PassageTable", "Rate", "build_index", "map_table", "stream_table"]


_HOMES = {
    "BuildReport": "ziggurat.batch.index",
    "PassageTable": "ziggurat.batch.passages",
    "Rate": "ziggurat.batch.rates",
    "build_index": "ziggurat.batch.index",
    "stream_table": "ziggurat.batch.spark.streaming",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    require("pyarrow", for_="chains over tables", extra="tables")
    return getattr(import_module(_HOMES.get(name, "ziggurat.batch.batch")), name)
