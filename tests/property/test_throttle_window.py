"""In any 60 seconds no more than the limit passes, whoever comes when, gives up, pauses or corrects."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from simulated_time import run

from ziggurat.throttle import WINDOW, Throttle

# An event loop tells no times apart that are closer than a nanosecond.
SECONDS = st.floats(0, 100).map(lambda seconds: round(seconds, 6))

callers = st.lists(
    st.fixed_dictionaries(
        {
            "comes": SECONDS,
            "tokens": st.integers(0, 100),
            "uses": st.floats(0, 1),  # of its tokens
            "answers": SECONDS,
            "patience": st.one_of(st.none(), st.floats(0.5, 200)),
        }
    ),
    max_size=40,
)


def most_in_a_window(passed):
    """The largest sum of ``(time, amount)`` over any window that begins with one of them."""
    return max((sum(n for at, n in passed if start <= at < start + WINDOW) for start, _ in passed), default=0)


async def simulated(loop, people, requests, tokens, pauses=()):
    """Who passed when, with how many tokens, in order; and the throttle at the end."""
    throttle = Throttle(requests, tokens, clock=loop.time)
    passed, arrived = [], []

    async def call(number, one):
        await asyncio.sleep(one["comes"])
        arrived.append(number)
        try:
            async with asyncio.timeout(one["patience"]):
                place = await throttle.areserve(one["tokens"])
        except TimeoutError:
            return
        passed.append((number, loop.time(), one["tokens"]))
        await asyncio.sleep(one["answers"])
        place.settle(int(one["tokens"] * one["uses"]))

    async def pause(at, seconds):
        await asyncio.sleep(at)
        throttle.pause(seconds)

    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(people):
            group.create_task(call(number, one))
        for at, seconds in pauses:
            group.create_task(pause(at, seconds))
    return passed, arrived, throttle


@given(callers, st.integers(1, 10))
def test_no_more_requests_than_the_limit_pass_in_any_window(people, requests):
    passed, _, _ = run(lambda loop: simulated(loop, people, requests, None))
    assert most_in_a_window([(at, 1) for _, at, _ in passed]) <= requests


@given(callers, st.integers(100, 300))
def test_no_more_tokens_than_the_limit_are_used_in_any_window(people, tokens):
    passed, _, _ = run(lambda loop: simulated(loop, people, None, tokens))
    used = [(at, int(count * people[number]["uses"])) for number, at, count in passed]
    assert most_in_a_window(used) <= tokens


@given(callers, st.integers(1, 5), st.integers(100, 300), st.lists(st.tuples(SECONDS, SECONDS), max_size=3))
def test_everybody_with_patience_passes_in_the_order_they_came_and_nobody_is_left(people, requests, tokens, pauses):
    passed, arrived, throttle = run(lambda loop: simulated(loop, people, requests, tokens, pauses))
    place = {number: index for index, number in enumerate(arrived)}
    assert all(place[one] < place[other] for (one, _, _), (other, _, _) in pairwise(passed))
    patient = {number for number, one in enumerate(people) if one["patience"] is None}
    assert patient <= {number for number, _, _ in passed}
    assert throttle.waiting == 0


@given(callers, st.tuples(SECONDS, st.floats(1, 100)))
def test_nobody_passes_within_a_pause(people, pause):
    passed, _, _ = run(lambda loop: simulated(loop, people, 1_000, None, [pause]))
    start, seconds = pause
    assert not [at for _, at, _ in passed if start < at < start + seconds - 1e-6]


@given(st.integers(1, 20), st.integers(1, 60))
def test_a_line_that_never_empties_gets_all_the_limit_allows(requests, number):
    people = [{"comes": 0, "tokens": 0, "uses": 0, "answers": 0, "patience": None}] * number
    passed, _, _ = run(lambda loop: simulated(loop, people, requests, None))
    assert max(at for _, at, _ in passed) <= (number - 1) // requests * WINDOW + 0.1
