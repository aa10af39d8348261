"""Workers in processes of their own, led over sockets: killed, stopped, refused, garbled, and left alone."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import batch_worker
import pytest
from batch_worker import calls_in, key_of

from ziggurat.batch import wire
from ziggurat.batch.coordination import Place, Tally
from ziggurat.batch.coordinator import Coordinator
from ziggurat.batch.rates import Rate
from ziggurat.batch.remote import RemoteCoordination
from ziggurat.chain.budget import Ask, Budget
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.errors import BudgetExceeded, ClusterError, InputError
from ziggurat.prices import Price, Prices

KEY = key_of("the cell")
THERE = Place("a.cells", 3)


@contextmanager
def worker(folder, lead, name, cells, seconds=0.005):
    """A worker's process; ended with the test."""
    told = [str(one) for one in (folder, lead.address, lead.token, name, cells, seconds)]
    process = subprocess.Popen([sys.executable, batch_worker.__file__, *told], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def eventually(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def test_a_budget_of_calls_is_kept_by_several_processes_of_which_one_is_killed(tmp_path):
    with Coordinator(budget=Budget(calls=300)) as lead, ExitStack() as stack:
        slow = stack.enter_context(worker(tmp_path, lead, "w0", 5000, 1.0))
        eventually(lambda: len(calls_in(tmp_path)) >= batch_worker.AT_ONCE)
        others = [stack.enter_context(worker(tmp_path, lead, f"w{number}", 5000)) for number in (1, 2)]
        eventually(lambda: len({name for name, *_ in calls_in(tmp_path)}) > 1)
        slow.send_signal(signal.SIGKILL)
        for one in others:
            assert one.wait(60) == 0
        made = calls_in(tmp_path)
        assert len(made) <= 300
        assert len(made) >= 300 - lead.written_off.calls
        assert lead.spent.calls == 300, "what could be lent was lent, and what was lost counts"
        assert lead.lost == 1
        twice = {cell for cell, times in Counter(cell for _, cell, _ in made).items() if times > 1}
        assert twice <= {cell for name, cell, _ in made if name == "w0"}, "only a killed worker's cells are done again"


def test_cells_are_computed_once_by_all_processes_together_and_a_killed_ones_are_handed_on(tmp_path):
    with Coordinator() as lead, ExitStack() as stack:
        workers = [stack.enter_context(worker(tmp_path, lead, f"w{number}", 600, 0.01)) for number in range(3)]
        eventually(lambda: len({name for name, *_ in calls_in(tmp_path)}) == 3)
        workers[1].send_signal(signal.SIGKILL)
        told = [one.communicate(timeout=60)[0] for one in (workers[0], workers[2])]
        made = calls_in(tmp_path)
        assert {cell for _, cell, _ in made} == set(range(600)), "nobody waits for the dead"
        assert len(made) - 600 <= batch_worker.AT_ONCE, "computed again is what was in flight, and no more"
        assert all("refused 0 stopped False" in one for one in told)
        assert lead.lost == 1


def test_a_rate_is_kept_by_several_processes(tmp_path):
    with Coordinator(rate=Rate(20, 1.0)) as lead, ExitStack() as stack:
        workers = [stack.enter_context(worker(tmp_path, lead, f"w{number}", 70, 0.0)) for number in range(3)]
        for one in workers:
            assert one.wait(30) == 0
    at = sorted(when for *_, when in calls_in(tmp_path))
    assert len(at) == 70
    assert all(later - one >= 1.0 for one, later in zip(at, at[20:], strict=False)), "no window has 21"
    assert at[-1] - at[0] < 10, "and little of it is left unused: three windows, and what a busy machine adds"


def test_workers_stop_when_the_coordinator_is_killed(tmp_path):
    code = (
        "import sys\n"
        "from ziggurat.batch.coordinator import Coordinator\n"
        "with Coordinator() as lead:\n"
        "    print(lead.address, lead.token, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as leader:
        lead = SimpleNamespace()
        lead.address, lead.token = leader.stdout.readline().split()
        with worker(tmp_path, lead, "w", 100_000) as one:
            eventually(lambda: len(calls_in(tmp_path)) > 20)
            leader.kill()
            out, _ = one.communicate(timeout=10)
    assert one.returncode == 0
    assert "stopped True" in out
    assert len(calls_in(tmp_path)) < 1000


def test_a_worker_that_is_silent_is_lost_and_its_cells_go_on(tmp_path):
    with Coordinator(heartbeat=0.1, silence=0.6) as lead, worker(tmp_path, lead, "slow", 8, 60) as one:
        eventually(lambda: len(calls_in(tmp_path)) == 8)
        one.send_signal(signal.SIGSTOP)

        async def take():
            async with RemoteCoordination(lead.address, lead.token, "w") as mine:
                return [await asyncio.wait_for(mine.claim(key_of(cell)), 10) for cell in range(8)]

        assert asyncio.run(take()) == [None] * 8
        assert lead.lost == 1
        one.send_signal(signal.SIGCONT)


async def test_a_busy_event_loop_is_not_taken_for_a_lost_worker():
    with Coordinator(heartbeat=0.05, silence=0.3) as lead:
        async with RemoteCoordination(lead.address, lead.token, "w") as mine:
            assert await mine.claim(KEY) is None
            time.sleep(0.8)  # noqa: ASYNC251 (the loop is meant to be blocked)
            assert (lead.lost, lead.workers, mine.stopped) == (0, 1, False)
            mine.publish(KEY, THERE)
            assert await mine.claim(KEY) == THERE
        assert (lead.lost, lead.workers) == (0, 0)


async def test_a_claim_is_answered_when_the_cell_is_finished_or_given_up():
    with Coordinator() as lead:
        async with (
            RemoteCoordination(lead.address, lead.token, "a") as first,
            RemoteCoordination(lead.address, lead.token, "b") as second,
        ):
            assert await first.claim(KEY) is None
            waiting = asyncio.create_task(second.claim(KEY))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            first.release(KEY)
            assert await waiting is None
            again = asyncio.create_task(first.claim(KEY))
            await asyncio.sleep(0.05)
            second.publish(KEY, THERE)
            assert await again == THERE


async def test_a_cell_that_nobody_claimed_is_published_all_the_same():
    with Coordinator() as lead:
        async with RemoteCoordination(lead.address, lead.token, "a") as first:
            first.publish(KEY, THERE)
        async with RemoteCoordination(lead.address, lead.token, "b") as second:
            assert await second.claim(KEY) == THERE


async def test_a_claim_whose_asker_gave_up_is_given_back():
    with Coordinator() as lead:
        async with (
            RemoteCoordination(lead.address, lead.token, "a") as first,
            RemoteCoordination(lead.address, lead.token, "b") as second,
            RemoteCoordination(lead.address, lead.token, "c") as third,
        ):
            assert await first.claim(KEY) is None
            impatient = asyncio.create_task(second.claim(KEY))
            await asyncio.sleep(0.05)
            patient = asyncio.create_task(third.claim(KEY))
            await asyncio.sleep(0.05)
            impatient.cancel()
            await asyncio.sleep(0)
            first.release(KEY)
            assert await asyncio.wait_for(patient, 5) is None


async def test_a_permit_whose_asker_gave_up_is_given_back():
    with Coordinator(rate=Rate(1, 0.5)) as lead:
        async with RemoteCoordination(lead.address, lead.token, "a") as mine:
            await mine.pace(1)
            impatient = asyncio.create_task(mine.pace(1))
            patient = asyncio.create_task(mine.pace(1))
            await asyncio.sleep(0.05)
            impatient.cancel()
            began = time.monotonic()
            await patient
            assert time.monotonic() - began < 0.9, "it did not wait for two windows"
            with pytest.raises(InputError, match="never pass"):
                await mine.pace(1.001)


async def test_a_budget_in_dollars_is_kept_by_the_drivers_prices():
    prices = Prices({"house": Price(input=1, output=10)})
    with Coordinator(budget=Budget(usd="0.001"), prices=prices) as lead:
        async with RemoteCoordination(lead.address, lead.token, "a") as mine:
            mine.purse.reserve(1, Ask("house", "", 100, 50))
            with pytest.raises(BudgetExceeded, match=r"0\.0004 of 0\.001 are neither spent nor set aside"):
                mine.purse.reserve(2, Ask("house", "", 100, 50))
            mine.purse.settle(1, Usage((ModelUsage("house", "", 100, 1, 0, 1),)))
            mine.purse.reserve(2, Ask("house", "", 100, 50))
            with pytest.raises(BudgetExceeded, match="'nobody' is unknown"):
                mine.purse.reserve(3, Ask("nobody"))
        assert str(lead.spent.usd) == "0.00071", "a call that is open when its worker leaves counts at its most"


async def test_every_worker_is_told_to_stop_after_so_many_failed_rows():
    with Coordinator(stop_after=3, heartbeat=0.1) as lead:
        async with (
            RemoteCoordination(lead.address, lead.token, "a") as first,
            RemoteCoordination(lead.address, lead.token, "b") as second,
        ):
            first.tell(Tally(rows=10, failed=2, computed=8))
            await second.claim(KEY)
            await asyncio.sleep(0.3)
            assert [lead.stopped, first.stopped, second.stopped] == [False] * 3
            second.tell(Tally(rows=1, failed=1))
            await asyncio.to_thread(eventually, lambda: first.stopped and second.stopped, 2)
        assert lead.tally == Tally(11, 3, 8, 0)
        async with RemoteCoordination(lead.address, lead.token, "late") as late:
            assert late.stopped


async def test_the_driver_can_stop_them_itself():
    with Coordinator(heartbeat=0.1) as lead:
        async with RemoteCoordination(lead.address, lead.token, "a") as mine:
            lead.stop()
            await asyncio.to_thread(eventually, lambda: mine.stopped, 2)
    lead.stop()


async def test_when_the_coordinator_is_gone_the_share_in_hand_is_good_and_nothing_else():
    with Coordinator(budget=Budget(calls=100)) as lead:
        mine = RemoteCoordination(lead.address, lead.token, "a")
        mine.purse.reserve(1, Ask("m"))
        assert await mine.claim(KEY) is None
        other = asyncio.create_task(mine.claim(KEY))
        await asyncio.sleep(0.05)
    with pytest.raises(ClusterError, match="coordinator is gone"):
        await asyncio.wait_for(other, 5)
    assert mine.stopped
    for call in range(2, 1 + mine.purse.share.calls):
        mine.purse.reserve(call, Ask("m"))
    with pytest.raises(BudgetExceeded, match="nobody is there"):
        mine.purse.reserve("more", Ask("m"))
    with pytest.raises(ClusterError):
        await mine.claim(key_of("other"))
    mine.publish(KEY, THERE)
    mine.tell(Tally(rows=1, failed=1))
    await mine.aclose()


def test_who_does_not_know_the_token_is_refused_and_learns_nothing():
    with Coordinator(budget=Budget(calls=7)) as lead:
        for wrong in ("", "é", lead.token[:-1], lead.token + "0"):
            with pytest.raises(ClusterError, match="refuses this worker") as caught:
                RemoteCoordination(lead.address, wrong, "w")
            assert lead.token not in str(caught.value)
        assert lead.workers == 0


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:80", "127.0.0.1", "127.0.0.1:99999"])
def test_an_address_where_nobody_answers_is_said(address):
    with pytest.raises(ClusterError, match="cannot be reached"):
        RemoteCoordination(address, "t", "w", timeout=2)


def test_an_address_that_cannot_be_listened_at_is_said():
    with pytest.raises(ClusterError, match=r"cannot listen at 192\.0\.2\.1"):
        Coordinator(host="192.0.2.1").__enter__()


def garbage(lead):
    """What strangers and broken workers send."""
    hello = wire.frame("hello", lead.token, "purse", "bad", 0)
    nobody = wire.frame("hello", lead.token, "cells", "bad", 999)
    return {
        "noise": os.urandom(2000),
        "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "a frame of 4 GiB": b"\xff\xff\xff\xff" + b"x" * 1000,
        "a long greeting": (1 << 20).to_bytes(4, "big") + b"x" * 5000,
        "a claim before the greeting": wire.frame("claim", 0, [b"k" * 16]),
        "a session that is not there": nobody,
        "a message that does not exist": hello + wire.frame("explode"),
        "a message of the other connection": hello + wire.frame("claim", 0, [b"k" * 16]),
        "a message with wrong parts": hello + wire.frame("ask", ["1", 2], 3),
        "an oversized frame": hello + (wire.LARGEST + 1).to_bytes(4, "big") + b"x" * 5000,
        "half a frame and then nothing": hello + wire.frame("beat", 1, ["0", 0, 0], [0, 0, 0, 0, []])[:-3],
    }


async def test_garbage_ends_who_sent_it_and_hurts_nobody_else():
    with Coordinator(budget=Budget(calls=100), rate=Rate(100, 1)) as lead:
        host, port = lead.address.split(":")
        async with RemoteCoordination(lead.address, lead.token, "good") as good:
            assert await good.claim(KEY) is None
            for data in garbage(lead).values():
                with socket.create_connection((host, int(port)), 5) as bad:
                    bad.sendall(data)
                    bad.shutdown(socket.SHUT_WR)
                    bad.settimeout(5)
                    try:
                        while await asyncio.to_thread(bad.recv, 1 << 16):
                            pass
                    except ConnectionError:
                        pass
                good.purse.reserve(data, Ask("m"))
                await good.pace(1)
            good.publish(KEY, THERE)
            assert await good.claim(KEY) == THERE
        assert lead.workers == 0
        assert lead.written_off.calls == 0


async def test_many_claims_at_once_leave_in_few_messages():
    with Coordinator() as lead:
        async with RemoteCoordination(lead.address, lead.token, "a") as mine:
            keys = [key_of(number) for number in range(10_000)]
            before = lead.messages
            assert await asyncio.gather(*map(mine.claim, keys)) == [None] * len(keys)
            for key in keys:
                mine.publish(key, THERE)
            assert await asyncio.gather(*map(mine.claim, keys)) == [THERE] * len(keys)
            assert lead.messages - before < 40
