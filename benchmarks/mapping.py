"""One trivial function over many items: how many a second, and how much memory.

    python benchmarks/mapping.py [--items 100000] [--peers-python PATH]

Each contender is measured in a process of its own, several runs there. Ours is a `Map` with a sync and with an async
body: alone, with every event read, with a journal, with a cache that is empty, and with one that has every item.
Peers that would need minutes for all items get fewer, named beside them; their rate is of those. Memory is the peak of the
first run above the process's start, the results included, with the items made before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import operator
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import fresh
import report

Mapper = Callable[[list[int]], Awaitable[list[int]]]

_RUNS, _SECONDS, _CHUNK = 5, 2.0, 1000


def plus_one(number: int) -> int:
    """What is done to each item."""
    return number + 1


async def plus_one_async(number: int) -> int:
    """The same, as a coroutine."""
    return number + 1


def comprehension(_folder: Path) -> Mapper:
    """The floor of sync bodies."""

    async def run(items: list[int]) -> list[int]:
        return [plus_one(item) for item in items]

    return run


def gathered(_folder: Path) -> Mapper:
    """The floor of async bodies that may wait: tasks, a thousand at once."""

    async def run(items: list[int]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(items), _CHUNK):
            found += await asyncio.gather(*map(plus_one_async, items[start : start + _CHUNK]))
        return found

    return run


def ours(body: Callable[[int], Any], *, events: bool = False, journal: bool = False, cache: bool = False) -> Any:
    """Makes our mapper."""

    def make(folder: Path) -> Mapper:
        from ziggurat import Map, MultiChain

        chain = MultiChain(mapped=Map(body))
        if journal:
            chain = chain.using(journal=folder / "runs.sqlite3")
        if cache:
            chain = chain.using(cache=folder / "cache.sqlite3")

        async def run(items: list[int]) -> list[int]:
            if not events:
                return list((await chain.arun(number=items))["mapped"])
            async for event in chain.aevents(number=items):
                last = event
            return list(last.outputs["mapped"])

        return run

    return make


def lcel_batch(_folder: Path) -> Mapper:
    """LCEL: a lambda over a batch."""
    from langchain_core.runnables import RunnableLambda

    lambda_: Any = RunnableLambda(plus_one, afunc=plus_one_async)
    run: Mapper = lambda_.abatch
    return run


def lcel_each(_folder: Path) -> Mapper:
    """LCEL: `RunnableEach`."""
    from langchain_core.runnables import RunnableLambda

    lambda_: Any = RunnableLambda(plus_one, afunc=plus_one_async)
    run: Mapper = lambda_.map().ainvoke
    return run


def langgraph_send(_folder: Path) -> Mapper:
    """LangGraph: a `Send` for each item, collected by a reducer."""
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send
    from typing_extensions import TypedDict

    class State(TypedDict):
        items: list
        found: Annotated[list, operator.add]

    async def one(given: Any) -> dict[str, Any]:
        return {"found": [given["item"] + 1]}

    graph: Any = StateGraph(State)
    graph.add_node("one", one)
    graph.add_conditional_edges(START, lambda state: [Send("one", {"item": item}) for item in state["items"]], ["one"])
    graph.add_edge("one", END)
    app = graph.compile()

    async def run(items: list[int]) -> list[int]:
        return list((await app.ainvoke({"items": items, "found": []}))["found"])

    return run


@dataclass(frozen=True)
class Contender:
    """Who maps, and how many items at most."""

    role: report.Role
    make: Callable[[Path], Mapper]
    at_most: int = sys.maxsize
    warm: bool = False


CONTENDERS = {
    "a list comprehension": Contender("floor", comprehension),
    "asyncio.gather, 1,000 at once": Contender("floor", gathered),
    "Ziggurat, sync": Contender("ours", ours(plus_one)),
    "Ziggurat, async": Contender("ours", ours(plus_one_async)),
    "Ziggurat, sync, events read": Contender("ours", ours(plus_one, events=True)),
    "Ziggurat, async, events read": Contender("ours", ours(plus_one_async, events=True)),
    "Ziggurat, async, journal": Contender("ours", ours(plus_one_async, journal=True)),
    "Ziggurat, async, cache empty": Contender("ours", ours(plus_one_async, cache=True)),
    "Ziggurat, async, cache full": Contender("ours", ours(plus_one_async, cache=True), warm=True),
    "LCEL abatch": Contender("peer", lcel_batch, 10_000),
    "LCEL RunnableEach": Contender("peer", lcel_each, 10_000),
    "LangGraph Send": Contender("peer", langgraph_send, 4_000),
}


async def one(name: str, count: int) -> dict[str, Any]:
    """Measure one contender in this process: seconds of every run, and the memory of the first."""
    contender = CONTENDERS[name]
    items = list(range(count))
    expected = [item + 1 for item in items]
    taken: list[float] = []
    megabytes = 0.0
    with tempfile.TemporaryDirectory() as folder:
        run = contender.make(Path(folder))
        await run(items[:10])  # what is imported late is imported
        if contender.warm:
            await run(items)
        while len(taken) < _RUNS and (len(taken) < 2 or sum(taken) < _SECONDS):
            if name == "Ziggurat, async, cache empty" and taken:
                break  # it is not empty any more
            peak = fresh.Peak()
            began = time.perf_counter()
            found = await run(items)
            taken.append(time.perf_counter() - began)
            megabytes = max(megabytes, peak.megabytes()) if len(taken) == 1 else megabytes
            if found != expected:
                sys.exit(f"{name} computed something else")
            del found
    return {"seconds": taken, "megabytes": megabytes}


def tables(given: argparse.Namespace) -> list[report.Table]:
    """Rates and memory."""
    rates, memory, notes = [], [], []
    for name, contender in CONTENDERS.items():
        count = min(given.items, contender.at_most)
        try:
            found = fresh.alone(__file__, "--only", name, "--items", str(count))
        except ImportError as error:
            notes.append(f"Left out: {name} ({error}).")
            continue
        shown = name if count == given.items else f"{name}, {count:,} items"
        rates.append(report.row(shown, contender.role, [count / seconds for seconds in found["seconds"]]))
        memory.append(report.row(shown, contender.role, [found["megabytes"]]))
    what = f"A map over {given.items:,} items"
    return [
        report.Table(what, "items a second", rates, better="more", targets={"Ziggurat, sync": 50_000.0}, notes=notes),
        report.Table(f"{what}: memory at its peak, above the start", "MB", memory, targets={"Ziggurat, sync": 200.0}),
    ]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--items", type=int, default=100_000)
    arguments.add_argument("--only", choices=CONTENDERS, help="measure one contender here, and print figures as JSON")
    only, _ = arguments.parse_known_args()
    if only.only:
        print(json.dumps(asyncio.run(one(only.only, only.items))))
    else:
        report.main(__file__, "A map over many items", tables, arguments)
