"""Files that were torn, lost, swapped or overwritten: the index answers as before, or says what is wrong."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ziggurat.errors import IndexCorrupt, IndexFault, IndexNotFound, IndexWriteError, InputError
from ziggurat.index import VectorIndex, searcher, snapshot
from ziggurat.testing import FakeEmbeddings

DIMENSIONS = 16
ROWS = 3000


def unit_rows(count: int, seed: int = 3) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSIONS)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("original") / "index"
    with VectorIndex.create(path, FakeEmbeddings(DIMENSIONS)) as index:
        index.add_vectors([f"row {at}" for at in range(ROWS)], unit_rows(ROWS), ids=[str(at) for at in range(ROWS)])
        index.add_texts(["a late text"], ids=["late"])
    assert (path / snapshot.FILE).exists()
    return path


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "index"))


def answers(path: Path) -> list[list[str]]:
    with VectorIndex.open(path, FakeEmbeddings(DIMENSIONS)) as index:
        assert len(index) == ROWS + 1
        return [[d.id for d in index.similarity_search_by_vector(vector, k=5)] for vector in unit_rows(20, seed=9)]


@pytest.fixture(scope="module")
def right(original: Path) -> list[list[str]]:
    return answers(original)


def test_a_missing_snapshot_is_made_again(copy: Path, right):
    (copy / snapshot.FILE).unlink()
    assert answers(copy) == right
    assert snapshot.read(copy, thorough=True) is not None


@pytest.mark.parametrize("seed", range(12))
def test_a_snapshot_cut_at_any_byte_is_noticed_and_replaced(copy: Path, right, seed):
    file = copy / snapshot.FILE
    os.truncate(file, random.Random(seed).randrange(file.stat().st_size))
    assert snapshot.read(copy) is None
    assert answers(copy) == right


@pytest.mark.parametrize("seed", range(12))
def test_one_changed_byte_anywhere_in_a_snapshot_is_noticed(copy: Path, right, seed):
    file = copy / snapshot.FILE
    data = bytearray(file.read_bytes())
    data[random.Random(seed).randrange(len(data))] ^= 1 << (seed % 8)
    file.write_bytes(data)
    assert snapshot.read(copy) is None
    assert answers(copy) == right


@pytest.mark.parametrize(
    "garbage", [b"", b"IxFI", os.urandom(100), bytes(100_000)], ids=["empty", "mark", "noise", "zeros"]
)
def test_garbage_in_the_snapshots_place_is_noticed(copy: Path, right, garbage):
    (copy / snapshot.FILE).write_bytes(garbage)
    assert snapshot.read(copy) is None
    assert answers(copy) == right


def test_a_snapshot_of_another_index_is_not_used(copy: Path, right, tmp_path: Path):
    with VectorIndex.create(tmp_path / "other", FakeEmbeddings(DIMENSIONS)) as other:
        other.add_vectors([f"other {at}" for at in range(ROWS)], unit_rows(ROWS, seed=77))
    shutil.copy(tmp_path / "other" / snapshot.FILE, copy / snapshot.FILE)
    with VectorIndex.open(copy, FakeEmbeddings(DIMENSIONS), read_only=True) as index:
        assert [check.name for check in index.verify().faults] == ["snapshot"]
    assert answers(copy) == right


def test_a_snapshot_of_a_future_that_was_lost_with_the_wal_is_not_used(tmp_path: Path):
    path = tmp_path / "index"
    with VectorIndex.create(path, FakeEmbeddings(DIMENSIONS)) as index:
        index.add_vectors(["first"], unit_rows(1), ids=["first"])
    before = tmp_path / "before"
    shutil.copytree(path, before)
    with VectorIndex.open(path, FakeEmbeddings(DIMENSIONS)) as index:
        index.add_vectors(
            [f"lost {at}" for at in range(ROWS)], unit_rows(ROWS), ids=[f"lost{at}" for at in range(ROWS)]
        )
    # Back to the earlier database, as after a deleted WAL, with the later snapshot beside it; then
    # another future with the same generation and the same row numbers.
    for name in ("index.sqlite3", "index.sqlite3-wal", "index.sqlite3-shm"):
        (path / name).unlink(missing_ok=True)
    shutil.copy(before / "index.sqlite3", path)
    later = (path / snapshot.FILE).read_bytes()
    with VectorIndex.open(path, FakeEmbeddings(DIMENSIONS)) as index:
        index.add_vectors(
            [f"new {at}" for at in range(50)], unit_rows(50, seed=5), ids=[f"new{at}" for at in range(50)]
        )
    (path / snapshot.FILE).write_bytes(later)
    with VectorIndex.open(path, FakeEmbeddings(DIMENSIONS)) as index:
        found = index.similarity_search_by_vector(unit_rows(50, seed=5)[7], k=1)
        assert [document.id for document in found] == ["new7"]
        assert len(index.similarity_search_by_vector(unit_rows(1)[0], k=100)) == 51


def test_an_index_without_its_wal_opens_at_the_last_checkpoint(tmp_path: Path):
    path = tmp_path / "index"
    index = VectorIndex.create(path, FakeEmbeddings(DIMENSIONS))
    index.add_texts(["kept by the checkpoint"], ids=["kept"])
    with sqlite3.connect(path / "index.sqlite3") as side:
        side.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    side.close()
    index.add_texts(["only in the wal"], ids=["lost"])
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    shutil.copy(path / "index.sqlite3", crashed)
    index.close()
    with VectorIndex.open(crashed, FakeEmbeddings(DIMENSIONS)) as reopened:
        assert [document.id for document in reopened.get_by_ids(["kept", "lost"])] == ["kept"]
        assert reopened.verify().ok


def test_repair_brings_back_words_vectors_and_snapshot_and_names_half_documents(tmp_path: Path):
    path = tmp_path / "index"
    (tmp_path / "docs").mkdir()
    for name in ("whole", "half"):
        text = "\n\n".join(f"Paragraph {at} of the {name} document. " * 20 for at in range(6))
        (tmp_path / "docs" / f"{name}.txt").write_text(text)
    with VectorIndex.create(path, FakeEmbeddings(DIMENSIONS)) as index:
        index.add_files(tmp_path / "docs")
        index.add_texts(["a ruined vector", "a forgotten vector"], ids=["ruined", "forgotten"])
    with sqlite3.connect(path / "index.sqlite3") as hand:
        hand.execute("INSERT INTO words (words) VALUES ('delete-all')")
        hand.execute("UPDATE vectors SET vector = x'00' WHERE row = (SELECT row FROM chunks WHERE id = 'ruined')")
        hand.execute("DELETE FROM vectors WHERE row = (SELECT row FROM chunks WHERE id = 'forgotten')")
        hand.execute("DELETE FROM chunks WHERE id LIKE '%half.txt#1'")
    hand.close()
    with VectorIndex.open(path, FakeEmbeddings(DIMENSIONS), read_only=True) as index:
        assert {check.name for check in index.verify().faults} >= {"documents", "words", "vectors"}
    with VectorIndex.open(path, FakeEmbeddings(DIMENSIONS)) as index:
        with pytest.raises(IndexCorrupt, match="repair"):
            index.similarity_search("a vector")
        report = index.repair()
        assert report.health.ok, str(report.health)
        assert report.removed_documents == (str(tmp_path / "docs" / "half.txt"),)
        assert index.similarity_search("a forgotten vector", k=1)[0].id == "forgotten"
        assert index.search("ruined", k=1, mode="words")[0].chunk_id == "ruined"
        assert index.document_ids() == [str(tmp_path / "docs" / "whole.txt")]
        assert index.verify(probe=5).ok


def test_verify_sees_a_text_that_was_changed_by_hand(copy: Path):
    with sqlite3.connect(copy / "index.sqlite3") as hand:
        hand.execute("UPDATE chunks SET text = 'forged' WHERE id = '17'")
    hand.close()
    with VectorIndex.open(copy, FakeEmbeddings(DIMENSIONS)) as index:
        health = index.verify()
        assert not health
        assert [check.name for check in health.faults if "17" in check.detail] == ["texts"]


def test_verify_with_a_probe_sees_vectors_of_another_model(copy: Path):
    with VectorIndex.open(copy, FakeEmbeddings(DIMENSIONS)) as index:
        assert index.verify().ok
        assert [check.name for check in index.verify(probe=20).faults] == ["probe"]  # the rows' vectors were random


@pytest.mark.parametrize("damage", ["middle", "header", "short"])
def test_a_damaged_database_is_an_index_corrupt_and_never_a_crash(copy: Path, damage):
    file = copy / "index.sqlite3"
    data = bytearray(file.read_bytes())
    if damage == "middle":
        data[8192:-8192] = random.Random(1).randbytes(len(data) - 16384)
    elif damage == "header":
        data[:100] = bytes(100)
    else:
        del data[20_000:]
    file.write_bytes(data)
    (copy / snapshot.FILE).unlink()

    def use() -> None:
        with VectorIndex.open(copy, FakeEmbeddings(DIMENSIONS)) as index:
            assert not index.verify().ok
            index.similarity_search_by_vector(unit_rows(1)[0])
            index.get_by_ids([str(at) for at in range(ROWS)])

    with pytest.raises((IndexCorrupt, IndexNotFound)):
        use()


def test_no_index_another_programs_database_and_a_later_format_are_told_apart(copy: Path, tmp_path: Path):
    with pytest.raises(IndexNotFound, match="no index"):
        VectorIndex.open(tmp_path / "nowhere")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with sqlite3.connect(foreign / "index.sqlite3") as hand:
        hand.execute("CREATE TABLE manifest (x)")
    hand.close()
    with pytest.raises(IndexNotFound, match="another program"):
        VectorIndex.open(foreign)
    with sqlite3.connect(copy / "index.sqlite3") as hand:
        hand.execute("PRAGMA user_version = 99")
    hand.close()
    with pytest.raises(IndexFault, match="format 99"):
        VectorIndex.open(copy)


LIMITED = """
    import resource, sys
    from ziggurat.errors import IndexWriteError
    from ziggurat.index import VectorIndex
    from ziggurat.loaders import SourceDocument
    from ziggurat.testing import FakeEmbeddings

    with VectorIndex.create(sys.argv[1], FakeEmbeddings(64)) as index:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
        for number in range(10_000):
            text = (2 * chr(10)).join(f"Paragraph {at} of document {number}. " * 15 for at in range(8))
            try:
                index.add_source(SourceDocument(f"d{number}", text))
            except IndexWriteError as error:
                print("REFUSED", error.what, flush=True)
                break
            print("ADDED", f"d{number}", flush=True)
        held = index.search("paragraph of document", k=3)
        print("SEARCHED", len(held), flush=True)
