"""`map_table`: a chain over a table, with a ledger beside the output. What is asked for, checked, and begun here.

Everything that can be known before the first row is found out first: columns, types, keys, the output's place and
schema. Where rows are run is known to `here` and `spark`; both see one `Job`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import pyarrow as pa

from ziggurat.batch.cells import OnEffect
from ziggurat.batch.coordination import Tally
from ziggurat.batch.layout import ERROR, Layout, lay_out
from ziggurat.batch.ledger import BatchLedger, Manifest, RunNote
from ziggurat.batch.rates import Rate
from ziggurat.batch.reading import Format, Table, format_of, open_table
from ziggurat.batch.source import ChainSource
from ziggurat.chain.budget import Budget
from ziggurat.chain.run.session import check_outputs, cost_of
from ziggurat.chain.usage import Usage
from ziggurat.errors import BatchError, InputError, TableError
from ziggurat.prices import PACKAGE, Prices

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_RUNS_TOLD = 500
"""Earlier runs that the manifest tells of."""

CONCURRENCY = 64
"""Cells computed at once by each worker, where nobody says."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How rows are run.

    Attributes:
        concurrency: Cells computed at once by each worker: calls in flight.
        ordered: Whether rows come out in the order they went in.
        stop_after: Failed rows after which no further row is begun; None to keep going.
        budget: What all rows together may spend, or None.
        rate: The most model calls in a while, or None.
        prices: What models cost.
        on_effect: What to do about stages that act on the world and may have done so before a kill.
        kept_only: Whether nothing is computed: the output is made of what the ledger has.
        partitions: On Spark, into how many parts the table is cut; None for as many as run at once.
        ship: On Spark, files and folders beside the chain's file that it reads.
    """

    concurrency: int = CONCURRENCY
    ordered: bool = True
    stop_after: int | None = None
    budget: Budget | None = None
    rate: Rate | None = None
    prices: Prices = PACKAGE
    on_effect: OnEffect = "ask"
    kept_only: bool = False
    partitions: int | None = None
    ship: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for name, bound in (("concurrency", self.concurrency), ("stop_after", self.stop_after), ("partitions", self.partitions)):  # fmt: skip
            if bound is not None and bound < 1:
                raise InputError(f"{name}={bound} is no number of them.", fix="a number of at least 1")
        if self.on_effect not in ("ask", "repeat", "skip"):
            raise InputError(f"on_effect={self.on_effect!r} is unknown.", fix="'ask', 'repeat' or 'skip'")


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a batch.

    Attributes:
        source: The chain and how to make it again.
        table: The table.
        layout: How it is fed to the chain.
        options: How rows are run.
        ledger: Where cells are.
        out: Where the output is to be.
        format: The output's format.
        run: The run's id.
        asked: What `lay_out` was asked for, for who lays out a table of his own.
    """

    source: ChainSource
    table: Table
    layout: Layout
    options: BatchOptions
    ledger: BatchLedger
    out: Path
    format: Format
    run: str
    asked: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """How a run of a batch went.

    Attributes:
        out: The output, or None if it is only in memory.
        rows: Rows of the output.
        failed: Those of them that have an error.
        computed: Cells that were computed.
        kept: Cells that were there already.
        usage: What the models used for the computed ones.
        usd: What that cost, in decimal text; empty where a price is unknown.
        seconds: How long it took.
    """

    out: Path | None
    rows: int
    failed: int
    computed: int
    kept: int
    usage: Usage
    usd: str
    seconds: float
    _table: Any = None

    def table(self) -> pa.Table:
        """The output, in memory."""
        if self._table is not None:
            return self._table
        if self.out is None:
            raise BatchError("There is no output.")
        found = open_table(self.out)
        return pa.Table.from_batches(found.read(found.schema.names), schema=found.schema)


