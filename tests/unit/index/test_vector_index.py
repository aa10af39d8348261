"""`VectorIndex` from the outside: what it takes and what it finds."""

from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from worlds import TEXTS

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.index import VectorIndex, VectorIndexRetriever
from ziggurat.loaders import SourceDocument
from ziggurat.testing import FakeEmbeddings

# An empty index


def test_an_empty_index_finds_nothing_and_asks_no_model(index):
    assert index.search("anything") == []
    assert index.search("anything", mode="words") == []
    assert index.similarity_search("anything") == []
    assert index.similarity_search_by_vector([1.0, 2.0]) == []
    assert index.max_marginal_relevance_search("anything") == []
    assert index.get_by_ids(["x"]) == []
    assert index.add_texts([]) == index.add_documents([]) == []
    assert index.delete(["x"])
    assert index._engine.embedder.model.texts == 0
    assert index.verify().ok
    assert index.generation == 0


# Adding


def test_the_same_id_replaces_and_of_two_in_one_call_the_later_counts(index):
    assert index.add_texts(["old", "kept"], ids=["x", "y"]) == ["x", "y"]
    assert index.add_texts(["first", "second"], [{"v": 1}, {"v": 2}], ids=["x", "x"]) == ["x", "x"]
    assert index.get_by_ids(["x", "y"]) == [
        Document(id="x", page_content="second", metadata={"v": 2}),
        Document(id="y", page_content="kept"),
    ]
    assert len(index) == 2
    assert index.search("old", mode="words") == index.search("first", mode="words") == []


def test_metadata_comes_back_as_it_was_given(index):
    metadata = {"a": [1, 2.5, None, True, {"é": "月"}], "empty": {}, "nul": "x\0y", "big": 2**80}
    index.add_texts(["text"], [metadata], ids=["x"])
    assert index.get_by_ids(["x"])[0].metadata == metadata
    assert dict(index.search("text")[0].metadata) == metadata


def test_vectors_are_scaled_to_length_one_and_scores_are_cosines(index):
    index.add_vectors(["east", "north", "nowhere"], [[30.0, 0.0], [0.0, 1e20], [0.0, 0.0]], ids=["e", "n", "0"])
    found = index.similarity_search_with_score_by_vector([1.0, 1.0], k=3)
    assert {document.id: pytest.approx(score, abs=1e-6) for document, score in found} == {
        "e": 0.5**0.5,
        "n": 0.5**0.5,
        "0": 0,
    }
    assert index.verify().ok


def test_a_model_that_fails_leaves_the_index_as_it_was(index, monkeypatch):
    index.add_texts(["before"])

    def fail(texts):
        raise ConnectionError("gone")

    monkeypatch.setattr(index._engine.embedder.model, "embed_documents", fail)
    with pytest.raises(ConnectionError):
        index.add_texts(["after"])
    assert len(index) == index.generation == 1


def test_a_model_with_arrays_is_asked_for_arrays_of_passages(tmp_path):
    class Arrays(FakeEmbeddings):
        asked: list[str]

        def embed_array(self, texts, kind="passage"):
            self.asked = [kind, *texts]
            return np.array(self.embed_documents(list(texts)), dtype=np.float32)

    model = Arrays()
    with VectorIndex.create(tmp_path / "index", model) as index:
        index.add_texts(["one", "two"])
        assert model.asked == ["passage", "one", "two"]
        assert index.search("two", k=1)[0].text == "two"


# Searching


def test_a_hybrid_hit_names_both_legs_and_its_place(filled):
    hit = filled.search("which canal joins the seas", k=1)[0]
    assert (hit.chunk_id, hit.document_id, hit.text) == ("a", "a", TEXTS[0])
    assert hit.dense.rank == hit.words.rank == 1
    assert hit.score == pytest.approx(1.0)
    assert (hit.position.start, hit.position.end, hit.position.first_line, hit.position.last_line) == (0, 22, 1, 1)


def test_words_mode_needs_no_model(tmp_path):
    with VectorIndex.create(tmp_path / "index", "local:no-such-model") as index:
        index.add_vectors(TEXTS, np.eye(4), ids=list("abcd"))
        assert [hit.chunk_id for hit in index.search("两片海", mode="words")] == ["d"]
        assert index.search("stairs", mode="words")[0].dense is None


def test_a_filter_is_applied_inside_the_search(index):
    index.add_texts([f"a canal, the {at}th" for at in range(200)], [{"n": at} for at in range(200)])
    for mode in ("hybrid", "dense", "words"):
        hits = index.search("canal", k=5, mode=mode, filter={"n": {"$gte": 197}})
        assert {hit.metadata["n"] for hit in hits} == {197, 198, 199}
    assert index.search("canal", filter={"n": -1}) == []
    assert len(index.similarity_search("canal", k=9, filter={"n": {"$lt": 3}})) == 3
    assert len(index.max_marginal_relevance_search("canal", k=9, filter={"n": {"$lt": 3}})) == 3
    retriever = index.as_retriever(search_kwargs={"filter": {"n": 7}, "k": 3})
    assert [document.metadata for document in retriever.invoke("canal")] == [{"n": 7}]


