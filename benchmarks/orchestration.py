"""What a stage costs: the same graphs of no-op async stages, by us and by peers, in one process.

    python benchmarks/orchestration.py [--stages 50] [--wide 1000] [--rounds 60] [--peers-python PATH]

A chain (each stage consumes the one before), a fan (one source, N branches, one join) and a wide fan. Every contender
is built once and run in turn; figures are microseconds a stage. "Events read" is a run whose every event goes
through a reader, as for a progress display. A peer that is not installed is left out and named.
`factory` fits benchmark harnesses that take MODULE:FACTORY.
"""

from __future__ import annotations

import argparse
import asyncio
import operator
import sys
import types
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Annotated, Any, Literal

import report

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


def ours(shape: Shape, count: int) -> tuple[Any, str]:
    """Our chain, and the stage that it returns."""
    from ziggurat import MultiChain

    module, last = functions(shape, count, f"ours_{shape}_{count}")
    stages = {name: found for name, found in vars(module).items() if asyncio.iscoroutinefunction(found)}
    return MultiChain(**stages, outputs=[last]), last


def factory(shape: Shape, count: int) -> Runner:
    """Ziggurat."""
    chain, last = ours(shape, count)

    async def run(x: int) -> int:
        return int((await chain.arun(x=x))[last])

    return run


def with_events(shape: Shape, count: int) -> Runner:
    """Ziggurat, every event read."""
    chain, last = ours(shape, count)

    async def run(x: int) -> int:
        async for event in chain.aevents(x=x):
            final = event
        return int(final.outputs[last])

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


def haystack(shape: Shape, count: int) -> Runner:
    """Haystack's pipeline, run asynchronously."""
    import haystack as package

    component: Any = package.component
    make_pipeline = getattr(package, "AsyncPipeline", package.Pipeline)

    @component
    class Step:
        @component.output_types(x=int)
        def run(self, x: int) -> dict[str, int]:
            return {"x": x + 1}

        @component.output_types(x=int)
        async def run_async(self, x: int) -> dict[str, int]:
            return {"x": x + 1}

    @component
    class Join:
        def __init__(self) -> None:
            component.set_input_types(self, **{f"i{at}": int for at in range(count)})

        @component.output_types(x=int)
        def run(self, **found: int) -> dict[str, int]:
            return {"x": sum(found.values())}

        @component.output_types(x=int)
        async def run_async(self, **found: int) -> dict[str, int]:
            return {"x": sum(found.values())}

    pipeline = make_pipeline()
    for at in range(count):
        pipeline.add_component(f"n{at}", Step())
    if shape == "chain":
        first, last = "n0", f"n{count - 1}"
        for at in range(1, count):
            pipeline.connect(f"n{at - 1}.x", f"n{at}.x")
    else:
        first, last = "source", "join"
        pipeline.add_component(first, Step())
        pipeline.add_component(last, Join())
        for at in range(count):
            pipeline.connect("source.x", f"n{at}.x")
            pipeline.connect(f"n{at}.x", f"join.i{at}")

    async def run(x: int) -> int:
        return int((await pipeline.run_async({first: {"x": x}}))[last]["x"])

    return run


def llamaindex(shape: Shape, count: int) -> Runner:
    """LlamaIndex's workflows: one step sent an event again and again, or many at once."""
    from workflows import Context, Workflow, step
    from workflows.events import Event, StartEvent, StopEvent

    class Work(Event):
        x: int
        left: int = 0

    class Done(Event):
        x: int

    class Chain(Workflow):
        @step
        async def start(self, ev: StartEvent) -> Work:
            return Work(x=ev.x, left=count)

        @step
        async def work(self, ev: Work) -> Work | StopEvent:
            return Work(x=ev.x + 1, left=ev.left - 1) if ev.left else StopEvent(result=ev.x)

    class Fan(Workflow):
        @step
        async def start(self, ctx: Context, ev: StartEvent) -> Work | None:
            for _ in range(count):
                ctx.send_event(Work(x=ev.x + 1))

        @step(num_workers=64)
        async def work(self, ev: Work) -> Done:
            return Done(x=ev.x + 1)

        @step
        async def join(self, ctx: Context, ev: Done) -> StopEvent | None:
            found = ctx.collect_events(ev, [Done] * count)
            return None if found is None else StopEvent(result=sum(one.x for one in found))

    # The workflow's types are resolved in the module's names, where those made in a function are not.
    globals().update(Context=Context, StartEvent=StartEvent, StopEvent=StopEvent, Work=Work, Done=Done)
    kind: Any = Chain if shape == "chain" else Fan

    async def run(x: int) -> int:
        return int(await kind(timeout=60).run(x=x))

    return run


CONTENDERS: dict[str, tuple[report.Role, Callable[[Shape, int], Runner]]] = {
    "plain asyncio": ("floor", plain_asyncio),
    "Ziggurat": ("ours", factory),
    "Ziggurat, events read": ("ours", with_events),
    "Hamilton": ("peer", hamilton),
    "LCEL": ("peer", lcel),
    "LangGraph": ("peer", langgraph),
    "Haystack": ("peer", haystack),
    "LlamaIndex workflows": ("peer", llamaindex),
}


async def measure(
    shape: Shape, count: int, rounds: int, *, without: Collection[str] = (), targets: tuple[float, ...] = ()
) -> report.Table:
    """Time every contender on one graph; ``targets`` for ours without and with events."""
    expected = count + 1 if shape == "chain" else 3 * count
    runs: dict[str, Callable[[], Awaitable[int]]] = {}
    notes: list[str] = []
    for name, (_, make) in CONTENDERS.items():
        if name in without:
            notes.append(f"{name} is left out, as a run takes it seconds; --all measures it.")
            continue
        run = report.installed(partial(make, shape, count), name, notes)
        if run is None:
            continue
        for _ in range(2):  # the second time everything is warm
            if (got := await run(1)) != expected:
                sys.exit(f"{name} computed {got} instead of {expected}")
        runs[name] = partial(run, 1)
    times = await report.in_turn(runs, rounds, seconds=2.0)
    rows = [report.row(name, CONTENDERS[name][0], [taken / count * 1e6 for taken in times[name]]) for name in times]
    reach = dict(zip(("Ziggurat", "Ziggurat, events read"), targets, strict=False))
    return report.Table(f"A {shape} of {count:,} no-op stages", "µs a stage", rows, targets=reach, notes=notes)


def tables(given: argparse.Namespace) -> list[report.Table]:
    """The three graphs."""
    slow = () if given.all else ("LlamaIndex workflows",)
    return [
        asyncio.run(measure("chain", given.stages, given.rounds, targets=(4.0, 12.0))),
        asyncio.run(measure("fan", given.stages, given.rounds, targets=(8.0, 24.0))),
        asyncio.run(measure("fan", given.wide, given.rounds, without=slow)),
    ]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--stages", type=int, default=50)
    arguments.add_argument("--wide", type=int, default=1000)
    arguments.add_argument("--all", action="store_true", help="peers that take seconds for a wide fan, too")
    arguments.add_argument("--rounds", type=int, default=60)
    report.main(__file__, "What a stage costs", tables, arguments)
