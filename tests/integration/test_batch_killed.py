"""`ziggurat batch` as a process of its own: killed, on a full disk, and with rows that end it. Nothing that finished is lost."""

import json
import os
import random
import signal
from collections import Counter

import pyarrow.parquet as pq
import pytest
from batch_chains import calls_of, counted, expected, questions, wait_for
from batch_process import Batches

from ziggurat.batch.report import report
from ziggurat.batch.segments import frames

KILLS = 20
ROWS = 400
AT_ONCE = 16

POISON = """
import asyncio
import os
from ziggurat import MultiChain

CALLS = {calls!r}

async def answer(question: str) -> str:
    handle = os.open(CALLS, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(handle, f"{{question}}\\n".encode())
    os.close(handle)
    await asyncio.sleep(0.005)
    if question == "question 23" and not os.path.exists(CALLS + ".cured"):
        os._exit(137)
    return f"answer to {{question}}"

async def length(answer: str) -> int:
    return len(answer)

chain = MultiChain(answer=answer, length=length, name="counted")
"""


ACTING = """
import asyncio
import os
from ziggurat import MultiChain, stage

CALLS = {calls!r}

@stage(effect=True)
async def send(question: str) -> str:
    handle = os.open(CALLS, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(handle, f"{{question}}\\n".encode())
    os.close(handle)
    number = int(question.split()[1])
    await asyncio.sleep(60 if number > 9 and not os.path.exists(CALLS + ".quick") else 0.001)
    return f"sent {{question}}"

chain = MultiChain(send=send)
"""


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    with Batches(tmp_path_factory.mktemp("printed")) as made:
        yield made


def rows_of(out):
    return pq.read_table(out).to_pylist()


def test_a_batch_killed_twenty_times_comes_to_the_same_and_asks_again_only_for_what_was_in_flight(tmp_path, batches):
    chance = random.Random(7)
    chain, table, out = counted(tmp_path), questions(tmp_path, ROWS), tmp_path / "out.parquet"
    command = (chain, table, out, "--key", "id", "--concurrency", AT_ONCE)
    kills = 0
    while kills < KILLS:
        before = calls_of(tmp_path).total()
        one = batches.begin(*command)
        enough = before + chance.randrange(2, 20)
        wait_for(lambda enough=enough: calls_of(tmp_path).total() >= enough or out.exists())
        assert not out.exists(), "the kills came too late to mean anything"
        assert one.kill() == -9
        kills += 1
    returned, printed = batches.run(*command)
    assert returned == 0, printed
    assert rows_of(out) == expected(ROWS)
    calls = calls_of(tmp_path)
    assert set(calls) == {f"question {number}" for number in range(ROWS)}
    assert calls.total() - ROWS <= KILLS * AT_ONCE, "no finished cell was computed again"
    told = report(out)
    assert (told.failed, told.in_flight, told.suspects, told.running) == (0, 0, 0, False)
    assert [run.status for run in told.manifest.runs] == ["running"] * KILLS + ["done"]
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".part")] == []
    again = batches.run(*command)
    assert again[0] == 0
    assert f"0 computed, {2 * ROWS} kept" in again[1]
    assert calls_of(tmp_path) == calls


def test_no_cell_that_the_ledger_has_is_asked_for_again_after_a_kill(tmp_path, batches):
    chain, table, out = counted(tmp_path, 0.005), questions(tmp_path, 200), tmp_path / "out.parquet"
    one = batches.begin(chain, table, out, "--key", "id", "--concurrency", 8)
    wait_for(lambda: calls_of(tmp_path).total() >= 60)
    one.kill()
    cells = Counter(
        frame.kind.name for path in (tmp_path / "out.parquet.ledger" / "cells").iterdir() for frame in frames(path)
    )
    before = calls_of(tmp_path).total()
    status = json.loads(batches.run("status", out, "--json")[1])
    assert status["in_flight"] >= 1
    assert status["runs"][-1]["status"] == "running"
    assert not status["running"]
    assert "was killed" in batches.run("status", out)[1]
    assert batches.run(chain, table, out, "--key", "id", "--concurrency", 8)[0] == 0
    answers = status["stages"]["answer"]["cells"]
    assert cells["CELL"] == answers + status["stages"].get("length", {"cells": 0})["cells"]
    assert calls_of(tmp_path).total() == before + 200 - answers
    assert rows_of(out) == expected(200)


def test_a_disk_that_is_full_ends_the_batch_and_keeps_what_was_finished(tmp_path, batches):
    chain, table, out = counted(tmp_path, 0.001), questions(tmp_path, 200), tmp_path / "out.parquet"
    returned, printed = batches.run(chain, table, out, "--key", "id", "--concurrency", 4, file_bytes=6000)
    assert returned == 1
    assert "The ledger cannot be written: File too large" in printed
    assert "make room" in printed
    assert "Traceback" not in printed
    assert not out.exists()
    kept = report(out).stages["answer"].cells
    calls = calls_of(tmp_path).total()
    assert 0 < kept < 200
    assert calls - kept <= 2 * 4, "once the disk refused, no further row was begun"
    returned, printed = batches.run(chain, table, out, "--key", "id", "--concurrency", 4)
    assert returned == 0, printed
    assert rows_of(out) == expected(200)
    assert calls_of(tmp_path).total() == calls + 200 - kept


