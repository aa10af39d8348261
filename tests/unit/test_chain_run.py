"""Runs: timing, mixing, policies, failure, events, streaming, and every surface."""

import asyncio
import threading
import time

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from ziggurat import ChainError, InputError, MultiChain, Retry, given, ref, stage, value
from ziggurat.chain.events import RunFinished, StageFailed, StageFinished, StageRetried, StageSkipped, Token
from ziggurat.errors import StageTimeout


def test_the_exercises_form_runs():
    multi = MultiChain(
        chains=[
            {"name": "qa", "chain": lambda question: f"about {question}"},
            {"name": "image_generation", "chain": lambda prompt: f"picture of {prompt}"},
        ]
    )
    outputs = multi.run({"qa": {"question": "x"}, "image_generation": {"prompt": "y"}})
    assert outputs == {"qa": "about x", "image_generation": "picture of y"}


def test_one_prompt_by_name_for_two_stages_may_differ():
    multi = MultiChain(a=lambda prompt: prompt, b=lambda prompt: prompt)
    assert multi.run({"a": {"prompt": 1}, "b": {"prompt": 2}}) == {"a": 1, "b": 2}
    assert multi.run({"prompt": 0, "b": {"prompt": 2}}) == {"a": 0, "b": 2}
    assert multi.run(prompt=3) == {"a": 3, "b": 3}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "'question' is missing"),
        ({"qestion": 1}, "did you mean 'question'"),
        ({"qa": 3}, "'qa' is a stage"),
        ({"qa": {"qestion": 1}}, "did you mean 'question'"),
        ({"question": 1, "say": {"qa": 2}}, "fed inside the chain"),
    ],
)
def test_bad_inputs_are_refused_before_anything_starts(inputs, words):
    started = []
    multi = MultiChain(qa=lambda question: started.append(question) or 1, say=lambda qa: qa)
    with pytest.raises(InputError, match=words):
        multi.run(inputs)
    assert not started


def test_a_slow_sibling_holds_up_nobody():
    async def slow(x):
        await asyncio.sleep(0.3)
        return "slow"

    times = {}

    async def quick(x):
        return "quick"

    async def after(quick):
        times["after"] = time.perf_counter()

    async def joined(slow, after):
        times["joined"] = time.perf_counter()

    MultiChain(slow=slow, quick=quick, after=after, joined=joined).run(x=1)
    assert times["joined"] - times["after"] > 0.2


def test_sync_stages_run_in_threads_side_by_side():
    barrier = threading.Barrier(3, timeout=5)

    def wait(x):
        barrier.wait()
        return threading.current_thread().name

    names = MultiChain(a=wait, b=wait, c=wait).run(x=1)
    assert len(set(names.values())) == 3


async def test_the_synchronous_surface_works_inside_a_running_loop():
    multi = MultiChain(a=lambda x: x + 1)
    assert multi.run(x=1) == {"a": 2}
    assert multi.invoke({"x": 1}) == {"a": 2}
    assert list(multi.stream({"x": 1})) == [{"a": 2}]


def test_an_async_stage_may_call_another_chain_synchronously():
    inner = MultiChain(a=lambda x: x + 1)

    async def outer(x):
        return inner.run(x=x)["a"]

    assert MultiChain(outer=outer).run(x=1) == {"outer": 2}


async def test_every_surface_gives_the_same():
    multi = MultiChain(double=lambda x: 2 * x, text=lambda double: f"{double}")
    expected = {"double": 4, "text": "4"}
    assert multi.run(x=2) == expected
    assert await multi.arun({"x": 2}) == expected
    assert multi.invoke({"x": 2}) == expected
    assert await multi.ainvoke({"x": 2}) == expected
    assert multi.batch([{"x": 2}, {"x": 2}]) == [expected] * 2
    assert await multi.abatch([{"x": 2}] * 2) == [expected] * 2
    total = {}
    async for piece in multi.astream({"x": 2}):
        total.update(piece)
    assert total == expected
    *_, last = [event async for event in multi.aevents(x=2)]
    assert isinstance(last, RunFinished)
    assert last.outputs == expected


def test_a_chain_is_a_stage():
    inner = MultiChain(double=lambda x: 2 * x)
    outer = MultiChain(inner=inner, text=given(lambda n: f"{n}", n=ref("inner.double")))
    assert outer.run(x=3) == {"inner": {"double": 6}, "text": "6"}


