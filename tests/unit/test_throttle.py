"""The turnstile: in order, within the limit, for any thread and any event loop, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from simulated_time import run

from ziggurat.errors import InputError
from ziggurat.throttle import WINDOW, Throttle


async def turns(n=5):
    for _ in range(n):
        await asyncio.sleep(0)


def test_without_limits_everybody_passes_at_once():
    throttle = Throttle()
    for _ in range(1_000):
        throttle.reserve(10**9)
    assert throttle.waiting == 0


def test_a_request_passes_when_the_one_a_minute_ago_is_a_minute_ago():
    async def main(loop):
        throttle = Throttle(requests=2, clock=loop.time)
        passed = []
        for _ in range(5):
            await throttle.areserve()
            passed.append(loop.time())
            await asyncio.sleep(1)
        return passed

    assert run(main) == pytest.approx([0, 1, 60, 61, 120], abs=0.01)


def test_tokens_are_counted_as_requests_are():
    async def main(loop):
        throttle = Throttle(tokens=100, clock=loop.time)
        passed = []
        for tokens in (60, 40, 50, 10):
            await throttle.areserve(tokens)
            passed.append(loop.time())
        return passed

    assert run(main) == pytest.approx([0, 0, 60, 60], abs=0.01)


def test_first_come_first_served_even_if_a_later_one_would_fit():
    async def main(loop):
        throttle = Throttle(tokens=100, clock=loop.time)
        order = []

        async def one(name, tokens):
            await throttle.areserve(tokens)
            order.append((name, round(loop.time())))

        await one("before", 80)
        async with asyncio.TaskGroup() as group:
            for name, tokens in (("large", 90), ("small", 5), ("tiny", 1)):
                group.create_task(one(name, tokens))
                await turns(1)
        return order

    assert run(main) == [("before", 0), ("large", 60), ("small", 60), ("tiny", 60)]


def test_what_was_not_used_lets_the_next_pass_at_once():
    async def main(loop):
        throttle = Throttle(tokens=100, clock=loop.time)
        place = await throttle.areserve(100)
        waiting = asyncio.create_task(throttle.areserve(50))
        await asyncio.sleep(5)
        place.settle(40)
        await waiting
        return loop.time()

    assert run(main) == pytest.approx(5)


def test_what_was_used_beyond_the_estimate_counts_from_when_it_is_known():
    async def main(loop):
        throttle = Throttle(tokens=100, clock=loop.time)
        place = await throttle.areserve(10)
        await asyncio.sleep(30)
        place.settle(100)
        await throttle.areserve(11)
        return loop.time()

    assert run(main) == pytest.approx(90, abs=0.01)


def test_a_correction_after_a_minute_counts_only_what_was_not_reserved():
    async def main(loop):
        throttle = Throttle(tokens=100, clock=loop.time)
        place = await throttle.areserve(60)
        await asyncio.sleep(100)
        place.settle(90)
        await throttle.areserve(70)
        return loop.time()

    assert run(main) == pytest.approx(100)


def test_only_the_first_correction_counts_and_a_place_given_back_counts_nothing():
    throttle = Throttle(requests=1, tokens=100)
    place = throttle.reserve(100)
    place.release()
    place.settle(100)
    place.release()
    second = throttle.try_reserve(100)
    assert second is not None
    second.settle(0)
    assert throttle.try_reserve(1) is None  # it was a request all the same


def test_nobody_passes_during_a_pause_and_a_shorter_one_does_not_end_it():
    async def main(loop):
        throttle = Throttle(requests=100, clock=loop.time)
        throttle.pause(20)
        throttle.pause(5)
        throttle.pause(-1)
        await throttle.areserve()
        return loop.time()

    assert run(main) == pytest.approx(20, abs=0.01)


def test_a_pause_holds_up_those_who_wait_already():
    async def main(loop):
        throttle = Throttle(requests=1, clock=loop.time)
        await throttle.areserve()
        waiting = asyncio.create_task(throttle.areserve())
        await asyncio.sleep(59)
        throttle.pause(30)
        await waiting
        return loop.time()

    assert run(main) == pytest.approx(89, abs=0.01)


@pytest.mark.parametrize("cancelled", [0, 1, 2])
def test_a_cancelled_waiter_gives_its_place_up(cancelled):
    async def main(loop):
        throttle = Throttle(requests=1, clock=loop.time)
        await throttle.areserve()
        tasks = [asyncio.create_task(throttle.areserve()) for _ in range(3)]
        await turns()
        tasks[cancelled].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[cancelled].cancelled()
        assert throttle.waiting == 0
        return loop.time()

    assert run(main) == pytest.approx(120, abs=0.01)


def test_a_waiter_cancelled_in_the_moment_it_may_pass_hands_its_place_on():
    async def main(loop):
        throttle = Throttle(requests=1, clock=loop.time)
        await throttle.areserve()
        first = asyncio.create_task(throttle.areserve())
        second = asyncio.create_task(throttle.areserve())
        await turns()
        throttle.change(requests=2)  # the first may pass now, and has not noticed yet
        first.cancel()
        await second
        assert first.cancelled()
        return loop.time()

    assert run(main) == 0


def test_a_call_that_could_never_pass_is_refused_and_holds_nobody_up():
    throttle = Throttle(tokens=100)
    with pytest.raises(InputError, match="101 tokens can never pass a limit of 100"):
        throttle.reserve(101)
    with pytest.raises(InputError):
        throttle.try_reserve(101)
    assert throttle.try_reserve(100) is not None


def test_limits_that_change_hold_for_those_who_wait():
    async def main(loop):
        throttle = Throttle(tokens=100, clock=loop.time)
        await throttle.areserve(100)
        large, small = (asyncio.create_task(throttle.areserve(tokens)) for tokens in (90, 10))
        await turns()
        throttle.change(tokens=50)
        with pytest.raises(InputError, match="90 tokens"):
            await large
        throttle.change(tokens=200)
        await small
        assert loop.time() == 0
        third = asyncio.create_task(throttle.areserve(150))
        await turns()
        assert not third.done()
        throttle.open()
        await third
        return loop.time()

    assert run(main) == 0


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "10"])
def test_what_is_no_limit_is_refused(limit):
    with pytest.raises(InputError, match="requests"):
        Throttle(requests=limit)
    with pytest.raises(InputError, match="tokens"):
        Throttle().change(tokens=limit)


def test_a_wall_clock_that_jumps_changes_nothing(monkeypatch):
    throttle = Throttle(requests=1)
    throttle.reserve()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert throttle.try_reserve() is None


@pytest.fixture
def fast(monkeypatch):
    """A window of a tenth of a second, for tests with real threads."""
    monkeypatch.setattr("ziggurat.throttle.WINDOW", 0.1)


def test_threads_and_event_loops_share_one_line(fast):
    throttle = Throttle(requests=20)
    passed = []

    def thread():
        for _ in range(10):
            throttle.reserve()
            passed.append(time.monotonic())

    def loop():
        async def main():
            async with asyncio.TaskGroup() as group:
                for _ in range(10):
                    group.create_task(one())

        async def one():
            await throttle.areserve()
            passed.append(time.monotonic())

        asyncio.run(main())

    began = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work) for work in (thread, loop) * 3]:
            done.result(30)
    assert len(passed) == 60
    assert throttle.waiting == 0
    assert time.monotonic() - began >= 0.2  # three windows' worth


def test_a_waiter_in_a_blocked_event_loop_does_not_hold_up_the_others(fast):
    throttle = Throttle(requests=1)
    throttle.reserve()

    async def main():
        waiting = asyncio.create_task(throttle.areserve())
        await turns()
        await asyncio.to_thread(lambda: None)
        throttle.reserve()  # blocks the loop that the first in the line needs
        await waiting

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 5


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_waiter_in_an_event_loop_that_was_closed_is_forgotten(fast):
    throttle = Throttle(requests=1)
    throttle.reserve()
    loop = asyncio.new_event_loop()
    coroutine = throttle.areserve()
    task = loop.create_task(coroutine)
    loop.run_until_complete(turns())
    loop.close()
    assert throttle.waiting == 1
    began = time.monotonic()
    throttle.reserve()
    assert time.monotonic() - began < 5
    assert throttle.waiting == 0
    task._log_destroy_pending = False
    coroutine.close()


def test_a_correction_from_within_the_lock_does_not_wait_for_it():
    """As the garbage collector may make one, when it closes a stream that somebody dropped."""
    throttle = Throttle(requests=2, tokens=100)
    place = throttle.reserve(100)
    with throttle._held():
        place.settle(10)
    assert throttle.try_reserve(90) is not None


def test_a_waiter_that_the_garbage_collector_takes_leaves_the_line(fast):
    throttle = Throttle(requests=1)
    throttle.reserve()
    left = [throttle.areserve()]

    async def main():
        left[0].send(None)

    asyncio.run(main())
    assert throttle.waiting == 1
    left.clear()
    gc.collect()
    assert throttle.waiting == 0


def test_a_thread_that_is_interrupted_leaves_the_line(monkeypatch):
    throttle = Throttle(requests=1)
    throttle.reserve()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        throttle.reserve()
    assert throttle.waiting == 0


def test_the_window_is_the_minute_that_providers_speak_of():
    assert WINDOW == 60
