"""A blocking producer read from both worlds."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ziggurat.models.llama.relay import aiterate, iterate


def count(emit):
    for number in range(3):
        emit(number)


def fail_after_one(emit):
    emit(1)
    raise LookupError("broken")


def until_nobody_listens(stopped):
    def produce(emit):
        while emit(0):
            pass
        stopped.set()

    return produce


def test_items_come_in_order():
    assert list(iterate(count)) == [0, 1, 2]


async def test_items_come_in_order_asynchronously():
    assert [item async for item in aiterate(count)] == [0, 1, 2]


def test_what_the_producer_raises_is_raised_in_the_reader_after_its_items():
    items = iterate(fail_after_one)
    assert next(items) == 1
    with pytest.raises(LookupError, match="broken"):
        next(items)


async def test_what_the_producer_raises_is_raised_in_the_asynchronous_reader():
    with pytest.raises(LookupError, match="broken"):
        assert [item async for item in aiterate(fail_after_one)]


def test_closing_the_reader_stops_the_producer():
    stopped = threading.Event()
    items = iterate(until_nobody_listens(stopped))
    next(items)
    items.close()
    assert stopped.wait(5)


async def test_cancelling_the_reader_stops_the_producer():
    stopped = threading.Event()

    async def read():
        async for _ in aiterate(until_nobody_listens(stopped)):
            await asyncio.sleep(0)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(stopped.wait, 5)


async def test_a_slow_producer_does_not_block_the_loop():
    release = threading.Event()

    def produce(emit):
        release.wait(5)
        emit("late")

    reading = asyncio.create_task(anext(aiterate(produce)))
    await asyncio.sleep(0.02)
    assert not reading.done()
    release.set()
    assert await reading == "late"


def test_asking_without_an_item_sends_nothing():
    def produce(emit):
        assert emit(None)
        emit("only")

    assert list(iterate(produce)) == ["only"]
