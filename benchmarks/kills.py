"""A batch on two executors that is killed again and again: what is computed twice, what is lost.

    python benchmarks/kills.py             writes results/kills.md

Rows of one call each, 50 ms long; a call appends a line to a file when it begins, which is the count that everything is
held against. At random moments an executor is killed with SIGKILL (Spark goes on), or the driver with all that hangs
from it (the same command is given again). At the end the output is compared with what a quiet run makes.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from batch import CLUSTER, WAIT
from processes import descendants, descendants_with

CONCURRENCY = 16
_CHAIN = """
import asyncio
import os
from ziggurat import MultiChain

async def answer(question: str) -> str:
    handle = os.open({calls!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(handle, (question + "\\n").encode())
    os.close(handle)
    await asyncio.sleep({wait})
    return question.upper()

chain = MultiChain(answer=answer)
"""


def _is_executor(word: str) -> bool:
    return word.endswith("CoarseGrainedExecutorBackend")


def kill(pids: list[int]) -> None:
    """SIGKILL, whoever is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:  # noqa: PLR0915 (one story, told in order)
    """Kill, count and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "kills.md")
    given = parser.parse_args()
    luck = random.Random(given.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        calls = folder / "calls"
        (folder / "chain.py").write_text(_CHAIN.format(calls=str(calls), wait=WAIT))
        import pyarrow as pa

        pq.write_table(
            pa.table({"id": list(range(given.rows)), "question": [f"question {n}" for n in range(given.rows)]}),
            folder / "rows.parquet", row_group_size=1024,
        )  # fmt: skip
        command = [
            sys.executable, "-m", "ziggurat", "batch", f"{folder}/chain.py:chain", f"{folder}/rows.parquet",
            f"{folder}/out.parquet", "--key", "id", "--spark", CLUSTER, "--concurrency", str(CONCURRENCY),
        ]  # fmt: skip
        began = time.perf_counter()
        killed: Counter[str] = Counter()
        starts = 0
        done = False
        while not done:
            starts += 1
            with (folder / f"log-{starts}").open("wb") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            while process.poll() is None:
                if sum(killed.values()) < given.kills and _more_calls(calls, process):
                    time.sleep(luck.uniform(0.0, 1.5))
                    if luck.random() < 0.5 and (found := descendants_with(process.pid, _is_executor)):
                        kill([luck.choice(found)])
                        killed["executor"] += 1
                    elif process.poll() is None:
                        kill([process.pid, *descendants(process.pid)])
                        process.wait()
                        killed["driver"] += 1
                    print(f"{sum(killed.values())} kills, {_lines(calls):,} calls", flush=True)
                else:
                    process.wait()
            done = process.returncode == 0
            if not done and process.returncode != -signal.SIGKILL:
                sys.exit((folder / f"log-{starts}").read_text()[-3000:])
        seconds = time.perf_counter() - began
        counted = Counter(calls.read_text().split("\n")[:-1])
        rows = pq.read_table(folder / "out.parquet").to_pylist()
        right = sum(row["answer"] == row["question"].upper() and row["error"] is None for row in rows)
    again = counted.total() - len(counted)
    allowed = killed["executor"] * CONCURRENCY + killed["driver"] * 2 * CONCURRENCY
    text = (
        f"# Killed {sum(killed.values())} times\n\n{given.rows:,} rows of one call of 50 ms, {CONCURRENCY} in flight for each of two "
        f"executors ({CLUSTER}), seed {given.seed}.\n\n"
        "| killed | times |\n|---|---|\n"
        f"| an executor, SIGKILL, Spark goes on | {killed['executor']} |\n"
        f"| the driver and all under it, SIGKILL, the command given again | {killed['driver']} |\n\n"
        "| what came of it | |\n|---|---|\n"
        f"| rows in the output, each with its own answer | {right:,} of {given.rows:,} |\n"
        f"| calls by the file that each call writes to | {counted.total():,} |\n"
        f"| calls beyond one a row | {again:,}, at most {max(counted.values())} for one row |\n"
        f"| cells that were in flight when something was killed, at most | {allowed:,} |\n"
        f"| seconds in all, {starts} starts of Spark among them | {seconds:,.0f} |\n"
    )
    print(text)
    assert right == len(rows) == given.rows  # noqa: S101 (what was computed is checked)
    assert again <= allowed  # noqa: S101 (the same)
    given.out.write_text(text, encoding="utf-8")
    print(f"wrote {given.out}")


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _more_calls(calls: Path, process: subprocess.Popen[bytes], seconds: float = 180.0) -> bool:
    """Wait until some more calls were made; whether they were, and the process still runs."""
    before, until = _lines(calls), time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if _lines(calls) > before + 30:
            return True
        time.sleep(0.05)
    return False


if __name__ == "__main__":
    main()
