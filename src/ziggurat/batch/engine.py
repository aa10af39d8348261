"""The rows of a table through a chain: what one worker does with its part.

Rows that were in flight whenever a worker died are run alone, so that a row that kills its process is found and given
up, and takes nothing else with it. How many rows are in flight, and how they come and go, is `flow`'s.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ziggurat.batch.cells import Cells
from ziggurat.batch.coordination import Coordination, Tally
from ziggurat.batch.flow import Flow
from ziggurat.batch.layout import Layout
from ziggurat.batch.records import RowEnd
from ziggurat.batch.row import RowResult, RowRunner, to_batch
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.usage import NO_USAGE

_SYNC_SECONDS = 1.0
_ROWS_AT_ONCE = 8
_TOLD_SECONDS = 0.1
_FEWEST_SPARE = 4
_ONE_SPARE_FOR = 4  # rows in flight beyond those whose cells are being computed
_COLLECTED_AFTER = 50_000
"""Things made, more than let go, from which on garbage is looked for."""
_ALONE_FROM = 2
"""Deaths of a worker with a row in flight from which on the row runs alone."""
_GIVEN_UP_FROM = 3
"""Deaths of a worker with a row alone in flight from which on the row is not run again."""


@dataclass(frozen=True, slots=True)
class Deaths:
    """How often a worker died with a row in flight.

    Attributes:
        times: In all.
        alone: With no other row in flight.
    """

    times: int = 0
    alone: int = 0


async def run_rows(
    chain: MultiChain,
    layout: Layout,
    cells: Cells,
    table: Iterator[pa.RecordBatch],
    *,
    concurrency: int,
    ordered: bool = True,
    deaths: Mapping[bytes, Deaths] | None = None,
) -> AsyncIterator[pa.RecordBatch]:
    """Run all rows of a table, or of one part of it.

    Args:
        chain: The chain.
        layout: How the table is fed to it.
        cells: Where finished cells are; it is closed by its owner.
        table: Record batches with at least the columns that the layout reads; read in a worker thread.
        concurrency: Cells that are computed at once. Some more rows are in flight, so that what is asked of others
            before a cell begins keeps no place empty.
        ordered: Whether rows come out in the order they went in; else some hundred at a time, once they are through.
        deaths: By a row's digest, how often a worker died with it in flight.

    Yields:
        The rows of the output.

    Raises:
        LedgerError: If the ledger cannot be read or written.
    """
    lead = cells.coordination
    one = RowRunner(chain, layout, layout.read, cells, lead.purse)
    gate = _Gate() if deaths else None

    told = _Telling(lead)

    async def work(values: tuple[Any, ...]) -> RowResult:
        if gate is None or deaths is None:
            result = await one.run(values)
        else:
            result = await _guarded(one, values, deaths.get(one.digest(values), _NO_DEATHS), gate)
        told.add(result)
        return result

    flow = Flow(
        work, table, layout.read, concurrency=concurrency + max(_FEWEST_SPARE, concurrency // _ONE_SPARE_FOR), ordered=ordered, stopped=lambda: lead.stopped
    )  # fmt: skip
    syncing = asyncio.get_running_loop().create_task(_sync(cells))
    try:
        with _collected_seldom():
            async with aclosing(flow.chunks()) as chunks:  # type: ignore[type-var]  # (it is an asynchronous generator)
                async for chunk in chunks:
                    batch, more = to_batch(layout, chunk.batch, chunk.results)
                    if more:
                        lead.tell(Tally(failed=more))
                    yield batch
    finally:
        told.tell()
        syncing.cancel()


async def _guarded(one: RowRunner, values: tuple[Any, ...], deaths: Deaths, gate: _Gate) -> RowResult:
    if deaths.alone >= _GIVEN_UP_FROM:
        said = f"The worker died {deaths.alone} times with this row alone in flight; it is not run again."
        return await one.run(values, refused=RowEnd("", "", "WorkerDied", said))
    if deaths.times >= _ALONE_FROM:
        async with gate.alone():
            return await one.run(values, alone=True)
    async with gate.shared():
        return await one.run(values)


_NO_DEATHS = Deaths()


@contextmanager
def _collected_seldom() -> Iterator[None]:
    """Look for garbage less often while rows make a hundred short-lived things each: it took a quarter of the time.

    What is there before is not looked through again; the process's settings are as they were afterwards.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class _Telling:
    """Tells whoever leads what was done, some rows at a time; of a failure at once."""

    def __init__(self, lead: Coordination) -> None:
        self._lead = lead
        self._told = time.monotonic()
        self._rows = self._failed = self._computed = self._kept = self._left = 0
        self._usage = NO_USAGE

    def add(self, result: RowResult) -> None:
        """Count a row."""
        self._rows += 1
        self._computed += result.computed
        self._kept += result.kept
        if result.usage:
            self._usage += result.usage
        if result.end.failed and result.counts:
            self._failed += 1
            self.tell()
            return
        self._left += result.end.failed
        if self._rows >= _ROWS_AT_ONCE and time.monotonic() - self._told > _TOLD_SECONDS:
            self.tell()

    def tell(self) -> None:
        """Tell what was counted."""
        if self._rows:
            self._lead.tell(Tally(self._rows, self._failed, self._computed, self._kept, self._usage, self._left))
        self._rows = self._failed = self._computed = self._kept = self._left = 0
        self._usage = NO_USAGE
        self._told = time.monotonic()


async def _sync(cells: Cells) -> None:
    while True:
        await asyncio.sleep(_SYNC_SECONDS)
        with suppress(OSError):
            await in_thread(cells.sync)


class _Gate:
    """Lets many in at once, or one alone."""

    def __init__(self) -> None:
        self._inside = 0
        self._turn = asyncio.Lock()
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        async with self._turn:
            self._inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._turn:
            await self._empty.wait()
            yield