def map_table(
    chain: Any,
    table: Any,
    out: str | Path | None = None,
    *,
    inputs: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
    keys: Sequence[str] = (),
    outputs: Mapping[str, str] | Sequence[str] | None = None,
    carry: Sequence[str] | None = None,
    error: str = ERROR,
    functions: str | Path | None = None,
    spark: str | SparkSession | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    budget: Budget | Mapping[str, Any] | None = None,
    ship: Sequence[str | Path] = (),
    prices: Prices | None = None,
    concurrency: int = CONCURRENCY,
    ordered: bool = True,
    stop_after: int | None = None,
    rate: Rate | None = None,
    on_effect: OnEffect = "ask",
    kept_only: bool = False,
    partitions: int | None = None,
    ledger: str | Path | None = None,
) -> BatchResult:
    """Run a chain over every row of a table.

    Each finished cell (one stage of one row) is in a ledger beside the output as soon as it is finished; a run that
    was killed is started again and computes only what is missing or failed. Errors are values, in a column.

    Args:
        chain: A `MultiChain`, ``CHAIN.yaml``, ``FILE.py:NAME``, or a function that takes nothing and makes one.
        table: A path to Parquet, CSV, JSON lines, Arrow or Delta; an Arrow table, a data frame, mappings by column; on
            Spark a Spark data frame, too.
        out: The output, its format told by its name; None for an output in memory, without a ledger that stays.
        inputs: Columns by the input they feed, where they are called otherwise than it.
        constants: Values by input, the same for every row.
        keys: The columns that identify a row; without any, a row is what the chain reads of it.
        outputs: What becomes a column: stages, and paths inside their outputs (``qa.text``), or such by the column's
            name. None for what the chain returns.
        carry: The columns of the table to carry over; None for all.
        error: The name of the column for errors: null, or stage, type and message.
        functions: Python whose functions a chain file uses. It is executed.
        spark: Where Spark is (``spark://…``, ``local-cluster[…]``, ``sc://…``, ``session``), or a session; None
            for this machine.
        overwrite: Whether to replace an output that is no batch's, or has other columns. Finished cells are kept.
        progress: Whether to show a bar; None for only on a terminal.
        budget: What this run may spend, for all rows together. None for the chain's own setting.
        ship: On Spark, files and folders beside the chain's file that it reads; sent to every worker.
        prices: What models cost; None for the chain's own setting.
        concurrency: Cells computed at once, so calls in flight: here in all, on Spark for each worker.
        ordered: Whether rows come out in the order they went in.
        stop_after: Failed rows after which no further row is begun.
        rate: The most model calls in a while, for all workers together; counted by stages as they begin, each with
            as many calls as it was seen to make.
        on_effect: What to do about a stage that acts on the world and was begun by a run that was killed: ``ask``
            fails the row, ``repeat``, or ``skip``.
        kept_only: Compute nothing: make the output of what the ledger has.
        partitions: On Spark, into how many parts the table is cut; None for as many as run at once.
        ledger: The ledger's folder, for several outputs that share their cells; None for the one beside the output.

    Raises:
        ValueNotStorable: If a stage returns what cannot be written down.
        TableError: If the table, its columns or its keys do not fit the chain, or the output has other columns than
            before; nothing was begun.
        BatchInProgress: If another process runs this batch.
        BatchStopped: If more rows failed than were allowed.
        LedgerError: If the ledger cannot be read or written.
        ClusterError: If Spark cannot do the work.
        BatchError: If the output cannot be written.
    """
    source = ChainSource.of(chain, functions)
    settings = source.chain.settings
    check_outputs(source.chain.program, source.chain.name or "chain", "over a table")
    if isinstance(budget, Mapping):
        budget = Budget(**budget)
    options = BatchOptions(
        concurrency, ordered, stop_after, budget or settings.budget, rate, prices or settings.prices, on_effect,
        kept_only, partitions, tuple(Path(one) for one in ship),
    )  # fmt: skip
    asked: dict[str, Any] = {
        "inputs": dict(inputs or {}), "constants": dict(constants or {}), "keys": list(keys), "outputs": outputs,
        "carry": None if carry is None else list(carry), "error": error,
    }  # fmt: skip
    if spark is None:
        from ziggurat.batch.here import Here

        place: Place = Here()
    else:
        from ziggurat.batch.spark.there import There

        place = There(spark)
    with place.opened(), _target(out) as (path, kind):
        found = place.table(table)
        layout = lay_out(source.chain, found.schema, **asked)
        kept = (
            BatchLedger.beside(path)
            if ledger is None
            else BatchLedger.shared(Path(ledger).absolute(), path if out else None)
        )
        job = Job(source, found, layout, options, kept, path, kind, uuid4().hex[:12], asked)
        with kept.held():
            _begin(job, place.where, overwrite=overwrite or out is None)
            result = _run(job, place, progress)
        if out is None:
            result = replace(result, out=None, _table=replace(result, out=path).table())
        return result


class Place(Protocol):
    """Where rows are run."""

    where: str
    tally: Tally
    """What was done so far."""

    def opened(self) -> AbstractContextManager[None]:
        """Be ready for as long as a ``with`` block lasts."""

    def table(self, table: Any) -> Table:
        """Open a table."""

    def run(self, job: Job, progress: bool | None) -> None:
        """Run a job to its end: its output is in its place."""


