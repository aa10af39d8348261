"""What is paid before anything runs: building a chain, explaining it, importing the package.

    python benchmarks/building.py [--levels 10] [--stages 1000] [--rounds 15] [--peers-python PATH]

A chain in a chain, ten levels deep, of a thousand stages in all, every stage fed by the one before: built, and asked what a
run would do (`explain`), alone and with a cache and a journal. The peers build the same: LangGraph as nested
graphs, LCEL as nested sequences, Hamilton (which does not nest) flat. The floor makes as many functions' signatures known,
which whoever wires by parameter names must do. Imports are measured as fresh processes, less one that imports nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import orchestration
import report

Build = Callable[[], Any]

IMPORTS: dict[str, tuple[report.Role, str]] = {
    "from ziggurat import MultiChain": ("ours", "from ziggurat import MultiChain"),
    "import ziggurat": ("ours", "import ziggurat"),
    "ziggurat --help": ("ours", "import sys; sys.argv[1:] = ['--help']; from ziggurat.cli.main import main; main()"),
    "from langchain_core.runnables import Runnable": ("peer", "from langchain_core.runnables import Runnable"),
    "from langgraph.graph import StateGraph": ("peer", "from langgraph.graph import StateGraph"),
    "from hamilton import async_driver": ("peer", "from hamilton import async_driver"),
    "from haystack import Pipeline": ("peer", "from haystack import Pipeline"),
    "from workflows import Workflow": ("peer", "from workflows import Workflow"),
}


def functions(levels: int, count: int) -> list[dict[str, Any]]:
    """For every level, functions that are fed by one another; the first reads ``x``."""
    each = count // levels
    found: list[dict[str, Any]] = []
    for level in range(levels):
        source = f"async def l{level}_0(x: int) -> int: return x + 1\n"
        source += "".join(
            f"async def l{level}_{at}(l{level}_{at - 1}: int) -> int: return l{level}_{at - 1} + 1\n"
            for at in range(1, each - (level < levels - 1))
        )
        names: dict[str, Any] = {}
        exec(compile(source, __file__, "exec"), names)  # noqa: S102 (the source is ours, above)
        found.append({name: made for name, made in names.items() if name.startswith(f"l{level}_")})
    return found


def ours(levels: list[dict[str, Any]]) -> Any:
    """Ziggurat: chains in chains."""
    from ziggurat import MultiChain

    inner: Any = None
    for level, stages in reversed(list(enumerate(levels))):
        inner = MultiChain(**stages, **({} if inner is None else {f"below_{level}": inner}))
    return inner


def langgraph(levels: list[dict[str, Any]]) -> Any:
    """LangGraph: compiled graphs as nodes."""
    from langgraph.graph import END, START, StateGraph
    from typing_extensions import TypedDict

    class State(TypedDict):
        x: int

    async def step(state: Any) -> dict[str, int]:
        return {"x": state["x"] + 1}

    inner: Any = None
    for stages in reversed(levels):
        graph: Any = StateGraph(State)
        before = START
        for name in [*stages, *(() if inner is None else ("below",))]:
            graph.add_node(name, inner if name == "below" else step)
            graph.add_edge(before, name)
            before = name
        graph.add_edge(before, END)
        inner = graph.compile()
    return inner


def lcel(levels: list[dict[str, Any]]) -> Any:
    """LCEL: sequences, which flatten."""
    from langchain_core.runnables import RunnableLambda, RunnableSequence

    inner: Any = None
    for stages in reversed(levels):
        steps = [RunnableLambda(made) for made in stages.values()]
        inner = RunnableSequence(*steps, *(() if inner is None else (inner,)))
    return inner


def hamilton(count: int) -> Build:
    """Hamilton: one flat graph."""
    from hamilton import async_driver

    module, _ = orchestration.functions("chain", count, f"hamilton_built_{count}")

    def build() -> Any:
        return async_driver.Builder().with_modules(module).build_without_init()

    return build


def signatures(levels: list[dict[str, Any]]) -> list[inspect.Signature]:
    """The floor."""
    return [inspect.signature(made) for stages in levels for made in stages.values()]


def stages_of(chain: Any) -> int:
    """How many stages a chain of ours has, however deep, the chains in it counted as stages."""
    inside = (stage.call.target for stage in chain.stages.values() if stage.call.kind.value == "chain")
    return len(chain.stages) + sum(map(stages_of, inside))


async def measure(builds: dict[str, tuple[report.Role, Build]], rounds: int) -> list[report.Row]:
    """Time what builds or explains."""

    def called(build: Build) -> Callable[[], Awaitable[Any]]:
        async def run() -> Any:
            return build()

        return run

    runs = {name: called(build) for name, (_, build) in builds.items()}
    for run in runs.values():
        await run()
    times = await report.in_turn(runs, rounds)
    return [report.row(name, builds[name][0], [one * 1e3 for one in taken]) for name, taken in times.items()]


def building(given: argparse.Namespace) -> list[report.Table]:
    """Built and explained."""
    levels = functions(given.levels, given.stages)
    notes: list[str] = []
    builds: dict[str, tuple[report.Role, Build]] = {
        "signatures alone": ("floor", partial(signatures, levels)),
        "Ziggurat": ("ours", partial(ours, levels)),
    }
    for name, make in (("LangGraph", langgraph), ("LCEL", lcel)):
        if report.installed(partial(make, levels), name, notes) is not None:
            builds[name] = ("peer", partial(make, levels))
    if (flat := report.installed(partial(hamilton, given.stages), "Hamilton", notes)) is not None:
        builds["Hamilton, flat"] = ("peer", flat)
    chain = ours(levels)
    if (got := stages_of(chain)) != given.stages:
        sys.exit(f"The chain has {got} stages instead of {given.stages}")
    with tempfile.TemporaryDirectory() as folder:
        kept = chain.using(cache=Path(folder) / "cache.sqlite3", journal=Path(folder) / "runs.sqlite3")
        asyncio.run(kept.arun(x=1))
        explains: dict[str, tuple[report.Role, Build]] = {
            "Ziggurat": ("ours", partial(chain.explain, x=1)),
            "Ziggurat, every stage in a cache": ("ours", partial(kept.explain, x=1)),
        }
        explained = asyncio.run(measure(explains, given.rounds))
    what = f"{given.levels} nested levels, {given.stages:,} stages"
    reach = {"Ziggurat": 100.0}
    return [
        report.Table(f"Building {what}", "ms", asyncio.run(measure(builds, given.rounds)), targets=reach, notes=notes),
        report.Table(f"Explaining {what}", "ms", explained, targets={one.name: 100.0 for one in explained}),
    ]


def importing(rounds: int) -> report.Table:
    """Fresh processes that import, in turn."""
    times: dict[str, list[float]] = {}
    notes = [
        "Above a process that imports nothing. A chain of ours is LangChain's `Runnable`, and cannot be had for less than that."
    ]
    sources = {"": "pass"} | {name: source for name, (_, source) in IMPORTS.items()}
    for name in list(sources):
        ended = subprocess.run([sys.executable, "-c", sources[name]], capture_output=True, text=True, check=False)
        if ended.returncode:
            notes.append(f"Left out: {name} ({ended.stderr.strip().rpartition(chr(10))[2]}).")
            del sources[name]
    for _ in range(rounds):
        for name, source in sources.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", source], check=True, stdout=subprocess.DEVNULL)
            times.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
    nothing = statistics.median(times.pop(""))
    rows = [
        report.row(name, IMPORTS[name][0], [max(one - nothing, 0.0) for one in taken]) for name, taken in times.items()
    ]
    targets = {"import ziggurat": 60.0, "ziggurat --help": 150.0}
    return report.Table("Importing", "ms", rows, targets=targets, notes=notes)


def tables(given: argparse.Namespace) -> list[report.Table]:
    """Building, explaining, importing."""
    return [*building(given), importing(max(given.rounds // 3, 3))]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--levels", type=int, default=10)
    arguments.add_argument("--stages", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=15)
    report.main(__file__, "What is paid before anything runs", tables, arguments)
