"""`Cache`: finished values by content key, shared between runs, threads and processes.

Knows keys and bytes; what a key is made of is `identity`'s, what the bytes mean is `values`'. A cache is
expendable: what goes wrong with its file in mid-run is logged once and costs a value, never the run.
Invariant: a hit is whole. Its large bytes come with it, or it is no hit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TypeVar

from ziggurat.chain.database import Database, Row, Schema
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.chain.values import decode, encode
from ziggurat.errors import InputError, JournalCorrupt, JournalError, ValueNotReadable
from ziggurat.quiet import logger

T = TypeVar("T")

_log = logger(__name__)

_NO_BLOBS: Mapping[bytes, bytes] = MappingProxyType({})
_TOUCHES_AT_ONCE = 256
"""Reads that are remembered before they are written down as uses, in one commit."""
_FILL = 0.9
"""How full a cache is left when it had to make room."""

SCHEMA = Schema(
    "cache",
    0x5A494743,
    (
        """
CREATE TABLE entries (
  key BLOB PRIMARY KEY,
  size INTEGER NOT NULL,
  used INTEGER NOT NULL,
  seconds REAL NOT NULL,
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  usage BLOB,
  blobs INTEGER NOT NULL,
  value BLOB NOT NULL
);
CREATE INDEX entries_used ON entries (used, size);
CREATE TABLE blobs (hash BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE uses (key BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (key, hash)) WITHOUT ROWID;
CREATE INDEX uses_hash ON uses (hash)""".strip(),
    ),
)

_GET = "SELECT value, usage, seconds, run, path, blobs FROM entries WHERE key = ?"
# A use is numbered after all others of the file, whoever made them.
_PUT = (
    "INSERT OR REPLACE INTO entries VALUES (?, ?, (SELECT coalesce(max(used), 0) + 1 FROM entries), ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that was found.

    Attributes:
        value: Encoded.
        usage: What its models used when it was made.
        seconds: How long that took.
        run: The run that made it.
        path: The stage that made it.
        blobs: The large bytes it refers to, by hash.
    """

    value: bytes = field(repr=False)
    usage: Usage
    seconds: float
    run: str
    path: str
    blobs: Mapping[bytes, bytes] = field(default_factory=dict, repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class CacheStats:
    """How a cache is doing.

    Attributes:
        entries: Values in it.
        bytes: What they take, large bytes included.
        hits: Times a value was found, by this object.
        misses: Times none was, by this object.
        evicted: Values this object removed to make room.
    """

    entries: int
    bytes: int
    hits: int
    misses: int
    evicted: int


class Cache:
    """Finished values by content key.

    Args:
        where: A file, made when missing and shared by all processes that name it; None for one in memory.
        max_bytes: Values that were used longest ago leave when it holds more. Several processes may together go a
            little over until one of them looks.
        max_entries: The same, for their number.

    Raises:
        InputError: If ``where`` is a directory or another program's database, or a bound is not positive.
        JournalTooNew: If a later version of Ziggurat wrote the file.
        JournalWriteError: If the file cannot be opened.
    """

    def __init__(
        self, where: str | Path | None = None, *, max_bytes: int = 1 << 30, max_entries: int = 1_000_000
    ) -> None:
        if max_bytes <= 0 or max_entries <= 0:
            raise InputError(
                "A cache's bounds are positive.", where=f"max_bytes={max_bytes}, max_entries={max_entries}"
            )
        self._path = None if where is None else Path(where)
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self._lock = threading.RLock()
        self._warned: set[str] = set()
        self._hits = self._misses = self._evicted = 0
        self._touched: dict[bytes, None] = {}
        try:
            self._open()
        except JournalCorrupt as error:
            self._begin_anew(error)

    # -- values -------------------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> Hit | None:
        """The value of a key, or None; being found counts as a use."""
        hit = self._safely(lambda: self._get(key), None)
        with self._lock:
            if hit is None:
                self._misses += 1
            else:
                self._hits += 1
        return hit

    def has(self, key: bytes) -> bool:
        """Whether there is a value; asking is no use."""
        return self._safely(lambda: bool(self._db.rows("SELECT 1 FROM entries WHERE key = ?", (key,))), otherwise=False)

    def put(
        self,
        key: bytes,
        value: bytes,
        *,
        blobs: Mapping[bytes, bytes] = _NO_BLOBS,
        usage: Usage = NO_USAGE,
        seconds: float = 0.0,
        run: str = "",
        path: str = "",
    ) -> None:
        """Keep a value, in place of an earlier one of that key; one larger than the cache is not kept.

        Args:
            key: What it was made of.
            value: Encoded.
            blobs: The large bytes it refers to, by hash.
            usage: What its models used.
            seconds: How long it took.
            run: The run that made it.
            path: The stage that made it.
        """
        size = len(value) + sum(map(len, blobs.values()))
        if size > self.max_bytes:
            return
        told = encode(usage) if usage else None

        def keep() -> None:
            with self._lock:
                if self._bytes + size > self.max_bytes or self._entries >= self.max_entries:
                    self._make_room(size)
                row = (key, size, seconds, run, path, told, len(blobs), value)
                if blobs:
                    with self._db.transaction():
                        self._db.write("DELETE FROM uses WHERE key = ?", (key,))
                        self._db.write_many("INSERT OR IGNORE INTO blobs VALUES (?, ?)", blobs.items())
                        self._db.write_many("INSERT INTO uses VALUES (?, ?)", [(key, hash_) for hash_ in blobs])
                        self._db.write(_PUT, row)
                else:
                    self._db.write(_PUT, row)
                self._entries += 1
                self._bytes += size

        self._safely(keep, None)

    def blob(self, hash_: bytes) -> bytes:
        """Large bytes of some value by their hash.

        Raises:
            ValueNotReadable: If they have left the cache meanwhile; a `Hit` brings its own and is safe from that.
        """
        found: list[Row] = self._safely(lambda: self._db.rows("SELECT data FROM blobs WHERE hash = ?", (hash_,)), [])
        if not found:
            raise ValueNotReadable("Large bytes of a value have left the cache.", where=hash_.hex()[:16])
        return bytes(found[0][0])

    # -- the whole ----------------------------------------------------------------------------------------------------

    def stats(self) -> CacheStats:
        """How it is doing."""
        self._safely(self._count, None)
        return CacheStats(self._entries, self._bytes, self._hits, self._misses, self._evicted)

    def clear(self) -> None:
        """Forget everything."""

        def empty() -> None:
            with self._lock:
                with self._db.transaction():
                    for table in ("uses", "blobs", "entries"):
                        self._db.write(f"DELETE FROM {table}")  # noqa: S608 (names of our own tables)
                self._touched.clear()
                self._count()
                self._db.compact()

        self._safely(empty, None)

    def close(self) -> None:
        """Let go of the file; closing twice is harmless."""
        if not self._db.closed:
            self._safely(self._write_touches, None)
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- within -------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._db = Database(self._path, SCHEMA)
        self._inode = self._inode_now()
        self._count()

    def _get(self, key: bytes) -> Hit | None:
        found = self._db.rows(_GET, (key,))
        if not found:
            return None
        value, usage, seconds, run, path, count = found[0]
        blobs = _NO_BLOBS
        if count:
            pairs = self._db.rows(
                "SELECT b.hash, b.data FROM uses u JOIN blobs b ON b.hash = u.hash WHERE u.key = ?", (key,)
            )
            if len(pairs) != count:
                return None
            blobs = dict(pairs)
        with self._lock:
            self._touched[key] = None
            if len(self._touched) >= _TOUCHES_AT_ONCE:
                self._write_touches()
        spent = decode(usage) if usage else NO_USAGE
        return Hit(value, spent, seconds, run, path, blobs)

    def _write_touches(self) -> None:
        with self._lock:
            touched, self._touched = self._touched, {}
            if not touched:
                return
            with self._db.transaction():
                newest = self._db.rows("SELECT coalesce(max(used), 0) FROM entries")[0][0]
                rows = [(newest + at, key) for at, key in enumerate(touched, start=1)]
                self._db.write_many("UPDATE entries SET used = ? WHERE key = ?", rows)

    def _make_room(self, size: int) -> None:
        """Remove what was used longest ago, a tenth of the cache at once so that this is rare."""
        self._write_touches()
        with self._db.transaction():
            self._count()
            if self._bytes + size <= self.max_bytes and self._entries < self.max_entries:
                return  # values that were put in place of others had been counted twice
            keep_bytes, keep_entries = (
                self.max_bytes * _FILL - size,
                min(self.max_entries * _FILL, self.max_entries - 1),
            )
            leaving: list[tuple[bytes]] = []
            for key, room in self._db.rows("SELECT key, size FROM entries ORDER BY used"):
                if self._bytes <= keep_bytes and self._entries <= keep_entries:
                    break
                leaving.append((key,))
                self._bytes -= room
                self._entries -= 1
            self._remove(leaving)
        self._evicted += len(leaving)

    def _remove(self, keys: Iterable[tuple[bytes]]) -> None:
        db = self._db
        db.rows("CREATE TEMP TABLE IF NOT EXISTS leaving (key BLOB PRIMARY KEY)")
        db.write_many("INSERT OR IGNORE INTO temp.leaving VALUES (?)", keys)
        orphans = (
            "SELECT DISTINCT hash FROM uses AS gone WHERE key IN (SELECT key FROM temp.leaving) AND NOT EXISTS "
            "(SELECT 1 FROM uses WHERE hash = gone.hash AND key NOT IN (SELECT key FROM temp.leaving))"
        )
        db.write(f"DELETE FROM blobs WHERE hash IN ({orphans})")  # noqa: S608 (a statement of our own)
        db.write("DELETE FROM uses WHERE key IN (SELECT key FROM temp.leaving)")
        db.write("DELETE FROM entries WHERE key IN (SELECT key FROM temp.leaving)")
        db.write("DELETE FROM temp.leaving")

    def _count(self) -> None:
        self._entries, self._bytes = self._db.rows("SELECT count(*), coalesce(sum(size), 0) FROM entries")[0]

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def _safely(self, work: Callable[[], T], otherwise: T) -> T:
        try:
            return work()
        except JournalCorrupt as error:
            with self._lock, suppress(JournalError):
                self._begin_anew(error)
        except JournalError as error:
            self._warn(f"The cache could not be used: {error.what}")
        return otherwise

    def _begin_anew(self, error: JournalCorrupt) -> None:
        """Put a damaged file aside and begin an empty one, unless another process has done so already."""
        if self._path is None:
            raise error
        if hasattr(self, "_db"):
            self._db.close()
        if getattr(self, "_inode", 0) in (0, self._inode_now()):
            aside = f"{self._path}.damaged-{time.time_ns()}"
            for suffix in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    Path(f"{self._path}{suffix}").replace(f"{aside}{suffix}")
            self._warn(f"The cache {self._path} was damaged and is begun anew; the old file is {aside}. {error.what}")
        self._open()

    def _inode_now(self) -> int:
        try:
            return 0 if self._path is None else self._path.stat().st_ino
        except OSError:
            return 0

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            _log.warning("%s", message)
