"""Stages from a question to passages: plain, rewritten by a model, in several hops; and answers over them."""

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

from ziggurat import MultiChain, RetrievalQA, given, ref
from ziggurat.chain.spec import dump_chain, load_chain
from ziggurat.errors import InputError
from ziggurat.index import VectorIndex
from ziggurat.stages.multihop import MultiHop
from ziggurat.stages.retrieve import Retrieve, fused
from ziggurat.stages.rewriting import HypotheticalDocument, MultiQuery
from ziggurat.testing import FakeChat

TEXTS = {
    "tea": "Tea is grown on the slopes of Mount Wu.",
    "Mount Wu": "Mount Wu rises north of the river Lin.",
    "river Lin": "The river Lin freezes every winter.",
    "coffee": "Coffee needs warm valleys.",
}


@pytest.fixture
def index(tmp_path):
    with VectorIndex.create(tmp_path / "kb", "fake:64") as made:
        made.add_texts([f"{title}\n{text}" for title, text in TEXTS.items()], [{"title": title} for title in TEXTS])
        yield made


def titles(documents):
    return [document.metadata["title"] for document in documents]


class Searched:
    """A retriever that finds what it is told to, and remembers what it was asked."""

    def __init__(self, **found):
        self.asked, self.found = [], found

    def __call__(self, question):
        self.asked.append(question)
        key = next((key for key in self.found if key in question), None)
        return [Document(text, id=text) for text in self.found.get(key, [])]

    @property
    def runnable(self):
        return RunnableLambda(self)


def test_passages_are_found_as_the_index_would(index):
    assert titles(Retrieve(index, k=1, search="words").run("coffee valleys")) == ["coffee"]
    assert titles(Retrieve(index, k=2, filter={"title": "tea"}).run("coffee valleys")) == ["tea"]
    assert len(Retrieve(index.as_retriever(k=3), k=2).run("the river")) == 2


def test_a_search_that_cannot_be_had_is_refused(index):
    with pytest.raises(InputError, match="searches in its own way"):
        Retrieve(index.as_retriever(), search="words")
    with pytest.raises(InputError, match="cannot retrieve"):
        Retrieve(42)
    with pytest.raises(InputError, match="not a question"):
        Retrieve(index).run("...")
    with pytest.raises(InputError, match="positive number"):
        Retrieve(index.as_retriever(), k=0)


def test_every_wording_is_searched_for_and_the_question_too():
    searched = Searched(drink=["a", "b"], beverage=["b", "c"])
    model = FakeChat(script='1. which beverage grows?\n- "what drink is planted?"\n\n3) ***\n4. one too many\n5. more')
    found = MultiQuery(searched.runnable, model, queries=3, k=2).run("where does the drink grow?")
    assert sorted(searched.asked) == sorted(
        ["where does the drink grow?", "which beverage grows?", "what drink is planted?", "one too many"]
    )
    assert [document.id for document in found] == ["b", "a"]


def test_a_model_that_writes_nothing_loses_nothing():
    searched = Searched(drink=["a"])
    for kind in (MultiQuery, HypotheticalDocument):
        assert [one.id for one in kind(searched.runnable, FakeChat(script=" \n - \n")).run("which drink?")] == ["a"]
    assert searched.asked == ["which drink?", "which drink?"]


def test_an_imagined_passage_is_searched_for_and_never_shown():
    searched = Searched(slopes=["real"], tea=["other"])
    found = HypotheticalDocument(searched.runnable, FakeChat(script="It grows on slopes.")).run("where is tea grown?")
    assert {document.page_content for document in found} == {"real", "other"}


def test_without_a_model_names_are_followed_and_the_path_is_told(index):
    found = MultiHop(index, k=3).run("North of which river is tea grown?")
    assert set(titles(found)) == {"tea", "Mount Wu", "river Lin"}
    paths = {document.metadata["title"]: document.metadata.get("path", []) for document in found}
    assert any("Mount Wu" in step for step in paths["Mount Wu"] + paths["river Lin"])


