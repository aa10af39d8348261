"""`build_index`: an index built from a source by many workers, or by this process, with the same result.

The driver lists the source and decides what must be read, as a sync does; workers read, split and embed; the driver
then commits what they left, in the order of the list. A sharded index has one worker for each shard, which syncs the
shard's part of the source; a store of another kind is written to by the workers themselves.
Invariant: what the index holds does not depend on who did which piece, nor on who was killed.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ziggurat.batch.index_source import numbered, one_source, plain_source
from ziggurat.batch.index_work import DONE, cut, do_piece, report_of, sync_shard, write_piece
from ziggurat.batch.vector_shards import finished_items, read_finished, tidy
from ziggurat.errors import InputError
from ziggurat.index import records
from ziggurat.index.embedder import Embedder, fingerprint_of
from ziggurat.index.hits import IngestReport
from ziggurat.index.shard_list import write_shard_names
from ziggurat.index.splitting import open_splitter
from ziggurat.index.sync import READING
from ziggurat.index.vector_index import VectorIndex
from ziggurat.loaders.source import Item
from ziggurat.progress import Progress, default_progress
from ziggurat.specs import DEFAULTS
from ziggurat.stores.address import parse_address

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ziggurat.batch.spark.session import Cluster


@dataclass(slots=True)
class BuildReport(IngestReport):
    """What a build did; for a store of another kind only the times and the pieces are known.

    Attributes:
        pieces: Pieces of work that were done now.
        reused: Items that an earlier, killed build had finished.
        reading_secs: Listing, reading, splitting and embedding.
        commit_secs: Committing to the index, and its snapshot.
        shards: The report of each shard of a sharded index.
    """

    pieces: int = 0
    reused: int = 0
    reading_secs: float = 0.0
    commit_secs: float = 0.0
    shards: list[IngestReport] = field(default_factory=list)


def build_index(
    source: Any,
    where: str | os.PathLike[str],
    *,
    spark: str | SparkSession | Cluster | None = None,
    embeddings: str | None = None,
    shards: int | None = None,
    splitter: object | None = None,
    building: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> BuildReport:
    """Bring an index up to date with a source, by many workers; a new one is made.

    What has not changed is neither read nor embedded, what left the source leaves the index. A build may be
    killed, workers or driver, and run again: finished pieces are not done again.

    Args:
        source: A path or an address, several in a list, or a `PassageTable`; the workers open it themselves, so
            they must see it under the same name. A source that cannot find an item by its name, such as a
            bucket, is listed by each piece of work anew.
        where: A folder that driver and workers share; or the address of another store (`ziggurat.stores`), to
            which the workers write, under ids that follow from the documents. Nothing is removed from such a store.
        spark: Where Spark is, see `ziggurat.batch.spark.session.open_spark`; None works in this process.
        embeddings: The spec of the embedding model; by default the index's own, or the local default.
        shards: Make a sharded index of so many shards, to be opened with `ShardedIndex`.
        splitter: How documents become chunks, in a new index; one of ours.
        building: Where finished pieces wait; by default beside the index. Needed for another store.
        progress: Where progress is shown.
        **options: For the kind of source, as JSON values.

    Raises:
        InputError: If the workers could not open the source, or something asked for does not go together.
        EmbeddingMismatch: If the index was built with another model.
        ClusterError: If Spark cannot do the work, or a piece of it failed; what was finished is kept.
    """
    began = time.perf_counter()
    plain = plain_source(source, options)
    address = parse_address(where)
    if shards is not None and (shards < 1 or address.kind != "index"):
        raise InputError("An index has one shard or more, and another store has none.", fix="leave shards away")
    if address.kind != "index" and building is None:
        raise InputError("Where finished pieces are written down is not known.", fix="name a shared folder: building=")
    place = Path(address.place).absolute() if address.kind == "index" else None
    folder = Path(building).absolute() if building is not None else _beside(place)
    show = progress or default_progress()
    with _workers(spark, folder if place is None else place.parent) as workers:
        if place is None:
            report = _into_store(plain, str(where), embeddings, splitter, folder, workers, show)
        elif shards is not None:
            report = _in_shards(plain, place, shards, embeddings, splitter, workers, show)
        else:
            report = _into_index(plain, place, embeddings, splitter, folder, workers, show)
    report.seconds = time.perf_counter() - began
    return report


def _beside(place: Path | None) -> Path:
    return Path(f"{place}.building")


class _Here:
    """The work done in this process, one piece after another."""

    def pieces(self, folder: Path, names: Sequence[str], store: str | None, done: Callable[[int], None]) -> None:
        """Do pieces of a folder, telling how many more are done."""
        for name in names:
            do_piece(folder, name, store)
            done(1)

    def shards(self, jobs: Sequence[str]) -> list[str]:
        """Sync shards; their reports."""
        return [sync_shard(job) for job in jobs]


@contextmanager
def _workers(spark: Any, shared: Path) -> Iterator[Any]:
    """Who does the work."""
    if spark is None:
        yield _Here()
        return
    from ziggurat.batch.spark.index_job import SparkWorkers
    from ziggurat.batch.spark.session import Cluster, open_spark

    if isinstance(spark, Cluster):
        spark.prepare(shared)
        with spark.speaking():
            yield SparkWorkers(spark)
        return
    with open_spark(spark, app="ziggurat index") as cluster:
        cluster.prepare(shared)
        yield SparkWorkers(cluster)


def _into_index(
    plain: Any,
    place: Path,
    embeddings: str | None,
    splitter: object | None,
    folder: Path,
    workers: Any,
    progress: Progress,
) -> BuildReport:
    began = time.perf_counter()
    report = BuildReport()
    with VectorIndex.open_or_create(place, embeddings, splitter=splitter) as index:
        engine = index._engine  # noqa: SLF001 (this room builds what that one keeps)
        described = engine.manifest.splitter
        open_splitter(None, described)  # one that only this process has is refused before anything is read
        spec = embeddings or engine.manifest.embedding_spec or DEFAULTS["embeddings"]
        with index.syncing(one_source(plain)) as sync:
            pending = [item for item in sync.source.items() if sync.must_read(item)]
            known = {item.key: sync.known_digest(item.key) for item in pending}
            settings = _settings(described, spec)
            work = {
                "source": plain if isinstance(plain, list) else {**plain, "shown": getattr(sync.source, "given", None)},
                "embeddings": spec,
                "splitter": described,
                "index": str(place),
                "settings": settings,
            }
            folder.mkdir(parents=True, exist_ok=True)
            tidy(folder, settings)
            finished, _ = finished_items(folder, settings)
            todo = [one for one in pending if (one.key, one.stamp, known[one.key]) not in finished]
            report.reused = len(pending) - len(todo)
            report.pieces = _do(numbered(sync.source, todo), work, known, folder, workers, progress)
            finished, fingerprint = finished_items(folder, settings)
            report.reading_secs = time.perf_counter() - began
            if fingerprint is not None:
                records.adopt(engine, fingerprint, spec)
            versions = [(item.key, item.stamp, known[item.key]) for item in pending]
            with progress("Committing", len(versions)) as counter:
                for read in read_finished(finished[version] for version in versions):
                    sync.put(read)
                    counter.advance()
            sync.finish(remove=True)
        for name in ("added", "changed", "removed", "unchanged", "chunks", "embedded", "unsupported", "unreadable"):
            setattr(report, name, getattr(sync.report, name))
    shutil.rmtree(folder, ignore_errors=True)
    report.commit_secs = time.perf_counter() - began - report.reading_secs
    return report


def _in_shards(
    plain: Any,
    place: Path,
    count: int,
    embeddings: str | None,
    splitter: object | None,
    workers: Any,
    progress: Progress,
) -> BuildReport:
    described = open_splitter(splitter).describe()
    open_splitter(None, described)
    names = write_shard_names(place, count)
    jobs = [
        json.dumps(
            {
                "source": plain,
                "shard": str(place / name),
                "number": number,
                "count": count,
                "embeddings": embeddings,
                "splitter": described if splitter is not None else None,
            }
        )
        for number, name in enumerate(names)
    ]
    report = BuildReport(pieces=count)
    with progress("Building shards", count) as counter:
        for told in workers.shards(jobs):
            one = report_of(told)
            report.shards.append(one)
            for name in ("added", "changed", "removed", "unsupported", "unreadable"):
                getattr(report, name).extend(getattr(one, name))
            report.unchanged += one.unchanged
            report.chunks += one.chunks
            report.embedded += one.embedded
            counter.advance()
    return report


def _into_store(
    plain: Any,
    address: str,
    embeddings: str | None,
    splitter: object | None,
    folder: Path,
    workers: Any,
    progress: Progress,
) -> BuildReport:
    from ziggurat.stores import open_store

    began = time.perf_counter()
    spec = embeddings or DEFAULTS["embeddings"]
    embedder = Embedder(spec, spec=spec, fingerprint=None, where=str(parse_address(address)))
    dimensions = embedder.query("How long is a vector?", None).shape[0]
    store = open_store(address, spec)
    try:
        # made once here: workers that begin together would each make it
        if not isinstance(store, VectorIndex):
            store.adopt(fingerprint_of(embedder.model), spec, dimensions)
    finally:
        store.close()
    described = open_splitter(splitter).describe()
    open_splitter(None, described)
    work = {
        "source": plain,
        "embeddings": spec,
        "splitter": described,
        "store": str(parse_address(address)),
        "settings": _settings(described, spec),
    }
    folder.mkdir(parents=True, exist_ok=True)
    source = one_source(plain)
    items = list(source.items())
    before = sum(1 for _ in folder.glob(f"*{DONE}"))
    pieces = _do(numbered(source, items), work, {}, folder, workers, progress, address)
    after = sum(1 for _ in folder.glob(f"*{DONE}"))
    return BuildReport(
        pieces=after - before, reused=pieces - (after - before), reading_secs=time.perf_counter() - began
    )


def _do(
    items: Sequence[tuple[int, Item]],
    work: Mapping[str, Any],
    known: Mapping[str, bytes | None],
    folder: Path,
    workers: Any,
    progress: Progress,
    store: str | None = None,
) -> int:
    """Have items done; how many pieces they were."""
    run = uuid4().hex
    names = []
    for piece in cut(items):
        # what has no stamp may have changed since an earlier build read it
        stamped = all(item.stamp is not None for _, item in piece)
        names.append(write_piece(folder, work if stamped else {**work, "run": run}, piece, known))
    if names:
        with progress("Reading and embedding", len(names)) as counter:
            workers.pieces(folder, names, store, counter.advance)
    return len(names)


def _settings(splitter: Mapping[str, Any], spec: str) -> str:
    """What decides how an item becomes chunks and vectors, as a name."""
    said = json.dumps([READING, splitter, spec], sort_keys=True)
    return blake2b(said.encode(), digest_size=12).hexdigest()
