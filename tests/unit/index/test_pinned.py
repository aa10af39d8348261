"""A pinned generation: what a run reads does not change under it."""

import asyncio

import pytest

from ziggurat import MultiChain
from ziggurat.index import VectorIndex


@pytest.fixture
def index(tmp_path):
    with VectorIndex.create(tmp_path / "kb", "fake:64") as made:
        made.add_texts(["the first text"], ids=["1"])
        yield made


def found(index, **kwargs):
    return {hit.chunk_id for hit in index.search("the text", k=10, **kwargs)}


def test_within_the_block_every_search_sees_the_generation_it_began_with(index):
    with index.pinned():
        began = index.generation
        index.add_texts(["the second text"], ids=["2"])
        index.delete(["1"])
        assert {found(index, mode=mode) == {"1"} for mode in ("hybrid", "dense", "words", "multihop")} == {True}
        assert (index.generation, len(index)) == (began, 1)
        with index.pinned():
            assert found(index) == {"1"}
    assert found(index) == {"2"}
    assert index.generation > began


def test_filters_and_marginal_relevance_are_of_the_pinned_generation_too(index):
    index.add_texts(["the text of a"], [{"by": "a"}], ids=["a"])
    assert found(index, filter={"by": "a"}) == {"a"}
    with index.pinned():
        index.add_texts(["the other text of a"], [{"by": "a"}], ids=["b"])
        assert found(index, filter={"by": "a"}) == {"a"}
        assert len(index.max_marginal_relevance_search("text", k=5)) == 2
    assert found(index, filter={"by": "a"}) == {"a", "b"}


def test_a_snapshot_written_meanwhile_changes_nothing(index):
    with index.pinned():
        index.add_texts([f"text {number} of many" for number in range(5000)])
        assert index.stats().snapshot_rows == 0
        assert found(index) == {"1"}
    assert index.stats().snapshot_rows > 0


def test_all_stages_of_a_run_read_one_generation_while_others_commit(index):
    retriever = index.as_retriever(k=10)

    def commit(before: list) -> str:
        with VectorIndex.open(index.path) as other:
            other.add_texts(["a text of another process"], ids=["late"])
        return "done"

    async def late(committed: str) -> list:
        return await retriever.ainvoke("the text")

    chain = MultiChain(before=retriever, committed=commit, after=late)
    outputs = asyncio.run(chain.ainvoke({"input": "the text"}))
    assert [document.id for document in outputs["after"]] == ["1"]
    assert found(index) == {"1", "late"}


def test_a_pin_is_let_go_when_the_block_fails(index):
    with pytest.raises(RuntimeError, match="oops"), index.pinned():
        raise RuntimeError("oops")
    index.add_texts(["one more text"], ids=["2"])
    assert found(index) == {"1", "2"}
