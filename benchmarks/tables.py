"""A table of rows, each one call to a remote model that takes 50 ms: the rate, and what is lost when a worker is killed.

    python benchmarks/tables.py [--rows 4000] [--concurrency 32] [--peers-python PATH] [--only NAME ...]

Every contender is a program of its own: ours here (`ziggurat batch` on this machine, and on Spark), the peers in
`peers_tables`. Each runs once in peace; then again, and when half of the rows have been asked for, one of its workers
is killed with SIGKILL (an executor of Spark, an actor of Ray, or the process itself where there is only one). If rows
are missing then, the same command is given again, as its user would. The model's own count tells which
calls were made, and paid, twice. Times are from the engine's being up to the whole output; starting engines is not in them.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from processes import descendants, descendants_with
from report import machine, versions
from standin_model import registered
from standin_server import SECONDS, StandIn, answer_to, standing_in

CLUSTER = "local-cluster[2,1,1024]"
EXECUTORS = 2
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Contender:
    """Who does the work.

    Attributes:
        title: In the table.
        script: Its program's file.
        program: Its name there.
        worker: A word of the command line of the processes that work; None if the program itself works.
        share: The part of the rows it is given, where all of them would take minutes.
        peers: Whether it runs in the peers' Python.
    """

    title: str
    script: str
    program: str
    worker: str | None = None
    share: float = 1.0
    peers: bool = False


_EXECUTOR = "CoarseGrainedExecutorBackend"
CONTENDERS = (
    Contender("ziggurat batch, this machine", "tables.py", "ziggurat"),
    Contender("ziggurat batch, Spark", "tables.py", "ziggurat-spark", _EXECUTOR),
    Contender("pandas UDF with threads, Spark", "peers_tables.py", "pandas-udf", _EXECUTOR),
    Contender("pandas UDF, row by row, Spark", "peers_tables.py", "pandas-udf-one-by-one", _EXECUTOR, share=0.1),
    Contender("LangChain abatch", "peers_tables.py", "langchain"),
    Contender("Ray Data map_batches, async actors", "peers_tables.py", "ray", "MapWorker", peers=True),
)


# -- ours -------------------------------------------------------------------------------------------------------------


def ours(table: str, out: str, port: int, concurrency: int, *, spark: str | None) -> None:
    """Our program: a chain of one stage over the table."""
    from ziggurat import LLM, MultiChain
    from ziggurat.batch import map_table

    chain = MultiChain(answer=LLM("{id}: {text}", f"standin:{port}"))
    print("ready", flush=True)
    map_table(chain, table, out, spark=spark, concurrency=concurrency, keys=["id"])
    print("done", flush=True)


def on_spark(table: str, out: str, port: int, total: int) -> None:
    """The same on a session that is up."""
    from ziggurat.batch.spark.session import open_spark

    with open_spark(CLUSTER) as cluster:
        cluster.session.range(EXECUTORS * 2).repartition(EXECUTORS).count()  # the executors are up
        ours(table, out, port, total // EXECUTORS, spark="session")


PROGRAMS: dict[str, Callable[[str, str, int, int], None]] = {
    "ziggurat": lambda table, out, port, total: ours(table, out, port, total, spark=None),
    "ziggurat-spark": on_spark,
}


# -- measuring --------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What one contender did.

    Attributes:
        title: Who.
        rows: Rows of the table.
        rate: Rows a second, undisturbed.
        survived: Whether the job ended well by itself after the kill.
        lost: Rows without an answer in the output when the job with the killed worker had ended.
        twice: Calls that had been made before, when everything was complete.
        seconds: From the beginning to the complete output, the kill and a second command included.
        undisturbed: The same without a kill.
        wrong: Rows with another row's answer, at the end.
    """

    title: str
    rows: int
    rate: float
    survived: bool
    lost: int
    twice: int
    seconds: float
    undisturbed: float
    wrong: int


