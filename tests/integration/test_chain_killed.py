"""Chains whose process is killed: every run resumes, equals a fresh one, and acts on the world once."""

import multiprocessing
import os
import random
import signal
import time
from contextlib import suppress
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import killed as killed_chain
import pytest
from killed import ROWS, announced, begin, chain_of, decide, go_on, happened

from ziggurat import MultiChain, stage
from ziggurat.chain.journal import Cell, CellStatus, Journal, RunRecord, RunStatus
from ziggurat.chain.values import encode
from ziggurat.errors import EffectUncertain, RunInProgress

KILLS = 200
SPAN = 0.06
"""Seconds that a run takes at most on an idle machine, and a little more: kills fall before, in and after it."""


@pytest.fixture(scope="module")
def processes():
    """Processes forked from one that has imported everything, so that a run begins at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killed", "ziggurat.chain.journal.sqlite", "ziggurat.chain.values.codec"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(killed_chain.__file__).parent)  # the server is a new interpreter
    ensure_running()
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    return context


def killed(processes, work, folder, after):
    """Do some work in a process that is killed after so many seconds; whether it was still at it."""
    ready = processes.Event()
    one = processes.Process(target=announced, args=(ready, work, folder))
    one.start()
    assert ready.wait(30)
    time.sleep(after)
    with suppress(ProcessLookupError):
        os.kill(one.pid, signal.SIGKILL)
    one.join(30)
    return one.exitcode == -signal.SIGKILL


def test_a_run_killed_at_any_moment_resumes_and_acts_once(processes, tmp_path):
    chance = random.Random(20)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    expected = repr(chain_of(fresh).run(count=ROWS))
    effects = sorted(happened(fresh))
    in_midst = 0
    for number in range(KILLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        in_midst += killed(processes, begin, folder, chance.random() * SPAN)
        if number % 4 == 0:  # kill the resumption, too
            killed(processes, go_on, folder, chance.random() * SPAN)
        last = processes.Process(target=go_on, args=(folder,))
        last.start()
        last.join(60)
        assert last.exitcode == 0, number
        assert (folder / "outputs").read_text() == expected, number
        assert sorted(happened(folder)) == effects, number
        with Journal(folder / "runs.sqlite3") as journal:
            assert journal.run("r").status is RunStatus.DONE
            assert journal.verify() == []
    assert in_midst > KILLS / 4, "the kills came too late to mean anything"


def uncertain(folder):
    """A journal as a process leaves it that is killed while it publishes."""
    journal = Journal(folder / "runs.sqlite3")
    chain = chain_of(folder).using(journal=journal)
    journal.begin(RunRecord("r", "killed", began=time.time(), inputs=encode({"count": 2})), {})
    journal.record("r", Cell("publish", CellStatus.BEGUN))
    return chain, journal


def test_an_effect_that_was_begun_is_reported_and_nothing_starts(tmp_path):
    chain, journal = uncertain(tmp_path)
    with pytest.raises(EffectUncertain, match="publish") as caught:
        chain.resume("r")
    assert caught.value.paths == ("publish",)
    assert happened(tmp_path) == []
    assert set(journal.cells("r")) == {"publish"}


@pytest.mark.parametrize(("on_effect", "published"), [("repeat", True), ("skip", False)])
def test_the_caller_decides_about_an_effect(tmp_path, on_effect, published):
    chain, _ = uncertain(tmp_path)
    outputs = chain.using(on_effect=on_effect).resume("r")
    assert ("publish" in happened(tmp_path)) is published
    assert outputs["publish"] == ("2 sent, 2 words" if published else None)


def test_a_function_decides_by_looking(tmp_path):
    chain, _ = uncertain(tmp_path)
    (tmp_path / "outbox").write_text("publish\n")
    assert chain.using(on_effect=decide(tmp_path)).resume("r")["publish"] == f"{ROWS} sent, {ROWS} words"
    assert happened(tmp_path).count("publish") == 1


def test_an_effect_that_failed_is_uncertain_too(tmp_path):
    @stage(effect=True)
    def send(text):
        raise ConnectionError("the line went dead after sending")

    chain = MultiChain(send=send).using(journal=tmp_path / "runs.sqlite3", run_id="r")
    with pytest.raises(Exception, match="line went dead"):
        chain.run(text="x")
    with pytest.raises(EffectUncertain):
        chain.resume("r")


def test_a_retried_chain_does_not_repeat_what_acted_inside_it(tmp_path):
    acts, tries = [], []

    @stage(effect=True)
    def send(text):
        acts.append(text)
        return "sent"

    def check(send):
        tries.append(send)
        if len(tries) < 3:
            raise OSError("again")
        return "ok"

    inner = MultiChain(send=send, check=check)
    outer = MultiChain(inner=stage(inner, retry=3)).using(journal=tmp_path / "runs.sqlite3")
    assert outer.run(text="x")["inner"] == {"send": "sent", "check": "ok"}
    assert (acts, len(tries)) == (["x"], 3)


def test_two_processes_that_resume_one_run_run_it_once(processes, tmp_path):
    chain_of(tmp_path).using(journal=tmp_path / "runs.sqlite3", run_id="r")
    killed(processes, begin, tmp_path, 0.01)
    both = [processes.Process(target=go_on, args=(tmp_path,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert 0 in [one.exitcode for one in both]
    sent = happened(tmp_path)
    assert len(sent) == len(set(sent)) == ROWS + 1


def test_a_run_that_is_under_way_cannot_be_resumed(tmp_path):
    journal = Journal(tmp_path / "runs.sqlite3")

    def look(x):
        with pytest.raises(RunInProgress):
            chain.resume("r")
        return x

    chain = MultiChain(look=look).using(journal=journal, run_id="r")
    assert chain.run(x=1) == {"look": 1}
