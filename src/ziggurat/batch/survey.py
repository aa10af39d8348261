"""A look at the whole table before any row is run: how many rows, and whether their keys tell them apart.

Eight bytes a row, whatever the keys: their hashes are sorted, and only where two are equal the keys themselves
are read again. Tables beyond `_AT_ONCE` rows are looked at in several passes.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ziggurat.batch.layout import Layout
from ziggurat.batch.reading import Table, values_of
from ziggurat.errors import TableError

_AT_ONCE = 1 << 26
_SHOWN = 5


def survey(table: Table, layout: Layout) -> int:
    """Count the rows, reading them all where the format asks for it.

    Raises:
        TableError: If a row cannot be read, or a key is null or not unique.
    """
    if not layout.keys:
        if table.rows is not None:
            return table.rows
        return sum(batch.num_rows for batch in table.read(layout.read))
    passes = -(-(table.rows or 1) // _AT_ONCE)
    rows = 0
    for turn in range(passes):
        rows = _one_pass(table, layout, turn, passes)
    return rows


def _one_pass(table: Table, layout: Layout, turn: int, passes: int) -> int:
    # where the rows' number is unknown the format is one that is checked as it is read: all columns, then
    columns = layout.keys if table.rows is not None else layout.read
    hashes = array("q")
    rows = 0
    for batch in table.read(columns):
        keys = [batch.column(name) for name in layout.keys]
        for name, column in zip(layout.keys, keys, strict=True):
            if column.null_count:
                at = rows + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
                raise TableError(
                    f"The key column {name!r} is null.",
                    where=f"{table.name}, row {at + 1:,}",
                    fix="give every row a key",
                )
        found = np.fromiter(map(hash, _values(keys)), np.int64, batch.num_rows)
        hashes.frombytes((found if passes == 1 else found[found % passes == turn]).tobytes())
        rows += batch.num_rows
    ordered = np.frombuffer(hashes, np.int64) if hashes else np.empty(0, np.int64)
    ordered.sort()  # in place
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if suspects:
        _refuse(table, layout.keys, suspects)
    return rows


def _refuse(table: Table, keys: Sequence[str], suspects: set[int]) -> None:
    counts: Counter[object] = Counter()
    for batch in table.read(keys):
        counts.update(
            key for key in _values([batch.column(name) for name in keys]) if hash(key) in suspects
        )  # fmt: skip
    twice = [(key, many) for key, many in counts.items() if many > 1]
    if twice:
        shown = ", ".join(f"{_shown(key)} ({many} times)" for key, many in twice[:_SHOWN])
        more = f", and {len(twice) - _SHOWN:,} more" if len(twice) > _SHOWN else ""
        raise TableError(
            f"The keys do not tell the rows apart: {shown}{more}.",
            where=f"{table.name}, {', '.join(keys)}",
            fix="name further key columns, or none: rows are then told apart by what the chain reads",
        )


def _values(columns: Sequence[object]) -> list[object]:
    lists = [[_hashable(one) for one in values_of(column)] for column in columns]
    return lists[0] if len(lists) == 1 else list(zip(*lists, strict=True))


def _hashable(value: object) -> object:
    return repr(value) if isinstance(value, list | dict) else value


def _shown(key: object) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
