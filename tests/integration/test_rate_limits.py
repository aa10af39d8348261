"""Rate limits on the real client of OpenAI against a local server, from threads and event loops at once."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_openai import ChatOpenAI

from ziggurat import models
from ziggurat.errors import InputError
from ziggurat.models import turnstile
from ziggurat.models.caches import MemoryCache
from ziggurat.models.calls import WATCHER
from ziggurat.models.limits import PROCESS
from ziggurat.testing import FakeChat, Fault, OpenAIServer
from ziggurat.throttle import Throttle

SPEC = "openai:gpt-4.1"
WAYS = ["invoke", "stream", "ainvoke", "astream"]


@pytest.fixture(autouse=True)
def minute(monkeypatch):
    """A window of half a second, and no limits left from one test to the next."""
    monkeypatch.setattr("ziggurat.throttle.WINDOW", 0.5)
    WATCHER.answers.clear()
    WATCHER._calls.clear()  # of other tests, whose calls LangChain never told the end of
    yield
    for name in PROCESS.names():
        models.unlimit(name)
    assert WATCHER._calls == {}


@pytest.fixture
def turns(monkeypatch):
    """When each call got its turn."""
    given, count = [], Throttle._count

    def noted(self, passed):
        given.extend([passed.at] * passed.requests)
        count(self, passed)

    monkeypatch.setattr(Throttle, "_count", noted)
    return given


@pytest.fixture
def server():
    with OpenAIServer(FakeChat(script="Lisbon is the capital.")) as running:
        arrivals, take = [], running._take

        def noted(request):
            arrivals.append(time.monotonic())
            return take(request)

        running._take = noted
        running.arrivals = arrivals
        yield running


def opened(server, spec=SPEC, **options):
    return models.chat(spec, base_url=server.base_url, api_key="k", **{"max_retries": 0, **options})


def ask(model, way, question="The capital of Portugal?"):
    """One answer, in any of the four ways."""

    async def streamed():
        return "".join([chunk.text async for chunk in model.astream(question)])

    if way == "invoke":
        return model.invoke(question).text
    if way == "stream":
        return "".join(chunk.text for chunk in model.stream(question))
    if way == "ainvoke":
        return asyncio.run(model.ainvoke(question)).text
    return asyncio.run(streamed())


def keep_to(requests, turns, server):
    """No more turns than that were given in a window, and nothing was sent before its turn."""
    turns, arrivals = sorted(turns), sorted(server.arrivals)
    assert all(later - earlier >= 0.5 for earlier, later in zip(turns, turns[requests:], strict=False))
    assert all(arrival > turn for arrival, turn in zip(arrivals, turns, strict=True))
    return True


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_asking_waits_its_turn(server, turns, way):
    model = opened(server)
    models.limit(SPEC, requests=2)  # after the model was opened
    assert [ask(model, way) for _ in range(4)] == ["Lisbon is the capital."] * 4
    assert keep_to(2, turns, server)


def test_threads_loops_and_several_models_of_one_spec_share_one_limit(server, turns):
    models.limit(SPEC, requests=6)
    opens = [opened(server), opened(server, temperature=0.5), opened(server, "OpenAI:gpt-4.1")]
    with ThreadPoolExecutor(12) as pool:
        jobs = [pool.submit(ask, opens[n % 3], WAYS[n % 4]) for n in range(24)]
        assert {job.result(60) for job in jobs} == {"Lisbon is the capital."}
    assert len(server.arrivals) == 24
    assert keep_to(6, turns, server)


def test_another_spec_and_a_lifted_limit_wait_for_nobody(server):
    models.limit(SPEC, requests=1)
    limited, other = opened(server), opened(server, "openai:gpt-4.1-mini")
    began = time.monotonic()
    limited.invoke("?")
    for _ in range(5):
        other.invoke("?")
    models.unlimit(SPEC)
    for _ in range(5):
        limited.invoke("?")
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_that_says_how_long_makes_the_whole_spec_wait_and_is_raised(server, way, status, monkeypatch):
    models.limit(SPEC)
    model, other = opened(server), opened(server)
    server.fail(Fault(status=status, retry_after=0.4))
    with pytest.raises(openai.APIStatusError) as refused:
        ask(model, way)
    assert refused.value.status_code == status
    began = time.monotonic()
    assert ask(other, way) == "Lisbon is the capital."
    assert time.monotonic() - began >= 0.3


async def test_a_pause_holds_calls_of_all_threads_and_loops(server):
    models.limit(SPEC)
    model = opened(server)
    server.fail(Fault(status=429, retry_after=0.4))
    with pytest.raises(openai.RateLimitError):
        await model.ainvoke("?")
    server.arrivals.clear()
    began = time.monotonic()
    await asyncio.gather(*(model.ainvoke("?") for _ in range(3)), *(asyncio.to_thread(ask, model, way) for way in WAYS))
    assert len(server.arrivals) == 7
    assert min(server.arrivals) - began >= 0.3


@pytest.mark.parametrize("way", WAYS)
def test_what_the_client_repeats_by_itself_pauses_the_spec_and_takes_its_turn(server, turns, way):
    models.limit(SPEC, requests=2)
    model, other = opened(server, max_retries=2), opened(server, temperature=0.1)
    server.fail(Fault(status=429, retry_after=0.4))
    with ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        repeating = pool.submit(ask, model, way)
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.1)
        waiting = pool.submit(ask, other, way)
        assert repeating.result(30) == waiting.result(30) == "Lisbon is the capital."
    assert len(server.requests) == 3
    assert sorted(turns)[1] - began >= 0.39
    assert keep_to(2, turns, server)


def test_a_repetition_of_a_call_without_a_limit_waits_for_nobody(server):
    models.limit("openai:gpt-4.1-mini", requests=1)
    server.fail(Fault(status=429, retry_after=0.01))
    assert ask(opened(server, max_retries=2), "invoke") == "Lisbon is the capital."
    assert len(server.requests) == 2


def test_an_http_client_that_models_share_is_heard_once(server):
    first, second = opened(server), opened(server)
    assert first.root_client._client is second.root_client._client
    hooks = first.root_client._client.event_hooks
    assert [len(hooks[kind]) for kind in ("request", "response")] == [1, 1]


def test_an_error_without_a_retry_after_pauses_nobody(server):
    models.limit(SPEC, requests=100)
    model = opened(server)
    server.fail(Fault(status=500))
    with pytest.raises(openai.InternalServerError):
        model.invoke("?")
    began = time.monotonic()
    model.invoke("?")
    assert time.monotonic() - began < 0.3


def test_tokens_are_reserved_before_and_corrected_after(server):
    throttle = models.limit(SPEC, tokens=10_000)
    model = opened(server, max_tokens=1_000)
    WATCHER.answers[SPEC] = 600.0
    reserved = []
    reserve = throttle.reserve
    throttle.reserve = lambda tokens: reserved.append(tokens) or reserve(tokens)
    answer = model.invoke("w " * 400)
    assert reserved == [4 + 200 + 600]
    used = answer.usage_metadata["total_tokens"]
    assert throttle._tokens_now == used < 804
    model.invoke("w " * 400)
    assert reserved[1] < 804  # answers were shorter than was thought
    "".join(chunk.text for chunk in model.stream("w"))
    assert throttle._tokens_now == 2 * used + 5


def test_a_refused_call_gives_its_tokens_back_but_was_a_request(server):
    throttle = models.limit(SPEC, requests=2, tokens=10_000)
    model = opened(server)
    server.fail(Fault(status=400))
    with pytest.raises(openai.BadRequestError):
        model.invoke("?")
    assert (throttle._tokens_now, throttle._requests_now) == (0, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_could_never_pass_is_refused_before_anything_is_sent(server, way):
    models.limit(SPEC, tokens=100)
    with pytest.raises(InputError, match="can never pass a limit of 100 tokens"):
        ask(opened(server), way, "word " * 1_000)
    assert server.requests == []
    assert ask(opened(server), way, "word") == "Lisbon is the capital."


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
async def test_a_cancelled_call_leaves_the_line(server, way):
    throttle = models.limit(SPEC, requests=1)
    model = opened(server)
    await model.ainvoke("?")

    async def asked():
        if way == "ainvoke":
            await model.ainvoke("?")
        else:
            async for _ in model.astream("?"):
                pass

    waiting = asyncio.create_task(asked())
    await asyncio.sleep(0.1)
    assert throttle.waiting == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert throttle.waiting == 0
    assert len(server.requests) == 1


async def test_a_stream_that_is_dropped_keeps_what_was_reserved_for_it(server):
    throttle = models.limit(SPEC, tokens=10_000)
    stream = opened(server).astream("?")
    await anext(stream)
    reserved = throttle._tokens_now
    await stream.aclose()
    assert throttle._tokens_now == reserved > 0


def test_an_answer_from_the_cache_waits_for_nobody_and_counts_nothing(server):
    throttle = models.limit(SPEC, requests=1, tokens=10_000)
    model = opened(server, cache=MemoryCache())
    model.invoke("?")
    used, began = throttle._tokens_now, time.monotonic()
    for _ in range(20):
        model.invoke("?")
    assert time.monotonic() - began < 0.4
    assert throttle._tokens_now == used
    assert len(server.requests) == 1


def test_batches_count_each_call(server, turns):
    throttle = models.limit(SPEC, requests=3, tokens=100_000)
    model = opened(server)
    model.batch(["one", "two", "three", "four"])
    model.generate([[HumanMessage("five")], [HumanMessage("six six")]])
    assert keep_to(3, turns, server)
    assert throttle._tokens_now <= 4 * 6 + 13  # all corrected: none holds its reservation


def test_a_model_of_ones_own_keeps_to_the_limit_if_it_is_given_the_limiter(server, turns):
    models.limit(SPEC, requests=2)
    model = ChatOpenAI(
        model="gpt-4.1", base_url=server.base_url, api_key="k", rate_limiter=models.rate_limiter("openai:gpt-4.1")
    )
    for _ in range(3):
        model.invoke("?")
    assert keep_to(2, turns, server)


def test_a_model_of_ones_own_in_progress_is_not_taken_for_a_limited_call(server):
    throttle = models.limit(SPEC, tokens=10_000)
    own = FakeChat(script="a b c").stream("?")
    next(own)
    answer = opened(server).invoke("?")
    assert throttle._tokens_now == answer.usage_metadata["total_tokens"]
    list(own)


class Counting(BaseRateLimiter):
    """A rate limiter that somebody brought along."""

    def __init__(self):
        self.asked = 0

    def acquire(self, *, blocking=True):
        self.asked += 1
        return True

    async def aacquire(self, *, blocking=True):
        return self.acquire()


def test_a_rate_limiter_that_was_there_is_asked_too(server):
    mine = Counting()
    models.limit(SPEC, requests=100)
    model = opened(server, rate_limiter=mine)
    model.invoke("?")
    asyncio.run(model.ainvoke("?"))
    assert mine.asked == 2


def test_nothing_is_logged_and_other_callbacks_hear_everything(server, caplog):
    heard = []

    class Listening(BaseCallbackHandler):
        def on_llm_end(self, response, **_):
            heard.append(response.generations[0][0].text)

    models.limit(SPEC, requests=100, tokens=100_000)
    with caplog.at_level(logging.WARNING, logger="langchain_core"):
        opened(server, callbacks=[Listening()]).invoke("?")
    assert heard == ["Lisbon is the capital."]
    assert caplog.records == []


def test_a_limit_changes_neither_a_models_cache_key_nor_what_is_written_of_it(server):
    model = ChatOpenAI(model="gpt-4.1", base_url=server.base_url, api_key="k", stream_usage=True, max_retries=0)
    models.limit(SPEC, requests=100)
    limited = opened(server)
    assert limited._get_llm_string() == model._get_llm_string()
    assert limited.model_dump() == model.model_dump()


def test_pictures_tools_and_chinese_are_reckoned_with():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    message = HumanMessage([{"type": "text", "text": "What is it?"}, picture])
    assert turnstile.tokens_of([message]) == 4 + turnstile.PICTURE_TOKENS + 3
    assert turnstile.tokens_of([HumanMessage("里斯本是葡萄牙的首都")]) == 4 + 8
    assert turnstile.tokens_of([HumanMessage("?")], {"tools": [{"name": "add"}]}) > 8


def test_a_limit_that_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="not a model spec"):
        models.limit("gpt-4.1", requests=1)
    with pytest.raises(InputError, match="requests=0"):
        models.limit(SPEC, requests=0)
    with pytest.raises(InputError, match="not a model spec"):
        models.rate_limiter("gpt-4.1")
    assert PROCESS.names() == ()
    models.unlimit("openai:never-limited")
