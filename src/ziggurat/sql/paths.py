"""The joins from tables at hand to another. Pure; knows only `Join`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ziggurat.sql.schema import Join

_LONGEST = 3


def path(joins: Sequence[Join], here: Iterable[str], to: str) -> list[tuple[Join, str]] | None:
    """The shortest way: joins in order, each with the table it brings; None if there is none.

    Args:
        joins: All that can be made.
        here: The tables at hand.
        to: The table to be reached.
    """
    ways: dict[str, list[tuple[Join, str]]] = {name: [] for name in here}
    queue = list(ways)
    while queue:
        at = queue.pop(0)
        if at == to:
            return ways[at]
        if len(ways[at]) >= _LONGEST:
            continue
        for join in joins:
            for one, other in ((join.table, join.other), (join.other, join.table)):
                if one == at and other not in ways:
                    ways[other] = [*ways[at], (join, other)]
                    queue.append(other)
    return None
