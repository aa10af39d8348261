"""Runs in the standard log: one line an event, facts only; and silence unless asked."""

import logging
import subprocess
import sys

import pytest

from ziggurat import ChainError, MultiChain, Retry, given, ref, stage
from ziggurat.chain.composite import Map
from ziggurat.telemetry import LogEvents
from ziggurat.testing import FakeChat


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def logged(chain, caplog, level=logging.INFO, **options):
    with caplog.at_level(logging.DEBUG, logger="ziggurat"):
        return chain.using(observers=[LogEvents(level=level)], run_id="r1", **options)


def test_each_event_is_a_line_of_facts(caplog):
    model = FakeChat(script="one two")
    chain = logged(MultiChain(qa=lambda question: model.invoke(question).text, loud=lambda qa: qa.upper()), caplog)
    with caplog.at_level(logging.INFO, logger="ziggurat"):
        chain.run(question="how much")
    found = lines(caplog)
    assert found[0] == "stage_started run=r1 stage=qa path=qa"
    assert found[1].startswith("stage_finished run=r1 stage=qa path=qa seconds=0.")
    assert found[1].endswith("tokens=2+2 calls=1")
    assert found[-1].startswith("run_finished run=r1 seconds=")
    assert {record.name for record in caplog.records} == {"ziggurat.runs"}
    assert caplog.records[1].ziggurat["tokens"] == (2, 2)


def test_what_goes_wrong_is_a_warning_with_types_only(caplog):
    tries = []

    @stage(retry=Retry(attempts=2, wait=0.0))
    def boom(x):
        tries.append(x)
        raise ValueError("secret-1")

    chain = logged(MultiChain(boom=boom, after=lambda boom: boom), caplog)
    with caplog.at_level(logging.INFO, logger="ziggurat"), pytest.raises(ChainError):
        chain.run(x="secret-2")
    warned = [record.getMessage().split()[0] for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ["stage_retried", "stage_failed", "stage_skipped", "run_finished"]
    text = "\n".join(lines(caplog))
    assert "error=ValueError" in text
    assert "error=ziggurat.errors.ChainError because=ValueError" in text
    assert "cause=boom" in text
    assert "secret" not in text
    assert "secret" not in repr([record.ziggurat for record in caplog.records])


def test_items_and_cached_stages_are_lines_too(caplog):
    rows = given(Map(lambda row: row, each="row"), row=ref("rows"))
    chain = logged(MultiChain(rows=lambda x: [x, x], each=rows), caplog, cache=True)
    with caplog.at_level(logging.INFO, logger="ziggurat"):
        chain.run(x=1)
        chain.run(x=1)
    text = lines(caplog)
    assert any(line.startswith("item run=r1 stage=each path=each[1] item=1 total=2 seconds=") for line in text)
    assert any("stage_cached run=r1 stage=rows path=rows source=cache" in line for line in text)


def test_neither_inputs_nor_outputs_nor_prompts_are_ever_logged(caplog):
    model = FakeChat(script="answer-4402")

    def words(question):
        yield model.invoke(question).text

    chain = logged(MultiChain(words=words, rows=Map(lambda row: row, each="row")), caplog, level=logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        chain.run(question="prompt-7731", row=["row-11"])
    text = "\n".join(lines(caplog)) + repr([vars(record) for record in caplog.records])
    assert "stage_finished" in text
    assert not [secret for secret in ("answer-4402", "prompt-7731", "row-11") if secret in text]


def test_a_logger_and_a_level_of_ones_own_are_used(caplog):
    chain = MultiChain(a=lambda x: x).using(observers=[LogEvents(logging.getLogger("mine"), logging.DEBUG)])
    with caplog.at_level(logging.INFO, logger="mine"):
        chain.run(x=1)
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, logger="mine"):
        chain.run(x=1)
    assert {(record.name, record.levelno) for record in caplog.records} == {("mine", logging.DEBUG)}


SCRIPT = """
from ziggurat import ChainError, MultiChain
from ziggurat.telemetry import LogEvents
from ziggurat.testing import FakeChat

def boom(x):
    raise ValueError("no")

chain = MultiChain(qa=lambda x: FakeChat(script="hi").invoke(x).text, boom=boom, after=lambda boom: boom)
for one in (chain, chain.using(cache=True, journal="runs.sqlite3"), chain.using(observers=[LogEvents()])):
    try:
        one.run(x="q")
    except ChainError:
        pass
list(MultiChain(a=lambda x: x).events(x=1))
"""


def test_a_run_writes_nothing_to_the_terminal_unless_logging_is_set_up(tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")


def test_set_up_in_one_line_it_writes(tmp_path):
    script = "import logging; logging.basicConfig(level=logging.INFO)\n" + SCRIPT
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "INFO:ziggurat.runs:stage_started run=" in done.stderr
    assert "WARNING:ziggurat.runs:stage_failed run=" in done.stderr
