"""What an observer is told beside events: that a run began, that an item did, that a run is over however it ended."""

import asyncio

import pytest
from opentelemetry import trace

from ziggurat import MultiChain
from ziggurat.chain.composite import Map, Repeat
from ziggurat.chain.run.ledger import Ledger
from ziggurat.errors import JournalWriteError
from ziggurat.testing import FakeChat


class Watching:
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    async def __call__(self, event):
        self.told.append(event.type)

    def run_started(self, run, name):
        self.told.append(("run", name))

    def item_started(self, run, path):
        self.told.append(("item", path))

    def run_ended(self, run, error):
        self.told.append(("ended", type(error).__name__))


async def slow(x):
    await asyncio.sleep(30)


def test_beginnings_and_the_end_are_told_around_the_events():
    watching = Watching()
    MultiChain(rows=Map(lambda row: row, each="row", limit=1), name="sheet").using(observers=[watching]).run(row=[1])
    assert watching.told == [
        ("run", "sheet"), "stage_started", ("item", "rows[0]"), "item", "stage_finished", "run_finished",
        ("ended", "NoneType"),
    ]  # fmt: skip


async def test_a_cancelled_run_tells_its_end_and_nothing_else_does():
    watching = Watching()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await MultiChain(slow=slow).using(observers=[watching]).arun(x=1)
    assert watching.told == [("run", "MultiChain"), "stage_started", ("ended", "CancelledError")]


def test_a_run_is_called_as_its_chain_is(collected):
    MultiChain(a=lambda x: x, name="sheet").using(observers=[collected.observer()]).run(x=1)
    assert collected.root.name == "invoke_workflow sheet"
    assert collected.root.attributes["gen_ai.workflow.name"] == "sheet"


@pytest.mark.parametrize("is_async", [True, False])
def test_calls_of_an_item_are_inside_that_item(collected, is_async):
    model = FakeChat(script="yes")

    async def ask(row):
        return (await model.ainvoke(row)).text

    chain = MultiChain(rows=Map(ask if is_async else lambda row: model.invoke(row).text, each="row"))
    chain.using(observers=[collected.observer()]).run(row=["a", "b", "c"])
    inside = {"chat fake:script": {}}
    assert collected.tree() == {"rows": {"rows[]#0": inside, "rows[]#1": inside, "rows[]#2": inside}}
    for number in range(3):
        item = collected.at(f"rows[{number}]")
        (call,) = [span for span in collected.spans if collected.parent(span) == item]
        assert call.attributes["ziggurat.stage.path"] == f"rows[{number}]"


def test_the_times_of_a_repeat_are_current_one_after_the_other(collected):
    def once(x):
        return [*x, trace.get_current_span().attributes["ziggurat.stage.path"]]

    loop = Repeat(once, until="output == 'never'", at_most=3)
    chain = MultiChain(loop=loop, after=lambda loop: trace.get_current_span().name)
    outputs = chain.using(observers=[collected.observer()]).run(x=[])
    assert outputs == {"loop": ["loop[0]", "loop[1]", "loop[2]"], "after": "after"}


async def test_a_run_that_ran_out_of_its_callers_time_leaves_no_span_and_no_context_behind(collected):
    chain = MultiChain(slow=slow, rows=Map(slow, each="x")).using(observers=[collected.observer()])
    before = trace.get_current_span()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await chain.arun({"slow": {"x": 1}, "rows": {"x": [1, 2]}})
    assert collected.leaked == []
    assert trace.get_current_span() is before
    assert collected.root.attributes["ziggurat.run.outcome"] == "cancelled"


def test_a_run_that_broke_has_failed_with_what_broke_it(collected, tmp_path, monkeypatch):
    async def refuse(*_, **__):
        raise JournalWriteError("The disk is full.")

    monkeypatch.setattr(Ledger, "done", refuse)
    monkeypatch.setattr(Ledger, "failed", refuse)
    chain = MultiChain(a=lambda x: x).using(observers=[collected.observer()], journal=tmp_path / "runs.sqlite3")
    with pytest.raises(JournalWriteError):
        chain.run(x=1)
    assert collected.root.attributes["error.type"] == "ziggurat.errors.JournalWriteError"
    assert collected.root.attributes["ziggurat.run.outcome"] == "failed"
    assert collected.leaked == []
