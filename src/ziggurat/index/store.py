"""The truth of an index: one SQLite file, written in transactions and read at one generation.

Speaks of rows: chunks, documents, vectors as bytes, words. Knows nothing of embedding models, of
FAISS or of LangChain. One connection reads and another writes, each behind a lock, so threads can
share a store; other processes are kept apart by SQLite.
Invariant: every commit is one generation with a stamp of its own, and a document's chunks, vectors
and words come and go in the same commit.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ziggurat.errors import IndexCorrupt, IndexWriteError, InputError
from ziggurat.index.schema import (
    APPLICATION_ID,
    DATABASE,
    FORMAT_VERSION,
    TABLES,
    has_manifest,
    open_new,
    open_reading,
    open_writing,
    translated,
)
from ziggurat.index.transaction import STAMP_BYTES, Transaction, Version


class Manifest(NamedTuple):
    """What an index says of itself.

    Attributes:
        embedding_spec: The spec of the embedding model, where it has one.
        fingerprint: Of the embedding model; None until the first vector it made.
        dimensions: Of the vectors; None before the first.
        splitter: How documents are split, as the splitter describes itself.
        created: When, ISO 8601, UTC.
        words_version: Of the terms in the words table.
        next_embedding: The spec and fingerprint of the model whose vectors are being made, see `reembed`.
    """

    embedding_spec: str | None
    fingerprint: str | None
    dimensions: int | None
    splitter: dict[str, Any]
    created: str
    words_version: int
    next_embedding: dict[str, Any] | None = None


class _Pin(NamedTuple):
    connection: sqlite3.Connection
    lock: threading.RLock
    beside: dict[str, Any]


_PINS: ContextVar[Mapping[int, _Pin]] = ContextVar("ziggurat_index_pins", default=MappingProxyType({}))
"""The pinned connections of this context, by the id of their store."""


class Store:
    """The database of one index.

    Args:
        path: The index's directory.
        read_only: Whether writing is refused.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._read_lock = threading.RLock()
        self._write_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._closed = False
        with translated(path):
            # A killed writer may have left a WAL that only a connection that may write can recover.
            self._reader = open_reading(path) if read_only else open_writing(path)
            if not read_only:
                self._reader.execute("PRAGMA query_only = ON")

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> bool:
        """Write the tables and the manifest in one transaction.

        Returns:
            False if another index was there already; it is left as it is.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise InputError("An index is a directory, and this is a file.", where=str(path)) from error
        except OSError as error:
            raise IndexWriteError(f"The directory cannot be created: {error.strerror}.", where=str(path)) from error
        with translated(path):
            connection = open_new(path)
            try:
                connection.execute("BEGIN IMMEDIATE")
                if has_manifest(connection):
                    connection.execute("ROLLBACK")
                    return False
                for statement in TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
                rows = [(key, json.dumps(value)) for key, value in manifest._asdict().items()]
                connection.executemany("INSERT INTO manifest VALUES (?, ?)", rows)
                connection.execute("INSERT INTO commits VALUES (0, ?)", (os.urandom(STAMP_BYTES),))
                connection.execute("COMMIT")
            finally:
                connection.close()
        return True

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One generation, seen whole, for as long as the block lasts; within `pinned` always the same one."""
        pin = _PINS.get().get(id(self))
        if pin is not None:
            with pin.lock, translated(self.path):
                yield pin.connection
            return
        with self._read_lock, translated(self.path):
            self._check_open()
            if self._reader.in_transaction:  # a block within a block sees the same generation
                yield self._reader
                return
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("COMMIT")

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """All reading within the block, in its tasks and threads too, sees the generation it began with."""
        pins = _PINS.get()
        if id(self) in pins:
            yield
            return
        with self._read_lock, translated(self.path):
            self._check_open()
            connection = open_reading(self.path)
        try:
            with translated(self.path):
                connection.execute("BEGIN")
                read_version(connection)  # a transaction sees what there is when it first reads
            token = _PINS.set({**pins, id(self): _Pin(connection, threading.RLock(), {})})
            try:
                yield
            finally:
                _PINS.reset(token)
        finally:
            connection.close()

    @contextmanager
    def unpinned(self) -> Iterator[None]:
        """The newest generation is read again: who writes must see what is there."""
        pins = _PINS.get()
        token = _PINS.set({key: pin for key, pin in pins.items() if key != id(self)}) if id(self) in pins else None
        try:
            yield
        finally:
            if token is not None:
                _PINS.reset(token)

    @property
    def pin(self) -> dict[str, Any] | None:
        """What others keep beside the pinned generation of this context; None where none is pinned."""
        found = _PINS.get().get(id(self))
        return None if found is None else found.beside

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """One commit: all of the block, or on any error none of it."""
        if self.read_only:
            raise InputError("This index was opened read-only.", where=str(self.path), fix="open it without read_only")
        with self._write_lock, translated(self.path):
            self._check_open()
            if self._writer is None:
                self._writer = open_writing(self.path)
            connection = self._writer
            connection.execute("BEGIN IMMEDIATE")
            try:
                transaction = Transaction(connection)
                yield transaction
                if transaction.changed:
                    connection.execute("INSERT INTO commits VALUES (?, ?)", transaction.version)
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after a full disk; then there is nothing to undo.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def changed_elsewhere(self) -> int:
        """A number that changes when any other connection has committed; costs microseconds."""
        with self._read_lock, translated(self.path):
            self._check_open()
            return int(self._reader.execute("PRAGMA data_version").fetchone()[0])

    def forget_before(self, version: Version) -> None:
        """Drop the commits and removals that no snapshot from ``version`` on needs; not a commit of ours."""
        with self.writing() as transaction:
            transaction.forget_before(version.generation)

    def disk_bytes(self) -> int:
        """Everything in the directory."""
        return sum(entry.stat().st_size for entry in os.scandir(self.path) if entry.is_file())

    def close(self) -> None:
        """Close both connections; closing twice is harmless."""
        with self._write_lock, self._read_lock:
            self._closed = True
            self._reader.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("This index has been closed.", where=str(self.path), fix="VectorIndex.open(path)")


def read_manifest(connection: sqlite3.Connection, path: Path) -> Manifest:
    """The manifest at the connection's generation.

    Raises:
        IndexCorrupt: If a part is missing or is not what it should be.
    """
    try:
        found: Mapping[str, Any] = {
            key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM manifest")
        }
        return Manifest(**{name: found[name] for name in Manifest._fields})
    except (KeyError, TypeError, ValueError) as error:
        raise IndexCorrupt(f"The manifest is damaged: {error}.", where=str(path / DATABASE)) from error


def read_version(connection: sqlite3.Connection) -> Version:
    """The newest generation and its stamp."""
    row = connection.execute("SELECT generation, stamp FROM commits ORDER BY generation DESC LIMIT 1").fetchone()
    return Version(row[0], row[1]) if row else Version(0, b"")


def knows_version(connection: sqlite3.Connection, version: Version) -> bool:
    """Whether this index has been at ``version``, and can still tell what was removed since."""
    row = connection.execute("SELECT stamp FROM commits WHERE generation = ?", (version.generation,)).fetchone()
    return row is not None and row[0] == version.stamp
