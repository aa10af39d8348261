"""What a stage says of itself: its settings, and what tells it from another of its kind."""

import json
import subprocess
import sys

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from ziggurat import LLM, ImageGeneration, RetrievalQA, Transform, VectorIndex
from ziggurat.testing import FakeChat, FakeImages


@pytest.fixture
def index(tmp_path):
    with VectorIndex.from_texts(["one text"], "fake:16", path=tmp_path / "kb") as made:
        yield made


@pytest.mark.parametrize(
    "other",
    [
        LLM("{a}!", "fake:echo"),
        LLM("{a}", "fake:fixed x"),
        LLM("{a}", "fake:echo", temperature=0.1),
        LLM(ChatPromptTemplate.from_messages([("system", "{a}")]), "fake:echo"),
        LLM("{a}", FakeChat(script="x")),
        LLM("{a}", FakeChat(script="y")),
    ],
)
def test_stages_that_do_otherwise_say_so(other):
    assert LLM("{a}", "fake:echo").stage_identity == LLM("{a}", "fake:echo", name="another name").stage_identity
    assert other.stage_identity != LLM("{a}", "fake:echo").stage_identity


def test_an_identity_is_plain_and_the_same_in_another_process():
    code = (
        "import json; from ziggurat import LLM, ImageGeneration;"
        "print(json.dumps([LLM('{a}', 'fake:echo', stop=['x']).stage_identity, ImageGeneration(chat='fake:echo').stage_identity]))"
    )
    made = [LLM("{a}", "fake:echo", stop=["x"]).stage_identity, ImageGeneration(chat="fake:echo").stage_identity]
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == json.loads(json.dumps(made)) == made


def test_an_index_is_told_by_its_content_as_it_is_now(index, tmp_path):
    qa = RetrievalQA(index, "fake:echo")
    before = qa.stage_identity
    assert before == RetrievalQA(index, "fake:echo").stage_identity
    assert before != RetrievalQA(index, "fake:echo", k=3).stage_identity
    assert before != RetrievalQA(index, "fake:echo", max_tokens=3).stage_identity
    with VectorIndex.from_texts(["one text"], "fake:16", path=tmp_path / "twin") as twin:
        assert before != RetrievalQA(twin, "fake:echo").stage_identity
    index.add_texts(["another"])
    after = qa.stage_identity
    assert (before["retriever"]["index"]["generation"], after["retriever"]["index"]["generation"]) == (1, 2)
    assert json.loads(json.dumps(after)) == after


def test_a_picture_is_told_by_what_makes_it(index):
    told = [
        ImageGeneration(chat="fake:echo").stage_identity,
        ImageGeneration(chat="fake:echo", size=(400, 400)).stage_identity,
        ImageGeneration(chat="fake:echo", plan="graph").stage_identity,
        ImageGeneration(chat="fake:echo", retriever=index).stage_identity,
        ImageGeneration(chat="fake:fixed x").stage_identity,
        ImageGeneration("fake:images").stage_identity,
    ]
    assert len({json.dumps(one) for one in told}) == len(told)


@pytest.mark.parametrize(
    "stage",
    [
        RetrievalQA(RunnableLambda(lambda question: []), "fake:echo"),
        LLM("{a}", FakeChat(script=lambda messages: "x")),
        ImageGeneration(FakeImages()),
        Transform(lambda a: a),
    ],
)
def test_what_cannot_be_told_apart_says_nothing(stage):
    assert stage.stage_identity is None


def test_no_identity_and_no_settings_hold_a_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    pytest.importorskip("langchain_openai")
    one = LLM("{a}", "openai:gpt-4.1", temperature=0)
    assert "gpt-4.1" in str(one.stage_identity)
    assert "sk-very-secret" not in f"{one.stage_identity}{one.settings()}"
    assert one.stage_identity != LLM("{a}", "openai:gpt-4.1", temperature=1).stage_identity
