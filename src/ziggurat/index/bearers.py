"""Who bears a name: what a multi-hop search looks up in the index.

Reads names, words, texts and vectors of one generation, each at most once a search; decides nothing
about what they are worth.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from ziggurat.index import names, reads
from ziggurat.index.dense import View
from ziggurat.index.inputs import Vectors
from ziggurat.index.names import PART, Mention, Word
from ziggurat.index.rarity import frequency
from ziggurat.index.reads import StoredChunk
from ziggurat.index.words import phrase_expression

_MOST = 3
"""Documents of one name that are looked at."""
_READ_OF_A_NAME = 50
"""Documents of one name that are compared to find these."""
_RARE_IN_TITLES, _RARE_IN_CHUNKS = 2, 6
_NAMING = 10
"""Chunks that name a title."""
_COMMON = 1000
"""A title of one word that stands in more chunks than this is not looked for in all of them."""

Bearer = tuple[int, int]
"""A row and the kind of its name."""


class Scale:
    """Scores stretched so that the smallest seen is 0 and the largest is 1.

    Args:
        seen: Scores; with fewer than two different ones everything is 0.
    """

    def __init__(self, seen: Collection[float]) -> None:
        self._low = min(seen, default=0.0)
        self._span = max(seen, default=0.0) - self._low

    def of(self, score: float) -> float:
        """A score on the scale, cut off at its ends."""
        return 0.0 if self._span <= 0 else min(max((score - self._low) / self._span, 0.0), 1.0)


class Bearers:
    """The names, texts and vectors of one generation.

    Args:
        connection: Inside a read transaction.
        view: The vectors of the same generation.
        query: The question's unit vector.
    """

    def __init__(self, connection: sqlite3.Connection, view: View, query: Vectors) -> None:
        self._db = connection
        self._view = view
        self._query = query
        self._chunks: dict[int, StoredChunk] = {}
        self._titles: dict[int, str | None] = {}
        self._vectors: dict[int, Vectors] = {}

    # Texts and vectors

    def text(self, row: int) -> str:
        """The chunk's text."""
        return self._chunk(row).text

    def whole(self, row: int) -> str:
        """The id of what the chunk is a part of: its document, or itself."""
        chunk = self._chunk(row)
        return chunk.id if chunk.document is None else chunk.document

    def title(self, row: int) -> str | None:
        """The title of what the chunk is a part of."""
        if row not in self._titles:
            title = json.loads(self._chunk(row).metadata).get("title")
            self._titles[row] = title if isinstance(title, str) and title else None
        return self._titles[row]

    def cosine(self, row: int) -> float:
        """How near the chunk is to the question."""
        return float(self._vector(row) @ self._query)

    def likeness(self, row: int, other: int) -> float:
        """How near two chunks are to one another."""
        return float(self._vector(row) @ self._vector(other))

    def likenesses(self, rows: Sequence[int]) -> list[float]:
        """How near some chunks are to one another, from what is usual among them to the nearest two."""
        if len(rows) < 2:  # noqa: PLR2004 (a pair)
            return []
        vectors = self._view.vectors(np.array(rows, dtype=np.int64))
        pairs = (vectors @ vectors.T)[np.triu_indices(len(rows), 1)]
        return [float(np.median(pairs)), float(pairs.max())]

    # Names

    def mentions(self, text: str, text_words: list[Word]) -> tuple[list[Mention], dict[str, list[Bearer]]]:
        """Where a text names documents, and which bear each name."""
        wanted = {name for name, _, _ in names.candidates(text_words)}
        bearers: dict[str, list[Bearer]] = {}
        for name, kind, row in self._db.execute(
            "SELECT name, kind, row FROM json_each(?) AS wanted, names WHERE names.name = wanted.value AND kind < ?",
            (json.dumps(list(wanted)), PART),
        ):
            bearers.setdefault(name, []).append((row, kind))
        return names.mentions(text, text_words, bearers.keys()), bearers

    def ranked(self, bearers: Sequence[Bearer], row: int | None) -> list[Bearer]:
        """The likeliest bearers of a name: by kind, then by likeness to a chunk or to the question."""
        kept = bearers[:_READ_OF_A_NAME]
        if len(kept) > 1:
            like = self.cosine if row is None else (lambda other: self.likeness(row, other))
            kept = sorted(kept, key=lambda bearer: (bearer[1], -like(bearer[0])))[:_MOST]
        return [(self._best_chunk(first), kind) for first, kind in kept]

    def of_rare_words(self, found: Iterable[str]) -> dict[str, list[int]]:
        """The documents in whose titles a word stands, for the words that are rare in titles and in texts."""
        rows: dict[str, list[int]] = {}
        for name, row in self._db.execute(
            "SELECT wanted.value, names.row FROM json_each(?) AS wanted, names "
            "WHERE names.name = wanted.value AND names.kind = ? AND (SELECT count(*) FROM "
            "(SELECT 1 FROM names AS same WHERE same.name = wanted.value AND same.kind = ? LIMIT ?)) <= ?",
            (json.dumps(list(found)), PART, PART, _RARE_IN_TITLES + 1, _RARE_IN_TITLES),
        ):
            rows.setdefault(name, []).append(row)
        return {
            name: [self._best_chunk(row) for row in bearing]
            for name, bearing in rows.items()
            if frequency(self._db, name, _RARE_IN_CHUNKS + 1) <= _RARE_IN_CHUNKS
        }

    def naming(self, title: str) -> list[int]:
        """Chunks in which a title stands."""
        expression = phrase_expression(title)
        if expression is None or (
            " " not in expression and frequency(self._db, names.normal(title), _COMMON + 1) > _COMMON
        ):
            return []
        rows = [row for row, _ in reads.words_ranking(self._db, expression, _NAMING, None)]
        self._fetch(rows)
        return rows

    def _best_chunk(self, first: int) -> int:
        """Of the document that begins with this chunk, the chunk nearest to the question."""
        chunk = self._chunk(first)
        if chunk.document is None:
            return first
        found = self._db.execute(
            "SELECT row FROM chunks WHERE doc = (SELECT doc FROM chunks WHERE row = ?) ORDER BY row", (first,)
        ).fetchall()
        rows = np.array([row for (row,) in found], dtype=np.int64)
        return int(rows[np.argmax(self._view.scores(self._query, rows))]) if len(rows) > 1 else first

    def _chunk(self, row: int) -> StoredChunk:
        if row not in self._chunks:
            self._fetch([row])
        return self._chunks[row]

    def _fetch(self, rows: Iterable[int]) -> None:
        missing = [row for row in rows if row not in self._chunks]
        self._chunks.update((chunk.row, chunk) for chunk in reads.fetch(self._db, missing))

    def _vector(self, row: int) -> Vectors:
        if row not in self._vectors:
            self._vectors[row] = self._view.vectors(np.array([row], dtype=np.int64))[0]
        return self._vectors[row]
