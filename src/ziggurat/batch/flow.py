"""Rows in, results out, many at once: bounded, in order or as they finish, with memory that stays flat.

A table is taken a chunk at a time, and a chunk leaves when all its rows are through; no more than a few chunks are
open. So a reader that is slower than the work slows the work, and work that is slower than the table slows the
reading. Knows nothing of chains: what is done with a row is given in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa

from ziggurat.batch.reading import values_of
from ziggurat.chain.run.calling import in_thread

T = TypeVar("T")

CHUNK_ROWS = 256
_ROWS_FOR_ONE = 4  # rows of a chunk for each that may be in flight: few in flight leave early
_SPARE_CHUNKS = 8


@dataclass(slots=True)
class Chunk(Generic[T]):
    """Some rows that leave together.

    Attributes:
        number: Its place in the table.
        batch: The rows as they came.
        rows: Their values.
        results: What became of them.
        taken: How many were begun.
        left: How many are not through.
    """

    number: int
    batch: pa.RecordBatch
    rows: list[tuple[Any, ...]]
    results: list[T]
    taken: int
    left: int


class Flow(Generic[T]):
    """One passage over a table.

    Args:
        work: What is done with a row.
        table: Record batches; read in a worker thread.
        columns: The columns of a row's values, in order.
        concurrency: Rows in flight at once.
        ordered: Whether chunks leave in the order they came; else as soon as they are through.
        stopped: Whether no further row is to be begun.
        chunk_rows: Rows of a chunk at most.
    """

    def __init__(
        self,
        work: Callable[[tuple[Any, ...]], Awaitable[T]],
        table: Iterator[pa.RecordBatch],
        columns: Sequence[str],
        *,
        concurrency: int,
        ordered: bool = True,
        stopped: Callable[[], bool] = lambda: False,
        chunk_rows: int = CHUNK_ROWS,
    ) -> None:
        self._do = work
        self._table = table
        self._columns = columns
        self._concurrency = concurrency
        self._ordered = ordered
        self._stopped = stopped
        self._chunk_rows = min(chunk_rows, _ROWS_FOR_ONE * concurrency)
        self._chunk: Chunk[T] | None = None
        self._sliced: Iterator[pa.RecordBatch] = iter(())
        self._read = 0
        self._left = 0
        self._finished: dict[int, Chunk[T]] = {}
        self._out: asyncio.Queue[Chunk[T] | None] = asyncio.Queue()
        self._open = asyncio.Semaphore(_SPARE_CHUNKS + -(-concurrency // self._chunk_rows))
        self._refilling = asyncio.Lock()
        self._ended = False

    async def chunks(self) -> AsyncIterator[Chunk[T]]:
        """The chunks, all rows of which are through. Those that were not when it was stopped are left out.

        Raises:
            Exception: What the work raised; the other rows are cancelled.
        """
        loop = asyncio.get_running_loop()
        workers = [loop.create_task(self._work()) for _ in range(self._concurrency)]
        watch = loop.create_task(self._watch(workers))
        try:
            while (chunk := await self._out.get()) is not None:
                self._open.release()
                yield chunk
            await watch
        finally:
            for task in (*workers, watch):
                task.cancel()
            await asyncio.gather(*workers, watch, return_exceptions=True)

    async def _watch(self, workers: list[asyncio.Task[None]]) -> None:
        """Wait for all workers; the first that breaks ends the rest."""
        try:
            await asyncio.gather(*workers)
        finally:
            self._out.put_nowait(None)

    async def _work(self) -> None:
        while not self._stopped():
            chunk = self._chunk
            if chunk is None or chunk.taken == len(chunk.rows):
                if not await self._refill():
                    return
                continue
            position = chunk.taken
            chunk.taken += 1
            chunk.results[position] = await self._do(chunk.rows[position])
            chunk.left -= 1
            if not chunk.left:
                self._through(chunk)
                await asyncio.sleep(0)  # work that never waits must not keep the loop from all else

    def _through(self, chunk: Chunk[T]) -> None:
        if not self._ordered:
            self._out.put_nowait(chunk)
            return
        self._finished[chunk.number] = chunk
        while (ready := self._finished.pop(self._left, None)) is not None:
            self._left += 1
            self._out.put_nowait(ready)

    async def _refill(self) -> bool:
        """See to it that there are rows to take; False once there are none left."""
        async with self._refilling:
            if self._chunk is not None and self._chunk.taken < len(self._chunk.rows):
                return True
            if self._ended:
                return False
            await self._open.acquire()
            while (batch := next(self._sliced, None)) is None:
                found = await in_thread(lambda: next(self._table, None))
                if found is None:
                    self._ended = True
                    return False
                starts = range(0, found.num_rows, self._chunk_rows)
                self._sliced = iter([found.slice(start, self._chunk_rows) for start in starts])
            columns = [values_of(batch.column(name)) for name in self._columns]
            rows = list(zip(*columns, strict=True)) if columns else [()] * batch.num_rows
            results: list[Any] = [None] * len(rows)
            self._chunk = Chunk(self._read, batch, rows, results, 0, len(rows))
            self._read += 1
            return True
