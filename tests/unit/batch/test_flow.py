"""Rows in, results out: order, bounds, ends. What is done with a row is the tests' own."""

import asyncio
import itertools
import random
import threading

import pyarrow as pa
import pytest

from ziggurat.batch.flow import Flow


def batches(rows, size=100):
    for start in range(0, rows, size):
        yield pa.record_batch({"n": list(range(start, min(start + size, rows)))})


async def through(flow):
    return [(chunk.batch.column("n").to_pylist(), chunk.results) async for chunk in flow.chunks()]


@pytest.mark.parametrize("concurrency", [1, 3, 64, 500])
@pytest.mark.parametrize("rows", [0, 1, 7, 1000])
async def test_every_row_is_done_once_and_they_leave_in_order(rows, concurrency):
    chance = random.Random(rows)
    done = []

    async def work(row):
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        done.append(row[0])
        return row[0] * 2

    chunks = await through(Flow(work, batches(rows), ["n"], concurrency=concurrency))
    assert [n for numbers, _ in chunks for n in numbers] == list(range(rows))
    assert [two for _, results in chunks for two in results] == [2 * n for n in range(rows)]
    assert sorted(done) == list(range(rows))


async def test_no_more_rows_are_in_flight_than_may_be():
    inside = most = 0
    full = asyncio.Event()

    async def work(row):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 17:
            full.set()
        await asyncio.wait_for(full.wait(), 60)
        inside -= 1

    await through(Flow(work, batches(2000), ["n"], concurrency=17))
    assert most == 17


async def test_as_finished_a_slow_row_holds_up_its_own_chunk_alone():
    held = asyncio.Event()

    async def work(row):
        if row[0] == 0:
            await held.wait()

    flow = Flow(work, batches(64, 8), ["n"], concurrency=4, ordered=False, chunk_rows=8)
    seen = []
    async for chunk in flow.chunks():
        seen.append(chunk.number)
        if len(seen) == 7:
            held.set()
    assert seen[-1] == 0
    assert sorted(seen) == list(range(8))


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_slow_reader_stops_the_work_and_the_reading(ordered):
    read = done = 0

    def endless():
        nonlocal read
        for start in itertools.count(0, 10):
            read += 1
            yield pa.record_batch({"n": list(range(start, start + 10))})

    async def work(row):
        nonlocal done
        done += 1

    flow = Flow(work, endless(), ["n"], concurrency=4, ordered=ordered, chunk_rows=10)
    chunks = flow.chunks()
    await anext(chunks)
    before = -1
    while done > before:  # until all that can be done is done
        before = done
        for _ in range(50):
            await asyncio.sleep(0.001)
    assert read <= 12
    assert done <= 120
    for _ in range(5):
        await anext(chunks)
    await chunks.aclose()
    assert read <= 20


async def test_one_slow_row_bounds_how_far_the_others_run_ahead():
    held = asyncio.Event()
    done = 0

    async def work(row):
        nonlocal done
        if row[0] == 0:
            await held.wait()
        done += 1

    flow = Flow(work, batches(100_000, 100), ["n"], concurrency=8, chunk_rows=32)
    task = asyncio.create_task(through(flow))
    before = -1
    while done > before:
        before = done
        for _ in range(50):
            await asyncio.sleep(0.001)
    assert 0 < done < 1000
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("ordered", [True, False])
async def test_an_exception_of_the_work_ends_all_and_is_told(ordered):
    running = set()

    async def work(row):
        running.add(row[0])
        try:
            if row[0] == 40:
                raise ZeroDivisionError
            await asyncio.sleep(0 if row[0] < 30 else 3600)
        finally:
            running.discard(row[0])

    with pytest.raises(ZeroDivisionError):
        await through(Flow(work, batches(1000), ["n"], concurrency=16, ordered=ordered))
    assert not running, "the others were cancelled, and are over"


async def test_a_table_that_breaks_ends_all_and_is_told():
    def breaking():
        yield from batches(200)
        raise OSError("gone")

    async def work(row):
        return row[0]

    with pytest.raises(OSError, match="gone"):
        await through(Flow(work, breaking(), ["n"], concurrency=8))


async def test_once_stopped_no_further_row_is_begun_and_those_begun_end():
    begun, ended = [], []

    async def work(row):
        begun.append(row[0])
        await asyncio.sleep(0)
        ended.append(row[0])

    flow = Flow(work, batches(1000), ["n"], concurrency=5, stopped=lambda: len(ended) >= 30)
    chunks = await through(flow)
    assert sorted(begun) == sorted(ended)
    assert 30 <= len(begun) < 40
    assert sum(len(numbers) for numbers, _ in chunks) <= len(begun)


async def test_who_stops_listening_ends_the_work():
    running = 0

    async def work(row):
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(0 if row[0] < 40 else 3600)
        finally:
            running -= 1

    chunks = Flow(work, batches(1000, 20), ["n"], concurrency=4, chunk_rows=10).chunks()
    await anext(chunks)
    await chunks.aclose()
    assert running == 0


async def test_the_table_is_read_in_a_thread_of_its_own():
    threads = set()

    def table():
        threads.add(threading.current_thread())
        yield from batches(10)

    async def work(row):
        return None

    await through(Flow(work, table(), ["n"], concurrency=2))
    assert threading.current_thread() not in threads


async def test_rows_without_columns_are_rows_still():
    async def work(row):
        return row

    flow = Flow(work, batches(5), [], concurrency=2)
    assert [chunk.results async for chunk in flow.chunks()] == [[()] * 5]
