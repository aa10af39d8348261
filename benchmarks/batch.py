"""A chain over a table: rows a second, memory from 10,000 to 1,000,000 rows, and two executors beside one machine.

    python benchmarks/batch.py              writes results/batch.md, .json, .svg and .png
    python benchmarks/batch.py --quick      less of everything, to see that it runs

A stage that waits 50 ms stands for a remote model; its rate is taken from the calls' own times, first to last, noted
in a file by the stage itself, and the seconds of the whole command stand beside it. Memory is read ten times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

import report
from fresh import alone

WAIT = 0.05
CONCURRENCY = 64
CLUSTER = "local-cluster[2,1,1024]"

CHAIN = """
import asyncio
import os
import time
from ziggurat import MultiChain

TIMES = os.open({times!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

async def answer(question: str) -> str:
    os.write(TIMES, b"%.4f\\n" % time.time())
    await asyncio.sleep({wait})
    return question.upper()

async def upper(question: str) -> str:
    return question.upper()

waiting = MultiChain(answer=answer)
trivial = MultiChain(upper=upper)
"""


def written(folder: Path, rows: int) -> Path:
    """A table of questions, written in pieces."""
    path = folder / "rows.parquet"
    schema = pa.schema([("id", pa.int64()), ("question", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, rows, 1 << 16):
            numbers = range(begin, min(begin + (1 << 16), rows))
            writer.write_table(pa.table([list(numbers), [f"what is the number {one}?" for one in numbers]], schema))
    (folder / "chains.py").write_text(CHAIN.format(times=str(folder / "times"), wait=WAIT))
    return path


# -- one run, in a process of its own ---------------------------------------------------------------------------------


def run(chain: str, rows: int, spark: str) -> dict[str, Any]:
    """Run one batch; its figures."""
    from ziggurat.batch import map_table

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, _Memory() as memory:
        folder = Path(name)
        table = written(folder, rows)
        map_table(f"{folder}/chains.py:trivial", [{"id": 1, "question": "warm?"}])  # imports are not what is measured
        memory.begin()
        began = time.perf_counter()
        result = map_table(
            f"{folder}/chains.py:{chain}", table, folder / "out.parquet", keys=["id"], concurrency=CONCURRENCY,
            spark=spark or None,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        made = (result.rows, result.failed, result.computed)
        assert made == (rows, 0, rows), made  # noqa: S101 (what was computed is checked)
        found: dict[str, Any] = {"rows": rows, "seconds": seconds, "batch_seconds": result.seconds, **memory.figures()}
        if (folder / "times").exists() and chain == "waiting":
            times = [float(line) for line in (folder / "times").read_text().split()]
            found["called_seconds"] = max(times) + WAIT - min(times)
        return found


class _Memory:
    """This process's own memory, and that of the files it maps, ten times a second."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._seen: list[tuple[float, float, float]] = []
        self._start = (0.0, 0.0)
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """Begin to look."""
        self._start = _memory()
        self._began = time.perf_counter()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self._seen.append((time.perf_counter() - self._began, *_memory()))

    def figures(self) -> dict[str, Any]:
        """Megabytes above the beginning."""
        self._over.set()
        own = [one - self._start[0] for _, one, _ in self._seen] or [0.0]
        mapped = [one - self._start[1] for _, _, one in self._seen] or [0.0]
        step = max(1, len(self._seen) // 200)
        return {
            "own_mb": max(own), "mapped_mb": max(mapped),
            "timeline": [(round(at, 1), round(one - self._start[0], 1)) for at, one, _ in self._seen[::step]],
        }  # fmt: skip


def _memory() -> tuple[float, float]:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return tuple(int(lines[name].split()[0]) * 1024 / 1e6 for name in ("RssAnon", "RssFile"))  # type: ignore[return-value]  # (two of them)


# -- the tables -------------------------------------------------------------------------------------------------------


def measure(given: argparse.Namespace) -> list[report.Table]:
    """All runs, one after another."""
    turns = 1 if given.quick else 3
    rows = 2_000 if given.quick else 20_000
    sizes = (1_000, 10_000) if given.quick else (10_000, 100_000, 1_000_000)
    bound = CONCURRENCY / WAIT

    def once(chain: str, many: int, spark: str = "") -> dict[str, Any]:
        print(f"{chain}, {many:,} rows{', ' + spark if spark else ''}", file=sys.stderr)
        return alone(__file__, "--one", json.dumps([chain, many, spark]))

    here = [once("waiting", rows) for _ in range(turns)]
    there = [once("waiting", rows, CLUSTER) for _ in range(turns)]
    trivial = [once("trivial", rows * 5) for _ in range(turns)]
    grown = {many: once("trivial", many) for many in sizes}
    _draw_memory(grown, given.results)
    speed = [one["rows"] / one["called_seconds"] for one in here]
    spread = [one["rows"] / one["called_seconds"] for one in there]
    ratio = spread[len(spread) // 2] / speed[len(speed) // 2]
    return [
        report.Table(
            f"A stage that waits 50 ms, {rows:,} rows, {CONCURRENCY} in flight for each worker", "rows/s",
            [
                report.row("this machine", "ours", speed, {"whole command, s": here[0]["seconds"]}),
                report.row(f"two executors, {CLUSTER}", "ours", spread, {"whole command, s": there[0]["seconds"]}),
                report.row("concurrency / latency, one worker", "floor", [bound]),
            ],
            better="more",
            targets={"this machine": 0.9 * bound, f"two executors, {CLUSTER}": 1.8 * speed[len(speed) // 2]},
            notes=[f"two executors beside one machine: {ratio:.2f}x"],
        ),
        report.Table(
            f"A chain that does next to nothing, {rows * 5:,} rows, every cell in the ledger", "rows/s",
            [report.row("this machine", "ours", [one["rows"] / one["seconds"] for one in trivial])],
            better="more",
            targets={"this machine": 20_000.0},
        ),
        report.Table(
            "Memory above the start, the same chain", "MB",
            [
                report.row(f"{many:,} rows", "ours", [one["own_mb"]], {"of mapped files, MB": one["mapped_mb"], "rows/s": many / one["seconds"]})
                for many, one in grown.items()
            ],
            notes=["over time: results/batch-memory.png"],
        ),
        _predicted(here[0], there[0], trivial[0], grown),
    ]  # fmt: skip


def _predicted(
    here: dict[str, Any], there: dict[str, Any], trivial: dict[str, Any], grown: dict[int, dict[str, Any]]
) -> report.Table:
    """The model of docs/scale.md beside what was measured, runs of different sizes and kinds."""
    from ziggurat.batch.forecast import Fleet, StageLoad, forecast

    waiting, plain = [StageLoad("answer", seconds=WAIT)], [StageLoad("upper")]
    cases = [
        (f"waiting, {here['rows']:,} rows, one worker", here["rows"], waiting, 1, here["called_seconds"]),
        (f"waiting, {there['rows']:,} rows, two workers", there["rows"], waiting, 2, there["called_seconds"]),
        (f"next to nothing, {trivial['rows']:,} rows", trivial["rows"], plain, 1, trivial["seconds"]),
        *(
            (f"next to nothing, {many:,} rows, once more", many, plain, 1, one["seconds"])
            for many, one in grown.items()
        ),
    ]
    rows = []
    for name, many, stages, workers, measured in cases:
        told = forecast(many, stages, Fleet(workers=workers, concurrency=CONCURRENCY))
        rows.append(
            report.row(name, "ours", [measured / told.seconds], {"measured, s": measured, "predicted, s": told.seconds})
        )
    return report.Table(
        "Measured over predicted", "of the prediction", rows,
        notes=["the start of Spark is left out; the model's constants are those of `Machinery`"],
    )  # fmt: skip


_WIDTH, _HEIGHT, _MARGIN = 900, 420, 60


def _draw_memory(grown: dict[int, dict[str, Any]], results: Path) -> None:
    """Memory over the share of the work that is done, a line for each size."""
    from ziggurat.drawing.raster import rasterise

    top = max(80.0, *(mb for one in grown.values() for _, mb in one["timeline"])) * 1.15
    colours = ("#9ecae1", "#4292c6", "#08306b")
    plot_w, plot_h = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="Inter, sans-serif">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="30" font-size="16" fill="#222222">Memory of a batch above its start, MB</text>',
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT - 18}" font-size="12" fill="#555555" text-anchor="end">share of the run</text>',
    ]
    for step in range(5):
        y = _HEIGHT - _MARGIN - plot_h * step / 4
        parts.append(f'<line x1="{_MARGIN}" y1="{y:.0f}" x2="{_WIDTH - _MARGIN}" y2="{y:.0f}" stroke="#dddddd"/>')
        parts.append(
            f'<text x="{_MARGIN - 8}" y="{y + 4:.0f}" font-size="12" fill="#555555" text-anchor="end">{top * step / 4:.0f}</text>'
        )
    for place, ((many, one), colour) in enumerate(zip(grown.items(), colours, strict=False)):
        ended = max(at for at, _ in one["timeline"]) or 1.0
        points = " ".join(
            f"{_MARGIN + plot_w * at / ended:.1f},{_HEIGHT - _MARGIN - plot_h * max(mb, 0) / top:.1f}" for at, mb in one["timeline"]
        )  # fmt: skip
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        x = _MARGIN + 190 * place
        parts.append(f'<rect x="{x}" y="44" width="14" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 20}" y="51" font-size="12" fill="#222222">{many:,} rows, {ended:.1f} s</text>')
    svg = "\n".join([*parts, "</svg>"])
    results.mkdir(parents=True, exist_ok=True)
    (results / "batch-memory.svg").write_text(svg, "utf-8")
    (results / "batch-memory.png").write_bytes(rasterise(svg, {"Title": "Memory of a batch"}))


def main() -> None:
    """One run for its parent, or all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    known, _ = parser.parse_known_args()
    if known.one:
        found = run(*json.loads(known.one))
        sys.stdout.flush()
        print(json.dumps(found))
        sys.stdout.flush()
        os._exit(0)  # Spark's gateway takes its time
    report.main(__file__, "A chain over a table", measure, parser)


if __name__ == "__main__":
    main()
