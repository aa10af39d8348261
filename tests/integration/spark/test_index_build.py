"""An index built by Spark's workers is the one that a sync on this machine makes, whoever is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spark_clusters
from store_worlds import address_of

from ziggurat.batch.index import build_index
from ziggurat.batch.passages import PassageTable
from ziggurat.batch.spark.session import Cluster
from ziggurat.batch.vector_shards import SUFFIX
from ziggurat.errors import ClusterError
from ziggurat.index import VectorIndex
from ziggurat.index.sharded import ShardedIndex
from ziggurat.stores import open_store

WORDS = [f"word{number}" for number in range(400)]
QUESTIONS = ("word1 word5", "word77 word3 word9", "number 33", "word399")


def _text(number: int, words: int = 30) -> str:
    return " ".join(WORDS[(number * 31 + at * at * 7) % len(WORDS)] for at in range(words)) + f" number {number}."


def _folder(root: Path, count: int = 40) -> Path:
    folder = root / "documents"
    folder.mkdir()
    for number in range(count):
        paragraphs = "\n\n".join(_text(number * 10 + at, 90) for at in range(6))
        (folder / f"{number:03d}.md").write_text(f"# Title {number}\n\n{paragraphs}\n", encoding="utf-8")
    return folder


def _table(path: Path, count: int, changed: frozenset[int] = frozenset()) -> PassageTable:
    texts = [_text(number) + (" changed" if number in changed else "") for number in range(count)]
    columns = {"id": [f"p{number}" for number in range(count)], "text": texts, "part": [n % 3 for n in range(count)]}
    pq.write_table(pa.table(columns), path, row_group_size=300)
    return PassageTable(str(path), id="id")


def _same(left: Path, right: Path) -> None:
    with VectorIndex.open(left, read_only=True) as one, VectorIndex.open(right, read_only=True) as other:
        assert not (difference := one.compare(other)).only_here
        assert not difference.only_there
        assert not difference.different
        for question in QUESTIONS:
            assert one.search(question, k=20) == other.search(question, k=20)
        assert other.verify().ok


def test_a_folder_is_built_and_kept_up_to_date_as_by_a_sync(cluster: Cluster, tmp_path: Path):
    folder = _folder(tmp_path)
    (folder / "broken.pdf").write_bytes(b"no pdf")
    with VectorIndex.create(tmp_path / "here", "fake:64") as index:
        index.sync(folder)

        report = build_index(folder, tmp_path / "there", embeddings="fake:64", spark=cluster)

        assert (len(report.added), len(report.unreadable)) == (40, 1)
        assert report.chunks == report.embedded > 40
        _same(tmp_path / "here", tmp_path / "there")

        (folder / "003.md").write_text("# Title 3\n\nAnother text, number 33.\n", encoding="utf-8")
        (folder / "004.md").unlink()
        (folder / "new.md").write_text("# New\n\nword1 word5\n", encoding="utf-8")
        index.sync(folder)
        again = build_index(folder, tmp_path / "there", spark=cluster)

        assert (len(again.added), len(again.changed), len(again.removed), again.unchanged) == (1, 1, 1, 38)
        assert again.embedded == 2
        _same(tmp_path / "here", tmp_path / "there")
    assert not (tmp_path / "there.building").exists()


def test_of_a_table_that_changed_only_the_changed_rows_are_embedded_again(classic: Cluster, tmp_path: Path):
    with classic.speaking():
        table = _table(tmp_path / "passages.parquet", 900)
        first = build_index(table, tmp_path / "there", embeddings="fake:64", spark=classic)
        _table(tmp_path / "passages.parquet", 890, frozenset({5, 333}))
        second = build_index(table, tmp_path / "there", spark=classic)

    assert (len(first.added), first.embedded) == (900, 900)
    assert (len(second.changed), len(second.removed), second.unchanged, second.embedded) == (2, 10, 888, 2)
    with VectorIndex.create(tmp_path / "here", "fake:64") as index:
        index.sync(table)
        with VectorIndex.open(tmp_path / "there") as there:
            assert not index.compare(there).different
            hit = there.search("number 333.", k=1, mode="words", filter={"part": 0})[0]
            assert hit.metadata["id"] == "p333"


def test_shards_built_by_the_workers_find_what_one_index_finds(cluster: Cluster, tmp_path: Path):
    folder = _folder(tmp_path, 24)

    report = build_index(folder, tmp_path / "shards", embeddings="fake:64", shards=3, spark=cluster)
    build_index(folder, tmp_path / "plain", embeddings="fake:64")

    assert [len(one.added) for one in report.shards if one.added] != [24]
    assert len(report.added) == 24
    with ShardedIndex.open(tmp_path / "shards") as shards, VectorIndex.open(tmp_path / "plain") as plain:
        for question in QUESTIONS:
            found, wanted = shards.search(question, k=20), plain.search(question, k=20)
            assert [hit.chunk_id for hit in found] == [hit.chunk_id for hit in wanted]
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in wanted], abs=1e-6)


def test_a_killed_executor_costs_its_piece_and_nothing_else(classic: Cluster, tmp_path: Path):
    table = _table(tmp_path / "passages.parquet", 2000)
    killed: list[int] = []

    def kill_after_first(label, total, unit="items"):
        return _Killing(label, tmp_path / "there.building", killed)

    with classic.speaking():
        report = build_index(
            table, tmp_path / "there", embeddings="fake:2048", spark=classic, progress=kill_after_first
        )
    build_index(table, tmp_path / "here", embeddings="fake:2048")

    assert len(killed) == 1
    assert len(report.added) == report.embedded == 2000
    _same(tmp_path / "here", tmp_path / "there")


class _Killing:
    """A progress that kills an executor when the first piece is finished."""

    def __init__(self, label: str, folder: Path, killed: list[int]) -> None:
        self._armed = label.startswith("Reading")
        self._killed = killed

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, amount: int = 1) -> None:
        if self._armed and amount and not self._killed:
            self._killed.append(spark_clusters.kill_executor())


def test_a_killed_driver_leaves_its_finished_pieces_for_the_next_run(tmp_path: Path):
    table = _table(tmp_path / "passages.parquet", 2000)
    script = (
        "from ziggurat.batch.index import build_index; from ziggurat.batch.passages import PassageTable\n"
        f"build_index(PassageTable({str(table.path)!r}, id='id'), {str(tmp_path / 'there')!r}, embeddings='fake:2048')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    building = tmp_path / "there.building"
    until = time.monotonic() + 60
    while time.monotonic() < until and len(list(building.glob(f"*{SUFFIX}"))) < 2:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # one of the finished files is damaged by a disk: it does not count
    files = sorted(building.glob(f"*{SUFFIX}"))
    damaged = bytearray(files[0].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    files[0].write_bytes(damaged)

    report = build_index(table, tmp_path / "there", embeddings="fake:2048")

    assert report.reused == 256 * (len(files) - 1) > 0
    assert len(report.added) == 2000
    build_index(table, tmp_path / "here", embeddings="fake:2048")
    _same(tmp_path / "here", tmp_path / "there")


def test_a_worker_that_cannot_embed_says_why_and_what_is_finished_is_kept(connected: Cluster, tmp_path: Path):
    table = _table(tmp_path / "passages.parquet", 10)

    with connected.speaking(), pytest.raises(ClusterError, match=r"could not do its part: .*fake embeddings"):
        build_index(table, tmp_path / "there", embeddings="fake:nothing", spark=connected)


def test_workers_write_to_another_store_and_a_second_run_writes_nothing_twice(connected: Cluster, tmp_path: Path):
    table = _table(tmp_path / "passages.parquet", 300)
    building = tmp_path / "building"
    with address_of("postgres", tmp_path, 64) as (address, _):
        with connected.speaking():
            first = build_index(table, address, spark=connected, embeddings="fake:64", building=building)
            again = build_index(table, address, spark=connected, embeddings="fake:64", building=building)
            # a task that died before it could say that its piece is done is run again
            for done in building.glob("*.done"):
                done.unlink()
            third = build_index(table, address, spark=connected, embeddings="fake:64", building=building)

        assert [(one.pieces, one.reused) for one in (first, again, third)] == [(2, 0), (0, 2), (2, 0)]
        with open_store(address, "fake:64") as store:
            assert len(store) == 300
            found = store.similarity_search(_text(33), k=1)[0]
            assert (found.page_content, found.metadata["id"]) == (_text(33), "p33")
            assert found.metadata["document_id"] == f"{table.path}#p33"
