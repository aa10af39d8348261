"""A worker's part of a batch: one partition of the table, run in a Python process of an executor.

The chain is built once for each process, its local models are those of one server for each executor, and its rows are
run as they are on any machine. What binds the workers together is asked of the driver's coordinator.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow as pa
from pyspark import TaskContext
from pyspark.core.files import SparkFiles

from ziggurat.batch.cells import Cells
from ziggurat.batch.engine import Deaths, run_rows
from ziggurat.batch.layout import Layout, lay_out
from ziggurat.batch.ledger import BatchLedger, new_segment
from ziggurat.batch.places import PlaceTable
from ziggurat.batch.remote import RemoteCoordination
from ziggurat.batch.spark.payload import Payload
from ziggurat.batch.spark.shipping import shipped
from ziggurat.batch.stages import stage_kinds
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.run.portal import iterate_sync
from ziggurat.chain.run.session import pins_of
from ziggurat.chain.target import load_multichain
from ziggurat.models.shared import share_local_models

_chains: dict[bytes, MultiChain] = {}


def run_partition(
    data: bytes, build: Callable[[], MultiChain] | None, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Run a partition's rows; called by Spark, in a worker.

    Args:
        data: The payload.
        build: Makes the chain, or None if the payload says where it is.
        batches: The partition.

    Yields:
        Rows of the output, in exactly the schema that Spark was told.

    Raises:
        ClusterError: If the coordinator cannot be reached.
        LedgerError: If the ledger cannot be read or written.
    """
    first = next(batches, None)
    if first is None:
        return
    payload = Payload.unpacked(data)
    share_models()
    chain = _chain(payload, build)
    schema = pa.ipc.read_schema(pa.py_buffer(payload.schema))
    layout = lay_out(chain, schema, **payload.asked)
    result = pa.ipc.read_schema(pa.py_buffer(payload.result))
    with ExitStack() as held:  # here, and not in the coroutine: each of its steps has a context of its own
        for pin in pins_of(chain.program):
            held.enter_context(pin())
        for batch in iterate_sync(_run(payload, chain, layout, _and_rest(first, batches))):
            yield _exactly(batch, result)


async def _run(
    payload: Payload, chain: MultiChain, layout: Layout, batches: Iterator[pa.RecordBatch]
) -> AsyncIterator[pa.RecordBatch]:
    task = TaskContext.get()
    part = f"{payload.job}-p{task.partitionId() if task else 0:05d}"
    ledger = BatchLedger(Path(payload.ledger))
    earlier = ledger.known(only=f"{part}-")  # of tries of this partition that ended before their time
    deaths = {row: Deaths(*times) for row, times in payload.deaths.items()}
    for row, more in earlier.deaths.items():
        before = deaths.get(row, Deaths())
        deaths[row] = Deaths(before.times + more.times, before.alone + more.alone)
    places = (PlaceTable.open(Path(payload.places)),) if payload.places else ()
    name = new_segment(part)
    async with RemoteCoordination(payload.leader, payload.token, name) as lead:
        cells = Cells(
            ledger.cells,
            name,
            found=(earlier.places, *places),
            stages=stage_kinds(chain),
            coordination=lead,
            acting=frozenset(payload.acting) | earlier.acting,
            on_effect=payload.on_effect,
            kept_only=payload.kept_only,
            careful=payload.careful or earlier.careful,
            unsettled=frozenset(payload.unsettled) | earlier.unsettled,
            concurrency=payload.concurrency,
        )
        try:
            rows = run_rows(
                chain, layout, cells, batches,
                concurrency=payload.concurrency, ordered=payload.ordered, deaths=deaths,
            )  # fmt: skip
            async with aclosing(rows) as finished:  # type: ignore[type-var]  # (it is an asynchronous generator)
                async for batch in finished:
                    yield batch
        finally:
            cells.close()


def share_models() -> None:
    """Have this process's local models be those of the executor's one server."""
    share_local_models(Path(SparkFiles.getRootDirectory()) / "ziggurat-models")


def _chain(payload: Payload, build: Callable[[], MultiChain] | None) -> MultiChain:
    """The chain, built once for each process."""
    if build is not None:
        return build()
    key = hashlib.sha256(repr((payload.target, payload.functions, payload.files)).encode()).digest()
    found = _chains.get(key)
    if found is None:
        folder = _where_it_was(payload) or _made(payload)
        functions = folder / payload.functions if payload.functions else None
        found = _chains[key] = load_multichain(str(folder / payload.target), functions)
    return found


def _where_it_was(payload: Payload) -> Path | None:
    """The chain's own folder, if the same files are there for this worker, too, and nothing else was sent along."""
    folders = {Path(file.path).parent for file in payload.files if not file.beside}
    if len(folders) != 1 or any(file.beside for file in payload.files):
        return None
    try:
        same = all(Path(file.path).read_bytes() == shipped(file.sent).read_bytes() for file in payload.files)
    except OSError:
        return None
    return folders.pop() if same else None


def _made(payload: Payload) -> Path:
    """A folder in which what was sent has the names it had."""
    folder = Path(mkdtemp(prefix="ziggurat-chain-", dir=SparkFiles.getRootDirectory()))
    for file in payload.files:
        place = folder / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(shipped(file.sent))
    return folder


def _and_rest(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _exactly(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows in exactly this schema: Spark reads what it was told, whatever it gets."""
    if batch.schema.equals(schema):
        return batch
    arrays = [
        column if column.type.equals(field.type) else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