def test_a_chain_composes_with_langchain():
    multi = MultiChain(double=lambda x: 2 * x)
    assert (multi | RunnableLambda(lambda found: found["double"] + 1)).invoke({"x": 3}) == 7


def test_langchain_parts_are_stages():
    model = GenericFakeChatModel(messages=iter([AIMessage("hello there")]))
    sequence = ChatPromptTemplate.from_template("Say {what} to {whom}") | model | StrOutputParser()
    multi = MultiChain(said=sequence, loud=given(lambda text: text.upper(), text=ref("said")))
    assert set(multi.run_inputs) == {"what", "whom"}
    assert multi.run(what="hello", whom="me")["loud"] == "HELLO THERE"


def test_templates_references_and_constants_feed_parameters():
    multi = MultiChain(
        qa=lambda question: {"text": question, "rows": [{"name": "first"}]},
        a=given(lambda prompt: prompt, prompt="Illustrate: {qa.text} for {reader}"),
        b=given(lambda prompt: prompt, prompt=ref("qa.rows.0.name")),
        c=given(lambda prompt: prompt, prompt=value("{qa.text}")),
    )
    outputs = multi.run(question="q", reader="me")
    assert [outputs[name] for name in "abc"] == ["Illustrate: q for me", "first", "{qa.text}"]


def test_a_reference_that_leads_nowhere_fails_its_stage_with_the_step_that_is_missing():
    multi = MultiChain(qa=lambda question: {"text": 1}, b=given(lambda prompt: prompt, prompt=ref("qa.txt")))
    with pytest.raises(ChainError, match="has no 'txt'"):
        multi.run(question="q")


def test_a_failure_names_the_stage_keeps_what_finished_and_skips_what_depends():
    def boom(x):
        raise ValueError("no")

    multi = MultiChain(a=boom, b=lambda a: a, c=lambda x: x)
    with pytest.raises(ChainError) as caught:
        multi.run(x=1)
    error = caught.value
    assert (error.stage, error.outputs, error.skipped) == ("a", {"c": 1}, {"b": "a"})
    assert isinstance(error.__cause__, ValueError)
    assert len(error.inputs_digest) == 12


def test_an_inputs_digest_hides_the_inputs():
    def boom(key):
        raise ValueError("no")

    with pytest.raises(ChainError) as caught:
        MultiChain(a=boom).run(key="sk-secret")
    assert "sk-secret" not in str(caught.value)


def test_a_stage_is_retried_then_succeeds_and_says_so():
    calls = []

    @stage(retry=Retry(attempts=3, wait=0.0))
    def flaky(x):
        calls.append(x)
        if len(calls) < 3:
            raise OSError("again")
        return "ok"

    events = list(MultiChain(flaky=flaky).events(x=1))
    assert len(calls) == 3
    assert [event.attempt for event in events if isinstance(event, StageRetried)] == [1, 2]


def test_bad_input_is_not_retried():
    calls = []

    @stage(retry=Retry(attempts=3, wait=0.0))
    def picky(x):
        calls.append(x)
        raise InputError("never")

    with pytest.raises(ChainError):
        MultiChain(picky=picky).run(x=1)
    assert len(calls) == 1


def test_a_stage_that_takes_too_long_fails_in_time():
    @stage(timeout=0.05)
    async def slow(x):
        await asyncio.sleep(10)

    began = time.perf_counter()
    with pytest.raises(ChainError) as caught:
        MultiChain(slow=slow).run(x=1)
    assert time.perf_counter() - began < 5
    assert isinstance(caught.value.__cause__, StageTimeout)


def test_a_stages_own_timeout_error_is_its_own():
    @stage(timeout=10)
    async def mine(x):
        raise TimeoutError("mine")

    with pytest.raises(ChainError) as caught:
        MultiChain(mine=mine).run(x=1)
    assert not isinstance(caught.value.__cause__, StageTimeout)


