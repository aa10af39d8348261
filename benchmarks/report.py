"""What the benchmarks share: turns, tables, and the files a run leaves behind.

A script names its contenders and says how one is timed; here they are run in turn, round after round, since only
figures of one run compare. What comes out is a `Report`: printed, and written to ``results/NAME.md``, ``.json``,
``.svg`` and ``.png`` with the machine's description. Figures are medians, with the middle half of the rounds beside
them. With ``--peers-python`` the measuring is done by another Python, where the peers are; the files are written here.

    python benchmarks/report.py      tables of all results, put into benchmarks/README.md
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import os
import platform
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

Role = Literal["ours", "peer", "floor"]

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"
SOURCE = Path(__file__).parents[1] / "src"

_PACKAGES = (
    "langchain-core", "langgraph", "langgraph-checkpoint-sqlite", "apache-hamilton", "haystack-ai",
    "llama-index-workflows",
)  # fmt: skip
_FEWEST_ROUNDS = 3
_SAME = 0.005
"""Figures closer than this share are shown as the same."""


@dataclass(frozen=True)
class Row:
    """One contender's figures.

    Attributes:
        name: The contender.
        role: One of ours, a peer, or a floor: what the work costs with nothing around it.
        value: The median.
        low: A quarter of the rounds were below it.
        high: A quarter of the rounds were above it.
        more: Further columns, by title.
    """

    name: str
    role: Role
    value: float
    low: float
    high: float
    more: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """One comparison.

    Attributes:
        title: What was done.
        unit: Of the values.
        rows: The contenders; the first of ours is what others are set beside, the first floor what ours is.
        better: Whether less or more is better.
        targets: What some rows should reach, by name.
        notes: What a reader needs to know; contenders that were left out, too.
    """

    title: str
    unit: str
    rows: list[Row]
    better: Literal["less", "more"] = "less"
    targets: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def beside(self, row: Row) -> str:
        """The row beside the first of ours, in words."""
        ours = next((one for one in self.rows if one.role == "ours"), None)
        if ours is None or row is ours or not ours.value or not row.value:
            return ""
        factor = row.value / ours.value
        worse = factor >= 1 if self.better == "less" else factor < 1
        if abs(factor - 1) < _SAME:
            return "the same"
        is_time = self.better == "more" or self.unit.split()[0] in ("µs", "ms", "s")
        words = ("slower", "faster") if is_time else ("more", "less")
        return f"{number(max(factor, 1 / factor))}x {words[0] if worse else words[1]}"

    def distance(self, row: Row) -> str:
        """How far the row is from the first floor."""
        floor = next((one for one in self.rows if one.role == "floor"), None)
        if floor is None or row is floor or not floor.value or not row.value:
            return ""
        factor = row.value / floor.value
        return f"{number(factor if self.better == 'less' else 1 / factor)}x"

    def reached(self, row: Row) -> bool:
        """Whether a row with a target reached it."""
        target = self.targets[row.name]
        return row.value <= target if self.better == "less" else row.value >= target


@dataclass(frozen=True)
class Report:
    """All that one script measured.

    Attributes:
        name: The script's.
        title: What it is about.
        tables: The comparisons.
        machine: What it ran on.
        versions: Of all that was measured.
        date: The day.
    """

    name: str
    title: str
    tables: list[Table]
    machine: str
    versions: dict[str, str]
    date: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Report:
        """From what `asdict` made of one."""
        tables = [Table(**{**table, "rows": [Row(**row) for row in table["rows"]]}) for table in given["tables"]]
        return cls(**{**given, "tables": tables})


# -- measuring --------------------------------------------------------------------------------------------------------


async def in_turn(
    runs: Mapping[str, Callable[[], Awaitable[object]]], rounds: int, seconds: float = 3.0
) -> dict[str, list[float]]:
    """Seconds of every run, by contender; they take turns.

    Args:
        runs: What to time, each warmed up before.
        rounds: Turns in all.
        seconds: A contender that took as long already, and at least three turns, takes no further one.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    gc.collect()
    gc.freeze()  # what the contenders are made of is not gone through again on behalf of whoever runs next
    for _ in range(rounds):
        gc.collect()
        for name, run in runs.items():
            taken = times[name]
            if len(taken) >= _FEWEST_ROUNDS and sum(taken) > seconds:
                continue
            began = time.perf_counter()
            await run()
            taken.append(time.perf_counter() - began)
    gc.unfreeze()
    return times


def row(name: str, role: Role, values: Iterable[float], more: Mapping[str, float] | None = None) -> Row:
    """The figures of one contender, from those of its rounds."""
    found = sorted(values)
    low, _, high = statistics.quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
    return Row(name, role, statistics.median(found), low, high, dict(more or {}))


def installed(make: Callable[[], Any], name: str, notes: list[str]) -> Any:
    """What ``make`` makes, or None and a note where a package that it needs is missing."""
    try:
        return make()
    except ImportError as error:
        notes.append(f"Left out: {name} ({error}).")
        return None