def test_a_disk_that_is_full_at_the_output_keeps_every_cell(tmp_path, batches):
    chain, table, out = counted(tmp_path, 0), questions(tmp_path, 2000), tmp_path / "out.jsonl"
    returned, printed = batches.run(chain, table, out, "--key", "id", file_bytes=200_000)
    assert returned == 1
    assert "cannot be written" in printed
    assert not out.exists()
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".part")] == []


def test_a_row_that_ends_its_process_is_found_and_given_up_and_all_others_are_done(tmp_path, batches):
    path = tmp_path / "poison.py"
    path.write_text(POISON.format(calls=str(tmp_path / "calls")))
    table, out = questions(tmp_path, 60), tmp_path / "out.parquet"
    command = (f"{path}:chain", table, out, "--key", "id", "--concurrency", 8)
    starts = 0
    while batches.run(*command)[0]:
        starts += 1
        assert starts < 10
    assert starts <= 6
    found = rows_of(out)
    assert found[23]["error"]["type"] == "WorkerDied"
    assert "alone in flight" in found[23]["error"]["message"]
    assert [row for row in found if row["id"] != 23] == [row for row in expected(60) if row["id"] != 23]
    calls = calls_of(tmp_path)
    assert calls["question 23"] <= starts
    assert max(many for one, many in calls.items() if one != "question 23") <= 3, "innocent rows beside it"
    told = report(out)
    assert {kind: one.rows for (_, kind), one in told.failures.items()} == {"WorkerDied": 1}
    assert "23" in next(iter(told.failures.values())).examples

    again = batches.run(*command)
    assert again[0] == 0
    assert calls_of(tmp_path) == calls, "it is not tried again by itself"
    (tmp_path / "calls.cured").touch()
    returned, printed = batches.run("retry", out)
    assert returned == 0, printed
    assert rows_of(out) == expected(60)
    assert report(out).failed == 0
    assert report(out).suspects == 0


@pytest.mark.parametrize("on_effect", ["repeat", "skip"])
def test_an_effect_that_was_under_way_at_a_kill_is_asked_about_and_never_repeated_in_silence(
    tmp_path, batches, on_effect
):
    path = tmp_path / "acting.py"
    path.write_text(ACTING.format(calls=str(tmp_path / "calls")))
    table, out = questions(tmp_path, 40), tmp_path / "out.parquet"
    command = (f"{path}:chain", table, out, "--key", "id", "--concurrency", 4)
    one = batches.begin(*command)
    wait_for(lambda: calls_of(tmp_path).total() >= 14)
    one.kill()
    (tmp_path / "calls.quick").touch()
    assert batches.run(*command)[0] == 0
    calls = calls_of(tmp_path)
    asked = [row["id"] for row in rows_of(out) if row["error"] is not None]
    assert {row["error"]["type"] for row in rows_of(out) if row["error"]} == {"EffectUncertain"}
    assert 1 <= len(asked) <= 4
    assert max(calls.values()) == 1
    assert len(calls) >= 40 - len(asked)

    assert batches.run(*command, "--on-effect", on_effect)[0] == 0
    rows = rows_of(out)
    assert [row["error"] for row in rows] == [None] * 40
    assert [row["send"] for row in rows if row["id"] not in asked] == [
        f"sent question {n}" for n in range(40) if n not in asked
    ]
    if on_effect == "skip":
        assert calls_of(tmp_path) == calls
        assert [rows[number]["send"] for number in asked] == [None] * len(asked)
    else:
        assert set(calls_of(tmp_path) - calls) == {f"question {number}" for number in asked}
        assert [rows[number]["send"] for number in asked] == [f"sent question {number}" for number in asked]


def test_an_interrupt_ends_it_in_order_and_the_same_command_goes_on(tmp_path, batches):
    chain, table, out = counted(tmp_path, 0.01), questions(tmp_path, 200), tmp_path / "out.parquet"
    one = batches.begin(chain, table, out, "--key", "id", "--concurrency", 4)
    wait_for(lambda: calls_of(tmp_path).total() >= 20)
    os.kill(one.pid, signal.SIGINT)
    assert one.wait() == 130
    assert "Traceback" not in one.printed
    assert not out.exists()
    told = report(out)
    assert told.manifest.runs[-1].status == "stopped"
    assert told.suspects == 0, "nothing died"
    answers = told.stages["answer"].cells
    before = calls_of(tmp_path).total()
    assert before - answers <= 4
    assert batches.run(chain, table, out, "--key", "id", "--concurrency", 4)[0] == 0
    assert rows_of(out) == expected(200)
    assert calls_of(tmp_path).total() == before + 200 - answers


def test_a_second_process_is_refused_while_the_first_runs(tmp_path, batches):
    chain, table, out = counted(tmp_path, 0.2), questions(tmp_path, 200), tmp_path / "out.parquet"
    one = batches.begin(chain, table, out, "--concurrency", 1)
    wait_for(lambda: calls_of(tmp_path).total() >= 1)
    from ziggurat.batch import map_table
    from ziggurat.errors import BatchInProgress

    with pytest.raises(BatchInProgress, match="Another process runs this batch"):
        map_table(chain, str(table), out)
    assert report(out).running
    os.kill(one.pid, 9)
    assert one.wait() == -9
    assert not report(out).running
