"""`Rerank`: passages put in the order of a model that reads them beside the question."""

import asyncio
import threading
import time

import numpy as np
import pytest
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import RunnableLambda

from ziggurat import MultiChain, RetrievalQA, given, ref
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.errors import ChainError, InputError, ModelError, UnknownModel
from ziggurat.index import VectorIndex
from ziggurat.specs import DEFAULT_RERANKER
from ziggurat.stages.rerank import SCORE, Compressor, Rerank
from ziggurat.stages.retrieve import Retrieve
from ziggurat.testing import FakeChat, FakeReranker

TEXTS = [
    "Tea is grown on slopes.",
    "The river Lin freezes every winter.",
    "Coffee needs warm valleys.",
    "Winter is cold.",
]
DOCUMENTS = [Document(text, id=str(at), metadata={"at": at}) for at, text in enumerate(TEXTS)]
QUESTION = "When does the river Lin freeze in winter?"


@pytest.fixture
def index(tmp_path):
    with VectorIndex.create(tmp_path / "kb", "fake:64") as made:
        made.add_texts(TEXTS)
        yield made


class Given(FakeReranker):
    """Scores as it is told."""

    def __init__(self, *scores):
        super().__init__()
        self._scores = scores

    def score(self, question, texts):
        return np.array(self._scores, np.float32)


class Longest(BaseDocumentCompressor):
    """The longest documents first, cut to ten characters."""

    tells: bool = False

    def compress_documents(self, documents, query, callbacks=None):
        ordered = sorted(documents, key=lambda one: -len(one.page_content))
        score = {"relevance_score": 0.5} if self.tells else {}
        return [Document(one.page_content[:10], metadata={**one.metadata, **score}) for one in ordered]


def test_the_best_come_first_and_tell_their_score():
    found = Rerank(reranker="fake:overlap", k=2).run(question=QUESTION, documents=DOCUMENTS)
    assert [one.id for one in found] == ["1", "3"]
    assert found[0].metadata[SCORE] > found[1].metadata[SCORE] > 0
    assert found[0].metadata["at"] == 1
    assert SCORE not in DOCUMENTS[1].metadata


def test_equal_scores_stay_in_the_order_they_came():
    found = Rerank(reranker=Given(1, 2, 2, 1), k=4).run(question=QUESTION, documents=DOCUMENTS)
    assert [one.id for one in found] == ["1", "2", "0", "3"]


def test_a_vector_store_is_asked_for_more_than_are_kept(index):
    stage = Rerank(index, reranker="fake:overlap", k=1, fetch=3)
    assert [one.page_content for one in stage.run(QUESTION)] == [TEXTS[1]]
    asked = []
    searched = RunnableLambda(lambda question: asked.append(question) or DOCUMENTS)
    assert len(Rerank(searched, reranker="fake:overlap", k=3).run(QUESTION)) == 3
    assert asked == [QUESTION]


def test_nothing_found_is_nothing_returned_and_no_model_is_asked():
    reranker = FakeReranker()
    assert Rerank(reranker=reranker).run(question=QUESTION, documents=[]) == []
    assert reranker.questions == []


@pytest.mark.parametrize("scores", [(1, 2, 3), (1, 2, 3, float("nan")), ()])
def test_a_reranker_that_does_not_score_each_document_is_found_out(scores):
    with pytest.raises(ModelError, match="no score for each of 4 documents"):
        Rerank(reranker=Given(*scores)).run(question=QUESTION, documents=DOCUMENTS)


def test_what_cannot_be_reranked_is_refused():
    stage = Rerank(reranker="fake:overlap")
    with pytest.raises(InputError, match="not a question"):
        stage.run(question="?", documents=DOCUMENTS)
    with pytest.raises(InputError, match="no list of LangChain documents"):
        stage.run(question=QUESTION, documents=["text"])
    with pytest.raises(InputError, match="best 5 of 4"):
        Rerank(reranker="fake:overlap", k=5, fetch=4)
    with pytest.raises(InputError, match="cannot rerank"):
        Rerank(reranker=object())
    with pytest.raises(UnknownModel):
        Rerank(reranker="fake:nothing")


@pytest.mark.parametrize("tells", [False, True])
def test_a_langchain_compressor_reranks_too(tells):
    found = Rerank(reranker=Longest(tells=tells), k=2).run(question=QUESTION, documents=DOCUMENTS)
    assert [one.page_content for one in found] == [TEXTS[1][:10], TEXTS[2][:10]]
    assert [one.metadata.get(SCORE) for one in found] == [0.5 if tells else None] * 2


