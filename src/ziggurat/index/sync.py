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

from ziggurat.errors import DocumentError, InputError, MissingDependency, UnreadableDocument, UnsupportedDocument
from ziggurat.index.engine import Engine
from ziggurat.index.hits import IngestReport, LeftOut
from ziggurat.index.ingest import Ingest, Prepared, prepared
from ziggurat.index.items import ItemRow, as_first_given, known_items, open_source_row, put_item, remove_item
from ziggurat.index.splitting import Splitter
from ziggurat.index.transaction import DIGEST_BYTES, Transaction
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
    work = _Sync(engine, source, splitter)
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


class _Sync:
    def __init__(self, engine: Engine, source: Source, splitter: Splitter) -> None:
        self._engine = engine
        self._splitter = splitter
        self.report = IngestReport()
        self._ingest = Ingest(engine, self.report)
        self._seen: set[str] = set()
        self._hidden: list[str] = []
        self._touched: list[tuple[ItemRow, ItemRow | None]] = []
        read = json.dumps({"reading": READING, "splitter": splitter.describe()}, sort_keys=True)

        def opened(transaction: Transaction) -> int:
            return open_source_row(transaction.connection, source, read)

        self._source = engine.commit(opened, None, embedded=False)
        with engine.store.reading() as connection:
            self._known = known_items(connection, self._source)

    def take(self, item: Item) -> None:
        """Read an item if it may have changed, and have it committed with others."""
        self._seen.add(item.key)
        if item.hides is not None:
            self._hidden.append(item.hides)
        before = self._known.get(item.key)
        if before is not None and before.is_as(item.stamp):
            self.report.unchanged += 1
            return
        row = ItemRow(self._source, item.key, item.stamp, None)
        try:
            documents = list(item.read())
            digest = digest_of(documents)
            if before is not None and before.digest == digest and before.documents:
                self.report.unchanged += 1
                if (before.stamp, before.problem) != (item.stamp, None):
                    self._touch(row._replace(digest=digest), before)
                return
            split = prepared(documents, self._splitter)
            if not split:
                raise UnreadableDocument("There is no document in it.", where=item.key)
        except (DocumentError, InputError, MissingDependency) as error:
            self._problem(row, before, error)
            return
        self._ingest.add(Prepared(split, row._replace(digest=digest), before))

    def _problem(
        self, row: ItemRow, before: ItemRow | None, error: DocumentError | InputError | MissingDependency
    ) -> None:
        supported = not isinstance(error, (UnsupportedDocument, MissingDependency))
        kept = f"{error.what} What was read of it before stays." if before and before.documents else error.what
        (self.report.unreadable if supported else self.report.unsupported).append(LeftOut(row.key, kept))
        # Without a stamp it is tried again the next time, whatever was wrong.
        digest = None if before is None else before.digest
        now = row._replace(stamp=None, digest=digest, problem=error.what, supported=supported)
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
