"""LangChain's callbacks in a chain: every stage is a run of its own, in its place, begun and ended."""

import asyncio
from collections import Counter

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer

from ziggurat import ChainError, MultiChain, given, ref
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.testing import FakeChat


class Tracer(BaseTracer):
    """Keeps runs as LangSmith's tracer does, and notes which were begun and which ended."""

    run_inline = True

    def __init__(self):
        super().__init__()
        self.roots, self.begun, self.ended = [], [], []

    def _persist_run(self, run):
        self.roots.append(run)

    def _start_trace(self, run):
        super()._start_trace(run)
        self.begun.append(run)

    def _end_trace(self, run):
        super()._end_trace(run)
        self.ended.append(run.id)

    @property
    def unbalanced(self):
        counts = Counter(run.id for run in self.begun)
        counts.subtract(self.ended)
        return [run.name for run in self.begun if counts[run.id]]

    def tree(self, run=None):
        """Names below a run, in the order of their beginning; alike siblings are told apart by their number."""
        children = sorted((run or self.roots[0]).child_runs, key=lambda one: one.start_time)
        found = {}
        for child in children:
            name, count = child.name, sum(key.partition("#")[0] == child.name for key in found)
            found[f"{name}#{count}" if count else name] = self.tree(child)
        return found


model = FakeChat(script="hello there")


async def ask(x):
    return (await model.ainvoke(x)).text


def ask_in_thread(text):
    return model.invoke(text).text


SUMMARY = ChatPromptTemplate.from_template("{a}") | model
CALL = {"FakeChat": {}}
SEQUENCE = {"ChatPromptTemplate": {}, "FakeChat": {}}


def everything():
    inner = MultiChain(a=lambda text: text, b=SUMMARY)
    return MultiChain(
        ask=ask,
        words=lambda x: [x, "b"],
        upper=given(RunnableLambda(str.upper), input=ref("ask")),
        rows=given(Map(inner, each="text"), text=ref("words")),
        plain=given(Map(ask_in_thread, each="text"), text=ref("words")),
        pick=Branch("ask == 'no'", then=lambda x: x, otherwise=inner),
        again=given(Repeat(lambda x: x + "!", until="output == 'q!!'"), x=ref("x")),
        book=MultiChain(deep=inner),
        name="everything",
    )


INPUTS = {"x": "q", "text": "t"}
EXPECTED = {
    "ask": CALL,
    "words": {},
    "upper": {},
    "rows": {"rows": {"a": {}, "b": SEQUENCE}, "rows#1": {"a": {}, "b": SEQUENCE}},
    "plain": {"plain": CALL, "plain#1": CALL},
    "pick": {"otherwise": {"a": {}, "b": SEQUENCE}},
    "again": {"again": {}, "again#1": {}},
    "book": {"deep": {"a": {}, "b": SEQUENCE}},
}


@pytest.mark.parametrize("surface", ["invoke", "ainvoke", "stream", "astream", "batch"])
@pytest.mark.parametrize("watched", [False, True])
async def test_every_stage_is_a_child_run_in_its_place_on_every_surface(surface, watched):
    async def read(event):
        pass

    tracer, chain = Tracer(), everything().using(observers=[read] if watched else [])
    config = {"callbacks": [tracer]}
    match surface:
        case "invoke":
            chain.invoke(INPUTS, config)
        case "ainvoke":
            await chain.ainvoke(INPUTS, config)
        case "stream":
            list(chain.stream(INPUTS, config))
        case "astream":
            _ = [piece async for piece in chain.astream(INPUTS, config)]
        case _:
            chain.batch([INPUTS], config)
    assert [run.name for run in tracer.roots] == ["everything"]
    assert tracer.tree() == EXPECTED
    assert tracer.unbalanced == []


def test_tags_metadata_and_the_runs_name_reach_where_they_belong():
    tracer = Tracer()
    config = {"callbacks": [tracer], "tags": ["nightly"], "metadata": {"user": "7"}, "run_name": "my run"}
    everything().invoke(INPUTS, config)
    assert tracer.roots[0].name == "my run"
    assert all("nightly" in run.tags for run in tracer.begun)
    assert all(run.metadata["user"] == "7" for run in tracer.begun)
    assert {run.name for run in tracer.begun if run.name == "my run"} == {"my run"}
    by_name = {run.name: run for run in tracer.begun}
    assert "stage:words" in by_name["words"].tags
    assert "stage:words" not in by_name["upper"].tags


