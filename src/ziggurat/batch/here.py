"""A batch on this machine: one worker, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, aclosing, contextmanager
from typing import Any

from ziggurat.batch.alone import Alone
from ziggurat.batch.batch import Job
from ziggurat.batch.cells import Cells
from ziggurat.batch.coordination import Tally
from ziggurat.batch.engine import run_rows
from ziggurat.batch.ledger import new_segment
from ziggurat.batch.reading import Table, open_table
from ziggurat.batch.stages import stage_kinds
from ziggurat.batch.survey import survey
from ziggurat.batch.watching import Watch, watching
from ziggurat.batch.writing import TableWriter
from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.run.portal import run_sync
from ziggurat.chain.run.session import pins_of
from ziggurat.errors import BatchStopped


class Here:
    """This machine."""

    where = "this machine"

    def __init__(self) -> None:
        self.tally = Tally()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Nothing to open."""
        yield

    def table(self, table: Any) -> Table:
        """Open the table."""
        return open_table(table)

    def run(self, job: Job, progress: bool | None) -> None:
        """Run the job to its end.

        Raises:
            BatchStopped: If more rows failed than were allowed.
            LedgerError: If the ledger cannot be read or written.
            BatchError: If the output cannot be written.
        """
        rows = survey(job.table, job.layout)
        label = job.source.chain.name or "chain"
        with watching(label, rows, job.options.prices, shown=progress) as watch:

            def note(tally: Tally) -> None:
                self.tally = tally
                watch(tally)

            run_sync(_run(job, note))
            watch(self.tally)


async def _run(job: Job, watch: Watch) -> None:
    options, chain = job.options, job.source.chain
    lead = Alone(
        budget=options.budget, prices=options.prices, rate=options.rate, stop_after=options.stop_after, watch=watch
    )
    known = await in_thread(job.ledger.known)
    cells = Cells(
        job.ledger.cells,
        new_segment("here"),
        found=(known.places,),
        stages=stage_kinds(chain),
        coordination=lead,
        acting=known.acting,
        on_effect=options.on_effect,
        kept_only=options.kept_only,
        careful=known.careful,
        concurrency=options.concurrency,
        unsettled=known.unsettled,
    )
    with ExitStack() as held:
        held.callback(cells.close)
        for pin in pins_of(chain.program):
            held.enter_context(pin())
        writer = held.enter_context(TableWriter(job.out, job.format, job.layout.schema))
        rows = run_rows(
            chain, job.layout, cells, job.table.read(job.layout.read),
            concurrency=options.concurrency, ordered=options.ordered, deaths=known.deaths,
        )  # fmt: skip
        async with aclosing(rows) as batches:  # type: ignore[type-var]  # (it is an asynchronous generator)
            async for batch in batches:
                await in_thread(lambda batch=batch: writer.write(batch))  # type: ignore[misc]  # (a batch, bound now)
        if lead.stopped:
            raise stopped(lead.tally, options.stop_after)
        await in_thread(writer.commit)


def stopped(tally: Tally, allowed: int | None) -> BatchStopped:
    """The error for a batch in which too many rows failed."""
    return BatchStopped(
        f"{tally.failed:,} rows failed, and it was to stop after {allowed or 0:,}.",
        fix="see why with `ziggurat batch report OUT`; what finished is kept, and the next run goes on",
    )
