"""An index built by Spark's workers beside the one a sync makes here: the same search results, and both times.

    python benchmarks/spark_index.py [--data ../shared/data] [--passages 50000] [--real 1000] [--spark URL]

Passages are halves of real ones (2WikiMultihopQA, HotpotQA and XQuAD, about 8,800), paired deterministically, each
with a number, so that none comes twice; the questions are XQuAD's. 50,000 of them are embedded with the fake model
(one core's arithmetic, like a small model), 1,000 with the default local one. Three searches of each question are
compared: ids and order of the best ten must be the same, scores to the difference that is shown. Writes
`results/spark_index.md` and `.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from report import RESULTS, machine
from ziggurat.batch.index import build_index
from ziggurat.batch.passages import PassageTable
from ziggurat.batch.spark.session import Cluster, open_spark
from ziggurat.index import VectorIndex
from ziggurat.index.sharded import ShardedIndex
from ziggurat.progress import silent
from ziggurat.specs import DEFAULTS

SPARK = "local-cluster[2,1,2048]"
SHARDS = 4
BEST = 10
EQUAL = 1e-6
MODES = ("hybrid", "dense", "words")


def real_passages(data: Path) -> list[str]:
    """Passages of the shared data, each once, in the order of the files."""
    found: dict[str, None] = {}
    for name in ("multihop-2wiki/corpus_6119.json", "hotpot-distractor/corpus_1000.json"):
        for one in json.loads((data / name).read_text(encoding="utf-8")):
            found[one["text"]] = None
    for language in ("en", "zh", "es"):
        told = json.loads((data / "xquad" / f"{language}.json").read_text(encoding="utf-8"))
        found.update(dict.fromkeys(_passage_texts(told)))
    return [text for text in found if len(text) > 80]


def _passage_texts(told: Any) -> Iterator[str]:
    passages = told["passages"] if isinstance(told, dict) and "passages" in told else told
    for one in passages:
        text = one if isinstance(one, str) else one.get("text") or one.get("context")
        if text:
            yield text


def made_passages(real: Sequence[str], count: int) -> list[str]:
    """As many different passages: the first half of one real passage and the second half of another."""
    made = []
    for number in range(count):
        first, second = real[number % len(real)], real[(number * 7919 + number // len(real)) % len(real)]
        made.append(f"{first[: len(first) // 2].strip()} {second[len(second) // 2 :].strip()} ({number})")
    return made


def questions(data: Path, count: int) -> list[str]:
    """XQuAD's English questions."""
    told = json.loads((data / "xquad" / "en.json").read_text(encoding="utf-8"))
    asked = [one["question"] if isinstance(one, dict) else one for one in told["questions"]]
    return asked[:count]


def differences(left: Any, right: Any, asked: Sequence[str]) -> dict[str, dict[str, float]]:
    """How far two indexes differ in what they find, for each mode.

    Told are the questions with other ids or another order, those of them that differ by more than the order of
    equal scores, and the largest difference of a score at one rank.
    """
    told = {}
    for mode in MODES:
        other, beyond, largest = 0, 0, 0.0
        for question in asked:
            one, two = left.search(question, k=BEST, mode=mode), right.search(question, k=BEST, mode=mode)
            if [hit.chunk_id for hit in one] != [hit.chunk_id for hit in two]:
                other += 1
                beyond += not _only_ties(one, two)
            largest = max([largest, *(abs(a.score - b.score) for a, b in zip(one, two, strict=True))])
        told[mode] = {"other": other, "beyond": beyond, "largest": largest}
    return told


def _only_ties(one: Sequence[Any], two: Sequence[Any]) -> bool:
    """Whether two lists are the same but for the order of equal scores, and for which of the last score are named."""
    last = one[-1].score + EQUAL
    above = [{hit.chunk_id: hit.score for hit in hits if hit.score > last} for hits in (one, two)]
    return all(abs(a.score - b.score) <= EQUAL for a, b in zip(one, two, strict=True)) and (
        above[0].keys() == above[1].keys() and all(abs(above[0][key] - above[1][key]) <= EQUAL for key in above[0])
    )


@contextmanager
def opened(spark: str) -> Iterator[tuple[Cluster, float]]:
    """The cluster, and how long it took until every slot had answered."""
    began = time.perf_counter()
    with open_spark(spark) as cluster, tempfile.TemporaryDirectory() as folder:
        cluster.prepare(folder)
        yield cluster, time.perf_counter() - began