def test_inputs_and_outputs_of_each_stage_are_told():
    tracer = Tracer()
    MultiChain(double=lambda x: 2 * x, text=lambda double: f"{double}").invoke({"x": 2}, {"callbacks": [tracer]})
    told = {run.name: (run.inputs, run.outputs) for run in tracer.begun}
    assert told["double"] == ({"x": 2}, {"output": 4})
    assert told["text"] == ({"double": 4}, {"output": "4"})


def test_no_name_from_the_inside_shows():
    tracer = Tracer()
    everything().invoke(INPUTS, {"callbacks": [tracer]})
    assert not [run.name for run in tracer.begun if "inside" in run.name]
    assert not [tag for run in tracer.begun for tag in run.tags if "inside" in tag]
    assert not [key for run in tracer.begun for key in run.inputs if "inside" in key]


async def test_events_of_langchain_stream_over_nested_and_mapped_models():
    events = [event async for event in everything().astream_events(INPUTS, version="v2")]
    names = {event["run_id"]: event["name"] for event in events}
    streamed = Counter(
        tuple(names[one] for one in event["parent_ids"]) for event in events if event["event"] == "on_chat_model_stream"
    )
    assert set(streamed) == {
        ("everything", "ask"),
        ("everything", "rows", "rows", "b"),
        ("everything", "plain", "plain"),
        ("everything", "pick", "otherwise", "b"),
        ("everything", "book", "deep", "b"),
    }
    counts = Counter(event["event"] for event in events)
    for kind in ("chain", "chat_model", "prompt"):
        assert counts[f"on_{kind}_start"] == counts[f"on_{kind}_end"] > 0
    assert events[-1]["event"] == "on_chain_end"
    assert events[-1]["data"]["output"]["upper"] == "HELLO THERE"


@pytest.mark.parametrize("surface", ["invoke", "stream"])
def test_a_failure_ends_every_run_and_is_told_where_it_happened(surface):
    def boom(row):
        if row == 1:
            raise ValueError("no")
        return row

    tracer = Tracer()
    chain = MultiChain(rows=Map(boom, each="row"), book=MultiChain(fine=lambda x: x, bad=lambda fine: 1 / 0))
    run = chain.invoke if surface == "invoke" else lambda *asked: list(chain.stream(*asked))
    with pytest.raises(ChainError):
        run({"row": [0, 1], "x": 1}, {"callbacks": [tracer]})
    assert tracer.unbalanced == []
    failed = Counter(run.name for run in tracer.begun if run.error)
    assert failed == {"MultiChain": 1, "rows": 2, "book": 1, "bad": 1}
    assert all(run.error is None for run in tracer.begun if run.name == "fine")


async def test_a_cancelled_run_ends_every_run():
    began, tracer = asyncio.Event(), Tracer()

    async def slow(x):
        began.set()
        await asyncio.sleep(30)

    inputs = {"quick": {"x": 1}, "book": {"x": 1}, "rows": {"x": [1, 2]}, "part": {"input": 1}}
    chain = MultiChain(
        quick=lambda x: x, book=MultiChain(slow=slow), rows=Map(slow, each="x"), part=RunnableLambda(slow)
    )
    task = asyncio.create_task(chain.ainvoke(inputs, {"callbacks": [tracer]}))
    await began.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {"book", "slow", "rows", "part"} <= {run.name for run in tracer.begun}
    assert tracer.unbalanced == []


async def test_a_stream_left_early_ends_every_run():
    tracer = Tracer()

    async def slow(quick):
        await asyncio.sleep(30)

    stream = MultiChain(quick=lambda x: x, slow=slow).astream({"x": 1}, {"callbacks": [tracer]})
    async for _ in stream:
        break
    await stream.aclose()
    assert tracer.unbalanced == []


def test_a_chain_without_callbacks_runs_as_ever():
    assert MultiChain(a=lambda x: x).invoke({"x": 1}) == {"a": 1}
