"""Reading a run while it happens: modes, back-pressure, leaving early, cancelling."""

import asyncio
import threading
import time

import pytest
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from ziggurat import ChainError, InputError, MultiChain, given, ref
from ziggurat.chain.composite import Map
from ziggurat.chain.events import RunFinished
from ziggurat.testing import FakeChat


def letters(word):
    yield from word


def spelling():
    return MultiChain(letters=letters, upper=lambda letters: letters.upper())


def test_without_a_mode_pieces_add_up_to_what_invoke_gives():
    total = None
    for piece in spelling().stream({"word": "abc"}):
        total = piece if total is None else total + piece
    assert total == spelling().invoke({"word": "abc"})


def test_each_mode_yields_what_langchain_people_expect():
    def stream(mode):
        return list(spelling().stream({"word": "ab"}, stream_mode=mode))

    assert stream("updates") == [{"letters": "ab"}, {"upper": "AB"}]
    assert stream("values") == [{"letters": "ab"}, {"letters": "ab", "upper": "AB"}]
    assert [(text, told["stage"]) for text, told in stream("messages")] == [("a", "letters"), ("b", "letters")]
    assert [event.type for event in stream("events")][-1] == "run_finished"


def test_several_modes_yield_pairs():
    found = list(spelling().stream({"word": "a"}, stream_mode=["updates", "values"]))
    assert found[:2] == [("updates", {"letters": "a"}), ("values", {"letters": "a"})]


def test_messages_come_from_nested_and_mapped_stages_too():
    multi = MultiChain(out=Map(MultiChain(letters=letters), each="word", limit=1))
    found = list(multi.stream({"word": ["a", "b"]}, stream_mode="messages"))
    assert [(text, told["path"], told["item"]) for text, told in found] == [
        ("a", "out[0]/letters", 0),
        ("b", "out[1]/letters", 1),
    ]


def test_an_unknown_mode_is_refused_with_the_closest():
    with pytest.raises(InputError, match=r"'update'.*did you mean 'updates'"):
        list(spelling().stream({"word": "a"}, stream_mode="update"))


def test_a_failed_stage_raises_after_the_pieces_of_the_others():
    def broken(x):
        raise ValueError("no")

    found = []
    with pytest.raises(ChainError):
        found.extend(MultiChain(a=lambda x: x, b=broken).stream({"x": 1}))
    assert found == [{"a": 1}]


def test_cached_outputs_are_streamed_whole():
    multi = spelling().using(cache=True)
    multi.run(word="ab")
    assert list(multi.stream({"word": "ab"})) == [{"letters": "ab"}, {"upper": "AB"}]


async def test_a_slow_reader_holds_the_run_up_instead_of_filling_memory():
    made = 0

    async def count(to):
        nonlocal made
        for number in range(to):
            made += 1
            yield str(number % 10)

    events = MultiChain(count=count).aevents(to=100_000)
    async for _ in events:
        break
    await asyncio.sleep(0.05)
    assert made <= 300
    await events.aclose()


async def test_many_writers_and_one_slow_reader_lose_nothing():
    async def count(x):
        for number in range(200):
            yield f"{number},"

    multi = MultiChain(out=Map(count, limit=20))
    seen = 0
    async for event in multi.aevents(x=list(range(30))):
        seen += event.type == "token"
        if seen % 500 == 0:
            await asyncio.sleep(0.001)
    assert seen == 30 * 200


async def test_leaving_early_cancels_what_runs_and_waits_until_it_has_cleaned_up():
    cleaned = []

    async def slow(x):
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(x)

    multi = MultiChain(a=lambda x: x, out=Map(slow, limit=5), inner=MultiChain(slow=slow))
    events = multi.aevents(x=[1, 2, 3])
    async for event in events:
        if event.path == "inner/slow":
            break
    await asyncio.sleep(0.01)
    await events.aclose()
    assert sorted(map(str, cleaned)) == ["1", "2", "3", "[1, 2, 3]"]
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_cancelling_a_run_cancels_its_stages_and_frees_its_places():
    under_way, busy = 0, asyncio.Event()

    async def slow(x):
        nonlocal under_way
        under_way += 1
        if under_way == 5:
            busy.set()
        try:
            await asyncio.sleep(30)
        finally:
            under_way -= 1

    multi = MultiChain(out=Map(slow, limit=4), again=given(slow, x=ref("x")))
    task = asyncio.create_task(multi.arun(x=range(10)))
    await asyncio.wait_for(busy.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert under_way == 0


async def test_a_cancelled_map_of_a_function_starts_no_further_item():
    started, go, busy = [], threading.Event(), threading.Barrier(3)

    def work(x):
        started.append(x)
        busy.wait(5)
        go.wait(5)

    task = asyncio.create_task(MultiChain(out=Map(work, limit=2)).arun(x=range(100)))
    await asyncio.to_thread(busy.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    await asyncio.sleep(0.05)
    assert len(started) == 2


async def test_a_cancelled_generator_is_closed():
    closed = threading.Event()

    def endless(x):
        try:
            while True:
                time.sleep(0.001)
                yield "x"
        finally:
            closed.set()

    events = MultiChain(endless=endless).aevents(x=1)
    async for event in events:
        if event.type == "token":
            break
    await events.aclose()
    assert closed.wait(5)


def test_events_of_a_chain_inside_langchain_end_with_the_run():
    multi = spelling()
    events = RunnableLambda(lambda word: list(multi.events(word=word))).invoke("ab")
    assert isinstance(events[-1], RunFinished)


def judging(answer):
    """A chain that ends in a parser, of the kind that swallows its errors when it is streamed."""
    from langchain_core.output_parsers import PydanticOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    parser = PydanticOutputParser(pydantic_object=Verdict)
    return MultiChain(judge=ChatPromptTemplate.from_template("{x}") | FakeChat(script=answer) | parser)


class Verdict(BaseModel):
    score: int


async def nobody(event):
    """Reads and forgets."""


@pytest.mark.parametrize("observers", [(), (nobody,)])
def test_observing_a_run_changes_nothing_of_it(observers):
    assert judging('{"score": 3}').using(observers=observers).run(x=1) == {"judge": Verdict(score=3)}
    with pytest.raises(ChainError, match="OutputParserException"):
        judging("nothing").using(observers=observers).run(x=1)


def test_a_runnable_that_gives_no_piece_fails_instead_of_giving_none():
    *_, last = judging("nothing").events(x=1)
    assert "gave nothing when it was streamed" in str(last.error)
