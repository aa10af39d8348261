"""What it costs to have every finished stage on disk before the next begins.

    python benchmarks/durability.py [--stages 20] [--payload 2000] [--rounds 40] [--peers-python PATH]

A chain of stages that each pass on a text of 2 kB. Ours writes a journal; LangGraph has its SQLite saver, in each of
its three modes; the floor is one SQLite insert of the same text a stage. Two disciplines, each in a table of its own:
surviving the end of the process (a commit reaches the operating system; SQLite's ``synchronous=NORMAL``, our default)
and surviving a power cut (every commit is flushed to the disk; ``FULL``, LangGraph's default). Then what it takes to
go on with a finished run, and bytes on disk. `factory` fits harnesses that take MODULE:FACTORY.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report

Runner = Callable[[], Awaitable[str]]
Resumer = Callable[[], Awaitable[str]]


@dataclass
class Contender:
    """One way to run the chain.

    Attributes:
        role: Ours, a peer, or a floor.
        run: Runs it once.
        path: Its file.
        resume: Goes on with the last run, which is finished.
        finish: Puts everything into the file, so that its size tells.
        runs: How often it was run.
    """

    role: report.Role
    run: Runner
    path: Path
    resume: Resumer
    runs: int = 0

    async def once(self) -> str:
        """Run it."""
        self.runs += 1
        return await self.run()

    def size(self) -> float:
        """Bytes on disk for each run."""
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()
        return self.path.stat().st_size / self.runs


def stages(count: int) -> dict[str, Callable[..., Awaitable[str]]]:
    """Functions that are each fed by the one before."""
    names: dict[str, Any] = {}
    source = "async def n0(text: str) -> str: return text[1:] + 'y'\n"
    source += "".join(f"async def n{at}(n{at - 1}: str) -> str: return n{at - 1}[1:] + 'y'\n" for at in range(1, count))
    exec(compile(source, __file__, "exec"), names)  # noqa: S102 (the source is ours, above)
    return {name: names[name] for name in (f"n{at}" for at in range(count))}


def factory(count: int, text: str, path: str) -> Runner:
    """Ziggurat with a journal."""
    return ours(count, text, Path(path), fsync=False).run


def ours(count: int, text: str, path: Path, *, fsync: bool) -> Contender:
    """Ziggurat with a journal."""
    from ziggurat import Journal, MultiChain

    last = f"n{count - 1}"
    chain = MultiChain(**stages(count), outputs=[last])
    journal = Journal(path, fsync=fsync)
    done: list[str] = []

    async def run() -> str:
        done.append(uuid.uuid4().hex)
        outputs = await chain.using(journal=journal, run_id=done[-1]).arun(text=text)
        return str(outputs[last])

    async def resume() -> str:
        return str((await chain.using(journal=journal).aresume(done[-1]))[last])

    return Contender("ours", run, path, resume)


def one_insert(count: int, text: str, path: Path, *, fsync: bool) -> Contender:
    """The floor: each stage's text inserted and committed."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")
    connection.execute("CREATE TABLE cells (run TEXT, stage TEXT, value BLOB, PRIMARY KEY (run, stage)) WITHOUT ROWID")
    done: list[str] = []

    async def run() -> str:
        made = text
        done.append(uuid.uuid4().hex)
        for at in range(count):
            made = made[1:] + "y"
            connection.execute("INSERT INTO cells VALUES (?, ?, ?)", (done[-1], f"n{at}", made.encode()))
        return made

    async def resume() -> str:
        rows = connection.execute("SELECT stage, value FROM cells WHERE run = ?", (done[-1],)).fetchall()
        return str(dict(rows)[f"n{count - 1}"].decode())

    return Contender("floor", run, path, resume)


def state_graph(count: int) -> Any:
    """LangGraph's graph of the same stages."""
    from langgraph.graph import END, START, StateGraph
    from typing_extensions import TypedDict

    class State(TypedDict):
        text: str

    async def step(state: State) -> dict[str, str]:
        return {"text": state["text"][1:] + "y"}

    graph: Any = StateGraph(State)
    names = [f"n{at}" for at in range(count)]
    for before, name in zip([START, *names], [*names, END], strict=True):
        if name != END:
            graph.add_node(name, step)
        graph.add_edge(before, name)
    return graph


