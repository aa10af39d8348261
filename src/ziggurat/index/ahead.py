"""The searcher of a first commit, built while SQLite stores the same vectors.

An index that is filled at one stroke would otherwise wait for its commit, read all vectors back and
only then learn its codes. Both halves leave Python's lock, so on two cores one hides behind the
other. What was built counts only if the commit turns out to be these vectors and nothing else;
otherwise it is dropped and the usual way taken. Invariant: a view made here equals the one that
`dense.view_of_database`, condensed, would give.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import numpy as np

from ziggurat.index.dense import LARGEST_TAIL, View, view_of_snapshot
from ziggurat.index.inputs import Vectors
from ziggurat.index.searcher import Searcher, build, one_thread
from ziggurat.index.snapshot import Snapshot
from ziggurat.index.transaction import Transaction, Version


class Ahead:
    """A searcher that may be in the making while its vectors are committed; leaving the block waits for it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ziggurat-build")
        self._begun: tuple[Transaction, Vectors, Future[Searcher]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown()

    def begin(self, transaction: Transaction, vectors: Vectors | None) -> None:
        """Start, if this commit is the first and so large that a snapshot will be due.

        Args:
            transaction: The commit, begun.
            vectors: Unit rows that it will store, shape (rows, dimensions); not to be changed meanwhile.
        """
        if vectors is not None and len(vectors) > LARGEST_TAIL and transaction.is_first:
            self._begun = transaction, vectors, self._pool.submit(_build, vectors)

    def view(self, version: Version) -> View | None:
        """The view after the commit.

        Args:
            version: The newest generation as it is read now.

        Returns:
            None if nothing was begun, another commit came in between, or this one did more than add
            these vectors.

        Raises:
            MemoryError: If there was no room for the searcher.
        """
        if self._begun is None:
            return None
        transaction, vectors, searcher = self._begun
        if version != transaction.version or transaction.removed or len(transaction.added) != 1:
            return None
        (added,) = transaction.added
        if len(added) != len(vectors):
            return None
        rows = np.arange(added.start, added.stop, dtype=np.int64)
        found = Snapshot(version.generation, version.stamp, rows, searcher.result())
        return view_of_snapshot(found, vectors.shape[1])


def _build(vectors: Vectors) -> Searcher:
    import faiss

    with one_thread(faiss):
        return build(vectors)
