"""Policies together with what services, budgets and effects ask."""

import time

import httpx
import pytest

from ziggurat import LLM, ChainError, InputError, Map, MultiChain, RetrievalQA, Retry, VectorIndex, stage, value
from ziggurat.chain.events import StageCached, StageRetried
from ziggurat.testing import FakeChat, FakeEmbeddings


class Busy(Exception):
    """What a client raises when a service asks to come back later."""

    def __init__(self, seconds):
        super().__init__("too many requests")
        self.response = httpx.Response(429, headers={"retry-after": str(seconds)})


def busy_once(seconds):
    tries = []

    def ask(x):
        tries.append(time.perf_counter())
        if len(tries) == 1:
            raise Busy(seconds)
        return tries[1] - tries[0]

    return ask


def test_a_service_that_says_how_long_to_wait_is_obeyed():
    multi = MultiChain(ask=stage(busy_once(0.3), retry=Retry(attempts=2, wait=0.0)))
    events = list(multi.events(x=1))
    (retried,) = [event for event in events if isinstance(event, StageRetried)]
    assert 0.3 <= retried.wait < 1
    assert events[-1].outputs["ask"] >= 0.3


def test_a_wait_that_can_only_be_a_mistake_is_cut():
    from ziggurat.chain.run import attempts

    retried = []

    async def told(number, wait, error):
        retried.append(wait)
        raise KeyError  # leave here instead of waiting

    import asyncio

    step = MultiChain(ask=stage(busy_once(86400), retry=2)).program.steps[0]

    async def once(call):
        return call.target(1)

    with pytest.raises(KeyError):
        asyncio.run(attempts.under_policy(step, "ask", once, told, None))
    assert retried == [300.0]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"effect": True, "cache": True}, "cannot be cached"),
        ({"effect": True, "store": False}, "must be stored"),
    ],
)
def test_policies_that_contradict_each_other_are_refused(policy, words):
    with pytest.raises(InputError, match=words):
        stage(lambda x: x, **policy)


@pytest.mark.parametrize("thing", [MultiChain(a=lambda x: x), Map(lambda x: x)])
def test_what_is_made_of_stages_does_not_act_on_the_world_itself(thing):
    with pytest.raises(InputError, match="mark the stage inside"):
        stage(thing, effect=True)


def test_an_answer_is_cached_until_its_index_changes(tmp_path):
    index = VectorIndex.create(tmp_path / "kb", FakeEmbeddings())
    index.add_texts(["The orchard was planted in 1987."])
    qa = RetrievalQA(index, FakeChat(script="The orchard was planted in 1987."))
    multi = MultiChain(qa=qa).using(cache=True)

    def cached():
        return any(isinstance(event, StageCached) for event in multi.events(question="When was the orchard planted?"))

    assert [cached(), cached()] == [False, True]
    index.add_texts(["The mill was built in 1720."])
    assert [cached(), cached()] == [False, True]


def test_a_cached_answer_uses_no_budget():
    model = FakeChat(script="one two")
    multi = MultiChain(a=LLM("Say {x}", model)).using(cache=True, budget={"calls": 1})
    assert multi.run(x="a") == multi.run(x="a") == {"a": "one two"}
    assert len(model.calls) == 1


def test_a_budget_is_each_runs_own():
    multi = MultiChain(a=LLM("Say {x}", FakeChat(script="one"))).using(budget={"calls": 1})
    assert [multi.run(x=str(number))["a"] for number in range(3)] == ["one"] * 3


def test_an_unknown_price_refuses_a_budget_in_dollars_before_anything_is_sent():
    class Hosted(FakeChat):
        def _get_ls_params(self, stop=None, **kwargs):
            return {"ls_provider": "somebody", "ls_model_name": "their-model"}

    model = Hosted(script="one")
    with pytest.raises(ChainError, match="price of 'their-model' is unknown"):
        MultiChain(a=LLM("Say {x}", model)).using(budget={"usd": 1}).run(x="a")
    assert model.calls == []


def test_a_fallback_that_is_a_value_needs_no_call():
    failing = stage(lambda x: 1 / 0, fallback=value("none"), retry=Retry(2, wait=0))
    assert MultiChain(a=failing).run(x=1) == {"a": "none"}