def test_with_a_model_each_round_searches_for_what_it_says_until_it_has_enough():
    searched = Searched(tea=["tea grows on Wu"], Wu=["Wu is north of Lin"], Lin=["Lin freezes"])
    model = FakeChat(script=["Mount Wu", "the river Lin", "ENOUGH", "never asked"])
    found = MultiHop(searched.runnable, model, k=3, hops=4).run("does the river near tea freeze?")
    assert searched.asked == ["does the river near tea freeze?", "Mount Wu", "the river Lin"]
    assert [document.id for document in found] == ["tea grows on Wu", "Wu is north of Lin", "Lin freezes"]
    assert found[2].metadata["path"] == ["searched for “the river Lin”"]
    assert "tea grows on Wu" in model.calls[0].messages[-1].text


@pytest.mark.parametrize("said", ["ENOUGH", "", "***", "Which drink?"])
def test_a_model_that_has_no_next_search_ends_it(said):
    searched = Searched(drink=["a"])
    MultiHop(searched.runnable, FakeChat(script=said), hops=3).run("which drink?")
    assert searched.asked == ["which drink?"]


def test_bounds_tell_the_calls_before_they_are_made(index):
    assert MultiHop(index).stage_bounds(None) == []
    assert len(MultiHop(index, "fake:echo", hops=3).stage_bounds({"question": "x"})) == 3
    assert len(MultiQuery(index, "fake:echo").stage_bounds({"question": "x"})) == 1


def test_ranks_are_fused_by_their_reciprocals():
    a, b, c = (Document(name, id=name) for name in "abc")
    assert [one.id for one in fused([[a, b], [b, c]], 3)] == ["b", "a", "c"]
    assert [one.id for one in fused([[Document("x")], [Document("x")]], 3)] == [None]


def test_answers_are_written_over_documents_of_another_stage(index):
    answer = RetrievalQA(model=FakeChat(script="The river Lin freezes every winter."))
    chain = MultiChain(
        found=Retrieve(index, k=2, search="words"),
        answer=given(answer, documents=ref("found")),
    )
    outputs = chain.run({"question": "When does the river Lin freeze?"})
    assert outputs["answer"].found
    assert outputs["answer"].citations[0].quote.endswith("The river Lin freezes every winter.")
    with pytest.raises(InputError, match="no list of LangChain documents"):
        answer.run(question="When does the river freeze?", documents="text")


def test_all_of_them_can_be_written_in_a_file_and_read_back(index, tmp_path):
    chain = MultiChain(
        a=Retrieve(index, k=2, search="multihop", parent=400),
        b=MultiQuery(index, "fake:echo", queries=2),
        c=HypotheticalDocument(index, "fake:echo", max_tokens=80),
        d=MultiHop(index, k=3, hops=2),
        e=given(RetrievalQA(model="fake:echo", k=3), documents=ref("a")),
        f=RetrievalQA(index.as_retriever(search_type="multihop", search_kwargs={"k": 8}), "fake:echo"),
    )
    text = dump_chain(chain, folder=tmp_path)
    assert "uses: multi_hop" in text
    again = load_chain(text, folder=tmp_path)
    assert dump_chain(again, folder=tmp_path) == text
    assert titles(again.run({"question": "the river Lin"})["a"]) == titles(
        chain.run({"question": "the river Lin"})["a"]
    )


def test_the_identity_changes_with_the_index_and_with_the_search(index):
    identity = Retrieve(index).stage_identity
    assert Retrieve(index).stage_identity == identity
    assert Retrieve(index, search="multihop").stage_identity != identity
    index.add_texts(["one more"])
    assert Retrieve(index).stage_identity != identity
    assert MultiQuery(index, "fake:echo").stage_identity != MultiQuery(index, "fake:echo", queries=2).stage_identity
    assert Retrieve(RunnableLambda(lambda _: [])).stage_identity is None
