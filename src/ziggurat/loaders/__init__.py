"""Where documents come from: files, sites, buckets, queries. The shop window; nothing is loaded until used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.loaders.document import Kind, Place, SourceDocument
    from ziggurat.loaders.parsers import PARSERS, Parser, parse
    from ziggurat.loaders.source import Item, Source, load, open_source

_HOMES = {
    "PARSERS": "parsers",
    "Item": "source",
    "Kind": "document",
    "Parser": "parsers",
    "Place": "document",
    "Source": "source",
    "SourceDocument": "document",
    "load": "source",
    "open_source": "source",
    "parse": "parsers",
}

__all__ = ["PARSERS", "Item", "Kind", "Parser", "Place", "Source", "SourceDocument", "load", "open_source", "parse"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
