"""Caches of model answers, through LangChain's own interface for them.

`MemoryCache` for a process, `SQLiteCache` for the processes of a machine, `RedisCache` for several machines;
each bounded, each synchronous and asynchronous. Give one to all models with
``langchain_core.globals.set_llm_cache(...)``, or to one with ``model.cache = ...``. LangChain asks a cache in
``invoke``, ``batch`` and their asynchronous twins, not in ``stream``; the answer it gives has its first
usage with ``total_cost`` 0 beside it (see `ziggurat.prices.was_cached`), so that nobody pays twice.

What is stored is JSON and named by a hash: no prompt is written down, and reading an entry runs nothing,
whoever wrote it. What cannot be read is a miss.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.models.caches.memory import MemoryCache
    from ziggurat.models.caches.redis import RedisCache
    from ziggurat.models.caches.sqlite import SQLiteCache

__all__ = ["MemoryCache", "RedisCache", "SQLiteCache"]

_HOMES = {"MemoryCache": "memory", "RedisCache": "redis", "SQLiteCache": "sqlite"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