def test_a_remembered_filter_forgets_at_the_next_commit(filled):
    assert len(filled.search("a", k=9, filter={"even": True})) == 2
    filled.add_texts(["a new even one"], [{"even": True}])
    assert len(filled.search("a", k=9, filter={"even": True})) == 3


def test_marginal_relevance_prefers_difference(index):
    index.add_vectors(["east", "east again", "north-east"], [[1, 0], [0.999, 0.01], [0.7, 0.7]], ids=["e", "e2", "ne"])
    near = index.max_marginal_relevance_search_by_vector([1.0, 0.0], k=2, lambda_mult=1.0)
    far = index.max_marginal_relevance_search_by_vector([1.0, 0.0], k=2, lambda_mult=0.3)
    assert [document.id for document in near] == ["e", "e2"]
    assert [document.id for document in far] == ["e", "ne"]


def test_langchains_own_search_form_returns_documents(filled):
    assert filled.search("canal", "similarity", k=1)[0].id == "a"
    assert filled.search("canal", search_type="mmr", k=1)[0].id == "a"
    scored = filled.similarity_search_with_relevance_scores("a canal joins two seas", k=4)
    assert scored[0][1] == pytest.approx(1.0)
    assert all(0 <= score <= 1 for _, score in scored)
    with pytest.raises(ValueError, match="guess"):
        filled.search("canal", "guess")


def test_the_retriever_is_ours_and_hybrid(filled):
    retriever = filled.as_retriever(k=2)
    assert isinstance(retriever, VectorIndexRetriever)
    assert retriever.search_type == "hybrid"
    assert next(document.id for document in retriever.invoke("运河")) == "d"
    assert len(retriever.invoke("运河", k=1)) == 1
    threshold = filled.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.99})
    assert [document.id for document in threshold.invoke(TEXTS[1])] == ["b"]


# Files


def test_files_become_documents_with_places_and_reasons_for_those_left_out(index, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "guide.md").write_text("# Guide\n\nIntro.\n\n## Locks\n\nA lock lifts boats.\nIt fills with water.\n")
    (folder / "empty.txt").write_text("")
    (folder / "deck.xyz").write_bytes(b"PK")
    report = index.add_files(folder)
    assert report.documents == [str(folder / "guide.md")]
    assert [str(left) for left in report.unsupported] == [f"{folder / 'deck.xyz'}: Nothing reads .xyz files."]
    assert [str(left) for left in report.unreadable] == [f"{folder / 'empty.txt'}: The file is empty."]
    assert str(report).startswith("1 added, 0 changed, 0 removed, 0 unchanged, 2 left out; 2 of 2 chunks embedded")
    hit = index.search("what lifts boats", k=1)[0]
    text = (folder / "guide.md").read_text()
    assert hit.text == text[hit.position.start : hit.position.end]
    assert hit.position.headings == ("Guide", "Locks")
    assert (hit.position.first_line, hit.position.last_line) == (5, 8)
    assert hit.document_id == hit.position.source == str(folder / "guide.md")
    document = index.get_by_ids([hit.chunk_id])[0]
    assert document.metadata == {
        "source": str(folder / "guide.md"),
        "title": "Guide",
        "headings": ["Guide", "Locks"],
        "document_id": str(folder / "guide.md"),
        "start_index": hit.position.start,
        "end_index": hit.position.end,
        "first_line": 5,
        "last_line": 8,
    }


def test_a_file_indexed_again_replaces_itself_whole(index, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join(f"Old paragraph {at}. " * 30 for at in range(5)))
    first = index.add_files(path)
    assert first.chunks > 2
    path.write_text("New.")
    assert index.add_files([path, path]).chunks == 1
    assert len(index) == 1
    assert index.search("old paragraph", mode="words") == []


def test_a_document_is_deleted_whole_and_counts_its_chunks(index):
    text = "\n\n".join(f"Paragraph {at}. " * 40 for at in range(4))
    chunks = index.add_source(SourceDocument("d", text, metadata={"lang": "en"})).chunks
    index.delete(["d#1"])
    assert len(index) == chunks - 1
    assert index.verify().ok
    index.delete(["d"])
    assert len(index) == 0
    assert index.document_ids() == []


def test_a_path_that_is_not_there_stops_before_anything_is_indexed(index, tmp_path):
    (tmp_path / "a.txt").write_text("here")
    with pytest.raises(InputError, match="no such"):
        index.add_files([tmp_path / "a.txt", tmp_path / "missing"])
    assert len(index) == 0


@pytest.mark.parametrize("text", [" ", "nul \0", "\ud800"])
def test_a_document_that_cannot_be_stored_is_unreadable(index, text):
    with pytest.raises(UnreadableDocument):
        index.add_source(SourceDocument("d", text))
    assert len(index) == 0


def test_progress_is_told_of_every_file(index, tmp_path):
    from contextlib import contextmanager

    told: list[Any] = []

    class Counter:
        def advance(self, amount: int = 1) -> None:
            told.append(amount)

    @contextmanager
    def progress(label, total, unit="items"):
        told.append(total)
        yield Counter()

    for name in ("a.txt", "b.txt", "c.pdf"):
        (tmp_path / name).write_text("text")
    index.add_files([tmp_path / name for name in ("a.txt", "b.txt", "c.pdf")], progress=progress)
    assert told == [3, 1, 1, 1]