def compare(
    name: str, texts: Sequence[str], asked: Sequence[str], embeddings: str, spark: str, folder: Path, *, shards: bool
) -> dict[str, Any]:
    """Build it here and on Spark, and compare what is found."""
    table = folder / "passages.parquet"
    columns = {"id": [f"p{number}" for number in range(len(texts))], "text": list(texts)}
    pq.write_table(pa.table(columns), table, row_group_size=5000)
    source = PassageTable(str(table), id="id")
    said: dict[str, Any] = {"name": name, "passages": len(texts), "questions": len(asked), "embeddings": embeddings}
    began = time.perf_counter()
    with VectorIndex.create(folder / "here", embeddings) as index:
        index.sync(source, progress=silent)
    said["here"] = time.perf_counter() - began
    print(f"{name}: here {said['here']:.1f} s", flush=True)
    if not shards:
        # a model's vectors may depend on what is embedded with them: the same pieces, done here
        build_index(source, folder / "pieces", embeddings=embeddings, progress=silent)
    with opened(spark) as (cluster, start):
        said["start"] = start
        report = build_index(source, folder / "spark", embeddings=embeddings, spark=cluster, progress=silent)
        said |= {"spark": report.seconds, "reading": report.reading_secs, "commit": report.commit_secs}
        print(f"{name}: spark {report.seconds:.1f} s", flush=True)
        if shards:
            report = build_index(
                source, folder / "shards", embeddings=embeddings, spark=cluster, shards=SHARDS, progress=silent
            )
            said["sharded"] = report.seconds
            print(f"{name}: {SHARDS} shards {report.seconds:.1f} s", flush=True)
    with VectorIndex.open(folder / "here", read_only=True) as here:
        said["chunks"] = len(here)
        with VectorIndex.open(folder / "spark", read_only=True) as there:
            said["differences"] = differences(here, there, asked)
            if not shards:
                with VectorIndex.open(folder / "pieces", read_only=True) as pieces:
                    said["pieces_differences"] = differences(pieces, there, asked)
        if shards:
            with ShardedIndex.open(folder / "shards") as sharded:
                said["sharded_differences"] = differences(here, sharded, asked)
    return said


def table_of(results: Sequence[dict[str, Any]], spark: str) -> str:
    """The results as Markdown."""
    titles = "what", "passages", "chunks", "here, one process", "Spark: all", "of it reading and embedding"
    titles += "of it committing", f"Spark: {SHARDS} shards", "the cluster's start, beforehand"
    lines = [
        f"# An index built on Spark ({spark}) beside the same one built here",
        "",
        f"| {' | '.join(titles)} |",
        f"|{' --- |' * len(titles)}",
    ]
    for one in results:
        sharded = f"{one['sharded']:.1f} s" if "sharded" in one else ""
        lines.append(
            f"| {one['name']} (`{one['embeddings']}`) | {one['passages']:,} | {one['chunks']:,} | {one['here']:.1f} s "
            f"| {one['spark']:.1f} s | {one['reading']:.1f} s | {one['commit']:.1f} s | {sharded} | {one['start']:.1f} s |"
        )
    lines += [
        "",
        f"Questions whose best {BEST} are others, or in another order, than those of the index built here:",
        "",
    ]
    lines.append(
        "| what | compared | mode | questions | others | beyond the order of equal scores | largest difference |"
    )
    lines.append(f"|{' --- |' * 7}")
    for one in results:
        for key, beside in (
            ("differences", "Spark with a sync here"),
            ("pieces_differences", "Spark with the same pieces done here"),
            ("sharded_differences", f"{SHARDS} shards with a sync here"),
        ):
            for mode, told in one.get(key, {}).items():
                lines.append(
                    f"| {one['name']} | {beside} | {mode} | {one['questions']} | {told['other']} "
                    f"| {told['beyond']} | {told['largest']:.1e} |"
                )
    return "\n".join([*lines, "", machine(), ""])


def main() -> None:
    """Run both sizes and write the results."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--passages", type=int, default=50_000)
    arguments.add_argument("--real", type=int, default=1_000, help="passages for the real model; 0 leaves it out")
    arguments.add_argument("--questions", type=int, default=300)
    arguments.add_argument("--spark", default=SPARK)
    arguments.add_argument("--results", type=Path, default=RESULTS)
    given = arguments.parse_args()
    real = real_passages(given.data)
    asked = questions(given.data, given.questions)
    runs = [("fake embeddings", given.passages, "fake:256", True)]
    if given.real:
        runs.append(("the default local model", given.real, DEFAULTS["embeddings"], False))
    results = []
    for name, count, embeddings, shards in runs:
        folder = Path(tempfile.mkdtemp(prefix="spark-index-"))
        try:
            texts = made_passages(real, count)
            results.append(compare(name, texts, asked, embeddings, given.spark, folder, shards=shards))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    text = table_of(results, given.spark)
    print(text)
    given.results.joinpath("spark_index.md").write_text(text, encoding="utf-8")
    given.results.joinpath("spark_index.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