class Job:
    """A program at work.

    Attributes:
        began: When its engine was up.
        done: Whether it said so.
        ended: When it said it was done, or was gone.
    """

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log.open("ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, text=True, env=environment, start_new_session=True
        )
        self.done = False
        if self._word("ready") is None:
            sys.exit(f"{' '.join(command)} did not begin; see {log}")
        self.began = time.perf_counter()
        self.ended = self.began

    def wait(self) -> None:
        """Until it is done, or gone."""
        self.done = self._word("done") is not None
        self.ended = time.perf_counter()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        with suppress(ProcessLookupError):  # engines leave processes behind when their driver is killed
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()

    def _word(self, word: str) -> str | None:
        assert self.process.stdout is not None  # noqa: S101 (a pipe was asked for)
        return next((line for line in self.process.stdout if line.strip() == word), None)

    @property
    def seconds(self) -> float:
        """From the engine's being up to the end."""
        return self.ended - self.began


def worker_of(job: Job, word: str | None) -> int | None:
    """A process that does a part of the job, the one with most processes of its own; None if there is none now."""
    if word is None:
        return job.process.pid
    found = descendants_with(
        job.process.pid, lambda one: one.endswith(word) or one.startswith(f"ray::{word}")
    )  # fmt: skip
    return max(found, key=lambda pid: len(list(descendants(pid))), default=None)


def answers(out: Path) -> dict[int, str]:
    """The answers in an output; whatever can be read of it."""
    found: dict[int, str] = {}
    files = sorted(out.rglob("*.parquet")) if out.is_dir() else [out] if out.is_file() else []
    for file in files:
        if any(part.startswith((".", "_")) for part in file.relative_to(out.parent).parts):
            continue  # not committed
        with suppress(pa.ArrowException, OSError):
            for row in pq.read_table(file, columns=["id", "answer"]).to_pylist():
                if row["answer"] is not None:
                    found[row["id"]] = row["answer"]
    return found


