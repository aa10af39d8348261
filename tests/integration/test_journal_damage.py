"""Journals on bad disks: torn, overwritten, read-only, full. Each is a clear error, and nothing that was recorded is lost."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from journal_contract import done, large, run_named, script

from ziggurat.chain.journal import Journal, RunStatus
from ziggurat.chain.usage import NO_USAGE
from ziggurat.chain.values import decode
from ziggurat.errors import InputError, JournalCorrupt, JournalError, JournalWriteError, ZigguratError

CELLS = 60
MOUNT = shutil.which("mount") or "mount"


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("original") / "runs.sqlite3"
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {b"i" * 16: b"what it is"})
        for at in range(CELLS):
            blob = large(f"{at},")
            journal.record("r1", done(f"s{at}", "x" * 3000, blobs=(blob[0],)), dict([blob]))
        journal.end("r1", RunStatus.DONE, NO_USAGE, None)
    return where


@pytest.fixture
def where(original, tmp_path) -> Path:
    return Path(shutil.copy(original, tmp_path / "runs.sqlite3"))


def read_all(where):
    with Journal(where, create=False) as journal:
        for run in journal.runs():
            for path in journal.cells(run.id):
                decode(journal.value(run.id, path), blob=journal.blob)
        return journal.verify()


# -- torn and overwritten ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_file_is_an_error_of_ours_or_is_found_by_verify(where, seed):
    chance = random.Random(seed)
    data = where.read_bytes()
    where.write_bytes(data[: chance.randrange(1, len(data) - 1)])
    try:
        found = read_all(where)
    except (JournalCorrupt, InputError) as error:
        assert str(where) in str(error)
    else:
        assert found


@pytest.mark.parametrize("seed", range(12))
def test_an_overwritten_page_is_an_error_of_ours_or_is_found_by_verify(where, seed):
    chance = random.Random(seed)
    data = bytearray(where.read_bytes())
    page = chance.randrange(len(data) // 8192)
    data[page * 8192 : page * 8192 + 8192] = chance.randbytes(8192)
    where.write_bytes(data)
    try:
        found = read_all(where)
    except ZigguratError as error:
        assert isinstance(error, JournalError | InputError)
    else:
        assert found


@pytest.mark.parametrize("content", [b"not a database, but some notes " * 400, b"\0" * 100_000, os.urandom(50_000)])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path, content):
    where = tmp_path / "notes.txt"
    where.write_bytes(content)
    with pytest.raises(JournalCorrupt, match="is no journal") as caught:
        Journal(where)
    assert "move the file away" in caught.value.fix
    assert where.read_bytes() == content


def test_an_empty_file_becomes_a_journal(tmp_path):
    where = tmp_path / "empty"
    where.touch()
    with Journal(where) as journal:
        assert journal.runs() == []


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        Journal(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_changed_and_missing_large_bytes_are_found_by_verify(where):
    with sqlite3.connect(where) as connection:
        connection.execute("UPDATE blobs SET data = x'00' WHERE hash = ?", (large("3,")[0],))
        connection.execute("DELETE FROM blobs WHERE hash = ?", (large("4,")[0],))
        connection.execute(
            "INSERT INTO cells SELECT 9999, 77, path, status, identity, content, inputs, NULL, usage, attempts, began, seconds, source, error, value FROM cells LIMIT 1"
        )
    connection.close()
    with Journal(where) as journal:
        found = journal.verify()
    assert len(found) == 3
    assert found[0] == "1 cells belong to no run"
    assert "are not what they were" in found[1]
    assert "run r1, s4: 1 of its large bytes are missing" in found[2]


def test_a_wal_cut_off_at_any_byte_loses_only_what_was_in_the_cut_part(tmp_path):
    where = tmp_path / "runs.sqlite3"
    writer = script(
        """
        import os, signal, sys
        from ziggurat.chain.journal import Cell, CellStatus, Journal, RunRecord
        journal = Journal(sys.argv[1])
        journal.begin(RunRecord("r1", "c", began=1.0), {})
        for at in range(20):
            journal.record("r1", Cell(f"s{at}", CellStatus.DONE, value=b"v" * 2000))
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        where,
    )
    writer.communicate()
    wal = Path(f"{where}-wal")
    whole, log = where.read_bytes(), wal.read_bytes()
    last = 0
    for cut in [*range(0, len(log), len(log) // 40), len(log)]:
        where.write_bytes(whole)
        wal.write_bytes(log[:cut])
        Path(f"{where}-shm").unlink(missing_ok=True)
        with Journal(where) as journal:
            found = list(journal.cells("r1")) if journal.runs() else []
            assert found == [f"s{at}" for at in range(len(found))]
            assert len(found) >= last
            last = len(found)
            assert journal.verify() == []
    assert last == 20


# -- killed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_after_a_kill_at_any_moment_what_was_acknowledged_is_there(tmp_path, seed):
    where = tmp_path / "runs.sqlite3"
    writer = script(
        """
        import sys
        from ziggurat.chain.journal import Cell, CellStatus, Journal, RunRecord
        journal = Journal(sys.argv[1])
        with journal.hold("r1"):
            journal.begin(RunRecord("r1", "c", began=1.0), {})
            print("begun", flush=True)
            for at in range(100_000):
                journal.record("r1", Cell(f"s{at}", CellStatus.DONE, value=b"v" * 2000))
                print(at, flush=True)
        """,
        where,
    )
    assert writer.stdout.readline() == "begun\n"
    time.sleep(random.Random(seed).random() * 0.15)
    writer.kill()
    acknowledged = [int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    writer.wait()
    writer.stdout.close()
    with Journal(where) as journal, journal.hold("r1"):
        found = journal.cells("r1")
        assert len(found) - len(acknowledged) in (0, 1)
        assert journal.verify() == []
        journal.record("r1", done("goes on"))


def record_until_refused(journal, run_id):
    """How many cells the disk took, and the error for the one it did not."""
    for at in range(10_000):
        try:
            journal.record(run_id, done(f"t{at}", "y" * 5000))
        except JournalWriteError as error:
            return at, error
    raise AssertionError("the disk was never full")


# -- full -------------------------------------------------------------------------------------------------------------


def test_a_full_disk_in_mid_run_is_said_and_the_run_goes_on_when_there_is_room(where):
    with Journal(where) as journal:
        journal.begin(run_named("r2"), {})
        pages = journal._engine.rows("PRAGMA page_count")[0][0]
        journal._engine.rows(f"PRAGMA max_page_count = {pages + 5}")
        recorded, error = record_until_refused(journal, "r2")
        assert isinstance(error, OSError)
        assert "disk is full" in error.what
        assert "make room" in error.fix
        assert 0 < recorded < 20
        blob = large("z", 100_000)
        for _ in range(3):
            with pytest.raises(JournalWriteError, match="disk is full"):
                journal.record("r2", done("with blob", blobs=(blob[0],)), dict([blob]))
            with pytest.raises(JournalWriteError, match="disk is full"):
                journal.begin(run_named("r3", shape=b"s" * 100_000), {})
        assert len(journal.cells("r2")) == recorded
        assert [run.id for run in journal.runs()] == ["r2", "r1"]
        journal._engine.rows("PRAGMA max_page_count = 1073741823")
        journal.record("r2", done("with blob", blobs=(blob[0],)), dict([blob]))
        journal.end("r2", RunStatus.DONE, NO_USAGE, None)
        assert len(journal.cells("r2")) == recorded + 1
        assert journal.verify() == []


def mounted(folder, *options):
    """Mount a small file system in memory; skips where this process may not."""
    done_ = subprocess.run([MOUNT, "-t", "tmpfs", *options, "tmpfs", folder], capture_output=True, check=False)
    if done_.returncode:
        pytest.skip("mounting a file system needs the rights of an administrator")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted(folder, "-o", "size=1m")
    yield folder
    subprocess.run([shutil.which("umount"), "-l", folder], check=True)


def test_a_really_full_disk_loses_nothing(small_disk):
    where = small_disk / "runs.sqlite3"
    filler = small_disk / "filler"
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
        filler.write_bytes(b"f" * 500_000)
        recorded, _ = record_until_refused(journal, "r1")
        assert len(journal.cells("r1")) == recorded
        filler.unlink()
        journal.record("r1", done("after"))
        assert len(journal.cells("r1")) == recorded + 1
        assert journal.verify() == []
    with Journal(where) as journal:
        assert len(journal.cells("r1")) == recorded + 1


def test_a_journal_on_a_read_only_disk_is_read_and_every_write_is_refused(small_disk):
    where = small_disk / "runs.sqlite3"
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
        journal.record("r1", done("a"))
    subprocess.run([MOUNT, "-o", "remount,ro", small_disk], check=True)
    with Journal(where) as journal:
        assert list(journal.cells("r1")) == ["a"]
        for work in (
            lambda: journal.record("r1", done("b")),
            lambda: journal.begin(run_named("r2"), {}),
            lambda: journal.end("r1", RunStatus.DONE, NO_USAGE, None),
            lambda: journal.hold("r1"),
        ):
            with pytest.raises(JournalWriteError) as caught:
                work()
            assert caught.value.fix
    with pytest.raises(JournalWriteError):
        Journal(small_disk / "new.sqlite3")
    with pytest.raises(JournalWriteError, match="folder"):
        Journal(small_disk / "new folder" / "runs.sqlite3")


def test_a_write_protected_file_is_read_and_every_write_is_refused(where):
    """Without the rights of an administrator, for whom no file is protected."""
    where.chmod(0o444)
    where.parent.chmod(0o555)
    code = """
    import os, sys
    from ziggurat.chain.journal import Cell, CellStatus, Journal
    from ziggurat.errors import JournalWriteError
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    with Journal(sys.argv[1]) as journal:
        print(len(journal.cells("r1")))
        try:
            journal.record("r1", Cell("new", CellStatus.DONE, value=b"v"))
        except JournalWriteError as error:
            print(error.what)
    """
    shared = Path("/tmp") / f"journal-{os.getpid()}"  # noqa: S108 (a place that another user can reach)
    shutil.copytree(where.parent, shared)
    try:
        shared.chmod(0o555)
        found = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), shared / where.name],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shared.chmod(0o755)
        shutil.rmtree(shared)
        where.parent.chmod(0o755)
    assert found.stdout.splitlines() == [str(CELLS), "The journal is read-only; nothing was written."], found.stderr