def _run(job: Job, place: Place, progress: bool | None) -> BatchResult:
    """Run it, and write down how it went whatever happens."""
    began = time.time()
    status, said = "failed", ""
    try:
        place.run(job, progress)
        status = "done"
    except BaseException as error:
        status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        said = f"{type(error).__name__}: {error}"
        raise
    finally:
        tally = place.tally
        usd = cost_of(tally.usage, job.options.prices)
        manifest = job.ledger.manifest()
        note = replace(
            manifest.runs[-1],
            ended=time.time(), status=status, rows=tally.rows, failed=tally.failed + tally.left, computed=tally.computed,
            kept=tally.kept, calls=tally.usage.calls, input_tokens=tally.usage.input_tokens,
            output_tokens=tally.usage.output_tokens, usd=usd, error=said,
        )  # fmt: skip
        job.ledger.write(replace(manifest, runs=(*manifest.runs[:-1], note)))
    return BatchResult(
        job.out, tally.rows, tally.failed + tally.left, tally.computed, tally.kept, tally.usage, usd, time.time() - began
    )  # fmt: skip


def _begin(job: Job, where: str, *, overwrite: bool) -> None:
    """Write down what is begun, unless it does not go with what is there."""
    schema = tuple((field.name, str(field.type)) for field in job.layout.schema)
    runs: tuple[RunNote, ...] = ()
    given = Path(job.table.name)
    if job.table.format is not None and given.exists() and job.out.exists() and given.samefile(job.out):
        raise TableError("The output is the table itself.", where=str(job.out), fix="give another output")
    if job.ledger.exists:
        before = job.ledger.manifest()
        runs = before.runs
        if (before.schema, before.format) != (schema, job.format) and not overwrite:
            raise TableError(
                f"The output has other columns than before: {_difference(before.schema, schema)}.",
                where=str(job.out),
                fix="give another output, or --overwrite (overwrite=True) to replace it; finished cells are kept",
            )
    elif job.out.exists() and not overwrite:
        raise TableError(
            "There is something at the output's place, and it is no batch's.",
            where=str(job.out),
            fix="give another output, or --overwrite (overwrite=True) to replace it",
        )
    note = RunNote(job.run, where, time.time())
    job.ledger.write(
        Manifest(
            job.source.chain.name or "chain", job.source.target, job.table.name, job.format, schema,
            _again(job), (*runs[-_RUNS_TOLD:], note),
        )
    )  # fmt: skip


def _again(job: Job) -> dict[str, Any]:
    """What was asked for, as far as it can be written down."""
    from ziggurat.batch.types import as_json

    options, asked = job.options, dict(job.asked)
    constants = {name: json.loads(as_json(one)) for name, one in asked.pop("constants").items()}
    outputs = asked.pop("outputs")
    return {
        **asked,
        "outputs": dict(outputs) if isinstance(outputs, Mapping) else None if outputs is None else list(outputs),
        "constants": constants,
        "functions": str(job.source.functions) if job.source.functions else None,
        "budget": _plain(options.budget),
        "rate": None if options.rate is None else [options.rate.calls, options.rate.seconds],
        "concurrency": options.concurrency,
        "ordered": options.ordered,
        "stop_after": options.stop_after,
        "on_effect": options.on_effect,
        "partitions": options.partitions,
        "ship": [str(one) for one in options.ship],
    }


def _plain(budget: Budget | None) -> dict[str, Any] | None:
    """A budget's bounds, dollars as text."""
    if budget is None:
        return None
    bounds = {name: getattr(budget, name) for name in ("tokens", "calls", "seconds")}
    return {**bounds, "usd": None if budget.usd is None else str(budget.usd)}


def _difference(before: Sequence[tuple[str, str]], now: Sequence[tuple[str, str]]) -> str:
    old, new = dict(before), dict(now)
    parts = [f"{name} was {old[name]} and is {new[name]}" for name in new if name in old and old[name] != new[name]]
    parts += [f"{name} is new" for name in new if name not in old]
    parts += [f"{name} is gone" for name in old if name not in new]
    return "; ".join(parts) or "their order, or the format, changed"


@contextmanager
def _target(out: str | Path | None) -> Iterator[tuple[Path, Format]]:
    if out is not None:
        path = Path(str(out).removeprefix("delta:")).absolute()
        kind: Format = "delta" if str(out).startswith("delta:") else format_of(path, what="output")
        yield path, kind
        return
    with TemporaryDirectory(prefix="ziggurat-batch-") as folder:
        yield Path(folder) / "output.arrow", "arrow"
