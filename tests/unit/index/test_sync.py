"""An index kept like its source: what is new, what changed, what left, and nothing twice."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.index import StructureSplitter, VectorIndex
from ziggurat.loaders import Item, Place, SourceDocument
from ziggurat.testing import FakeEmbeddings


class Counting(FakeEmbeddings):
    """Counts the texts it embeds."""

    texts: int = 0

    def embed_documents(self, texts):
        self.texts += len(texts)
        return super().embed_documents(texts)


@pytest.fixture
def embeddings():
    return Counting(32)


@pytest.fixture
def index(tmp_path, embeddings):
    with VectorIndex.create(tmp_path / "kb", embeddings) as made:
        yield made


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "docs"
    made.mkdir()
    for name in "abc":
        (made / f"{name}.md").write_text(f"# {name}\n\nThe text of {name}.")
    return made


def write(path, text):
    """Write and make sure that the time of change differs."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


@dataclass
class Shelf:
    """A source in memory: texts by key; an exception in place of a text is raised when it is read."""

    texts: dict
    stamps: dict = field(default_factory=dict)
    name: str = "shelf"
    ends_with: Exception | None = None
    reads: list = field(default_factory=list)

    def items(self):
        for key in self.texts:
            yield Item(key, lambda key=key: self._read(key), self.stamps.get(key))
        if self.ends_with:
            raise self.ends_with

    def _read(self, key):
        self.reads.append(key)
        text = self.texts[key]
        if isinstance(text, Exception):
            raise text
        yield SourceDocument(key, text, metadata={"source": key})


def test_what_is_new_changed_and_gone_is_told_and_done(index, folder):
    first = index.sync(folder)
    assert [Path(one).name for one in first.added] == ["a.md", "b.md", "c.md"]
    write(folder / "b.md", "# b\n\nAnother text.")
    (folder / "c.md").unlink()
    (folder / "d.md").write_text("# d\n\nNew.")
    report = index.sync(folder)
    assert (len(report.added), len(report.changed), len(report.removed), report.unchanged) == (1, 1, 1, 1)
    assert report.removed == [str(folder / "c.md")]
    assert index.document_ids() == [str(folder / name) for name in ("a.md", "b.md", "d.md")]
    assert "Another text." in index.search("b", k=1, filter={"source": str(folder / "b.md")})[0].text
    assert str(report).startswith("1 added, 1 changed, 1 removed, 1 unchanged, 0 left out; 2 of 2 chunks embedded")


def test_an_unchanged_folder_costs_no_embedding_and_no_generation(index, folder, embeddings):
    index.sync(folder)
    embedded, generation = embeddings.texts, index.generation
    report = index.sync(folder)
    assert (report.unchanged, report.documents, report.embedded) == (3, [], 0)
    assert (embeddings.texts, index.generation) == (embedded, generation)


def test_an_item_with_the_same_stamp_is_not_even_read(index):
    shelf = Shelf({"x": "one text", "y": "another"}, {"x": "1"})
    index.sync(shelf)
    shelf.reads.clear()
    assert index.sync(shelf).unchanged == 2
    assert shelf.reads == ["y"]
    shelf.stamps["x"] = "2"
    shelf.reads.clear()
    assert index.sync(shelf).unchanged == 2
    assert shelf.reads == ["x", "y"]
    shelf.reads.clear()
    index.sync(shelf)
    assert shelf.reads == ["y"]


def test_a_file_touched_but_not_changed_is_read_and_not_embedded(index, folder, embeddings):
    index.sync(folder)
    embedded = embeddings.texts
    write(folder / "a.md", (folder / "a.md").read_text())
    assert index.sync(folder).unchanged == 3
    assert embeddings.texts == embedded


def test_of_a_changed_document_only_the_changed_chunks_are_embedded(tmp_path, embeddings):
    parts = [f"Paragraph {number} tells of tower {number}. " * 3 for number in range(20)]
    with VectorIndex.create(tmp_path / "kb", embeddings, splitter=StructureSplitter(size=140, overlap=0)) as index:
        shelf = Shelf({"x": "\n\n".join(parts)})
        first = index.sync(shelf)
        parts[7] = "Something else altogether. " * 4
        shelf.texts["x"] = "\n\n".join(parts)
        second = index.sync(shelf)
    assert second.chunks == first.chunks == 20
    assert second.embedded == 1


def test_a_renamed_file_is_embedded_no_second_time(index, folder, embeddings):
    index.sync(folder)
    embedded = embeddings.texts
    (folder / "a.md").rename(folder / "z.md")
    report = index.sync(folder)
    assert (len(report.added), report.removed) == (1, [str(folder / "a.md")])
    assert embeddings.texts == embedded


def test_what_cannot_be_read_is_told_every_time_and_tried_every_time(index):
    shelf = Shelf({"good": "text", "bad": UnreadableDocument("It is torn.", where="bad")}, {"good": "1", "bad": "1"})
    for _ in range(2):
        report = index.sync(shelf)
        assert [str(left) for left in report.unreadable] == ["bad: It is torn."]
    assert shelf.reads.count("bad") == 2
    shelf.texts["bad"] = "mended"
    report = index.sync(shelf)
    assert (report.added, report.changed, report.left_out) == ([], ["bad"], [])


