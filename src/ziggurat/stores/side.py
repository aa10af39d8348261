"""An index of ours and a connected store, seen alike by a migration: records out, records in.

Moves nothing by itself. Invariant: what `Side.fetch` says of a record is what `Side.records` says of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ziggurat.index import records as index_records
from ziggurat.index.records import Records
from ziggurat.index.vector_index import VectorIndex
from ziggurat.stores.connected import ConnectedStore


class Side(Protocol):
    """One of the two stores of a migration."""

    @property
    def where(self) -> str:
        """The address, without secrets."""

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for two openings of one collection."""

    def count(self) -> int:
        """How many records it holds."""

    def dimensions(self) -> int | None:
        """Length of its vectors; None while that is open."""

    def fingerprint(self) -> str | None:
        """Of the model that made its vectors."""

    def spec(self) -> str | None:
        """What opens that model, where that is known."""

    def adopt(self, fingerprint: str, spec: str | None, dimensions: int) -> None:
        """Write down which model made the vectors that are about to be put."""

    def records(self, batch: int) -> Iterator[Records]:
        """Everything, page by page."""

    def fetch(self, ids: Sequence[str]) -> Records:
        """Those of the ids that are there."""

    def put(self, records: Records, *, with_vectors: bool) -> None:
        """Store records; without their vectors they are embedded by the store's own model."""


def side_of(store: VectorIndex | ConnectedStore) -> Side:
    """A store as a side."""
    return _IndexSide(store) if isinstance(store, VectorIndex) else _StoreSide(store)


class _IndexSide:
    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self._engine = index._engine  # noqa: SLF001 (ours: no other way leads to single vectors)
        self.where = str(index.path)
        self.identity: tuple[str, ...] = ("index", str(index.path.resolve()))

    def count(self) -> int:
        return len(self._index)

    def dimensions(self) -> int | None:
        return self._engine.manifest.dimensions

    def fingerprint(self) -> str | None:
        return self._engine.manifest.fingerprint

    def spec(self) -> str | None:
        return self._engine.manifest.embedding_spec if self.fingerprint() else None

    def adopt(self, fingerprint: str, spec: str | None, dimensions: int) -> None:  # noqa: ARG002 (an index learns it from its first vector)
        index_records.adopt(self._engine, fingerprint, spec)

    def records(self, batch: int) -> Iterator[Records]:
        return self._index.records(batch)

    def fetch(self, ids: Sequence[str]) -> Records:
        return index_records.fetch(self._engine, ids)

    def put(self, records: Records, *, with_vectors: bool) -> None:
        ids, texts, metadatas, vectors = records
        if with_vectors:
            self._index.add_vectors(texts, vectors, metadatas, ids=ids)
        else:
            self._index.add_texts(texts, metadatas, ids=ids)


class _StoreSide:
    def __init__(self, store: ConnectedStore) -> None:
        self._store = store
        address = store.address
        self.where = str(address)
        place = address.place if address.is_server else str(Path(address.place).resolve())
        self.identity: tuple[str, ...] = (address.kind, place, address.collection)

    def count(self) -> int:
        return len(self._store)

    def dimensions(self) -> int | None:
        return self._store.dimensions

    def fingerprint(self) -> str | None:
        return self._store.fingerprint

    def spec(self) -> str | None:
        return self._store.spec

    def adopt(self, fingerprint: str, spec: str | None, dimensions: int) -> None:
        self._store.adopt(fingerprint, spec, dimensions)

    def records(self, batch: int) -> Iterator[Records]:
        return self._store.records(batch)

    def fetch(self, ids: Sequence[str]) -> Records:
        return self._store.fetch(ids)

    def put(self, records: Records, *, with_vectors: bool) -> None:
        ids, texts, metadatas, vectors = records
        if with_vectors:
            self._store.add_vectors(texts, vectors, metadatas, ids=ids)
        else:
            self._store.add_texts(texts, metadatas, ids=ids)