def machine() -> str:
    """The processor, cores, memory, system and Python; nothing that names the machine."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"^model name\s*:\s*(.+)$", info.read_text("utf-8"), re.MULTILINE)):
        cpu = found[1]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = f"{platform.system()} {platform.release()}"
    load = os.getloadavg()[0]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cpu}, {cores} cores, {memory:.0f} GiB, {system}, {python}; load {load:.1f} when begun"


def versions() -> dict[str, str]:
    """What was measured, by package."""
    import ziggurat

    found = {"ziggurat": ziggurat.__version__, "SQLite": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


# -- the command ------------------------------------------------------------------------------------------------------


def main(
    script: str,
    title: str,
    measure: Callable[[argparse.Namespace], list[Table]],
    parser: argparse.ArgumentParser,
) -> None:
    """Parse, measure here or in the peers' Python, print, and write the files.

    Args:
        script: ``__file__`` of the script.
        title: What it is about.
        measure: Makes the tables.
        parser: With the script's own arguments.
    """
    parser.add_argument("--peers-python", help="a Python that has the peers installed; this package's source is added")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the files; benchmarks/results")
    parser.add_argument("--json", type=Path, help="write only this file; draw nothing")
    given = parser.parse_args()
    if given.peers_python:
        report = _elsewhere(given.peers_python, script)
    else:
        described = machine()
        report = Report(Path(script).stem, title, measure(given), described, versions(), f"{_today():%Y-%m-%d}")
    if given.json is not None:
        given.json.write_text(json.dumps(asdict(report)), "utf-8")
        return
    print(markdown(report))
    write(report, given.results)


def _elsewhere(python: str, script: str) -> Report:
    arguments = sys.argv[1:]
    at = next(place for place, one in enumerate(arguments) if one.startswith("--peers-python"))
    del arguments[at : at + (1 if "=" in arguments[at] else 2)]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "report.json"
        again = [python, script, *arguments, "--json", str(found)]
        ended = subprocess.call(again, env={**os.environ, "PYTHONPATH": str(SOURCE)})
        if ended:
            sys.exit(ended)
        return Report.of(json.loads(found.read_text("utf-8")))


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def write(report: Report, folder: Path) -> None:
    """Write the four files, and this report's part of the README beside the folder."""
    from chart import chart_svg
    from ziggurat.drawing.raster import rasterise

    folder.mkdir(parents=True, exist_ok=True)
    svg = chart_svg(report)
    about = {"Title": report.title, "Description": report.machine, "Creation Time": report.date}
    (folder / f"{report.name}.json").write_text(json.dumps(asdict(report), indent=1) + "\n", "utf-8")
    (folder / f"{report.name}.md").write_text(f"# {report.title}\n\n{markdown(report)}", "utf-8")
    (folder / f"{report.name}.svg").write_text(svg, "utf-8")
    (folder / f"{report.name}.png").write_bytes(rasterise(svg, about))
    if folder.resolve() == RESULTS:
        into_readme(report)


def into_readme(report: Report) -> None:
    """Put the tables of a report between its marks in the README."""
    text = README.read_text("utf-8") if README.exists() else ""
    begin, end = f"<!-- {report.name}: written by the command -->\n", f"<!-- end of {report.name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        print(f"benchmarks/README.md has no place for {report.name}")
        return
    picture = f"![{report.title}](results/{report.name}.png)\n\n"
    README.write_text(f"{before}{begin}\n{picture}{markdown(report)}\n{end}{after}", "utf-8")


# -- words ------------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three figures, with commas between thousands."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(report: Report) -> str:
    """The tables, what to know about them, and the machine."""
    parts = [_section(table) for table in report.tables]
    measured = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    parts.append(f"Measured {report.date} on {report.machine}. {measured}.\n")
    return "\n".join(parts)


def _section(table: Table) -> str:
    more = list(dict.fromkeys(title for one in table.rows for title in one.more))
    spreads = any(one.low != one.high for one in table.rows)
    titles = [
        "",
        table.unit,
        *(["middle half of the rounds"] if spreads else []),
        "beside ours",
        "from the floor",
        *more,
    ]
    lines: list[Sequence[str]] = [titles, ["---", *["---:"] * (len(titles) - 1)]]
    for one in table.rows:
        name = f"**{one.name}**" if one.role == "ours" else one.name
        spread = [f"{number(one.low)} - {number(one.high)}" if one.low != one.high else ""] if spreads else []
        extra = (number(one.more[title]) if title in one.more else "" for title in more)
        lines.append([name, number(one.value), *spread, table.beside(one), table.distance(one), *extra])
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    rows = ("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
    notes = list(table.notes)
    for one in table.rows:
        if one.name in table.targets:
            bound = (
                f"{'at most' if table.better == 'less' else 'at least'} {number(table.targets[one.name])} {table.unit}"
            )
            verdict = "reached" if table.reached(one) else "**not reached**"
            notes.append(f"To reach, {one.name}: {bound}; {verdict}.")
    said = " ".join(notes)
    return f"### {table.title}\n\n" + "\n".join(rows) + "\n" + (f"\n{said}\n" if said else "")


if __name__ == "__main__":
    for stored in sorted(RESULTS.glob("*.json")):
        into_readme(Report.of(json.loads(stored.read_text("utf-8"))))
