"""A chain over a streaming table: each micro-batch is a batch of its own, and all of them share one ledger.

Structured Streaming gives a micro-batch again after a failure: its output replaces what it had written, and its cells
are there already. A row that comes again later, too, is computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziggurat.batch.batch import BatchResult, map_table
from ziggurat.batch.ledger import BatchLedger
from ziggurat.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.streaming.query import StreamingQuery

_PART = "batch"


def stream_table(
    chain: Any,
    stream: DataFrame,
    out: str | Path,
    *,
    checkpoint: str | Path,
    trigger: dict[str, Any] | None = None,
    told: Callable[[BatchResult], None] | None = None,
    **options: Any,
) -> StreamingQuery:
    """Run a chain over every row that comes on a stream.

    Args:
        chain: As for `map_table`.
        stream: A streaming data frame of a classic session.
        out: A folder of Parquet, one part a micro-batch (``batch=…``), on storage that the workers share.
        checkpoint: Where Spark notes how far the stream was read.
        trigger: When a micro-batch begins, as ``DataStreamWriter.trigger`` takes it (``{"availableNow": True}``,
            ``{"processingTime": "10 seconds"}``).
        told: Is told how each micro-batch went.
        options: Of `map_table`.

    Returns:
        The query, begun. It ends with what a micro-batch raises.

    Raises:
        InputError: If the data frame is no stream.

    Example:
        >>> query = stream_table("chain.yaml", stream, "answers", checkpoint="answers.checkpoint")  # doctest: +SKIP
        >>> query.awaitTermination()  # doctest: +SKIP
    """
    if not stream.isStreaming:
        raise InputError("This data frame is no stream.", fix="map_table(chain, frame, out, spark=session)")
    folder = Path(out).absolute()
    ledger = BatchLedger.beside(folder).folder

    def one(frame: DataFrame, number: int) -> None:
        if frame.isEmpty():
            return
        frame = frame.persist()  # it is counted, and then read
        try:
            part = folder / f"{_PART}={number:012d}"
            result = map_table(
                chain, frame, part, spark=frame.sparkSession, ledger=ledger, overwrite=True, **options
            )  # fmt: skip
        finally:
            frame.unpersist()
        if told is not None:
            told(result)

    writer = stream.writeStream.foreachBatch(one).option("checkpointLocation", str(checkpoint))
    return (writer.trigger(**trigger) if trigger else writer).start()
