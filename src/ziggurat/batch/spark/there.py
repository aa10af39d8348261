"""A batch on Spark: the table in a few large parts, each run by one worker, led from here.

The driver reads nothing but schemas; Spark reads the table, and writes the output as parts beside the ledger, which
take the output's place at the end. What a worker died over is tried again, by Spark first, then as a job of its own,
as long as that gets further.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from ziggurat.batch.batch import Job
from ziggurat.batch.coordination import Tally
from ziggurat.batch.coordinator import Coordinator
from ziggurat.batch.here import stopped
from ziggurat.batch.ledger import Known
from ziggurat.batch.reading import Table, open_table
from ziggurat.batch.spark.payload import Payload, SentFile
from ziggurat.batch.spark.reach import own_address
from ziggurat.batch.spark.session import Cluster, open_spark
from ziggurat.batch.survey import survey
from ziggurat.batch.watching import Watch, watching
from ziggurat.batch.writing import TableWriter
from ziggurat.errors import ClusterError, TableError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_ROWS_A_PART = 200_000
"""Rows of a part at most, so that a part that is tried again is passed over quickly."""
_TRIES = 12
"""Times that Spark is asked at most; the second and later only if the one before got further."""
_WATCH_SECONDS = 0.2
_ROW = "__ziggurat_row"
_STAGED_ROWS = 1 << 16


class There:
    """A Spark cluster.

    Args:
        where: Its address, or a session.
    """

    def __init__(self, where: str | SparkSession) -> None:
        self._asked = where
        self._cluster: Cluster | None = None
        self._frame: DataFrame | None = None
        self.tally = Tally()
        self.where = where if isinstance(where, str) else "a Spark session"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Open Spark.

        Raises:
            ClusterError: If it is not there.
        """
        with open_spark(self._asked) as cluster:
            self._cluster, self.where = cluster, cluster.where
            yield

    def table(self, table: Any) -> Table:
        """Open a table: a Spark data frame, or anything that is one here.

        Raises:
            TableError: If Spark has no such column type.
        """
        if hasattr(table, "mapInArrow"):
            self._frame = table
            schema = to_arrow_schema(table.schema, timezone="UTC")
            return Table(schema, "a Spark data frame", None, (), None, _unreadable)
        found = open_table(table)
        return Table(
            _as_spark(found.schema, found.name)[1], found.name, found.format, found.files, found.rows, found.read
        )

    def run(self, job: Job, progress: bool | None) -> None:
        """Run the job to its end.

        Raises:
            TableError: If the keys do not tell the rows apart.
            ClusterError: If the cluster cannot do the work.
            BatchStopped: If more rows failed than were allowed.
        """
        cluster = self._opened()
        rows = _survey_frame(self._frame, job.layout.keys) if self._frame is not None else survey(job.table, job.layout)
        cluster.prepare(job.ledger.folder, ("pyarrow",))
        parts = job.ledger.folder / f"output-{job.run}"
        label = job.source.chain.name or "chain"
        try:
            with watching(label, rows, job.options.prices, shown=progress) as watch:
                self._until_done(job, rows, parts, watch)
            _put(parts, job)
        finally:
            rmtree(parts, ignore_errors=True)
            rmtree(_staged(job), ignore_errors=True)
            for path in job.ledger.folder.glob(f"places-{job.run}-*"):
                path.unlink(missing_ok=True)

    # -- inside ----------------------------------------------------------------------------------

    def _opened(self) -> Cluster:
        if self._cluster is None:
            raise RuntimeError("There.run outside of There.opened")
        return self._cluster

    def _until_done(self, job: Job, rows: int, parts: Path, watch: Watch) -> None:
        cluster, options = self._opened(), job.options
        frame = self._parted(job, rows)
        result, as_arrow = _as_spark(job.layout.schema, "the output")
        known = job.ledger.known()
        places = _saved(job, known, 0)
        with (
            job.source.files() as (target, files),
            Coordinator(
                budget=options.budget, prices=options.prices, rate=options.rate, stop_after=options.stop_after,
                host=own_address(cluster), places=known.places,
            ) as lead,
            self._watched(lead, watch),
        ):  # fmt: skip
            sent = [*_sent(cluster, files), *_sent(cluster, options.ship, beside=True, base=_base(job))]
            for number in range(1, _TRIES + 1):
                payload = _payload(job, number, known, places, (target, sent), as_arrow, lead)
                error = _attempt(frame, result, payload, job.source.build, parts)
                if lead.stopped:
                    raise stopped(lead.tally, options.stop_after)
                if error is None:
                    break
                after = job.ledger.known()
                if number == _TRIES or _PYTHON in str(error) or not _further(known, after):
                    raise _told(error, cluster.where)
                known, places = after, _saved(job, after, number)
        watch(self.tally)

    def _parted(self, job: Job, rows: int) -> DataFrame:
        """The table, in parts that are large and few."""
        from pyspark.sql import functions as f

        cluster, options = self._opened(), job.options
        frame = self._read(job).select(*[f"`{name}`" for name in job.layout.read])
        parts = options.partitions or max(min(cluster.slots, rows), -(-rows // _ROWS_A_PART), 1)
        if not options.ordered:
            return frame.repartition(parts)
        numbered = frame.withColumn(_ROW, f.monotonically_increasing_id())
        return numbered.repartitionByRange(parts, _ROW).sortWithinPartitions(_ROW).drop(_ROW)

    def _read(self, job: Job) -> DataFrame:
        session = self._opened().session
        if self._frame is not None:
            return self._frame
        if job.table.format == "parquet":
            return session.read.parquet(*(_url(Path(one)) for one in job.table.files))
        return session.read.parquet(_url(self._stage(job)))

    def _stage(self, job: Job) -> Path:
        """The table as Parquet beside the ledger, read as it is read on one machine."""
        folder = _staged(job)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "table.parquet"
        schema = pa.schema([job.layout.table.field(name) for name in job.layout.read])
        with pa.parquet.ParquetWriter(path, schema) as writer:
            for batch in job.table.read(job.layout.read):
                writer.write_batch(batch.cast(schema), row_group_size=_STAGED_ROWS)
        return path

    @contextmanager
    def _watched(self, lead: Coordinator, watch: Watch) -> Iterator[None]:
        """Show how far the workers are, while this thread waits for Spark."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(_WATCH_SECONDS):
                self.tally = lead.tally
                watch(self.tally)

        thread = threading.Thread(target=look, name="ziggurat-batch-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.tally = lead.tally


def _saved(job: Job, known: Known, number: int) -> str:
    """The places that are known, in a file that workers read; empty if there are none."""
    if not len(known.places):
        return ""
    path = job.ledger.folder / f"places-{job.run}-{number}"
    known.places.save(path)
    return str(path)


def _payload(
    job: Job,
    number: int,
    known: Known,
    places: str,
    chain: tuple[str, Sequence[SentFile]],
    result: pa.Schema,
    lead: Coordinator,
) -> bytes:
    target, files = chain
    functions = job.source.functions
    return Payload(
        f"{job.run}t{number}", target, functions.name if functions else None, tuple(files), job.asked,
        _bytes(job.layout.table), _bytes(result), str(job.ledger.folder), places,
        {row: (one.times, one.alone) for row, one in known.deaths.items()}, tuple(known.acting), known.careful,
        tuple(known.unsettled), lead.address, lead.token, job.options.concurrency, job.options.ordered, job.options.on_effect,
        job.options.kept_only,
    ).packed()  # fmt: skip


def _attempt(
    frame: DataFrame, result: Any, data: bytes, build: Callable[[], Any] | None, parts: Path
) -> Exception | None:
    """Ask Spark once for rows of a schema; the error if it gave up."""

    def task(batches: Any) -> Any:
        from ziggurat.batch.spark.task import run_partition

        yield from run_partition(data, build, batches)

    try:
        frame.mapInArrow(task, result).write.mode("overwrite").parquet(_url(parts))
    except Exception as error:  # noqa: BLE001 (classic Spark, Connect and py4j have no common class)
        return error
    return None


def _put(parts: Path, job: Job) -> None:
    """Put what Spark wrote in the output's place, in the output's format."""
    found = pa.dataset.dataset(parts, format="parquet", schema=job.layout.schema)
    if job.format == "parquet":
        if job.out.is_dir():
            rmtree(job.out)
        else:
            job.out.parent.mkdir(parents=True, exist_ok=True)
            job.out.unlink(missing_ok=True)
        parts.rename(job.out)
        return
    with TableWriter(job.out, job.format, job.layout.schema) as writer:
        for batch in found.to_batches(batch_readahead=2, fragment_readahead=1):
            writer.write(batch)
        writer.commit()


def _sent(cluster: Cluster, paths: Sequence[Path], *, beside: bool = False, base: Path | None = None) -> list[SentFile]:
    sent = []
    for path in paths:
        name = str(path.absolute().relative_to(base)) if base and path.absolute().is_relative_to(base) else path.name
        sent.append(SentFile(name, cluster.send(path), str(path.absolute()), beside))
    return sent


def _base(job: Job) -> Path | None:
    target = job.source.target
    return Path(target.rpartition(":")[0] or target).absolute().parent if target else None


def _staged(job: Job) -> Path:
    return job.ledger.folder / f"table-{job.run}"


def _survey_frame(frame: Any, keys: Sequence[str]) -> int:
    from pyspark.sql import functions as f

    rows = int(frame.count())
    if keys:
        nulls = frame.where(" OR ".join(f"`{name}` IS NULL" for name in keys)).limit(1).count()
        if nulls:
            raise TableError("A key is null.", where=", ".join(keys), fix="give every row a key")
        counted = frame.groupBy(*[f"`{name}`" for name in keys]).agg(f.count(f.lit(1)).alias("__rows"))
        twice = counted.where("__rows > 1").limit(5).collect()
        if twice:
            shown = ", ".join(f"{', '.join(map(str, row[:-1]))} ({row[-1]} times)" for row in twice)
            raise TableError(
                f"The keys do not tell the rows apart: {shown}.",
                where=", ".join(keys),
                fix="name further key columns, or none: rows are then told apart by what the chain reads",
            )
    return rows


def _as_spark(schema: pa.Schema, what: str) -> tuple[Any, pa.Schema]:
    """A schema as Spark has it, and that in Arrow's words again.

    Raises:
        TableError: If Spark has no such type.
    """
    fields = []
    for field in schema:
        try:
            found = from_arrow_schema(pa.schema([pa.field(field.name, field.type)]))
        except Exception as error:
            raise TableError(
                f"Spark has no type for the column {field.name!r}, which is {field.type}.",
                where=what,
                fix="cast the column, or leave it out with carry",
            ) from error
        fields += list(found.fields)
    from pyspark.sql.types import StructType

    spark = StructType(fields)
    return spark, to_arrow_schema(spark, timezone="UTC")


def _bytes(schema: pa.Schema) -> bytes:
    data: bytes = schema.serialize().to_pybytes()
    return data


def _url(path: Path) -> str:
    """A path as Spark takes it: Databricks' volumes by their own name, anything else as a file."""
    return str(path) if str(path).startswith("/Volumes/") else path.absolute().as_uri()


def _unreadable(columns: Sequence[str]) -> Iterator[Any]:
    raise RuntimeError(f"A Spark data frame is read by Spark, not here: {columns}")


def _further(before: Known, after: Known) -> bool:
    """Whether a try that failed got anywhere: finished cells, or learned what its workers die of."""
    return len(after.places) > len(before.places) or after.deaths != before.deaths


_PYTHON = "Traceback (most recent call last)"
"""What stands in an error of Spark's that quotes an exception of ours: another try would raise it, too."""

_RAISED = re.compile(
    r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Exit|Died|Stopped|Exceeded|NotFound|Dependency|Model)): (.+)$", re.MULTILINE
)


def _told(error: Exception, where: str) -> ClusterError:
    """What Spark raised, by the last exception of Python that it quotes, or by its first line."""
    text = str(error)
    quoted = [match for match in _RAISED.finditer(text) if not match[0].startswith(("org.", "java."))]
    said = f"{quoted[-1][1]}: {quoted[-1][2]}" if quoted else text.strip().partition("\n")[0]
    told = ClusterError(
        f"Spark gave up: {said}", where=where, fix="what finished is kept: mend the cause, and start the batch again"
    )
    told.__cause__ = error
    return told
