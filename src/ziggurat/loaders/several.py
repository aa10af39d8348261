"""Several sources as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ziggurat.loaders.source import Item, Source


@dataclass(frozen=True)
class Several:
    """The items of several sources, one source after another; a key that comes again is passed over.

    Args:
        sources: In the order they are listed.
    """

    sources: Sequence[Source]

    @property
    def name(self) -> str:
        """All their names."""
        return " + ".join(source.name for source in self.sources)

    def items(self) -> Iterator[Item]:
        """The items of each in turn."""
        seen: set[str] = set()
        for source in self.sources:
            for item in source.items():
                if item.key not in seen:
                    seen.add(item.key)
                    yield item
