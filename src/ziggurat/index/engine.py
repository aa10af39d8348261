"""An open index: its store, its view of the vectors, and the searches and commits over both.

Knows rows and vectors; what LangChain calls things is `vector_index`'s business, and files are
`ingest`'s. A search happens in one read transaction, so its legs, its filter and its chunks are of
one generation. Invariant: a failed snapshot never fails a commit; SQLite is the truth.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ziggurat.errors import EmbeddingMismatch, IndexFault, InputError
from ziggurat.index import reads, snapshot
from ziggurat.index.ahead import Ahead
from ziggurat.index.dense import View, condensed, next_view, open_view, snapshot_of, view_of_database
from ziggurat.index.embedder import Embedder, fingerprint_of, spec_of
from ziggurat.index.filters import Condition
from ziggurat.index.fusion import DEPTH, Fused, fuse
from ziggurat.index.hits import Leg, SearchMode
from ziggurat.index.hops import BASE_DEPTH, Walk
from ziggurat.index.inputs import Vectors
from ziggurat.index.rarity import telling
from ziggurat.index.searcher import Positions
from ziggurat.index.store import Manifest, Store, read_manifest, read_version
from ziggurat.index.transaction import Transaction, Version
from ziggurat.index.words import question_terms

_REMEMBERED_FILTERS = 16
_Result = TypeVar("_Result")


_BESIDE = "engine"


@dataclass(slots=True)
class _State:
    """What belongs to one generation.

    Attributes:
        manifest: What the index says of itself.
        embedder: The model of its vectors.
        view: The vectors; None before the first, or before they were needed.
    """

    manifest: Manifest
    embedder: Embedder
    view: View | None = None


class Engine:
    """One open index.

    Args:
        store: Its database.
        embedder: Its embedding model.
        manifest: As it was read on opening.
    """

    def __init__(self, store: Store, embedder: Embedder, manifest: Manifest) -> None:
        self.store = store
        self._now = _State(manifest, embedder)
        self.snapshot_problem: str | None = None
        self._data_version = -1
        self._selections: dict[tuple[object, ...], Positions] = {}
        self._frequencies: dict[str, int] = {}
        self._condensing = threading.Lock()

    @property
    def path(self) -> Path:
        """The index's directory."""
        return self.store.path

    # Reading

    def _state(self) -> _State:
        """What holds for this context: the newest state, or the pinned one."""
        pin = self.store.pin
        return self._now if pin is None else pin.get(_BESIDE, self._now)

    @property
    def manifest(self) -> Manifest:
        """What the index says of itself."""
        return self._state().manifest

    @property
    def embedder(self) -> Embedder:
        """The embedding model of its vectors."""
        return self._state().embedder

    def took(self, manifest: Manifest, embedder: Embedder | None = None) -> None:
        """A commit has changed the manifest, or the model."""
        self._now.manifest = manifest
        self._now.embedder = embedder or self._now.embedder

    def refresh(self, connection: sqlite3.Connection) -> View | None:
        """The view of the connection's generation; None while the index has no vectors yet.

        Raises:
            EmbeddingMismatch: If the index was embedded anew with another model, and the one it was
                opened with was given as an object.
        """
        if self.store.pin is not None:
            return self._state().view
        seen = int(connection.execute("PRAGMA data_version").fetchone()[0])
        if seen == self._data_version:
            return self._now.view
        self._notice(connection)
        if self._now.manifest.dimensions is not None:
            view = None if self._now.view is None else next_view(connection, self._now.view)
            if view is None:
                view = open_view(connection, self.path, self._now.manifest.dimensions)
            # Who cannot write a snapshot still wants fast searches.
            self.show(condensed(view) if self.store.read_only and view.wants_snapshot else view)
        # The number may already be of a later commit than this transaction sees; then the next
        # search looks again, because its transaction will see another generation.
        self._data_version = seen
        return self._now.view

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Every search within the block sees the generation it began with."""
        with self.store.reading() as connection:
            self.refresh(connection)
        with self.store.pinned():
            pin = self.store.pin
            if pin is not None and _BESIDE not in pin:
                with self.store.reading() as connection:
                    pin[_BESIDE] = self._state_at(connection)
            yield

    def _state_at(self, connection: sqlite3.Connection) -> _State:
        """The state at a pinned generation, which may be later than what was last searched."""
        view, version = self._now.view, read_version(connection)
        manifest = read_manifest(connection, self.path)
        if (view is None or view.version != version) and manifest.dimensions is not None:
            view = open_view(connection, self.path, manifest.dimensions)
        same = self._now.manifest.fingerprint in (None, manifest.fingerprint)
        embedder = self._now.embedder
        return _State(
            manifest, embedder if same else embedder.after(manifest.embedding_spec, manifest.fingerprint), view
        )

    def show(self, view: View | None) -> None:
        """Search this view from now on."""
        if view is not self._now.view:
            self._now.view = view
            self._selections.clear()
            self._frequencies.clear()

    def look(self) -> None:
        """Take notice of another model that others have changed to; their rows are read when searched for."""
        with self.store.reading() as connection:
            if self.store.pin is None:
                self._notice(connection)

    def _notice(self, connection: sqlite3.Connection) -> None:
        before, self._now.manifest = self._now.manifest, read_manifest(connection, self.path)
        if before.fingerprint not in (None, self._now.manifest.fingerprint):
            after = self._now.manifest
            self._now.embedder = self._now.embedder.after(after.embedding_spec, after.fingerprint)
            self.show(None)

    def is_empty(self) -> bool:
        """Whether there is nothing to find, so that no model need be asked."""
        with self.store.reading() as connection:
            view = self.refresh(connection)
            return view is None or len(view) == 0

    def version(self) -> Version:
        """The newest generation."""
        with self.store.reading() as connection:
            return read_version(connection)

    def selection(self, connection: sqlite3.Connection, condition: Condition) -> Positions:
        """The rows a filter lets through at this generation; the last few filters are remembered."""
        if self.store.pin is not None:
            return reads.rows_matching(connection, condition)
        rows = self._selections.get(condition.key)
        if rows is None:
            rows = reads.rows_matching(connection, condition)
            if len(self._selections) >= _REMEMBERED_FILTERS:
                self._selections.pop(next(iter(self._selections)))
            self._selections[condition.key] = rows
        return rows

    def ranking(
        self,
        connection: sqlite3.Connection,
        question: str,
        query: Vectors | None,
        k: int,
        mode: SearchMode,
        condition: Condition | None,
    ) -> list[Fused]:
        """The ``k`` best rows by a mode of search; only ``words`` can do without the question's vector."""
        if query is None or mode == "words":
            return self.words(connection, question, k, condition)
        if mode == "dense":
            return self.dense(connection, query, k, condition)
        search = self.multihop if mode == "multihop" else self.hybrid
        return search(connection, question, query, k, condition)

    def dense(self, connection: sqlite3.Connection, query: Vectors, k: int, condition: Condition | None) -> list[Fused]:
        """The ``k`` nearest rows by cosine."""
        ranking = self._dense_ranking(connection, query, k, condition)
        return [Fused(row, score, Leg(rank, score), None) for rank, (row, score) in enumerate(ranking, start=1)]

    def words(self, connection: sqlite3.Connection, question: str, k: int, condition: Condition | None) -> list[Fused]:
        """The ``k`` best rows by BM25."""
        ranking = self._words_ranking(connection, question, k, condition)
        return [Fused(row, score, None, Leg(rank, score)) for rank, (row, score) in enumerate(ranking, start=1)]

    def hybrid(
        self, connection: sqlite3.Connection, question: str, query: Vectors, k: int, condition: Condition | None
    ) -> list[Fused]:
        """The ``k`` best rows of both legs."""
        depth = max(k, DEPTH)
        words = self._words_ranking(connection, question, depth, condition)
        return fuse(self._dense_ranking(connection, query, depth, condition), words, k)

    def multihop(
        self, connection: sqlite3.Connection, question: str, query: Vectors, k: int, condition: Condition | None
    ) -> list[Fused]:
        """The ``k`` best rows of both legs and of the paths that lead on from them, see `hops`."""
        view = self.refresh(connection)
        if view is None or len(view) == 0:
            return []
        base = self.hybrid(connection, question, query, max(k, BASE_DEPTH), condition)
        nearest = self._dense_ranking(connection, query, BASE_DEPTH, condition)
        allowed = None if condition is None else set(self.selection(connection, condition).tolist())
        return Walk(connection, view, question, query, allowed).follow(base, nearest, k)

    def _words_ranking(
        self, connection: sqlite3.Connection, question: str, k: int, condition: Condition | None
    ) -> list[tuple[int, float]]:
        expression = telling(connection, question_terms(question), self._frequencies)
        return [] if expression is None else reads.words_ranking(connection, expression, k, condition)

    def _dense_ranking(
        self, connection: sqlite3.Connection, query: Vectors, k: int, condition: Condition | None
    ) -> list[tuple[int, float]]:
        view = self.refresh(connection)
        if view is None or len(view) == 0:
            return []
        return view.search(query, k, None if condition is None else self.selection(connection, condition))

    # Writing

    def commit(
        self,
        write: Callable[[Transaction], _Result],
        vectors: Vectors | None,
        *,
        embedded: bool,
        condense: bool = True,
    ) -> _Result:
        """Run ``write`` as one commit, then rewrite the snapshot if that is due.

        Args:
            write: What to do; whatever it raises undoes all of it.
            vectors: The vectors it stores, to settle or check the index's dimensions.
            embedded: Whether our embedding model made them, to settle or check its fingerprint.
            condense: False for one commit of many; whoever makes them condenses at the end.

        Raises:
            EmbeddingMismatch: If another process settled on another model meanwhile.
            InputError: If it settled on other dimensions.
        """
        with Ahead() as ahead:
            with self.store.writing() as transaction:
                if vectors is not None and len(vectors):
                    self._settle(transaction, int(vectors.shape[1]), embedded=embedded)
                if condense:
                    ahead.begin(transaction, vectors)
                result = write(transaction)
            if condense:
                self.condense_if_due(ahead)
        return result

    def _settle(self, transaction: Transaction, dimensions: int, *, embedded: bool) -> None:
        manifest = read_manifest(transaction.connection, self.path)
        model = self.embedder.opened if embedded else None
        fingerprint = None if model is None else fingerprint_of(model)
        if fingerprint is not None and manifest.fingerprint not in (None, fingerprint):
            raise EmbeddingMismatch(
                f"The index was built with {manifest.embedding_spec or manifest.fingerprint}, not with {fingerprint}.",
                where=str(self.path),
                fix="open it again with that model",
            )
        if manifest.dimensions not in (None, dimensions):
            raise InputError(
                f"The vectors have {dimensions} dimensions and the index has {manifest.dimensions}.",
                where=str(self.path),
                fix="embed with the model the index was built with",
            )
        settled = manifest._replace(dimensions=dimensions)
        if model is not None and fingerprint is not None and manifest.fingerprint is None:
            settled = settled._replace(
                fingerprint=fingerprint, embedding_spec=spec_of(model) or manifest.embedding_spec
            )
            self.embedder.expect(fingerprint)
        if settled != manifest:
            transaction.set_manifest(**settled._asdict())
        self.took(settled)

    # The snapshot

    def condense_if_due(self, ahead: Ahead | None = None) -> None:
        """Write a new snapshot when enough changed since the last one.

        A failure is remembered in `snapshot_problem` and harms nothing.

        Args:
            ahead: What was built while the commit ran.
        """
        with self._condensing, self.store.unpinned():
            try:
                with self.store.reading() as connection:
                    built = None if ahead is None else ahead.view(read_version(connection))
                    view = self.refresh(connection) if built is None else None
                if built is not None:
                    self._write_snapshot(built)
                elif view is not None and view.wants_snapshot:
                    self._write_snapshot(condensed(view))
            except (OSError, MemoryError, IndexFault) as error:
                self.snapshot_problem = f"{type(error).__name__}: {error}"

    def condense(self) -> None:
        """Write a new snapshot if anything changed since the last one.

        Raises:
            OSError: If the disk refuses.
        """
        with self._condensing, self.store.unpinned():
            with self.store.reading() as connection:
                view = self.refresh(connection)
            if view is not None and (len(view.tail_rows) or view.dead_count):
                self._write_snapshot(condensed(view))

    def rebuild_snapshot(self) -> None:
        """Write the snapshot anew from SQLite alone.

        Raises:
            OSError: If the disk refuses.
        """
        with self._condensing, self.store.unpinned():
            with self.store.reading() as connection:
                self.took(read_manifest(connection, self.path))
                if self.manifest.dimensions is None:
                    return
                view = view_of_database(connection, self.manifest.dimensions)
            self._write_snapshot(condensed(view))

    def _write_snapshot(self, view: View) -> None:
        snapshot.write(self.path, snapshot_of(view))
        self.snapshot_problem = None
        self.store.forget_before(view.version)
        with self.store.reading() as connection:
            self.show(next_view(connection, view) or view)
            self._data_version = -1

    def close(self) -> None:
        """Close the store and let go of the vectors."""
        self.store.close()
        self._now.view = None
