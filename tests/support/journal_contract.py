"""What a journal promises, wherever it is kept: one class of tests, run for SQLite and for Postgres.

A subclass gives `where`, a place that holds no journal yet.
"""

import hashlib
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from ziggurat.chain.journal import Cell, CellStatus, Journal, RunRecord, RunStatus
from ziggurat.chain.usage import NO_USAGE, ModelUsage, Usage
from ziggurat.chain.values import decode, digest, encode
from ziggurat.errors import (
    InputError,
    JournalCorrupt,
    JournalNotFound,
    RunExists,
    RunInProgress,
    RunNotFound,
    ValueNotStorable,
)

SPENT = Usage((ModelUsage("gpt", "openai", 10, 5, 2, 1), ModelUsage("local", "", 1, 1, 0, 1)))
IDENTITY = digest("a stage")


def run_named(run_id, **more):
    return RunRecord(run_id, "qa", began=time.time(), inputs=encode({"question": "why"}), **more)


def done(path, value="x", **more):
    return Cell(path, CellStatus.DONE, value=encode(value), **more)


def large(text, size=5000):
    data = (text * size).encode()[:size]
    return hashlib.sha256(data).digest(), data


def script(code, *arguments):
    """A process that runs some code."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


class JournalContract:
    @pytest.fixture
    def journal(self, where):
        with Journal(where) as journal:
            yield journal

    # -- what was recorded is read ------------------------------------------------------------------------------------

    def test_a_run_is_read_as_it_was_begun_and_ended(self, journal, where):
        begun = run_named("r1", replay_of="r0", target="chain.yaml", shape=b"shape")
        journal.begin(begun, {IDENTITY: b"what it is"})
        assert journal.run("r1") == begun
        before = time.time()
        journal.end("r1", RunStatus.FAILED, SPENT, "0.0123", "ValueError: no\0 \ud800")
        with Journal(where, create=False) as reader:
            found = reader.run("r1")
        assert (found.status, found.usage, found.cost) == (RunStatus.FAILED, SPENT, "0.0123")
        assert found.error == "ValueError: no\\x00 \\ud800"
        assert before <= found.ended <= time.time()
        assert decode(found.inputs) == {"question": "why"}
        assert journal.describe(IDENTITY) == b"what it is"
        assert journal.describe(b"?" * 16) is None

    def test_a_cell_is_read_whole_with_its_value_apart(self, journal, where):
        journal.begin(run_named("r1"), {})
        cell = Cell(
            "book/summaries[12]/draft",
            CellStatus.DONE,
            identity=IDENTITY,
            key=digest("key"),
            inputs={"text": digest("t"), "章": digest("u")},
            value=encode({"a": (1, 2)}),
            blobs=(large("a")[0], large("b")[0]),
            usage=SPENT,
            attempts=3,
            began=1.5,
            seconds=0.25,
            source="fallback",
            error="",
        )
        journal.record("r1", cell, dict([large("a"), large("b")]))
        with Journal(where) as reader:
            found = reader.cells("r1")[cell.path]
            assert found == Cell(**{**{name: getattr(cell, name) for name in cell.__slots__}, "value": None})
            assert reader.value("r1", cell.path) == cell.value
            assert reader.cell("r1", cell.path) == cell
            assert reader.cell("r1", "other") is None
            assert reader.blob(large("b")[0]) == large("b")[1]
            assert reader.run("r1").cells == 1

    @pytest.mark.parametrize("status", CellStatus)
    def test_every_status_is_kept(self, journal, status):
        journal.begin(run_named("r1"), {})
        journal.record("r1", Cell("a", status, error="E: x" if status is CellStatus.FAILED else ""))
        assert journal.cells("r1")["a"].status is status
        with pytest.raises(RunNotFound, match="no value at 'a'"):
            journal.value("r1", "a")

    def test_a_later_cell_replaces_an_earlier_one_and_keeps_its_place(self, journal):
        journal.begin(run_named("r1"), {})
        journal.record("r1", Cell("send", CellStatus.BEGUN))
        journal.record("r1", done("other"))
        journal.record("r1", done("send", "sent", attempts=2))
        assert list(journal.cells("r1")) == ["send", "other"]
        assert journal.cells("r1")["send"].attempts == 2
        assert decode(journal.value("r1", "send")) == "sent"
        assert journal.run("r1").cells == 2

    def test_many_cells_are_one_commit(self, journal):
        journal.begin(run_named("r1"), {})
        hash_, data = large("z")
        cells = [done(f"m[{at}]", at, blobs=(hash_,)) for at in range(1000)]
        journal.record_many("r1", cells, {hash_: data})
        assert list(journal.cells("r1")) == [cell.path for cell in cells]
        assert decode(journal.value("r1", "m[999]")) == 999
        broken = [done("good"), Cell("bad", CellStatus.DONE, attempts=object())]
        with pytest.raises(Exception):  # noqa: B017, PT011 (whatever the database says of an object)
            journal.record_many("r1", broken)
        assert "good" not in journal.cells("r1")
        journal.record("r1", done("good"))

    def test_nothing_is_recorded_for_a_run_that_was_not_begun(self, journal):
        for work in (
            lambda: journal.record("nobody", done("a")),
            lambda: journal.record_many("nobody", [done("a")]),
            lambda: journal.end("nobody", RunStatus.DONE, NO_USAGE, None),
            lambda: journal.reopen("nobody"),
            lambda: journal.cells("nobody"),
            lambda: journal.value("nobody", "a"),
            lambda: journal.run("nobody"),
        ):
            with pytest.raises(RunNotFound, match="'nobody'") as caught:
                work()
            assert isinstance(caught.value, LookupError)

    def test_an_id_is_taken_once(self, journal):
        journal.begin(run_named("r1"), {})
        journal.record("r1", done("a"))
        with pytest.raises(RunExists, match="'r1'"):
            journal.begin(run_named("r1", target="other"), {digest("x"): b"x"})
        assert journal.run("r1").target == ""
        assert journal.describe(digest("x")) is None
        assert list(journal.cells("r1")) == ["a"]

    def test_the_inputs_large_bytes_are_kept_with_the_run(self, journal):
        blobs = {}
        inputs = encode({"scan": b"s" * 9000}, blobs=blobs)
        journal.begin(RunRecord("r1", "qa", began=1.0, inputs=inputs), {}, blobs)
        assert decode(journal.run("r1").inputs, blob=journal.blob) == {"scan": b"s" * 9000}

    def test_missing_large_bytes_are_an_error_that_says_so(self, journal):
        with pytest.raises(JournalCorrupt, match="missing"):
            journal.blob(b"?" * 32)

    def test_a_value_that_cannot_be_encoded_leaves_no_trace(self, journal):
        journal.begin(run_named("r1"), {})
        with pytest.raises(ValueNotStorable):
            journal.record("r1", done("a", threading.Lock()))
        assert journal.cells("r1") == {}

    def test_a_run_goes_on_after_its_end(self, journal):
        journal.begin(run_named("r1"), {})
        journal.end("r1", RunStatus.FAILED, SPENT, "", "E: x")
        journal.reopen("r1")
        again = journal.run("r1")
        assert (again.status, again.ended, again.error) == (RunStatus.RUNNING, None, "")
        journal.record("r1", done("a"))
        journal.end("r1", RunStatus.DONE, SPENT + SPENT, "0.5")
        assert (journal.run("r1").status, journal.run("r1").usage.calls) == (RunStatus.DONE, 4)

    # -- finding runs -------------------------------------------------------------------------------------------------

    def test_runs_are_listed_the_newest_first_and_chosen(self, journal):
        for at in range(5):
            journal.begin(RunRecord(f"r{at}", "even" if at % 2 == 0 else "odd", began=100.0 - at), {})
        journal.end("r2", RunStatus.DONE, NO_USAGE, None)
        assert [run.id for run in journal.runs()] == ["r4", "r3", "r2", "r1", "r0"]
        assert [run.id for run in journal.runs(limit=2)] == ["r4", "r3"]
        assert [run.id for run in journal.runs(chain="odd")] == ["r3", "r1"]
        assert [run.id for run in journal.runs(chain="even", status=RunStatus.RUNNING)] == ["r4", "r0"]
        assert journal.runs(chain="none") == []

    def test_a_run_is_found_by_the_beginning_of_its_id(self, journal):
        for run_id in ("abc1", "abc2", "b%_1", "bxx1", "ab"):
            journal.begin(run_named(run_id), {})
        assert journal.run("abc2").id == "abc2"
        assert journal.run("b%").id == "b%_1"
        assert journal.run("ab").id == "ab"
        with pytest.raises(RunNotFound, match="Several runs begin with 'abc': abc2, abc1"):
            journal.run("abc")
        with pytest.raises(RunNotFound):
            journal.run("")

    def test_a_reader_makes_no_journal(self, where):
        with pytest.raises(JournalNotFound):
            Journal(where, create=False)

    # -- holding ------------------------------------------------------------------------------------------------------

    def test_a_run_is_held_once(self, journal, where):
        hold = journal.hold("r1")
        with Journal(where) as other:
            for one in (journal, other):
                with pytest.raises(RunInProgress, match="'r1'"):
                    one.hold("r1")
            with other.hold("r2"):
                pass
        hold.release()
        hold.release()
        with journal.hold("r1"), pytest.raises(RunInProgress):
            journal.hold("r1")
        journal.hold("r1").release()

    def test_of_many_threads_one_holds(self, journal):
        start = threading.Barrier(8)
        held, refused = [], []

        def claim():
            start.wait()
            try:
                held.append(journal.hold("Ünï/cødé ../r1"))
            except RunInProgress:
                refused.append(1)

        threads = [threading.Thread(target=claim) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(held), len(refused)) == (1, 7)
        held[0].release()

    def test_a_hold_moves_between_threads(self, journal):
        hold = journal.hold("r1")
        thread = threading.Thread(target=hold.release)
        thread.start()
        thread.join()
        journal.hold("r1").release()

    def test_the_death_of_a_process_frees_its_run(self, journal, where):
        holder = script(
            """
            import sys, time
            from ziggurat.chain.journal import Journal
            hold = Journal(sys.argv[1]).hold("r1")
            print("held", flush=True)
            time.sleep(60)
            """,
            where,
        )
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunInProgress):
            journal.hold("r1")
        holder.kill()
        holder.wait()
        holder.stdout.close()
        until = time.monotonic() + 10
        while True:
            try:
                journal.hold("r1").release()
            except RunInProgress:  # a server takes a moment to see that its client is gone
                assert time.monotonic() < until
                time.sleep(0.01)
            else:
                break

    def test_processes_that_claim_one_run_again_and_again_never_have_it_together(self, where, tmp_path):
        Journal(where).close()
        witness = tmp_path / "held"
        claimers = [
            script(
                """
                import os, sys
                from ziggurat.chain.journal import Journal
                from ziggurat.errors import RunInProgress
                journal, had = Journal(sys.argv[1]), 0
                for _ in range(200_000):
                    try:
                        hold = journal.hold("r1")
                    except RunInProgress:
                        continue
                    os.close(os.open(sys.argv[2], os.O_CREAT | os.O_EXCL))  # fails if another has it
                    os.unlink(sys.argv[2])
                    hold.release()
                    had += 1
                    if had == 40:
                        break
                print(had)
                """,
                where,
                witness,
            )
            for _ in range(3)
        ]
        assert [claimer.communicate()[0] for claimer in claimers] == ["40\n"] * 3
        assert [claimer.returncode for claimer in claimers] == [0, 0, 0]

    # -- several writers ----------------------------------------------------------------------------------------------

    def test_threads_record_at_once(self, journal):
        journal.begin(run_named("r1"), {})

        def write(name):
            for at in range(50):
                journal.record("r1", done(f"{name}[{at}]", at, blobs=(large("s")[0],)), dict([large("s")]))

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journal.cells("r1")) == 200
        assert journal.verify() == []

    def test_processes_write_at_once(self, where):
        writers = [
            script(
                """
                import sys, time
                from ziggurat.chain.journal import Cell, CellStatus, Journal, RunRecord, RunStatus
                from ziggurat.chain.usage import NO_USAGE
                with Journal(sys.argv[1]) as journal:
                    for run in range(5):
                        name = f"{sys.argv[2]}-{run}"
                        with journal.hold(name):
                            journal.begin(RunRecord(name, "c", began=time.time()), {b"i" * 16: b"same"})
                            for at in range(20):
                                journal.record(name, Cell(f"s{at}", CellStatus.DONE, value=b"v" * 2000))
                            journal.end(name, RunStatus.DONE, NO_USAGE, None)
                """,
                where,
                name,
            )
            for name in "abc"
        ]
        assert [(writer.communicate()[0], writer.returncode) for writer in writers] == [("", 0)] * 3
        with Journal(where) as journal:
            found = journal.runs()
            assert len(found) == 15
            assert {(run.status, run.cells) for run in found} == {(RunStatus.DONE, 20)}
            assert journal.verify() == []

    # -- what leaves --------------------------------------------------------------------------------------------------

    def filled(self, journal, runs=10, *, days_apart=1.0, size=20_000):
        """Runs, the oldest first; each has large bytes of its own and some that all share."""
        shared = large("shared", size)
        for at in range(runs):
            own = large(f"own {at}", size)
            name = f"r{at}"
            began = time.time() - (runs - 1 - at) * days_apart * 86_400 - 60
            journal.begin(RunRecord(name, "qa", began=began), {digest(at): b"what it is"})
            journal.record(name, done("a", blobs=(own[0], shared[0])), dict([own, shared]))
            journal.record(name, done("b", "y" * size))
            journal.end(name, RunStatus.DONE, NO_USAGE, None)

    def test_old_runs_leave_with_what_only_they_used(self, journal):
        self.filled(journal)
        promised = journal.prune(older_than_days=4.5, dry_run=True)
        assert (promised.runs, promised.cells) == (5, 10)
        assert len(journal.runs()) == 10
        pruned = journal.prune(older_than_days=4.5)
        assert (pruned.runs, pruned.cells) == (5, 10)
        assert pruned.bytes > 5 * 36_000, pruned
        assert [run.id for run in journal.runs()] == ["r9", "r8", "r7", "r6", "r5"]
        assert journal.verify() == []
        assert journal.blob(large("shared", 20_000)[0])
        assert journal.blob(large("own 5", 20_000)[0])
        with pytest.raises(JournalCorrupt):
            journal.blob(large("own 4", 20_000)[0])
        assert journal.describe(digest(4)) is None
        assert journal.describe(digest(5)) is not None

    def test_the_oldest_leave_until_the_rest_fits(self, journal):
        self.filled(journal)
        pruned = journal.prune(max_bytes=300_000)
        assert 2 <= pruned.runs <= 8
        left = [run.id for run in journal.runs()]
        assert left == [f"r{at}" for at in range(9, 9 - len(left), -1)]
        assert journal.prune(max_bytes=300_000).runs == 0

    def test_a_run_that_is_held_stays(self, journal, where):
        self.filled(journal, 4, days_apart=10)
        with Journal(where) as other, other.hold("r0"):
            assert journal.prune(older_than_days=5).runs == 2
            assert [run.id for run in journal.runs()] == ["r3", "r0"]
        assert journal.prune(older_than_days=5).runs == 1

    def test_a_stage_forgotten_by_another_process_is_described_again(self, journal, where):
        self.filled(journal, 2, days_apart=10)
        with Journal(where) as other:
            other.prune(older_than_days=5)
        assert journal.describe(digest(0)) is None
        journal.begin(run_named("again"), {digest(0): b"what it is"})
        assert journal.describe(digest(0)) == b"what it is"

    def test_the_end_of_a_run_removes_what_is_due_but_never_that_run(self, where):
        with Journal(where, keep_days=2.5) as journal:
            self.filled(journal, 6)
            journal.begin(RunRecord("old", "qa", began=time.time() - 9e6), {})
        with Journal(where, keep_days=2.5) as journal:
            journal.end("old", RunStatus.DONE, NO_USAGE, None)
            assert {run.id for run in journal.runs()} == {"r3", "r4", "r5", "old"}

    def test_after_a_jump_of_the_clock_nothing_leaves_for_its_age(self, where, monkeypatch):
        with Journal(where, keep_days=30) as journal:
            self.filled(journal, 3)
            now = time.time()
            monkeypatch.setattr(time, "time", lambda: now + 4e8)
            journal.begin(run_named("later"), {})
            journal.end("later", RunStatus.DONE, NO_USAGE, None)
            assert len(journal.runs()) == 4

    @pytest.mark.parametrize(
        "bounds", [{"keep_days": 0}, {"keep_days": -1}, {"max_bytes": 0}, {"keep_days": float("nan")}]
    )
    def test_a_bound_that_is_not_positive_is_refused(self, where, bounds):
        with pytest.raises(InputError, match="positive"):
            Journal(where, **bounds)

    # -- closing ------------------------------------------------------------------------------------------------------

    def test_a_closed_journal_says_so(self, where):
        journal = Journal(where)
        journal.begin(run_named("r1"), {})
        journal.close()
        journal.close()
        with pytest.raises(InputError, match="closed"):
            journal.record("r1", done("a"))
        with pytest.raises(InputError, match="closed"):
            journal.runs()
