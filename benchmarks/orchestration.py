"""What a stage costs: the same graphs of no-op async stages, by us and by peers, in one process.

    python benchmarks/orchestration.py [--stages 50] [--rounds 30] [--peers-python PATH]

A chain (each stage consumes the one before) and a fan (one source, N branches, one join). The
contenders run in turn, round after round; printed are medians in microseconds a stage and the
ratio to plain asyncio on the same graph. A peer that is not installed is left out and named.
`factory` fits benchmark harnesses that take MODULE:FACTORY.
"""

from __future__ import annotations

import argparse
import asyncio
import operator
import os
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

Shape = Literal["chain", "fan"]
Runner = Callable[[int], Awaitable[int]]


async def plus_one(x: int) -> int:
    """The stage everybody runs."""
    return x + 1


def stage_source(shape: Shape, count: int) -> tuple[str, str]:
    """Python functions for the graph, wired by parameter names, and the name of the last one."""
    if shape == "chain":
        lines = ["async def n0(x: int) -> int: return x + 1"]
        lines += [f"async def n{i}(n{i - 1}: int) -> int: return n{i - 1} + 1" for i in range(1, count)]
        return "\n".join(lines), f"n{count - 1}"
    names = [f"n{i}" for i in range(count)]
    lines = ["async def source(x: int) -> int: return x + 1"]
    lines += [f"async def {name}(source: int) -> int: return source + 1" for name in names]
    lines.append(f"async def total({', '.join(f'{name}: int' for name in names)}) -> int: return {' + '.join(names)}")
    return "\n".join(lines), "total"


def functions(shape: Shape, count: int, module: str) -> tuple[types.ModuleType, str]:
    """The functions as a module of their own."""
    source, last = stage_source(shape, count)
    made = types.ModuleType(module)
    sys.modules[module] = made
    exec(source, made.__dict__)  # noqa: S102 (the source is ours, above)
    return made, last


def factory(shape: Shape, count: int) -> Runner:
    """Ziggurat."""
    from ziggurat import MultiChain

    module, last = functions(shape, count, f"ours_{shape}_{count}")
    stages = {name: found for name, found in vars(module).items() if asyncio.iscoroutinefunction(found)}
    chain = MultiChain(**stages, outputs=[last])

    async def run(x: int) -> int:
        return int((await chain.arun(x=x))[last])

    return run


def plain_asyncio(shape: Shape, count: int) -> Runner:
    """The floor: awaits, and one gather."""

    async def chain(x: int) -> int:
        for _ in range(count):
            x = await plus_one(x)
        return x

    async def fan(x: int) -> int:
        first = await plus_one(x)
        return sum(await asyncio.gather(*(plus_one(first) for _ in range(count))))

    return chain if shape == "chain" else fan


def lcel(shape: Shape, count: int) -> Runner:
    """LangChain's expression language."""
    from langchain_core.runnables import RunnableLambda, RunnableParallel

    def step() -> Any:
        return RunnableLambda(lambda x: x + 1, afunc=plus_one)

    async def join(found: dict[str, int]) -> int:
        return sum(found.values())

    whole: Any = step()
    if shape == "chain":
        for _ in range(count - 1):
            whole = whole | step()
    else:
        whole = whole | RunnableParallel({f"b{i}": step() for i in range(count)}) | RunnableLambda(join)
    run: Runner = whole.ainvoke
    return run


def langgraph(shape: Shape, count: int) -> Runner:
    """LangGraph's state graph, without a checkpointer."""
    from langgraph.graph import END, START, StateGraph
    from typing_extensions import TypedDict

    class State(TypedDict):
        x: int
        found: Annotated[list, operator.add]
        total: int

    graph: Any = StateGraph(State)

    async def step(state: Any) -> Any:
        return {"x": state["x"] + 1}

    async def branch(state: Any) -> Any:
        return {"found": [state["x"] + 1]}

    async def join(state: Any) -> Any:
        return {"total": sum(state["found"])}

    names = [f"n{i}" for i in range(count)]
    if shape == "chain":
        for before, name in zip([START, *names], [*names, END], strict=True):
            if name != END:
                graph.add_node(name, step)
            graph.add_edge(before, name)
    else:
        graph.add_node("source", step)
        graph.add_node("join", join)
        graph.add_edge(START, "source")
        for name in names:
            graph.add_node(name, branch)
            graph.add_edge("source", name)
        graph.add_edge(names, "join")
        graph.add_edge("join", END)
    app = graph.compile()

    async def run(x: int) -> int:
        state = await app.ainvoke({"x": x, "found": [], "total": 0}, {"recursion_limit": count + 10})
        return int(state["x" if shape == "chain" else "total"])

    return run


def hamilton(shape: Shape, count: int) -> Runner:
    """Apache Hamilton's async driver."""
    from hamilton import async_driver

    module, last = functions(shape, count, f"hamilton_{shape}_{count}")
    drivers: list[Any] = []

    async def run(x: int) -> int:
        if not drivers:
            drivers.append(await async_driver.Builder().with_modules(module).build())
        return int((await drivers[0].execute([last], inputs={"x": x}))[last])

    return run


CONTENDERS: dict[str, Callable[[Shape, int], Runner]] = {
    "plain asyncio": plain_asyncio,
    "Ziggurat": factory,
    "Hamilton": hamilton,
    "LCEL": lcel,
    "LangGraph": langgraph,
}


async def measure(shape: Shape, count: int, rounds: int) -> None:
    """Time every contender on one graph and print the table."""
    expected = count + 1 if shape == "chain" else 3 * count
    runs: dict[str, Runner] = {}
    for name, make in CONTENDERS.items():
        try:
            run = make(shape, count)
            got = await run(1)
        except ImportError as error:
            print(f"{shape:5} {name}: left out, {error}")
            continue
        if got != expected:
            sys.exit(f"{name} computed {got} instead of {expected}")
        await run(1)
        runs[name] = run
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            await run(1)
            times[name].append((time.perf_counter() - began) / count * 1e6)
    floor = statistics.median(times["plain asyncio"])
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"{shape:5} of {count}  {name:14} {middle:8.1f} us a stage   {middle / floor:8.1f} x plain asyncio")


def main() -> None:
    """Measure both graphs; with ``--peers-python``, in the environment where the peers are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--peers-python", help="a Python that has the peers installed; this package's source is added")
    given = parser.parse_args()
    if given.peers_python:
        source = str(Path(__file__).parents[1] / "src")
        again = [given.peers_python, __file__, "--stages", str(given.stages), "--rounds", str(given.rounds)]
        sys.exit(subprocess.call(again, env={**os.environ, "PYTHONPATH": source}))
    shapes: tuple[Shape, ...] = ("chain", "fan")
    for shape in shapes:
        asyncio.run(measure(shape, given.stages, given.rounds))


if __name__ == "__main__":
    main()