async def langgraph(stack: AsyncExitStack, count: int, text: str, path: Path, *, mode: str, fsync: bool) -> Contender:
    """LangGraph with its SQLite saver."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(str(path)))
    await saver.setup()
    await saver.conn.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")
    app = state_graph(count).compile(checkpointer=saver)
    done: list[dict[str, Any]] = []

    async def run() -> str:
        done.append({"recursion_limit": count + 10, "configurable": {"thread_id": uuid.uuid4().hex}})
        return str((await app.ainvoke({"text": text}, done[-1], durability=mode))["text"])

    async def resume() -> str:
        return str((await app.ainvoke(None, done[-1], durability=mode))["text"])

    return Contender("peer", run, path, resume)


async def contenders(
    stack: AsyncExitStack, folder: Path, given: argparse.Namespace, notes: list[str], *, fsync: bool
) -> dict[str, Contender]:
    """Everybody, each with a file of its own."""
    text = "x" * given.payload
    found = {
        "one SQLite insert a stage": one_insert(given.stages, text, folder / "floor.db", fsync=fsync),
        "Ziggurat": ours(given.stages, text, folder / "ours.sqlite3", fsync=fsync),
    }
    for mode in ("sync", "async", "exit"):
        path = folder / f"{mode}.db"
        try:
            found[f"LangGraph, {mode}"] = await langgraph(stack, given.stages, text, path, mode=mode, fsync=fsync)
        except ImportError as error:
            notes.append(f"Left out: LangGraph ({error}).")
            break
    return found


async def measure(given: argparse.Namespace, *, fsync: bool) -> list[report.Table]:
    """Time everybody under one discipline; the later tables only where commits are not flushed."""
    notes = ["LangGraph's async mode writes while the next stage runs, and its exit mode once, at the end."]
    expected = "x" * (given.payload - given.stages) + "y" * given.stages
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            found = await contenders(stack, Path(folder), given, notes, fsync=fsync)
            for name, one in found.items():
                for _ in range(3):
                    if await one.once() != expected or await one.resume() != expected:
                        sys.exit(f"{name} computed something else")
            turns = given.rounds // 4 if fsync else given.rounds
            runs = await report.in_turn({name: one.once for name, one in found.items()}, turns)
            resumes = {} if fsync else await report.in_turn({name: one.resume for name, one in found.items()}, turns)
        rows = [
            report.row(name, found[name].role, [taken / given.stages * 1e6 for taken in times])
            for name, times in runs.items()
        ]
        what = f"A chain of {given.stages}, {given.payload / 1000:g} kB a stage"
        if fsync:
            return [report.Table(f"{what}, kept through a power cut", "µs a stage", rows, notes=notes)]
        sizes = [report.row(name, one.role, [one.size() / 1000]) for name, one in found.items()]
    gone_on = [report.row(name, found[name].role, [one * 1e3 for one in times]) for name, times in resumes.items()]
    return [
        report.Table(
            f"{what}, kept through the end of the process", "µs a stage", rows, targets={"Ziggurat": 70.0}, notes=notes
        ),
        report.Table(
            f"Going on with a finished run of {given.stages}", "ms", gone_on,
            notes=["The floor reads the values back. Ours also checks that every stage and its inputs are what they were."],
        ),
        report.Table(f"On disk, each run of {given.stages}", "kB", sizes),
    ]  # fmt: skip


def tables(given: argparse.Namespace) -> list[report.Table]:
    """Both disciplines."""
    first, *others = asyncio.run(measure(given, fsync=False))
    return [first, *asyncio.run(measure(given, fsync=True)), *others]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--stages", type=int, default=20)
    arguments.add_argument("--payload", type=int, default=2000, help="characters that each stage passes on")
    arguments.add_argument("--rounds", type=int, default=60)
    report.main(__file__, "What durability costs", tables, arguments)
