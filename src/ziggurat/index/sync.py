"""An index kept like its source: what is new is added, what changed is replaced, what left is removed.

An item whose stamp is what it was is not read; one whose text is what it was is not embedded. Items
are committed whole with the memory of having been read, so a sync can be killed at any moment and
run again, or run twice at once: each picks up from what the index really holds.
Invariant: nothing is removed unless the source was listed to its end, and an item that cannot be read
any more keeps what the index has of it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from typing import NamedTuple

from ziggurat.errors import DocumentError, InputError, MissingDependency, UnreadableDocument, UnsupportedDocument
from ziggurat.index.engine import Engine
from ziggurat.index.hits import IngestReport, LeftOut
from ziggurat.index.ingest import Ingest, Prepared, prepared
from ziggurat.index.inputs import Vectors
from ziggurat.index.items import ItemRow, as_first_given, known_items, open_source_row, put_item, remove_item
from ziggurat.index.splitting import Splitter
from ziggurat.index.transaction import DIGEST_BYTES, Chunk, DocumentRow, Transaction
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.source import Item, Source
from ziggurat.progress import Progress

READING = 1
"""Raised when our parsers read so differently that unchanged files must be read again."""


def sync(
    engine: Engine, source: Source, *, splitter: Splitter, progress: Progress, remove: bool, label: str = "Reading"
) -> IngestReport:
    """Bring an index up to date with a source.

    Args:
        engine: The open index.
        source: What is read.
        splitter: How documents become chunks.
        progress: Told of every item.
        remove: Whether what left the source leaves the index.
        label: What the progress is called.

    Raises:
        InputError: If the source cannot be listed; what was committed before stays, nothing is removed.
    """
    with engine.store.unpinned():
        return _synced(engine, source, splitter=splitter, progress=progress, remove=remove, label=label)


def _synced(
    engine: Engine, source: Source, *, splitter: Splitter, progress: Progress, remove: bool, label: str
) -> IngestReport:
    began = time.perf_counter()
    with engine.store.reading() as connection:
        source = as_first_given(connection, source)
    work = Sync(engine, source, splitter)
    items: Iterable[Item] = source.items()
    total = None
    if not getattr(source, "streamed", False):
        items = list(items)
        total = len(items)
    with progress(label, total) as counter:
        for item in items:
            work.take(item)
            counter.advance()
    work.finish(remove=remove)
    work.report.seconds = time.perf_counter() - began
    return work.report


class ReadItem(NamedTuple):
    """An item as it was read, here or elsewhere: its documents, or why there are none.

    Attributes:
        key: Its name in the source.
        stamp: The source's stamp when it was listed.
        digest: A hash of what was read; None if nothing could be.
        documents: Each with its chunks; empty if the digest was known already.
        problem: Why it could not be read; None if it could.
        supported: False where nothing reads its type.
        vectors: Of all chunks in order, if they were made already; shape (chunks, dimensions).
        embedded: How many of those were made for it.
    """

    key: str
    stamp: str | None
    digest: bytes | None
    documents: list[tuple[DocumentRow, list[Chunk]]]
    problem: str | None = None
    supported: bool = True
    vectors: Vectors | None = None
    embedded: int = 0


def read_item(item: Item, splitter: Splitter, known: bytes | None = None) -> ReadItem:
    """Read an item and split its documents.

    Args:
        item: As its source lists it.
        splitter: How documents become chunks.
        known: The digest the index has of it; what reads the same is not split again.
    """
    try:
        documents = list(item.read())
        digest = digest_of(documents)
        if known == digest:
            return ReadItem(item.key, item.stamp, digest, [])
        split = prepared(documents, splitter)
        if not split:
            raise UnreadableDocument("There is no document in it.", where=item.key)
    except (DocumentError, InputError, MissingDependency) as error:
        supported = not isinstance(error, (UnsupportedDocument, MissingDependency))
        return ReadItem(item.key, item.stamp, None, [], error.what, supported)
    return ReadItem(item.key, item.stamp, digest, split)


class Sync:
    """One sync under way: told what the source lists, then what was read of it, then that this was all.

    Reading may happen elsewhere: `known_digest` says which items must be read, and `put` takes what `read_item`
    made of them, with or without vectors.

    Args:
        engine: The open index.
        source: What is read.
        splitter: How documents become chunks.

    Attributes:
        source: The source.
        splitter: The splitter.
        report: What was done so far.
    """

    def __init__(self, engine: Engine, source: Source, splitter: Splitter) -> None:
        self._engine = engine
        self.source = source
        self.splitter = splitter
        self.report = IngestReport()
        self._ingest = Ingest(engine, self.report)
        self._seen: set[str] = set()
        self._hidden: list[str] = []
        self._touched: list[tuple[ItemRow, ItemRow | None]] = []
        read = json.dumps({"reading": READING, "splitter": splitter.describe()}, sort_keys=True)

        def opened(transaction: Transaction) -> int:
            return open_source_row(transaction.connection, source, read)

        self._row = engine.commit(opened, None, embedded=False)
        with engine.store.reading() as connection:
            self._known = known_items(connection, self._row)

    def take(self, item: Item) -> None:
        """Read an item if it may have changed, and have it committed with others."""
        if self.must_read(item):
            self.put(read_item(item, self.splitter, self.known_digest(item.key)))

    def must_read(self, item: Item) -> bool:
        """Note that the source lists an item; whether it may have changed."""
        self._seen.add(item.key)
        if item.hides is not None:
            self._hidden.append(item.hides)
        before = self._known.get(item.key)
        if before is not None and before.is_as(item.stamp):
            self.report.unchanged += 1
            return False
        return True

    def known_digest(self, key: str) -> bytes | None:
        """The hash of what the index has of an item; None if it has nothing of it."""
        before = self._known.get(key)
        return before.digest if before is not None and before.documents else None

    def put(self, read: ReadItem) -> None:
        """Take what was read of an item, and have it committed with others."""
        before = self._known.get(read.key)
        row = ItemRow(self._row, read.key, read.stamp, read.digest)
        if read.problem is not None:
            self._problem(row, before, read.problem, supported=read.supported)
        elif read.digest == self.known_digest(read.key):
            self.report.unchanged += 1
            if before is not None and (before.stamp, before.problem) != (read.stamp, None):
                self._touch(row, before)
        else:
            self._ingest.add(Prepared(read.documents, row, before, read.vectors, read.embedded))

    def _problem(self, row: ItemRow, before: ItemRow | None, what: str, *, supported: bool) -> None:
        kept = f"{what} What was read of it before stays." if before and before.documents else what
        (self.report.unreadable if supported else self.report.unsupported).append(LeftOut(row.key, kept))
        # Without a stamp it is tried again the next time, whatever was wrong.
        digest = None if before is None else before.digest
        now = row._replace(stamp=None, digest=digest, problem=what, supported=supported)
        if before is None or before[2:6] != now[2:6]:
            self._touch(now, before)

    def _touch(self, row: ItemRow, before: ItemRow | None) -> None:
        self._touched.append((row, before))
        if len(self._touched) >= 1000:  # noqa: PLR2004 (rows of one commit)
            self._commit_touched()

    def _commit_touched(self) -> None:
        touched, self._touched = self._touched, []

        def write(transaction: Transaction) -> None:
            for row, before in touched:
                put_item(transaction, row, before)

        if touched:
            self._engine.commit(write, None, embedded=False, condense=False)

    def finish(self, *, remove: bool) -> None:
        """Commit what waits, and remove what the source no longer lists."""
        self._ingest.end()
        self._commit_touched()
        if not remove:
            return
        hidden = tuple(self._hidden)
        gone = [row for key, row in self._known.items() if key not in self._seen and not key.startswith(hidden)]

        def write(transaction: Transaction) -> None:
            for row in gone:
                if remove_item(transaction, row):
                    self.report.removed.append(row.key)

        if gone:
            self._engine.commit(write, None, embedded=False)


def digest_of(documents: Iterable[SourceDocument]) -> bytes:
    """A hash of everything that was read of an item."""
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for one in documents:
        places = [[place.start, dict(place.at)] for place in one.places]
        said = json.dumps([one.source, one.kind, dict(one.metadata), places, one.text], sort_keys=True, default=str)
        whole.update(said.encode("utf-8", "surrogatepass"))
    return whole.digest()
