"""The planner, over random graphs: order, completeness, failure, refusal."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.plan import DONE, FAILED, RUNNING, SKIPPED, WAITING, Plan
from ziggurat.chain.stage import Call, CallKind, Param, Stage
from ziggurat.chain.wiring import wire
from ziggurat.errors import ChainError, WiringError


@st.composite
def acyclic(draw, largest=12):
    """Parents by stage, each with a smaller number, in a shuffled order of declaration."""
    count = draw(st.integers(1, largest))
    parents = {
        number: draw(st.sets(st.integers(0, number - 1), max_size=4)) if number else set() for number in range(count)
    }
    order = draw(st.permutations(range(count)))
    return parents, order


def stages_of(parents, order, run):
    def make(number):
        names = [f"s{one}" for one in sorted(parents[number])]

        async def call(**inputs):
            assert set(inputs) == {*names, "seed"}
            return await run(number, inputs)

        params = tuple(Param(name) for name in (*names, "seed"))
        return Stage(Call(CallKind.ASYNC, call), params)

    return [(f"s{number}", make(number)) for number in order]


@given(acyclic(), st.randoms())
def test_whatever_finishes_first_every_stage_starts_after_its_parents_and_once(graph, chance):
    parents, order = graph
    wiring = wire(stages_of(parents, order, None))
    plan = Plan(wiring)
    running, started = plan.start(), []
    started += running
    while running:
        done = running.pop(chance.randrange(len(running)))
        ready = plan.finished(done)
        running += ready
        started += ready
        for stage in ready:
            assert all(plan.states[parent] is DONE for parent in wiring.parents[stage])
    assert plan.over
    assert sorted(started) == list(range(len(order)))


@given(acyclic(), st.integers(0, 11), st.randoms())
def test_a_failure_skips_exactly_what_depends_on_it(graph, which, chance):
    parents, order = graph
    wiring = wire(stages_of(parents, order, None))
    doomed = wiring.position(f"s{which % len(order)}")
    below, front = set(), [doomed]
    while front:
        for child in wiring.children[front.pop()]:
            if child not in below:
                below.add(child)
                front.append(child)
    plan = Plan(wiring)
    running = plan.start()
    while running:
        stage = running.pop(chance.randrange(len(running)))
        if stage == doomed:
            plan.failed(stage)
        else:
            running += plan.finished(stage)
    assert plan.over
    for stage, state in enumerate(plan.states):
        assert state is (FAILED if stage == doomed else SKIPPED if stage in below else DONE)
    assert set(plan.cause.values()) <= {doomed}


@settings(max_examples=60)
@given(acyclic(8), st.integers(0, 2**16))
def test_a_run_gives_what_the_graph_says_whatever_the_timing(graph, seed):
    parents, order = graph
    chance = random.Random(seed)

    async def run(number, inputs):
        await asyncio.sleep(chance.random() * 0.001)
        return number + sum(inputs.values())

    def expected(number, seed_value):
        return number + seed_value + sum(expected(parent, seed_value) for parent in parents[number])

    chain = MultiChain(**dict(stages_of(parents, order, run)))
    outputs = asyncio.run(chain.arun(seed=1))
    assert outputs == {f"s{number}": expected(number, 1) for number in range(len(order))}


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdefgh"), max_size=3), min_size=1))
def test_a_random_wiring_is_refused_or_finishes(graph):
    def make(needs):
        async def call(**inputs):
            return sum(inputs.values())

        return Stage(Call(CallKind.ASYNC, call), tuple(Param(name) for name in sorted(needs)))

    try:
        chain = MultiChain(**{name: make(needs) for name, needs in graph.items()})
    except WiringError as error:
        assert error.findings
        return
    outputs = asyncio.run(chain.arun(dict.fromkeys(chain.run_inputs, 1)))
    assert set(outputs) == set(graph)


@settings(max_examples=40)
@given(acyclic(8), st.integers(0, 7))
def test_a_failed_run_still_returns_all_that_did_not_depend_on_it(graph, which):
    parents, order = graph
    doomed = which % len(order)

    async def run(number, inputs):
        if number == doomed:
            raise RuntimeError(number)
        return number

    chain = MultiChain(**dict(stages_of(parents, order, run)))
    try:
        asyncio.run(chain.arun(seed=1))
    except ChainError as error:
        assert set(error.failed) == {f"s{doomed}"}
        assert set(error.outputs) | set(error.failed) | set(error.skipped) == {f"s{number}" for number in order}
        assert isinstance(error.__cause__, RuntimeError)
    else:
        raise AssertionError


def test_a_report_that_cannot_be_is_the_drivers_mistake():
    plan = Plan(wire([("a", as_stage(lambda x: x)), ("b", as_stage(lambda a: a))]))
    assert plan.states == [WAITING, WAITING]
    (first,) = plan.start()
    assert plan.states[first] is RUNNING
    for stage in (1,):
        try:
            plan.finished(stage)
        except KeyError:
            continue
        raise AssertionError
