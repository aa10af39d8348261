"""The dense leg: the snapshot, what was committed after it, and what was removed since, as one.

Holds an immutable `View` of one generation and makes the next from it by reading only what changed;
searches then run on a view without any lock. Reads rows and vectors through `Store`, files through
`snapshot`. Invariant: a view holds exactly the rows of its generation, whatever happened to the
snapshot file.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ziggurat.errors import IndexCorrupt
from ziggurat.index import snapshot as snapshots
from ziggurat.index.inputs import Vectors
from ziggurat.index.searcher import Positions, Scores, Searcher, build, extended
from ziggurat.index.snapshot import Snapshot
from ziggurat.index.store import knows_version, read_version
from ziggurat.index.transaction import Version

LARGEST_TAIL = 2048
"""Rows searched from memory before a new snapshot is due: 0.3 ms of a query at 384 dimensions."""

TAIL_SHARE = 0.1
"""The same as a share of the snapshot, whichever is more: a growing index is rewritten ever more rarely."""
LONGEST_TAIL = 20_000
"""But never more than this: 3 ms of a query."""

_GATHERED = 8192


@dataclass(frozen=True, slots=True)
class View:
    """The vectors of one generation.

    Attributes:
        version: The generation and its stamp.
        rows: Rows of the snapshot, ascending.
        searcher: Their vectors.
        dead: Which of them were removed since; None when none were.
        tail_rows: Rows committed since, ascending, all behind ``rows``.
        tail: Their vectors, shape (len(tail_rows), dimensions).
    """

    version: Version
    rows: Positions
    searcher: Searcher
    dead: NDArray[np.bool_] | None
    tail_rows: Positions
    tail: Vectors

    @property
    def dead_count(self) -> int:
        """How many rows of the snapshot were removed since."""
        return 0 if self.dead is None else int(self.dead.sum())

    def __len__(self) -> int:
        return len(self.rows) - self.dead_count + len(self.tail_rows)

    @property
    def wants_snapshot(self) -> bool:
        """Whether so much changed since the snapshot that a new one pays."""
        due = max(LARGEST_TAIL, min(TAIL_SHARE * len(self.rows), LONGEST_TAIL))
        return len(self.tail_rows) + self.dead_count > due

    def search(self, query: Vectors, k: int, among: Positions | None = None) -> list[tuple[int, float]]:
        """The ``k`` nearest rows with their cosines, best first; equal cosines by row.

        Args:
            query: A unit vector, shape (dimensions,).
            k: How many.
            among: Only these rows, ascending; they are all compared exactly.
        """
        if among is not None:
            rows, scores = among, self.scores(query, among)
        else:
            rows, scores = self._snapshot_part(query, k)
            if len(self.tail_rows):
                rows = np.concatenate((rows, self.tail_rows))
                scores = np.concatenate((scores, self.tail @ query))
        if len(rows) > k:
            # Everything as good as the k-th stays in, so that ties are settled by row below.
            keep = scores >= np.partition(scores, -k)[-k]
            rows, scores = rows[keep], scores[keep]
        order = np.lexsort((rows, -scores))[:k]
        return list(zip(rows[order].tolist(), scores[order].tolist(), strict=True))

    def _snapshot_part(self, query: Vectors, k: int) -> tuple[Positions, Scores]:
        if self.dead is None:
            positions, scores = self.searcher.search(query, k)
            return self.rows[positions], scores
        wanted = k + min(self.dead_count, 32)
        while True:
            positions, scores = self.searcher.search(query, wanted)
            alive = ~self.dead[positions]
            if int(alive.sum()) >= k or len(positions) < wanted or wanted >= len(self.rows):
                return self.rows[positions[alive]], scores[alive]
            wanted *= 4

    def scores(self, query: Vectors, rows: Positions) -> Scores:
        """Cosines of given rows of this view, in their order, exact."""
        parts = [self.vectors(rows[at : at + _GATHERED]) @ query for at in range(0, len(rows), _GATHERED)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)

    def vectors(self, rows: Positions) -> Vectors:
        """The exact vectors of given rows of this view, in their order."""
        out = np.empty((len(rows), self.tail.shape[1]), dtype=np.float32)
        # Every row of the tail lies behind every row of the snapshot.
        behind = rows > (self.rows[-1] if len(self.rows) else -1)
        out[~behind] = self.searcher.matrix[np.searchsorted(self.rows, rows[~behind])]
        out[behind] = self.tail[np.searchsorted(self.tail_rows, rows[behind])]
        return out

    def everything(self) -> tuple[Positions, Vectors]:
        """All rows, ascending, with their vectors."""
        if not len(self.rows):
            return self.tail_rows, self.tail
        if self.dead is None:
            old_rows, old = self.rows, self.searcher.matrix
        else:
            old_rows, old = self.rows[~self.dead], self.searcher.matrix[~self.dead]
        return np.concatenate((old_rows, self.tail_rows)), np.concatenate((old, self.tail))


def open_view(connection: sqlite3.Connection, directory: Path, dimensions: int) -> View:
    """The view of the connection's generation: the snapshot caught up, or all from SQLite."""
    found = snapshots.read(directory)
    if found is not None and found.searcher.matrix.shape[1] == dimensions:
        caught_up = _caught_up(connection, view_of_snapshot(found, dimensions))
        if caught_up is not None:
            return caught_up
    return view_of_database(connection, dimensions)


