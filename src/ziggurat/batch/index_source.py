"""Sources as plain data, so that a worker can open what the driver named, and the parts of them.

Knows nothing of what is built from them. Invariant: a worker finds under a key what the driver listed under it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ziggurat.batch.passages import PassageTable
from ziggurat.errors import InputError
from ziggurat.index.shard_list import shard_of
from ziggurat.loaders.several import Several
from ziggurat.loaders.source import Item, Source, is_address, open_source


def plain_source(source: Any, options: Mapping[str, Any]) -> Any:
    """A source as plain data, from which a worker can open it.

    Raises:
        InputError: If it is an object that only this process has, or an option is no plain data.
    """
    if isinstance(source, PassageTable):
        kept = None if source.metadata is None else list(source.metadata)
        return {"kind": "passages", "path": source.name, "text": source.text, "id": source.id, "metadata": kept}
    if isinstance(source, (list, tuple)):
        return [plain_source(one, options) for one in source]
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(
            f"Workers cannot open a {type(source).__name__}.", fix="give a path, an address, or a PassageTable"
        )
    try:
        json.dumps(options)
    except TypeError as error:
        raise InputError(f"An option of the source is no plain data: {error}.") from error
    text = os.fspath(source)
    # workers have other working directories
    given = text if is_address(text) else str(Path(text).absolute())
    return {"kind": "source", "given": given, "options": dict(options)}


def open_plain(plain: Any) -> list[Source]:
    """The sources that plain data stands for, see `plain_source`."""
    if isinstance(plain, list):
        return [source for one in plain for source in open_plain(one)]
    if plain["kind"] == "passages":
        from ziggurat.batch.passages import PassageTable

        return [PassageTable(plain["path"], plain["text"], plain["id"], plain["metadata"])]
    source = open_source(plain["given"], **plain["options"])
    known_as = getattr(source, "known_as", None)
    return [source if known_as is None or plain.get("shown") is None else known_as(plain["shown"])]


class Listed(Several):
    """Several sources as one that remembers which of them listed an item."""

    def items(self) -> Iterator[Item]:
        """The items of each in turn, as `Several` has them."""
        self.__dict__["numbers"] = numbers = {}
        for number, source in enumerate(self.sources):
            for item in source.items():
                if item.key not in numbers:
                    numbers[item.key] = number
                    yield item


def one_source(plain: Any) -> Source:
    """The source that the driver lists.

    Raises:
        InputError: If it is read while it is listed: a site has no items that a worker could find by name.
    """
    opened = open_plain(plain)
    for one in opened:
        if getattr(one, "streamed", False):
            raise InputError(
                "This source is read while it is listed, so that workers cannot share it.",
                where=one.name,
                fix="sync it into an index on one machine, or name its pages in a list",
            )
    return Listed(opened) if isinstance(plain, list) else opened[0]


def numbered(source: Source, items: Sequence[Item]) -> list[tuple[int, Item]]:
    """Items with the number of the source that lists them."""
    numbers: Mapping[str, int] = getattr(source, "numbers", {})
    return [(numbers.get(item.key, 0), item) for item in items]


@dataclass(frozen=True)
class ShardPart:
    """The items of a source that belong in one shard.

    Args:
        source: All of it.
        number: The shard's number.
        count: How many shards there are.
    """

    source: Source
    number: int
    count: int

    @property
    def name(self) -> str:
        """The whole source's."""
        return self.source.name

    @property
    def given(self) -> str:
        """As the whole source was given."""
        return str(getattr(self.source, "given", self.source.name))

    def known_as(self, given: str) -> ShardPart:
        """The same under another way to name the source."""
        known_as = getattr(self.source, "known_as", None)
        return self if known_as is None else replace(self, source=known_as(given))

    def items(self) -> Iterator[Item]:
        """Its part of the items; what stands for others that could not be listed is in every part."""
        for item in self.source.items():
            if item.hides is not None or shard_of(item.key, self.count) == self.number:
                yield item
