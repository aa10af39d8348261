"""Runs whose journal's disk fills up, whose clock jumps, whose journal is another's: said clearly, nothing lost."""

import sqlite3
import time

import pytest

from ziggurat import MultiChain, given, ref
from ziggurat.chain.composite import Map
from ziggurat.chain.journal import CellStatus, Journal
from ziggurat.errors import JournalError, JournalWriteError

PLENTY = 1073741823


def long_chain(count=20):
    """A chain whose stages each give four kilobytes that no compression helps with."""

    def first(x):
        return x * 4000

    def more(before):
        return before[1:] + "y"

    stages = {"s0": first} | {f"s{number}": given(more, before=ref(f"s{number - 1}")) for number in range(1, count)}
    return MultiChain(**stages)


def test_a_disk_that_fills_up_in_mid_run_ends_it_and_it_goes_on_when_there_is_room(tmp_path):
    chain = long_chain()
    expected = chain.run(x="a")
    with Journal(tmp_path / "runs.sqlite3") as journal:
        pages = journal._engine.rows("PRAGMA page_count")[0][0]
        journal._engine.rows(f"PRAGMA max_page_count = {pages + 8}")
        durable = chain.using(journal=journal, run_id="r")
        with pytest.raises(JournalWriteError, match="disk is full"):
            durable.run(x="a")
        journal._engine.rows(f"PRAGMA max_page_count = {PLENTY}")
        done = [path for path, cell in journal.cells("r").items() if cell.status is CellStatus.DONE]
        assert 0 < len(done) < 20
        events = list(durable.resume_events("r"))
        assert events[-1].outputs == expected
        assert [event.path for event in events if event.type == "stage_cached"] == done


def test_a_disk_that_fills_up_in_a_map_loses_no_item_that_was_written(tmp_path):
    chain = MultiChain(out=Map(lambda x: str(x) * 2000, limit=2))
    expected = chain.run(x=range(200))
    with Journal(tmp_path / "runs.sqlite3") as journal:
        pages = journal._engine.rows("PRAGMA page_count")[0][0]
        journal._engine.rows(f"PRAGMA max_page_count = {pages + 60}")
        durable = chain.using(journal=journal, run_id="r")
        with pytest.raises(JournalWriteError, match="disk is full"):
            durable.run(x=list(range(200)))
        journal._engine.rows(f"PRAGMA max_page_count = {PLENTY}")
        assert durable.resume("r") == expected


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    with Journal(tmp_path / "runs.sqlite3") as journal:
        durable = long_chain(3).using(journal=journal)
        jumps = iter([5_000_000_000.0, -5.0, 0.0, 1e9] * 500)
        monkeypatch.setattr(time, "time", lambda: next(jumps))
        first = durable.using(run_id="r1")
        expected = first.run(x="a")
        durable.using(run_id="r2").run(x="b")
        assert first.resume("r1") == expected
        assert durable.why("r2", "s0").earlier == "r1"
        assert durable.why("r1", "s0").earlier is None
        assert all(0 <= cell.seconds < 60 for cell in journal.cells("r1").values())


def test_a_journal_of_a_newer_version_is_refused_before_the_chain_is_run(tmp_path):
    path = tmp_path / "runs.sqlite3"
    Journal(path).close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(JournalError, match="99"):
        long_chain(2).using(journal=path)


def test_something_else_than_a_journal_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 100)
    with pytest.raises(JournalError, match=r"notes\.txt"):
        long_chain(2).using(journal=path)
    assert path.read_text() == "dear diary, " * 100