def test_what_cannot_be_read_any_more_keeps_what_was_read_of_it(index):
    shelf = Shelf({"page": "the price is ten"})
    index.sync(shelf)
    shelf.texts["page"] = UnreadableDocument("The server said 500.", where="page")
    report = index.sync(shelf)
    assert [left.reason for left in report.unreadable] == ["The server said 500. What was read of it before stays."]
    assert index.document_ids() == ["page"]
    shelf.texts["page"] = "the price is ten"
    assert index.sync(shelf).unchanged == 1


def test_a_source_that_cannot_be_listed_to_its_end_removes_nothing(index):
    shelf = Shelf({"x": "one", "y": "two"})
    index.sync(shelf)
    del shelf.texts["y"]
    shelf.ends_with = InputError("The listing broke off.")
    with pytest.raises(InputError, match="broke off"):
        index.sync(shelf)
    assert index.document_ids() == ["x", "y"]


def test_what_could_not_be_listed_is_not_taken_for_gone(index):
    shelf = Shelf({"a/x": "one", "a/y": "two", "b/z": "three"})
    index.sync(shelf)

    class Closed(Shelf):
        def items(self):
            yield from super().items()
            yield Item("a", lambda: self._read("a"), hides="a/")

        def _read(self, key):
            if key == "a":
                raise UnreadableDocument("This folder may not be listed.", where="a")
            return super()._read(key)

    report = index.sync(Closed({}))
    assert report.removed == ["b/z"]
    assert [str(left) for left in report.unreadable] == ["a: This folder may not be listed."]
    assert index.document_ids() == ["a/x", "a/y"]


def test_a_folder_named_from_elsewhere_is_the_same_folder(index, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    first = index.sync("docs")
    assert first.added[0] == "docs/a.md"
    assert index.sync(folder).unchanged == 3
    monkeypatch.chdir(folder)
    report = index.sync(".")
    assert (report.unchanged, report.documents) == (3, [])
    write(folder / "a.md", "# a\n\nOther.")
    assert index.sync(folder).changed == ["docs/a.md"]


def test_two_sources_know_nothing_of_one_another(index):
    index.sync(Shelf({"x": "one"}, name="first"))
    index.sync(Shelf({"y": "two"}, name="second"))
    assert index.sync(Shelf({}, name="first")).removed == ["x"]
    assert index.document_ids() == ["y"]


def test_add_takes_nothing_away(index, folder):
    index.add(folder)
    (folder / "a.md").unlink()
    assert index.add(folder).removed == []
    assert len(index.document_ids()) == 3


def test_a_document_removed_by_hand_comes_back_with_the_next_sync(index, folder):
    index.sync(folder)
    index.delete([str(folder / "a.md")])
    assert index.sync(folder).changed == [str(folder / "a.md")]


def test_another_splitter_reads_everything_anew(tmp_path, folder, embeddings):
    with VectorIndex.create(tmp_path / "kb", embeddings, splitter=StructureSplitter(size=100, overlap=0)) as index:
        index.sync(folder)
        index._given_splitter = StructureSplitter(size=200, overlap=0)
        assert index.sync(folder).embedded == 0  # written anew, in the same chunks
        shelf = Shelf({"x": "A sentence of some length. " * 12}, {"x": "1"})
        before = index.sync(shelf).chunks
        index._given_splitter = StructureSplitter(size=100, overlap=0)
        after = index.sync(shelf)
    assert (after.changed, after.chunks > before) == (["x"], True)


def test_of_two_syncs_at_once_none_undoes_the_other(tmp_path, folder):
    for number in range(60):
        (folder / f"n{number}.md").write_text(f"# n{number}\n\nText {number}.")
    path = tmp_path / "kb"
    VectorIndex.create(path, FakeEmbeddings(32)).close()
    reports, barrier = [], threading.Barrier(4)

    def work():
        with VectorIndex.open(path, FakeEmbeddings(32)) as index:
            barrier.wait()
            reports.append(index.sync(folder))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with VectorIndex.open(path, FakeEmbeddings(32)) as index:
        assert len(index.document_ids()) == 63
        assert index.verify().ok
        assert index.sync(folder).unchanged == 63
    assert sum(len(report.documents) for report in reports) == 63


def test_places_reach_the_hits(index):
    class Book:
        name = "book"

        def items(self):
            text = "First page.\nSecond page."
            places = [Place(0, {"page": 1}), Place(12, {"page": 2})]
            yield Item("book", lambda: iter([SourceDocument("book", text, metadata={"source": "book"}, places=places)]))

    index.sync(Book())
    (hit,) = index.search("page", k=1)
    assert hit.metadata["page"] == 1
    assert [str(place) for place in hit.position.places] == ["page 1", "page 2"]
    assert str(hit.position.place(hit.text.index("Second"))) == "page 2"
    assert index.search("page", k=1, filter={"page": 2}) == []


def test_any_langchain_loader_is_a_source(index):
    class Loader(BaseLoader):
        def lazy_load(self):
            yield Document("page one", metadata={"source": "a.pdf", "page": 0})
            yield Document("page two", metadata={"source": "a.pdf", "page": 1})
            raise ValueError("the third page is torn")

    report = index.sync(Loader())
    assert report.added == ["a.pdf", "a.pdf#2"]
    assert [left.reason for left in report.unreadable] == ["The loader stopped: the third page is torn."]
    assert index.search("two", k=1, mode="words")[0].metadata["page"] == 1


def test_a_source_that_is_none_is_refused(index):
    with pytest.raises(InputError, match="no source of documents"):
        index.sync(42)
    with pytest.raises(InputError, match="no such file or folder"):
        index.sync("nowhere/at/all")
