"""Hosted models of Hugging Face: its own client, against a local server that speaks its protocol."""

import gc

import numpy as np
import pytest
from pydantic import BaseModel

from ziggurat import LLM, MultiChain, VectorIndex, chat, embeddings
from ziggurat.errors import ModelUnavailable
from ziggurat.testing import FakeChat, FakeEmbeddings, Fault, OpenAIServer

# LangChain's class leaves its asynchronous client open when a loop ends, and has no way to close it.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)


@pytest.fixture(autouse=True)
def swept():
    """What that leaves behind is swept up here, and not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture
def server():
    model = FakeChat(script={"capital of Portugal": "Lisbon is the capital.", "Super Bowl": "The Dallas Cowboys."})
    with OpenAIServer(model, embeddings=FakeEmbeddings(dimensions=24), api_key="hf_secret") as made:
        yield made


@pytest.fixture
def spec(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return f"huggingface:{server.url}"


async def test_it_answers_and_streams_with_usage(spec, server):
    model = chat(spec, temperature=0.1, max_tokens=64)
    message = await model.ainvoke("What is the capital of Portugal?")
    assert message.text == "Lisbon is the capital."
    assert message.usage_metadata["output_tokens"] == 4
    asked = server.requests[-1]
    assert (asked.body["temperature"], asked.body["max_tokens"]) == (0.1, 64)
    assert asked.headers["authorization"] == "Bearer hf_secret"
    pieces = [chunk async for chunk in model.astream("What is the capital of Portugal?", stop=["END"])]
    assert "".join(piece.text for piece in pieces) == "Lisbon is the capital."
    assert len([piece for piece in pieces if piece.text]) > 1
    assert server.requests[-1].body["stop"] == ["END"]


def test_in_a_chain_its_tokens_are_counted(spec):
    chain = MultiChain(answer=LLM("Think step by step: {question}", spec))
    run = chain.run(question="Which team won the Super Bowl in 1994?")
    assert run["answer"] == "The Dallas Cowboys."


def test_tools_and_structured_output_go_through(spec, server):
    class City(BaseModel):
        """A city."""

        name: str

    server.chat = FakeChat(script='{"name": "Lisbon"}')
    made = chat(spec).with_structured_output(City.model_json_schema(), method="function_calling")
    assert made.invoke("Which city?") == {"name": "Lisbon"}


def test_its_embeddings_make_an_index(spec, server, tmp_path):
    model = embeddings(spec)
    np.testing.assert_allclose(model.embed_query("red sails"), server.embeddings.embed_query("red sails"), atol=1e-6)
    with VectorIndex.from_texts(["red sails", "grey stones"], spec, path=tmp_path / "kb") as index:
        assert index.similarity_search("grey stones", k=1)[0].page_content == "grey stones"


def test_a_fault_of_the_service_is_an_error_that_names_no_token(spec, server):
    server.fail(Fault(status=500), Fault(status=500), Fault(status=500))
    with pytest.raises(Exception, match="500") as caught:
        chat(spec).invoke("What is the capital of Portugal?")
    assert "hf_secret" not in str(caught.value)


def test_without_a_token_the_hub_is_refused_in_one_line_and_a_server_of_ones_own_is_not(monkeypatch):
    for name in ("HF_TOKEN", "HUGGINGFACEHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelUnavailable, match="no token"):
        chat("huggingface:google/flan-t5-xl")
    with pytest.raises(ModelUnavailable, match="no token"):
        embeddings("huggingface:BAAI/bge-m3")
    with OpenAIServer(FakeChat(script="Here.")) as server:
        assert chat(f"huggingface:{server.url}").invoke("Anybody?").text == "Here."