@pytest.mark.parametrize("fallback", [value("plan b"), lambda x: "plan b"])
def test_a_fallback_steps_in_and_is_told(fallback):
    @stage(fallback=fallback)
    def boom(x):
        raise ValueError("no")

    multi = MultiChain(boom=boom)
    assert multi.run(x=1) == {"boom": "plan b"}
    (finished,) = [event for event in multi.events(x=1) if isinstance(event, StageFinished)]
    assert finished.fell_back


def test_a_limit_bounds_the_calls_under_way_over_all_runs():
    under_way, most = 0, 0

    async def work(x):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return x

    multi = MultiChain(work=stage(work, limit=2))
    assert len(multi.batch([{"x": number} for number in range(8)])) == 8
    assert most == 2


def test_generators_stream_and_their_sum_is_the_output():
    def words(x):
        yield "a "
        yield "b"

    async def more(x):
        yield [1]
        yield [2]

    multi = MultiChain(words=words, more=more)
    assert multi.run(x=1) == {"words": "a b", "more": [1, 2]}
    tokens = [event.chunk for event in multi.events(x=1) if isinstance(event, Token) and event.stage == "words"]
    assert tokens == ["a ", "b"]
    total = None
    for piece in multi.stream({"x": 1}):
        total = piece if total is None else total + piece
    assert total == {"words": "a b", "more": [1, 2]}


def test_events_tell_failure_and_skipping_and_end_the_run():
    def boom(x):
        raise ValueError("no")

    events = list(MultiChain(a=boom, b=lambda a: a).events(x=1))
    assert [type(event) for event in events[1:]] == [StageFailed, StageSkipped, RunFinished]
    assert events[-1].ok is False


def test_tokens_and_usage_of_a_model_are_told_with_its_stage():
    reply = AIMessage("one two", usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5})
    multi = MultiChain(llm=ChatPromptTemplate.from_template("{q}") | GenericFakeChatModel(messages=iter([reply])))
    events = list(multi.events(q="x"))
    assert "".join(event.text for event in events if isinstance(event, Token)) == "one two"


def test_usage_inside_a_plain_function_is_counted_too():
    reply = AIMessage("hi", usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5})
    model = GenericFakeChatModel(messages=iter([reply]))

    async def ask(q):
        return (await model.ainvoke(q)).content

    finished = list(MultiChain(ask=ask).events(q="x"))[-1]
    assert (finished.usage.total_tokens, finished.usage.calls) == (5, 1)


def test_leaving_the_events_early_cancels_the_run():
    cancelled = threading.Event()

    async def slow(quick):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    events = MultiChain(quick=lambda x: x, slow=slow).events(x=1)
    next(events)
    next(events)
    next(events)
    events.close()
    assert cancelled.wait(5)


async def test_cancelling_a_run_cancels_its_stages():
    cancelled = []

    async def slow(x):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(x)
            raise

    task = asyncio.create_task(MultiChain(a=slow, b=slow).arun(x=1))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(cancelled) == 2


def test_a_cancellation_a_stage_raises_itself_is_a_failure():
    async def strange(x):
        raise asyncio.CancelledError

    with pytest.raises(ChainError):
        MultiChain(strange=strange, fine=lambda x: x).run(x=1)


def test_a_slow_reader_holds_the_run_back():
    made = []

    async def many(x):
        for number in range(5000):
            made.append(number)
            yield "x"

    events = MultiChain(many=many).events(x=1)
    next(events)
    next(events)
    time.sleep(0.1)
    assert len(made) < 1000
    events.close()


def test_callbacks_reach_the_models_inside():
    class Names(BaseCallbackHandler):
        def __init__(self):
            self.seen = []

        def on_chat_model_start(self, serialized, messages, **more):
            self.seen.append("model")

        def on_chain_start(self, serialized, inputs, **more):
            self.seen.append(more.get("name"))

    model = GenericFakeChatModel(messages=iter([AIMessage("x")]))
    names = Names()
    MultiChain(llm=ChatPromptTemplate.from_template("{q}") | model).invoke({"q": "x"}, {"callbacks": [names]})
    assert names.seen[0] == "MultiChain"
    assert "llm" in names.seen
    assert "model" in names.seen


def test_a_chain_draws_itself():
    text = MultiChain(qa=lambda question: 1, say=lambda qa: 2).mermaid()
    assert text.startswith("flowchart LR")
    assert "stage_qa --> stage_say" in text
    assert "in_stage_question --> stage_qa" in text
