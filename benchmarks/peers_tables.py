"""The peers' side of `tables`: one program each, in the form that its own documentation recommends.

    python benchmarks/peers_tables.py NAME TABLE OUT PORT TOTAL

Reads a Parquet table with the columns ``id`` and ``text``, asks the stand-in at PORT for each row, at most TOTAL at a time in
all, and writes Parquet with ``id`` and ``answer`` to OUT. Says ``ready`` when its engine is up and the work begins,
and ``done`` when the output is written.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CLUSTER = "local-cluster[2,1,1024]"
EXECUTORS = 2
PARTITIONS = 8


def say(word: str) -> None:
    """Tell whoever measures."""
    print(word, flush=True)


def session() -> Any:
    """A Spark session on two executors of one core."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    return (
        builder.master(CLUSTER)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )


def pandas_udf(table: str, out: str, port: int, threads: int) -> None:
    """A pandas UDF over iterators, with one HTTP client and a pool of threads for each partition."""
    spark = session()
    import pandas as pd
    from pyspark.sql import functions

    def ask(parts: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
        import httpx

        with httpx.Client(trust_env=False, timeout=30) as client, ThreadPoolExecutor(threads) as pool:

            def one(row: tuple[int, str]) -> str:
                answer = client.post(f"http://127.0.0.1:{port}/", json={"id": int(row[0]), "text": row[1]})
                return str(answer.raise_for_status().json()["answer"])

            for numbers, texts in parts:
                yield pd.Series(list(pool.map(one, zip(numbers, texts, strict=True))))

    ask.__annotations__ = {"parts": Iterator[tuple[pd.Series, pd.Series]], "return": Iterator[pd.Series]}
    asked = functions.pandas_udf(ask, "string")  # type: ignore[call-overload]  # the stubs know fewer forms
    spark.range(EXECUTORS * 2).repartition(EXECUTORS).count()  # the executors are up
    say("ready")
    frame = spark.read.parquet(table).repartition(PARTITIONS)
    frame.select("id", asked("id", "text").alias("answer")).write.mode("overwrite").parquet(out)
    say("done")
    spark.stop()


def langchain(table: str, out: str, port: int, total: int) -> None:
    """A prompt and a model, ``abatch`` with ``max_concurrency``; exceptions are returned, as for long lists."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    from standin_model import StandInChat

    chain = ChatPromptTemplate.from_template("{id}: {text}") | StandInChat(port=port) | StrOutputParser()
    rows = pq.read_table(table).to_pylist()
    say("ready")
    answers = asyncio.run(chain.abatch(rows, {"max_concurrency": total}, return_exceptions=True))
    texts = [answer if isinstance(answer, str) else None for answer in answers]
    Path(out).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": [row["id"] for row in rows], "answer": texts}), f"{out}/part.parquet")
    say("done")


def ray_data(table: str, out: str, port: int, total: int) -> None:
    """``map_batches`` over two actors whose ``__call__`` is an async generator."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1", "RAY_DEDUP_LOGS": "0"}
    import logging

    import httpx
    import ray

    class Asker:
        def __init__(self) -> None:
            self.client = httpx.AsyncClient(
                trust_env=False, timeout=30, limits=httpx.Limits(max_connections=256, max_keepalive_connections=256)
            )
            self.room = asyncio.Semaphore(total // EXECUTORS)

        async def ask(self, number: int, text: str) -> str:
            async with self.room:
                answer = await self.client.post(f"http://127.0.0.1:{port}/", json={"id": number, "text": text})
                return str(answer.raise_for_status().json()["answer"])

        async def __call__(self, batch: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
            rows = zip(batch["id"].tolist(), batch["text"].tolist(), strict=True)
            answers = await asyncio.gather(*(self.ask(number, text) for number, text in rows))
            yield {"id": batch["id"], "answer": answers}

    ray.init(
        num_cpus=4,  # two for the actors, the rest for reading and writing, which barely compute
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=512 << 20,
    )
    say("ready")
    rows = ray.data.read_parquet(table, override_num_blocks=PARTITIONS)
    asked = rows.map_batches(Asker, concurrency=EXECUTORS, num_cpus=1, batch_size=256)
    asked.write_parquet(out)
    say("done")


PROGRAMS: dict[str, Callable[[str, str, int, int], None]] = {
    "pandas-udf": lambda table, out, port, total: pandas_udf(table, out, port, total // EXECUTORS),
    "pandas-udf-one-by-one": lambda table, out, port, _: pandas_udf(table, out, port, 1),
    "langchain": langchain,
    "ray": ray_data,
}

if __name__ == "__main__":
    name, table, out, port, total = sys.argv[1:]
    PROGRAMS[name](table, out, int(port), int(total))