@dataclass(frozen=True)
class Bench:
    """What all contenders are given."""

    folder: Path
    rows: int
    concurrency: int
    peers_python: str | None

    def measure(self, one: Contender) -> Outcome:
        """One contender, in peace and with a worker killed."""
        rows = round(self.rows * one.share)
        table = self.folder / f"{rows}.parquet"
        texts = [f"the text of row {number}" for number in range(rows)]
        pq.write_table(pa.table({"id": list(range(rows)), "text": texts}), table)
        with standing_in() as model:
            job = self._job(one, table, self.folder / f"{one.program}-peace", model)
            job.wait()
            self._whole(one, job, self.folder / f"{one.program}-peace", rows)
        with standing_in() as model:
            return self._disturbed(one, table, rows, job.seconds, model)

    def _disturbed(self, one: Contender, table: Path, rows: int, undisturbed: float, model: StandIn) -> Outcome:
        out = self.folder / f"{one.program}-killed"
        job = self._job(one, table, out, model)
        while len(model.calls()) < rows // 2:
            time.sleep(0.02)
        victim = worker_of(job, one.worker)
        if victim is None:
            sys.exit(f"{one.title}: no worker was found to kill")
        os.kill(victim, signal.SIGKILL)
        job.wait()
        found, seconds, survived = answers(out), job.seconds, job.done
        lost = rows - len(found)
        if lost:
            again = self._job(one, table, out, model)
            again.wait()
            self._whole(one, again, out, rows)
            found, seconds = answers(out), seconds + again.seconds
        twice = sum(count - 1 for count in model.calls().values())
        wrong = sum(found.get(number) != answer_to(number) for number in range(rows))
        return Outcome(one.title, rows, rows / undisturbed, survived, lost, twice, seconds, undisturbed, wrong)

    def _job(self, one: Contender, table: Path, out: Path, model: StandIn) -> Job:
        python = (self.peers_python or sys.executable) if one.peers else sys.executable
        script = str(Path(__file__).with_name(one.script))
        inside = ["--program"] if one.script == "tables.py" else []
        command = [python, script, *inside, one.program, str(table), str(out), str(model.port), str(self.concurrency)]
        path = registered(self.folder / "registered")
        environment = {**os.environ, "PYTHONPATH": path, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONWARNINGS": "ignore"}
        environment |= {"SPARK_LOCAL_DIRS": str(self.folder / "spark"), "SPARK_WORKER_DIR": str(self.folder / "work")}
        return Job(command, environment, self.folder / f"{one.program}.log")

    def _whole(self, one: Contender, job: Job, out: Path, rows: int) -> None:
        if not job.done or len(found := answers(out)) != rows:
            said = (self.folder / f"{one.program}.log").read_text("utf-8", "replace")[-3000:]
            sys.exit(f"{one.title}: {len(found) if job.done else 0} of {rows} rows\n{said}")


def markdown(outcomes: list[Outcome], notes: list[str], concurrency: int) -> str:
    """The table and what to know about it."""
    lines = [
        "| | rows/s | the job after the kill | rows not in the output then | calls made again | seconds, all told | without a kill |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in outcomes:
        name = f"**{one.title}**" if one.title.startswith("ziggurat") else one.title
        name += f" ({one.rows:,} rows)" if one.rows != outcomes[0].rows else ""
        after = "goes on" if one.survived else "ends; run again"
        twice = f"{one.twice:,} ({one.twice / one.rows:.0%})"
        lines.append(
            f"| {name} | {one.rate:,.0f} | {after} | {one.lost:,} | {twice} | {one.seconds:.1f} | {one.undisturbed:.1f} |"
        )
    bound = concurrency / SECONDS
    said = (
        f"Concurrency {concurrency} in all ({concurrency // EXECUTORS} on each of {EXECUTORS} workers); with calls of "
        f"{SECONDS * 1000:.0f} ms nobody can do more than {bound:,.0f} rows/s. One worker was killed with SIGKILL when half "
        "of the rows had been asked for; where the job ended with it, the same command was given again. Calls made again are "
        "what was lost and paid twice, by the model's own count. What is not in our output yet is in its ledger."
    )
    return "\n".join(lines) + "\n\n" + " ".join([said, *notes]) + "\n"


@contextmanager
def workplace(kept: Path | None) -> Iterator[Path]:
    """A folder for tables, outputs and logs."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--concurrency", type=int, default=32, help="calls at a time, of all workers together")
    parser.add_argument("--peers-python", help="a Python that has Ray installed")
    parser.add_argument("--only", nargs="*", help="programs to run, by their names")
    parser.add_argument("--keep", type=Path, help="a folder to leave tables, outputs and logs in")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results"))
    given = parser.parse_args()
    outcomes: list[Outcome] = []
    notes: list[str] = []
    with workplace(given.keep) as folder:
        bench = Bench(folder, given.rows, given.concurrency, given.peers_python)
        for one in CONTENDERS:
            if given.only and one.program not in given.only:
                continue
            if one.peers and not given.peers_python:
                notes.append(f"Left out: {one.title} (no --peers-python).")
                continue
            outcomes.append(bench.measure(one))
            print(json.dumps(asdict(outcomes[-1])), flush=True)
    if any(one.wrong for one in outcomes):
        notes.append("**Some rows have another row's answer.**")
    measured = ", ".join(f"{name} {version}" for name, version in {**versions(), **engines(given)}.items())
    text = markdown(outcomes, notes, given.concurrency) + f"\nMeasured on {machine()}. {measured}.\n"
    print(text)
    if not given.only:
        (given.results / "tables.md").write_text(f"# A table of calls, and a worker killed\n\n{text}", "utf-8")
        (given.results / "tables.json").write_text(
            json.dumps([asdict(one) for one in outcomes], indent=1) + "\n", "utf-8"
        )


def engines(given: Any) -> dict[str, str]:
    """The versions of what the peers run on."""
    asked = "from importlib.metadata import version; print(version('{}'))"
    found = {}
    for package, python in (("pyspark", sys.executable), ("ray", given.peers_python)):
        if python:
            said = subprocess.run([python, "-c", asked.format(package)], capture_output=True, text=True, check=False)
            found |= {package: said.stdout.strip()} if said.returncode == 0 else {}
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--program"]:
        name, table_, out_, port_, total_ = sys.argv[2:]
        PROGRAMS[name](table_, out_, int(port_), int(total_))
    else:
        main()
