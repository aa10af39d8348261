"""Building an index in pieces, in this process: the same index as a sync makes, whatever was left by an earlier build."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ziggurat.batch.index import build_index
from ziggurat.batch.index_source import plain_source
from ziggurat.batch.passages import PassageTable
from ziggurat.batch.vector_shards import SUFFIX, Header, finished_items, read_finished, tidy, write_shard
from ziggurat.errors import EmbeddingMismatch, InputError
from ziggurat.index import StructureSplitter, VectorIndex
from ziggurat.index.sharded import ShardedIndex
from ziggurat.index.sync import ReadItem, read_item
from ziggurat.loaders.source import open_source
from ziggurat.testing import FakeEmbeddings


def _files(folder: Path, count: int = 12) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        text = "\n\n".join(
            f"Paragraph {at} about subject {number * at % 7}, said {number} times." * 8 for at in range(8)
        )
        (folder / f"{number:02d}.md").write_text(f"# Title {number}\n\n{text}", encoding="utf-8")
    return folder


def _same(here: VectorIndex, folder: Path) -> None:
    with VectorIndex.open(folder, read_only=True) as there:
        difference = here.compare(there)
        assert (difference.only_here, difference.only_there, difference.different) == ((), (), ())
        for question in ("subject 3", "Title 5", "said 7 times"):
            for mode in ("hybrid", "dense", "words"):
                assert here.search(question, k=9, mode=mode) == there.search(question, k=9, mode=mode)


def test_a_build_is_a_sync_also_over_what_a_sync_made(tmp_path):
    folder = _files(tmp_path / "files")
    (folder / "empty.md").write_text("")
    with VectorIndex.create(tmp_path / "here", "fake:32") as index:
        wanted = index.sync(folder)
        built = build_index(folder, tmp_path / "there", embeddings="fake:32")

        assert (built.added, built.unreadable, built.chunks) == (wanted.added, wanted.unreadable, wanted.chunks)
        _same(index, tmp_path / "there")
        nothing = build_index(folder, tmp_path / "here")
        assert (nothing.unchanged, nothing.pieces, nothing.documents) == (12, 1, [])
        (folder / "01.md").write_text("# One\n\nsubject 3")
        (folder / "02.md").unlink()
        assert str(build_index(folder, tmp_path / "there")).startswith("0 added, 1 changed, 1 removed, 10 unchanged")
        index.sync(folder)
        _same(index, tmp_path / "there")


def test_the_name_a_folder_was_first_given_by_stays_that_of_its_files(tmp_path, monkeypatch):
    _files(tmp_path / "files", 3)
    monkeypatch.chdir(tmp_path)
    with VectorIndex.create(tmp_path / "index", "fake:32") as index:
        index.sync("files")
        (tmp_path / "files" / "00.md").write_text("# New\n\nsubject 9")

        build_index(tmp_path / "files", tmp_path / "index")

        assert index.document_ids() == ["files/00.md", "files/01.md", "files/02.md"]
        assert index.search("subject 9", k=1)[0].document_id == "files/00.md"


def test_several_sources_are_read_each_from_its_own(tmp_path):
    folders = [_files(tmp_path / name, 3) for name in ("one", "two")]
    folders.append(folders[0] / "01.md")
    with VectorIndex.create(tmp_path / "here", "fake:32") as index:
        index.sync([str(folder) for folder in folders])
        build_index(folders, tmp_path / "there", embeddings="fake:32")

        assert len(index.document_ids()) == 6
        _same(index, tmp_path / "there")


def test_a_splitter_of_ours_is_kept_and_one_that_workers_cannot_make_is_refused(tmp_path):
    folder = _files(tmp_path / "files", 2)
    splitter = StructureSplitter(size=200, overlap=0)
    with VectorIndex.create(tmp_path / "here", "fake:32", splitter=splitter) as index:
        index.sync(folder)
        build_index(folder, tmp_path / "there", embeddings="fake:32", splitter=splitter)
        _same(index, tmp_path / "there")

    class Halves:
        def split(self, text, kind="text"):
            return []

        def describe(self):
            return {"name": "halves"}

    with pytest.raises(InputError):
        build_index(folder, tmp_path / "other", embeddings="fake:32", splitter=Halves())


def test_another_model_than_the_index_has_is_refused(tmp_path):
    folder = _files(tmp_path / "files", 2)
    build_index(folder, tmp_path / "index", embeddings="fake:32")

    with pytest.raises(EmbeddingMismatch):
        build_index(folder, tmp_path / "index", embeddings="fake:64")


def test_shards_are_kept_up_to_date_too(tmp_path):
    folder = _files(tmp_path / "files", 20)
    build_index(folder, tmp_path / "shards", embeddings="fake:32", shards=3)
    (folder / "03.md").write_text("# Three\n\na zebra")
    (folder / "04.md").unlink()

    report = build_index(folder, tmp_path / "shards", embeddings="fake:32", shards=3)

    assert (len(report.changed), len(report.removed), report.unchanged) == (1, 1, 18)
    with ShardedIndex.open(tmp_path / "shards") as index:
        assert index.search("zebra", k=1, mode="words")[0].text.endswith("a zebra")
    with pytest.raises(InputError, match="has 3 shards"):
        build_index(folder, tmp_path / "shards", shards=2)
    with pytest.raises(InputError, match="one shard or more"):
        build_index(folder, tmp_path / "shards", shards=0)


def test_what_an_earlier_build_read_of_a_file_that_changed_since_does_not_count(tmp_path, monkeypatch):
    folder = _files(tmp_path / "files", 4)
    monkeypatch.setattr("ziggurat.batch.index.read_finished", _killed)
    with pytest.raises(KeyboardInterrupt):
        build_index(folder, tmp_path / "index", embeddings="fake:32")
    monkeypatch.undo()
    (folder / "01.md").write_text("# One\n\na zebra")

    report = build_index(folder, tmp_path / "index", embeddings="fake:32")

    assert report.reused == 3
    with VectorIndex.open(tmp_path / "index") as index:
        assert index.search("zebra", k=1, mode="words")[0].document_id.endswith("01.md")


def _killed(places):
    raise KeyboardInterrupt


def test_only_what_a_worker_can_open_is_taken():
    with pytest.raises(InputError, match="cannot open a object"):
        plain_source(object(), {})
    with pytest.raises(InputError, match="no plain data"):
        plain_source("folder", {"parsers": object()})


def test_another_store_needs_a_folder_for_what_is_finished(tmp_path):
    with pytest.raises(InputError, match="building="):
        build_index(tmp_path, "postgresql://host/db?collection=notes")


# Tables of texts


def _table(path: Path, **columns: list[object]) -> PassageTable:
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return PassageTable(str(path), id="id")


def test_the_rows_of_a_table_are_documents_with_the_other_columns_as_metadata(tmp_path):
    table = _table(tmp_path / "t.parquet", id=[3, 1, 2], text=["one", "two", "three"], year=[1, 2, None])

    documents = [document for item in table.items() for document in item.read()]

    path = str(tmp_path / "t.parquet")
    assert [one.source for one in documents] == [f"{path}#3", f"{path}#1", f"{path}#2"]
    assert [one.text for one in documents] == ["one", "two", "three"]
    assert documents[0].metadata == {"id": 3, "year": 1, "source": f"{path}#3"}
    named = [next(iter(item.read())).text for item in table.named([f"{path}#2", f"{path}#3"])]
    assert named == ["three", "one"]


def test_null_texts_are_left_out_and_told(tmp_path):
    table = _table(tmp_path / "t.parquet", id=["a", "b", "c"], text=["one", None, "  "])

    report = build_index(table, tmp_path / "index", embeddings="fake:8")

    assert (len(report.added), len(report.unreadable)) == (1, 2)


def test_a_table_without_the_column_or_with_an_id_twice_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    _table(path, id=["a", "a"], text=["one", "two"])

    with pytest.raises(InputError, match=r"'txt'.*did you mean 'text'"):
        list(PassageTable(str(path), text="txt").items())
    with pytest.raises(InputError, match="more than once"):
        list(PassageTable(str(path), id="id").items())
    with pytest.raises(InputError, match="no Parquet file"):
        list(PassageTable(str(tmp_path / "nothing")).items())
    assert len(list(PassageTable(str(tmp_path)).items())) == 2


# What workers leave


def _read(folder: Path) -> list[ReadItem]:
    read = [read_item(item, StructureSplitter()) for item in open_source(folder).items()]
    model = FakeEmbeddings(16)
    return [
        one._replace(
            vectors=np.asarray(
                model.embed_documents([chunk.text for _, chunks in one.documents for chunk in chunks]), dtype="<f4"
            ),
            embedded=1,
        )
        for one in read
    ]


def _is_same(left: ReadItem, right: ReadItem) -> bool:
    vectors = np.array_equal(left.vectors, right.vectors) if left.vectors is not None else right.vectors is None
    return left._replace(vectors=None) == right._replace(vectors=None) and vectors


def test_items_come_back_from_a_file_as_they_went_in(tmp_path):
    folder = _files(tmp_path / "files", 3)
    read = [*_read(folder), ReadItem("broken", None, None, [], "It is broken.", supported=False)]
    write_shard(tmp_path / f"a{SUFFIX}", Header("s", "model", 16), [(one, b"before") for one in read])

    finished, fingerprint = finished_items(tmp_path, "s")

    assert fingerprint == "model"
    assert all(map(_is_same, read_finished(finished.values()), read))
    assert [version[2] for version in finished] == [b"before"] * 4
    assert finished_items(tmp_path, "other settings") == ({}, None)


def test_a_file_that_is_torn_or_damaged_anywhere_does_not_count_and_is_removed(tmp_path):
    folder = _files(tmp_path / "files", 1)
    path = tmp_path / f"a{SUFFIX}"
    write_shard(path, Header("s", "model", 16), [(one, None) for one in _read(folder)])
    whole = path.read_bytes()
    damaged = [whole[:at] for at in range(4, len(whole), 97)]
    for at in range(0, len(whole), 61):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        damaged.append(bytes(changed))
    counted = 0
    for data in damaged:
        path.write_bytes(data)
        finished, _ = finished_items(tmp_path, "s")
        counted += len(finished)
        tidy(tmp_path, "s")
        assert not path.exists() or not finished
        path.unlink(missing_ok=True)
    assert counted == 0


def test_a_writer_that_fails_leaves_no_file(tmp_path):
    def items():
        yield ReadItem("one", "1:1", b"d", []), None
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_shard(tmp_path / f"a{SUFFIX}", Header("s", None, None), items())

    assert list(tmp_path.iterdir()) == []


def test_a_report_of_a_shard_says_what_the_sync_said(tmp_path):
    folder = _files(tmp_path / "files", 5)
    (folder / "bad.pdf").write_bytes(b"no pdf")

    report = build_index(folder, tmp_path / "shards", embeddings="fake:32", shards=2)

    assert len(report.shards) == 2
    assert sum(len(one.added) for one in report.shards) == len(report.added) == 5
    assert [one.source.endswith("bad.pdf") for one in report.unreadable] == [True]
    assert json.loads((tmp_path / "shards" / "shards.json").read_text())["shards"] == ["shard-00000", "shard-00001"]