"""


@pytest.mark.parametrize("limit", [400_000, 1_000_000, 2_500_000])
def test_a_disk_that_takes_no_more_is_an_index_write_error_and_nothing_is_half_written(tmp_path: Path, limit):
    path = tmp_path / "index"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), str(path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("REFUSED The index could not be") for line in lines), done.stdout[-500:]
    assert lines[-1] == "SEARCHED 3"
    acknowledged = {line.split()[1] for line in lines if line.startswith("ADDED")}
    with VectorIndex.open(path, FakeEmbeddings(64)) as index:
        assert set(index.document_ids()) == acknowledged
        assert index.verify().ok
        index.add_texts(["there is room again"])
        assert index.search("there is room again", k=1)[0].text == "there is room again"


def test_a_snapshot_that_cannot_be_written_fails_no_commit(copy: Path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot, "write", refuse)
    with VectorIndex.open(copy, FakeEmbeddings(DIMENSIONS)) as index:
        more = 2500
        index.add_vectors([f"more {at}" for at in range(more)], unit_rows(more, seed=4))
        assert len(index) == ROWS + 1 + more
        assert "No space left" in (index.stats().snapshot_problem or "")
        assert index.similarity_search_by_vector(unit_rows(more, seed=4)[9], k=1)[0].page_content == "more 9"


READER = """
    import os, sys
    from ziggurat.errors import IndexWriteError, InputError
    from ziggurat.index import VectorIndex
    from ziggurat.testing import FakeEmbeddings

    with VectorIndex.from_texts(["all that is imported late is imported now"], FakeEmbeddings(16)) as warm:
        warm.search("imported"), warm.verify()
    if os.geteuid() == 0:  # nothing stops root from writing
        os.setgid(65534)
        os.setuid(65534)
    with VectorIndex.open(sys.argv[1], FakeEmbeddings(16), read_only=True) as index:
        print(len(index), index.similarity_search("a late text", k=1)[0].id, index.verify().ok)
        try:
            index.add_texts(["no"])
        except InputError as error:
            print(error.what)
    for attempt in (lambda: VectorIndex.open(sys.argv[1], FakeEmbeddings(16)).add_texts(["no"]),
                    lambda: VectorIndex.create(os.path.join(sys.argv[1], "below"))):
        try:
            attempt()
            print("written")
        except IndexWriteError as error:
            print("IndexWriteError")
"""


def test_a_folder_that_cannot_be_written_to_is_read_and_refuses_writes(original: Path):
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder only its owner may enter
        Path(folder).chmod(0o755)
        copy = Path(shutil.copytree(original, Path(folder) / "index"))
        for file in copy.iterdir():
            file.chmod(0o444)
        copy.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(READER), str(copy)], capture_output=True, text=True, check=False
        )
        copy.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{ROWS + 1} late True",
        "This index was opened read-only.",
        "IndexWriteError",
        "IndexWriteError",
    ]


def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises((InputError, IndexWriteError)):
        VectorIndex.create(tmp_path / "file")


def test_searches_are_exact_where_codes_would_not_be(monkeypatch):
    noise = np.random.default_rng(5).normal(size=(2000, 48)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    monkeypatch.setattr(searcher, "FLAT_ROWS", 100)
    assert searcher.build(noise).name == "flat"
