"""The SQLite file of an index: its tables, how it is opened, and what its errors mean.

Knows the layout and the pragmas; the statements that read and write rows live in `store`. WAL lets
readers go on while one process writes. ``synchronous=FULL`` makes a commit one fsync: it survives
a kill and a power cut alike, and since a commit holds a group of embedded documents or a whole bulk
load, the fsync is never what an ingest waits for.
Invariant: a file with our application id and no manifest was never finished, and holds nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ziggurat.errors import IndexCorrupt, IndexFault, IndexNotFound, IndexWriteError
from ziggurat.index.words import TOKENISER

DATABASE = "index.sqlite3"
APPLICATION_ID = 0x5A494747
"""``ZIGG``; ``file index.sqlite3`` shows it."""

FORMAT_VERSION = 2
BUSY_SECONDS = 60.0
"""How long a writer waits for another process's commit."""

# 8 KiB pages hold five 384-dimension vectors with little waste; 4 KiB hold two.
_PAGE_BYTES = 8192
_CACHE = "PRAGMA cache_size = -16384"

WORDS_TABLE = f"""CREATE VIRTUAL TABLE words USING fts5 (terms, content='', tokenize="{TOKENISER}")"""

# chunks.row is never reused (AUTOINCREMENT), so a larger row is a later row: what a snapshot does
# not hold yet is exactly what lies behind its last row. removed lists what it should no longer
# show. commits gives each generation a random stamp, by which a snapshot of a lost future (its WAL
# was deleted, then other commits followed) is told from one of this past.
# words is contentless: its terms are computed from chunks.text, and computed again to delete them;
# next_vectors fills up while an index is embedded anew.
# terms lists where a term stands. names holds what a document can be called, see
# `names`, under the row of its first chunk. sources and items remember what was read from where.
TABLES = f"""
CREATE TABLE manifest (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
  doc INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  text TEXT NOT NULL,
  kind TEXT NOT NULL,
  digest BLOB NOT NULL,
  chunks INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  item INTEGER REFERENCES items (item)
);
CREATE INDEX documents_item ON documents (item) WHERE item IS NOT NULL;
CREATE TABLE chunks (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  doc INTEGER REFERENCES documents (doc),
  text TEXT NOT NULL,
  digest BLOB NOT NULL,
  metadata TEXT NOT NULL,
  first_char INTEGER NOT NULL,
  end_char INTEGER NOT NULL,
  first_line INTEGER NOT NULL,
  last_line INTEGER NOT NULL,
  headings TEXT NOT NULL,
  places TEXT NOT NULL
);
CREATE INDEX chunks_digest ON chunks (digest) WHERE doc IS NOT NULL;
CREATE INDEX chunks_doc ON chunks (doc) WHERE doc IS NOT NULL;
CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE next_vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE removed (row INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE TABLE commits (generation INTEGER PRIMARY KEY, stamp BLOB NOT NULL);
CREATE TABLE names (name TEXT NOT NULL, kind INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (name, kind, row)) WITHOUT ROWID;
CREATE INDEX names_row ON names (row);
CREATE TABLE sources (source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, given TEXT NOT NULL, read TEXT NOT NULL);
CREATE TABLE items (
  item INTEGER PRIMARY KEY,
  source INTEGER NOT NULL REFERENCES sources (source),
  key TEXT NOT NULL,
  stamp TEXT,
  digest BLOB,
  problem TEXT,
  supported INTEGER NOT NULL,
  UNIQUE (source, key)
);
{WORDS_TABLE};
CREATE VIRTUAL TABLE terms USING fts5vocab(words, instance);
"""


def is_index(path: Path) -> bool:
    """Whether the directory holds a finished index; a damaged one counts, for opening it says what is wrong."""
    try:
        with translated(path):
            open_reading(path).close()
    except IndexNotFound:
        return False
    except IndexFault:
        return True
    return True


def has_manifest(connection: sqlite3.Connection) -> bool:
    """Whether the tables are there; they come in one transaction with the manifest."""
    found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'manifest'").fetchone()
    return bool(found[0])


def open_new(path: Path) -> sqlite3.Connection:
    """A writing connection to a file that may not be there yet."""
    return _prepared(_connect(path, "rwc"), _for_writing)


def open_writing(path: Path) -> sqlite3.Connection:
    """A writing connection to an index.

    Raises:
        IndexNotFound: If there is none; nothing is created or changed then.
        IndexFault: If a newer Ziggurat wrote it.
    """
    _check_file(path)

    def prepare(connection: sqlite3.Connection) -> None:
        check_format(connection, path)
        _for_writing(connection)

    return _prepared(_connect(path, "rw"), prepare)


def open_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write.

    It works in a directory that cannot be written to: SQLite then reads the file as it is
    (``immutable``), which is right as long as nobody else writes.

    Raises:
        IndexNotFound: If there is no index.
        IndexFault: If a newer Ziggurat wrote it.
    """
    _check_file(path)

    def prepare(connection: sqlite3.Connection) -> None:
        check_format(connection, path)
        connection.execute(_CACHE)

    try:
        return _prepared(_connect(path, "ro"), prepare)
    except sqlite3.OperationalError:
        wal = path / f"{DATABASE}-wal"
        if os.access(path, os.W_OK) or (wal.exists() and wal.stat().st_size > 0):
            raise
        return _prepared(_connect(path, "ro&immutable=1"), prepare)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path / DATABASE))}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )


def _prepared(connection: sqlite3.Connection, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    try:
        # A database from a stranger: no function of its schema may do more than hold data.
        connection.execute("PRAGMA trusted_schema = OFF")
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _for_writing(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute(_CACHE)


def _check_file(path: Path) -> None:
    if not (path / DATABASE).is_file():
        raise _not_found(path)


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not an index of ours, or of a later format.

    Raises:
        IndexNotFound: If the file is no index or was never finished.
        IndexFault: If a newer Ziggurat wrote it.
    """
    if not has_manifest(connection):
        raise _not_found(path)
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise IndexNotFound(
            f"{DATABASE} is a database of another program.", where=str(path), fix="give the directory of an index"
        )
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT_VERSION:
        raise IndexFault(
            f"The index has format {version}; this version reads format {FORMAT_VERSION}.",
            where=str(path),
            fix="upgrade ziggurat, or build the index again",
        )


def _not_found(path: Path) -> IndexNotFound:
    return IndexNotFound(
        "There is no index in this directory.",
        where=str(path),
        fix=f"make one: ziggurat index FILES --to {path}, or VectorIndex.create(path)",
    )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, by what they mean for the reader.

    Raises:
        IndexWriteError: Full disk, failed write, read-only file, lock not had in time.
        IndexCorrupt: The file is not a database, is damaged, or lacks a table.
    """
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "") or type(error).__name__
        where = str(path / DATABASE)
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise IndexWriteError(
                "Another process has been writing to this index for too long.", where=where, fix="try again later"
            ) from error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")) or "no such" in str(error):
            raise IndexCorrupt(
                f"The index's database is damaged: {error}.",
                where=where,
                fix="verify() lists what is wrong; repair() rebuilds what it can; else restore a copy or build the index again",
            ) from error
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_NOMEM")):
            raise IndexWriteError(
                f"The index could not be read or written ({name}): {error}. What was committed before is intact.",
                where=where,
                fix="see that the disk has room and the directory can be written to",
            ) from error
        raise IndexFault(f"SQLite refused ({name}): {error}.", where=where) from error