def view_of_database(connection: sqlite3.Connection, dimensions: int) -> View:
    """The view of the connection's generation from SQLite alone: all of it is tail."""
    version = read_version(connection)
    rows, vectors = _read_vectors(connection, 0, dimensions)
    nothing = np.empty((0, dimensions), dtype=np.float32)
    return View(version, np.empty(0, dtype=np.int64), build(nothing), None, rows, vectors)


def next_view(connection: sqlite3.Connection, view: View) -> View | None:
    """The view of the connection's generation, made from an earlier one.

    Returns:
        None if the earlier view is not of this index's past; then `open_view` is needed.
    """
    if read_version(connection) == view.version:
        return view
    return _caught_up(connection, view)


def condensed(view: View) -> View:
    """The same rows with an empty tail and nothing dead: what a new snapshot holds."""
    rows, vectors = view.everything()
    # Where nothing was removed the rows of the snapshot are still the first ones.
    searcher = build(vectors) if view.dead_count else extended(view.searcher, vectors)
    found = Snapshot(view.version.generation, view.version.stamp, rows, searcher)
    return view_of_snapshot(found, view.tail.shape[1])


def snapshot_of(view: View) -> Snapshot:
    """A condensed view as a snapshot to be written."""
    return Snapshot(view.version.generation, view.version.stamp, view.rows, view.searcher)


def view_of_snapshot(found: Snapshot, dimensions: int) -> View:
    """What a snapshot holds, with nothing committed or removed since."""
    return View(
        version=Version(found.generation, found.stamp),
        rows=found.rows,
        searcher=found.searcher,
        dead=None,
        tail_rows=np.empty(0, dtype=np.int64),
        tail=np.empty((0, dimensions), dtype=np.float32),
    )


def _caught_up(connection: sqlite3.Connection, view: View) -> View | None:
    if not knows_version(connection, view.version):
        return None
    newest = read_version(connection)
    if newest == view.version:
        return view
    removed = np.array(
        [
            row
            for (row,) in connection.execute(
                "SELECT row FROM removed WHERE generation > ? ORDER BY row", (view.version.generation,)
            )
        ],
        dtype=np.int64,
    )
    last = int(view.tail_rows[-1]) if len(view.tail_rows) else int(view.rows[-1]) if len(view.rows) else 0
    new_rows, new = _read_vectors(connection, last, view.tail.shape[1])
    dead, tail_rows, tail = view.dead, view.tail_rows, view.tail
    if len(removed):
        gone = np.isin(view.rows, removed, assume_unique=True)
        if gone.any():
            dead = gone if dead is None else dead | gone
        kept = ~np.isin(tail_rows, removed, assume_unique=True)
        tail_rows, tail = tail_rows[kept], tail[kept]
    return View(
        newest,
        view.rows,
        view.searcher,
        dead,
        np.concatenate((tail_rows, new_rows)),
        np.concatenate((tail, new)),
    )


def _read_vectors(connection: sqlite3.Connection, after: int, dimensions: int) -> tuple[Positions, Vectors]:
    count = connection.execute("SELECT count(*) FROM vectors WHERE row > ?", (after,)).fetchone()[0]
    rows = np.empty(count, dtype=np.int64)
    vectors = np.empty((count, dimensions), dtype=np.float32)
    cursor = connection.execute("SELECT row, vector FROM vectors WHERE row > ? ORDER BY row", (after,))
    at = 0
    # Some at a time: a million rows as Python objects would take more room than their vectors.
    while part := cursor.fetchmany(_GATHERED):
        data = b"".join([vector for _, vector in part])
        if len(data) != len(part) * dimensions * 4:
            raise IndexCorrupt(
                "A stored vector has the wrong length.", fix="repair() embeds the chunks of damaged vectors again"
            )
        rows[at : at + len(part)] = [row for row, _ in part]
        vectors[at : at + len(part)] = np.frombuffer(data, dtype="<f4").reshape(len(part), dimensions)
        at += len(part)
    return rows, vectors
