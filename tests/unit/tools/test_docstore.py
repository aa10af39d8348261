"""Search of an index, and a document store over one."""

import pytest
from worlds import ORCHARD, over

from ziggurat import VectorIndex
from ziggurat.errors import IndexNotFound, InputError
from ziggurat.testing import FakeEmbeddings
from ziggurat.tools import docstore, index_search


@pytest.fixture
def kb(tmp_path):
    (tmp_path / "orchard.md").write_text(ORCHARD, encoding="utf-8")
    (tmp_path / "boat.txt").write_text("The boat is called Halcyon.\nIts sails are red.\n", encoding="utf-8")
    with VectorIndex.create(tmp_path / "kb", "fake:16") as made:
        made.add_files([tmp_path / "orchard.md", tmp_path / "boat.txt"])
    return tmp_path / "kb"


def test_an_index_is_searched_by_its_folder(kb):
    said = index_search(kb, k=1).invoke({"question": "What is the boat called?"})
    assert said.startswith("[1] ")
    assert "boat.txt:1\nThe boat is called Halcyon." in said


def test_what_the_documents_are_is_told_to_the_model(kb):
    assert "(the log of the boat)" in index_search(kb, about="the log of the boat").description


def test_any_retriever_will_do_and_nothing_found_is_said():
    assert index_search(over("one", "two")).invoke({"question": "x"}) == "[1] 0.txt\none\n\n[2] 1.txt\ntwo"
    assert index_search(over()).invoke({"question": "x"}) == "Nothing was found."


def test_long_passages_share_the_room():
    said = index_search(over("a" * 9000, "b" * 9000), characters=1000).invoke({"question": "x"})
    assert len(said) < 1150
    assert "aaa" in said
    assert "bbb" in said


def test_what_is_no_index_is_refused(tmp_path):
    with pytest.raises(IndexNotFound):
        index_search(tmp_path / "none")
    with pytest.raises(InputError):
        index_search(7)


def test_search_opens_the_document_and_lookup_reads_on_in_it(tmp_path, kb):
    with VectorIndex.create(tmp_path / "other", FakeEmbeddings()) as index:
        index.add_files([tmp_path / "orchard.md", tmp_path / "boat.txt"])
        search, lookup = docstore(index)
        said = search.invoke({"topic": "boat"})
        assert said.startswith("boat: The boat is called Halcyon.")
        assert "Orchard" in said.splitlines()[-1]
        assert lookup.invoke({"term": "RED"}) == "(Result 1 of 1) Its sails are red."
        search.invoke({"topic": "orchard"})
        assert lookup.invoke({"term": "harvest"}) == "(Result 1 of 1) The harvest begins in September."
    assert docstore(kb)[0].invoke({"topic": "Orchard"}).startswith("Orchard: ")
