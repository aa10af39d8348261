"""The journal in a file: the contract of every journal, and what only a file has."""

import os
import sqlite3
import subprocess
import sys
import textwrap
import warnings

import pytest
from journal_contract import JournalContract, done, run_named

from ziggurat.chain import database
from ziggurat.chain.database import Database, Schema
from ziggurat.chain.journal import Journal, RunStatus
from ziggurat.chain.journal.locks import FileHold
from ziggurat.chain.journal.ranges import AVAILABLE
from ziggurat.chain.journal.sqlite import SCHEMA
from ziggurat.chain.usage import NO_USAGE
from ziggurat.errors import InputError, JournalTooNew, RunInProgress


class TestInAFile(JournalContract):
    @pytest.fixture
    def where(self, tmp_path):
        return tmp_path / "new folder" / "runs.sqlite3"


@pytest.fixture
def where(tmp_path):
    return tmp_path / "runs.sqlite3"


def test_calls_are_quick_enough_for_an_event_loop(where):
    with Journal(where) as journal:
        assert journal.quick
        assert journal.where == str(where)


def test_a_record_is_on_disk_when_the_call_returns_even_if_the_process_is_killed_next(where):
    code = """
    import os, signal, sys, time
    from ziggurat.chain.journal import Cell, CellStatus, Journal, RunRecord
    journal = Journal(sys.argv[1])
    journal.begin(RunRecord("r1", "c", began=1.0), {})
    for at in range(7):
        journal.record("r1", Cell(f"s{at}", CellStatus.DONE, value=b"v"))
    os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), where], check=False)
    with Journal(where) as journal:
        assert len(journal.cells("r1")) == 7
        assert journal.verify() == []


def test_fsync_is_asked_of_sqlite(where):
    for fsync, level in ((False, 1), (True, 2)):
        with Journal(where, fsync=fsync) as journal:
            assert journal._engine.rows("PRAGMA synchronous") == [(level,)]


def test_releasing_a_hold_of_a_file_removes_it(tmp_path):
    locks = tmp_path / "locks"
    with FileHold(locks, "r1"), FileHold(locks, "../../../escape"):
        assert len(list(locks.iterdir())) == 2
        with pytest.raises(RunInProgress):
            FileHold(locks, "r1")
    assert list(locks.iterdir()) == []


@pytest.mark.skipif(not AVAILABLE, reason="this system has no locks of single bytes")
def test_claims_are_bytes_of_one_file_that_stays_empty(where):
    with Journal(where) as journal, Journal(where) as other:
        with journal.hold("r1"), other.hold("r2"):
            for one in (journal, other):
                for run in ("r1", "r2"):
                    with pytest.raises(RunInProgress):
                        one.hold(run)
        other.hold("r1").release()
        assert where.with_name("runs.sqlite3.lock").stat().st_size == 0


def test_the_file_shrinks_when_much_has_left(where):
    with Journal(where) as journal:
        for at in range(20):
            journal.begin(run_named(f"r{at}"), {})
            journal.record(f"r{at}", done("a", "x" * 500_000))
            journal.end(f"r{at}", RunStatus.DONE, NO_USAGE, None)
        assert where.stat().st_size > 8_000_000
        journal.prune(max_bytes=2_000_000)
        assert where.stat().st_size < 2_500_000
        assert journal.verify() == []


def test_a_journal_bounded_in_size_stays_so_while_it_is_written(where):
    with Journal(where, max_bytes=1_000_000) as journal:
        for at in range(40):
            journal.begin(run_named(f"r{at}"), {})
            journal.record(f"r{at}", done("a", "x" * 100_000))
            journal.end(f"r{at}", RunStatus.DONE, NO_USAGE, None)
            assert journal._engine.used_bytes() < 1_200_000
        assert journal.runs()[0].id == "r39"


def test_the_child_of_a_fork_must_open_its_own(where):
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
        hold = journal.hold("r1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # other threads of the test run are no matter here
            child = os.fork()
        if child == 0:
            try:
                journal.record("r1", done("a"))
            except InputError as error:
                os._exit(0 if "forked" in str(error) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        journal.record("r1", done("a"))
        hold.release()
        assert journal.verify() == []


def test_a_forked_child_does_not_keep_its_parents_claim(where):
    read, write = os.pipe()
    with Journal(where) as journal:
        hold = journal.hold("r1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        os.close(read)
        hold.release()
        journal.hold("r1").release()
        os.close(write)
        os.waitpid(child, 0)


# -- versions ---------------------------------------------------------------------------------------------------------


def file_of_version(where, version, application_id=SCHEMA.application_id):
    with sqlite3.connect(where) as connection:
        connection.execute("CREATE TABLE kept (a)")
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def test_an_older_journal_is_brought_up_step_by_step(where, monkeypatch):
    """A hand-built file of version 0 is migrated by the steps; then one of version 1 by the steps that follow."""
    file_of_version(where, 0)
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
        journal.record("r1", done("a"))
        assert journal._engine.rows("PRAGMA user_version") == [(SCHEMA.version,)]
        assert journal._engine.rows("SELECT count(*) FROM kept") == [(0,)]

    def fill(connection):
        connection.execute("UPDATE runs SET colour = 'red'")

    later = Schema("journal", SCHEMA.application_id, (*SCHEMA.steps, "ALTER TABLE runs ADD COLUMN colour TEXT", fill))
    upgraded = Database(where, later)
    assert upgraded.rows("SELECT id, colour FROM runs") == [("r1", "red")]
    upgraded.close()
    with pytest.raises(JournalTooNew, match=f"version {SCHEMA.version + 2}; .* reads up to {SCHEMA.version}") as caught:
        Journal(where)
    assert (caught.value.found, caught.value.known) == (SCHEMA.version + 2, SCHEMA.version)
    assert "upgrade" in caught.value.fix


def test_a_step_that_fails_leaves_the_file_as_it_was(where):
    Journal(where).close()

    def fail(connection):
        connection.execute("DELETE FROM runs")
        raise KeyError("half-way")

    broken = Schema("journal", SCHEMA.application_id, (*SCHEMA.steps, "ALTER TABLE runs ADD COLUMN colour TEXT", fail))
    with pytest.raises(KeyError):
        Database(where, broken)
    with Journal(where) as journal:
        assert journal.runs() == []
        assert "colour" not in str(journal._engine.rows("SELECT sql FROM sqlite_master"))


def test_a_later_journal_is_not_touched(where):
    file_of_version(where, 99)
    before = where.read_bytes()
    with pytest.raises(JournalTooNew):
        Journal(where)
    assert where.read_bytes() == before
    assert [one.name for one in where.parent.iterdir()] == [where.name]


def test_another_programs_database_is_refused_and_not_touched(where):
    file_of_version(where, 1, application_id=7)
    before = where.read_bytes()
    with pytest.raises(InputError, match="another database"):
        Journal(where)
    assert where.read_bytes() == before


@pytest.mark.parametrize("address", ["mysql://host/db", "http://host"])
def test_an_address_of_something_else_is_refused(address):
    with pytest.raises(InputError, match="postgresql://"):
        Journal(address)


def test_processes_that_make_one_file_at_once_all_succeed(where):
    code = "import sys; from ziggurat.chain.journal import Journal; print(Journal(sys.argv[1]).runs())"
    makers = [
        subprocess.Popen([sys.executable, "-c", code, where], stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    assert [maker.communicate()[0] for maker in makers] == ["[]\n"] * 6


def test_a_locked_file_is_waited_for_and_then_said(where, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
        other = sqlite3.connect(where, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match="Another process has been writing"):
            journal.record("r1", done("a"))
        assert journal.cells("r1") == {}
        other.execute("COMMIT")
        journal.record("r1", done("a"))
        other.close()
