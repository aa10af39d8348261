"""Small chunks are found, large parts are read."""

import pytest

from ziggurat.errors import InputError
from ziggurat.index import StructureSplitter, VectorIndex
from ziggurat.loaders import Place, SourceDocument

TEXT = "# Book\n\n" + "\n\n".join(
    f"## Chapter {chapter}\n\n" + " ".join(f"Sentence {number} of chapter {chapter}." for number in range(12))
    for chapter in range(4)
)


@pytest.fixture
def index(tmp_path):
    with VectorIndex.create(tmp_path / "kb", "fake:64", splitter=StructureSplitter(size=80, overlap=0)) as made:
        places = [Place(TEXT.index(f"## Chapter {number}"), {"page": number + 1}) for number in range(4)]
        made.add_source(SourceDocument("book", TEXT, "markdown", {"source": "book"}, places))
        made.add_texts(["a bare text of chapter 9"], ids=["bare"])
        yield made


def test_a_hit_becomes_the_section_it_stands_in(index):
    (hit,) = index.search("sentence 5 of chapter 2", k=1, mode="words", parent=600)
    assert hit.text == TEXT[hit.position.start : hit.position.end]
    assert hit.text.startswith("## Chapter 2")
    assert hit.text.endswith("Sentence 11 of chapter 2.")
    assert hit.position.headings == ("Book", "Chapter 2")
    assert str(hit.position.place()) == "page 3"
    assert TEXT.splitlines()[hit.position.first_line - 1] == "## Chapter 2"
    assert index.get_by_ids([hit.chunk_id])


def test_hits_of_one_part_become_one_and_k_parts_are_k_parts(index):
    narrow = index.search("chapter 2", k=3, mode="words")
    assert len({hit.document_id for hit in narrow} | {hit.position.start for hit in narrow}) > 1
    wide = index.search("sentence of chapter", k=3, mode="words", parent=600)
    assert len({(hit.document_id, hit.position.start) for hit in wide}) == 3


def test_a_bare_text_is_its_own_part(index):
    (hit,) = index.search("a bare text", k=1, mode="words", parent=500)
    assert hit.text == "a bare text of chapter 9"


def test_a_part_smaller_than_a_chunk_is_the_chunk(index):
    small, plain = (index.search("sentence 5 of chapter 2", k=1, mode="words", parent=size)[0] for size in (40, None))
    assert (small.text, small.position) == (plain.text, plain.position)


def test_every_mode_and_the_retriever_can_widen(index):
    for kind in ("hybrid", "words", "multihop"):
        found = index.as_retriever(search_type=kind, search_kwargs={"k": 2, "parent": 600}).invoke("chapter 1")
        assert max(len(document.page_content) for document in found) > 200
    assert index.search("chapter 1", k=1, mode="dense", parent=600)


@pytest.mark.parametrize("parent", [0, -1, 3, True, "600", 2.5])
def test_a_size_that_is_none_is_refused(index, parent):
    with pytest.raises(InputError, match="size in characters"):
        index.search("chapter", parent=parent)
