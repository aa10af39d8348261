"""BM25 over several indexes as if they were one.

FTS5 scores a row by the statistics of its own table: how many rows there are, how long they are, and how many
hold the word. Here each shard tells those and, for each word and row, how often the word stands there, which
is taken back out of FTS5's own score; the sums over all shards then give the score the row would have in one
index. Knows the words tables; nothing of vectors. Invariant: with one shard the scores are FTS5's.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ziggurat.index.filters import Condition
from ziggurat.index.rarity import Asked
from ziggurat.index.words import any_of

# FTS5's own constants, see "The bm25() function" in its documentation.
_K1, _B = 1.2, 0.75
_SMALLEST_IDF = 1e-6
_AT_ONCE = 500
_AVERAGES = 1
"""The row of FTS5's data table that holds the number of rows and of words."""


class Size(NamedTuple):
    """A words table in numbers.

    Attributes:
        rows: How many chunks it has.
        words: How many words they have together.
    """

    rows: int
    words: int

    def __add__(self, other: object) -> Size:
        if not isinstance(other, Size):
            return NotImplemented
        return Size(self.rows + other.rows, self.words + other.words)

    @property
    def length(self) -> float:
        """Words of a chunk, on average."""
        return self.words / self.rows if self.rows else 0.0


class Occurrences(NamedTuple):
    """Where one word stands in one shard.

    Attributes:
        holding: How many chunks hold it, whatever the filter.
        times: How often it stands in each row that may be found.
    """

    holding: int
    times: dict[int, int]


def size_of(connection: sqlite3.Connection) -> Size:
    """The size of a shard's words table."""
    found = connection.execute("SELECT block FROM words_data WHERE id = ?", (_AVERAGES,)).fetchone()
    numbers = list(_varints(found[0])) if found else []
    return Size(numbers[0], sum(numbers[1:])) if numbers else Size(0, 0)


def rankings(
    connections: Sequence[sqlite3.Connection], asked: Asked, condition: Condition | None
) -> list[dict[int, float]]:
    """The score of every row that holds what is asked for, for each shard; higher is better.

    Args:
        connections: One for each shard, inside a read transaction.
        asked: The words, chosen by how often they stand in all shards.
        condition: A filter.
    """
    if not asked.terms:
        return [{} for _ in connections]
    sizes = [size_of(connection) for connection in connections]
    whole = sum(sizes, Size(0, 0))
    phrases = [f'"{term}"' if asked.together else any_of([term]) or '""' for term in asked.terms]
    rows = [_holding_all(connection, asked, condition) if asked.together else None for connection in connections]
    found = [
        [_occurrences(connection, phrase, size, condition, among) for phrase in phrases]
        for connection, size, among in zip(connections, sizes, rows, strict=True)
    ]
    weights = [_idf(whole.rows, sum(shard[at].holding for shard in found)) for at in range(len(phrases))]
    scores: list[dict[int, float]] = []
    for connection, shard in zip(connections, found, strict=True):
        lengths = _lengths(connection, {row for one in shard for row in one.times})
        scored = dict.fromkeys(sorted(lengths), 0.0)
        for weight, one in zip(weights, shard, strict=True):
            for row, times in one.times.items():
                scored[row] += weight * _saturated(times, lengths[row], whole.length)
        scores.append(scored)
    return scores


def _occurrences(
    connection: sqlite3.Connection, phrase: str, size: Size, condition: Condition | None, among: list[int] | None
) -> Occurrences:
    holding = int(connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", (phrase,)).fetchone()[0])
    if not holding:
        return Occurrences(0, {})
    weight = _idf(size.rows, holding)
    ranks: dict[int, float] = {}
    if among is not None:
        for at in range(0, len(among), _AT_ONCE):
            part = among[at : at + _AT_ONCE]
            marks = ",".join("?" * len(part))
            statement = f"SELECT rowid, rank FROM words WHERE words MATCH ? AND rowid IN ({marks})"  # noqa: S608 (only question marks)
            ranks.update(connection.execute(statement, (phrase, *part)).fetchall())
    elif condition is None:
        ranks.update(connection.execute("SELECT rowid, rank FROM words WHERE words MATCH ?", (phrase,)).fetchall())
    else:
        statement = (
            "SELECT words.rowid, words.rank FROM words JOIN chunks ON chunks.row = words.rowid "  # noqa: S608 (values are parameters)
            f"WHERE words MATCH ? AND {condition.sql}"
        )
        ranks.update(connection.execute(statement, (phrase, *condition.parameters)).fetchall())
    lengths = _lengths(connection, ranks)
    return Occurrences(holding, {row: _times(-rank / weight, lengths[row], size.length) for row, rank in ranks.items()})


def _holding_all(connection: sqlite3.Connection, asked: Asked, condition: Condition | None) -> list[int]:
    """The rows that hold all words together."""
    if condition is None:
        found = connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (asked.expression,))
    else:
        found = connection.execute(
            "SELECT words.rowid FROM words JOIN chunks ON chunks.row = words.rowid "  # noqa: S608 (values are parameters)
            f"WHERE words MATCH ? AND {condition.sql}",
            (asked.expression, *condition.parameters),
        )
    return [row for (row,) in found]


def _idf(rows: int, holding: int) -> float:
    """How much a word tells that so many rows hold."""
    weight = math.log((rows - holding + 0.5) / (holding + 0.5))
    return weight if weight > 0 else _SMALLEST_IDF


def _saturated(times: int, length: int, average: float) -> float:
    """BM25's share of a word that stands so often in a chunk of that length."""
    return (times * (_K1 + 1.0)) / (times + _K1 * (1 - _B + _B * length / average))


def _times(share: float, length: int, average: float) -> int:
    """The inverse of `_saturated`: how often the word stands there."""
    damping = _K1 * (1 - _B + _B * length / average)
    return max(1, round(share * damping / (_K1 + 1.0 - share)))


def _lengths(connection: sqlite3.Connection, rows: Sequence[int] | set[int] | dict[int, float]) -> dict[int, int]:
    """Words of each row."""
    wanted, found = list(rows), {}
    for at in range(0, len(wanted), _AT_ONCE):
        part = wanted[at : at + _AT_ONCE]
        marks = ",".join("?" * len(part))
        statement = f"SELECT id, sz FROM words_docsize WHERE id IN ({marks})"  # noqa: S608 (only question marks)
        for row, packed in connection.execute(statement, part):
            found[row] = sum(_varints(packed))
    return found


def _varints(packed: bytes) -> Iterator[int]:
    """SQLite's variable-length integers: seven bits a byte, the highest first."""
    number = 0
    for byte in packed:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 (the highest bit says that more follow)
            yield number
            number = 0