async def test_ours_is_a_langchain_compressor_too():
    compressor = Compressor(reranker="fake:overlap", k=2)
    assert isinstance(compressor, BaseDocumentCompressor)
    for found in (
        compressor.compress_documents(DOCUMENTS, QUESTION),
        await compressor.acompress_documents(DOCUMENTS, QUESTION),
        Rerank(reranker=compressor, k=2).run(question=QUESTION, documents=DOCUMENTS),
    ):
        assert [one.id for one in found] == ["1", "3"]
    assert compressor.compress_documents([], QUESTION) == []


async def test_a_slow_compressor_leaves_the_loop_free():
    threads = set()

    class Slow(Longest):
        def compress_documents(self, documents, query, callbacks=None):
            threads.add(threading.get_ident())
            time.sleep(0.05)
            return documents

    stage = Rerank(reranker=Slow())
    task = asyncio.ensure_future(stage.ainvoke({"question": QUESTION, "documents": DOCUMENTS}))
    turns = 0
    while not task.done():
        await asyncio.sleep(0.002)
        turns += 1
    assert turns > 5
    assert threads.isdisjoint({threading.get_ident()})


def test_found_reranked_and_answered_in_one_chain_written_and_read_back(index, tmp_path):
    chain = MultiChain(
        found=Retrieve(index, k=4),
        best=given(Rerank(reranker="fake:overlap", k=1), documents=ref("found")),
        direct=Rerank(index, reranker="fake:overlap", k=2, fetch=4),
        answer=given(RetrievalQA(model="fake:fixed The river Lin freezes every winter."), documents=ref("best")),
    )
    outputs = chain.run({"question": QUESTION})
    assert [one.page_content for one in outputs["best"]] == [TEXTS[1]]
    assert outputs["direct"][0].page_content == TEXTS[1]
    assert outputs["answer"].citations[0].quote == TEXTS[1]
    text = dump_chain(chain, folder=tmp_path)
    assert "uses: rerank" in text
    again = load_chain(text, folder=tmp_path)
    assert dump_chain(again, folder=tmp_path) == text
    assert again.run({"question": QUESTION})["best"] == outputs["best"]


def test_what_was_given_open_has_no_written_form(index):
    with pytest.raises(InputError, match="given its reranker as an open FakeReranker"):
        Rerank(index, reranker=FakeReranker()).settings()
    with pytest.raises(InputError, match="given its retriever as an open"):
        Rerank(RunnableLambda(lambda _: []), reranker="fake:overlap").settings()


def test_the_identity_follows_the_index_the_reranker_and_how_many(index):
    identity = Rerank(index, reranker="fake:overlap").stage_identity
    assert Rerank(index, reranker=FakeReranker(), name="other").stage_identity == identity
    assert Rerank(index, reranker="fake:overlap", k=2).stage_identity != identity
    assert Rerank(index, reranker="fake:overlap", fetch=9).stage_identity != identity
    assert Rerank(reranker="fake:overlap").stage_identity != identity
    assert Rerank(index, reranker=Longest()).stage_identity is None
    index.add_texts(["one more"])
    assert Rerank(index, reranker="fake:overlap").stage_identity != identity


def test_a_failing_reranker_fails_its_stage_alone(index):
    chain = MultiChain(
        found=Retrieve(index, k=4),
        best=given(Rerank(reranker=Given(1)), documents=ref("found")),
        answer=given(RetrievalQA(model=FakeChat(script="x")), documents=ref("found")),
    )
    with pytest.raises(ChainError, match="best") as caught:
        chain.run({"question": QUESTION})
    assert set(caught.value.outputs) == {"found", "answer"}


def test_where_no_reranker_is_named_the_local_one_is_meant_and_nothing_is_fetched_yet(tmp_path):
    text = "ziggurat: 1\ninputs: [question, documents]\nstages:\n  best: {uses: rerank, k: 2}\n"
    chain = load_chain(text, folder=tmp_path)
    assert dump_chain(chain, folder=tmp_path) == dump_chain(MultiChain(best=Rerank(k=2)), folder=tmp_path)
    assert Rerank().stage_identity["reranker"].startswith(f"{DEFAULT_RERANKER}@")
