"""The work of building an index done by Spark: a task does several pieces, or syncs one shard.

Knows how work is handed out and how failures come back; what the work is, `index_work` knows. Invariant: what a
task gets is plain data, and a task that is run again does only what is not finished.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziggurat.batch.index_work import DONE
from ziggurat.batch.spark.session import Cluster
from ziggurat.batch.vector_shards import SUFFIX
from ziggurat.errors import ClusterError

if TYPE_CHECKING:
    import pyarrow as pa

_TASKS_A_SLOT = 4
"""Few, so that a model is opened rarely; several, so that a slow task does not leave the others idle."""
_LOOK_SECS = 1.0
_SCHEMA = "told string, failed string"


class SparkWorkers:
    """The workers of a cluster that was prepared.

    Args:
        cluster: The cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def pieces(self, folder: Path, names: Sequence[str], store: str | None, done: Callable[[int], None]) -> None:
        """Do pieces of a shared folder, telling how many more are done.

        Raises:
            ClusterError: If a piece failed; the others may be finished, and are not done again.
        """
        tasks = min(len(names), self._cluster.slots * _TASKS_A_SLOT)
        with _Watched(folder, names, done):
            self._run(_piece_runner(str(folder), tuple(names), store), len(names), tasks)

    def shards(self, jobs: Sequence[str]) -> list[str]:
        """Sync shards, a task for each; their reports, in order.

        Raises:
            ClusterError: If one failed; what the others committed stays.
        """
        return self._run(_shard_runner(tuple(jobs)), len(jobs), len(jobs))

    def _run(self, runner: Callable[[Any], Iterator[Any]], count: int, tasks: int) -> list[str]:
        session = self._cluster.session
        fix = "Run it again: what is finished is kept."
        try:
            rows = session.range(0, count, numPartitions=tasks).mapInArrow(runner, _SCHEMA).collect()
        except Exception as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise ClusterError(f"Spark gave up: {lines[0][:300] if lines else error!r}", fix=fix) from error
        for row in rows:
            if row.failed:
                raise ClusterError(f"A worker could not do its part: {row.failed}", fix=fix)
        return [row.told for row in rows]


class _Watched:
    """Tells of pieces as their files appear."""

    def __init__(self, folder: Path, names: Sequence[str], done: Callable[[int], None]) -> None:
        self._folder = folder
        self._waiting = set(names)
        self._done = done
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECS):
            self._look()

    def _look(self) -> None:
        there = {path.stem for path in self._folder.iterdir() if path.suffix in (SUFFIX, DONE)}
        if found := self._waiting & there:
            self._waiting -= found
            self._done(len(found))


def _piece_runner(
    folder: str, names: tuple[str, ...], store: str | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pathlib import Path

        import pyarrow as pa

        from ziggurat.batch.index_work import do_piece
        from ziggurat.errors import ZigguratError

        schema = pa.schema([("told", pa.string()), ("failed", pa.string())])
        for batch in batches:
            for number in batch.column(0).to_pylist():
                try:
                    do_piece(Path(folder), names[number], store)
                except ZigguratError as error:
                    yield pa.RecordBatch.from_pylist([{"told": "", "failed": str(error)}], schema=schema)
                    return
                yield pa.RecordBatch.from_pylist([{"told": names[number], "failed": ""}], schema=schema)

    return run


def _shard_runner(jobs: tuple[str, ...]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        from ziggurat.batch.index_work import sync_shard
        from ziggurat.errors import ZigguratError

        schema = pa.schema([("told", pa.string()), ("failed", pa.string())])
        for batch in batches:
            for number in batch.column(0).to_pylist():
                told, failed = "", ""
                try:
                    told = sync_shard(jobs[number])
                except ZigguratError as error:
                    failed = str(error)
                yield pa.RecordBatch.from_pylist([{"told": told, "failed": failed}], schema=schema)

    return run
