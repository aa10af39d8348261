"""The providers ``openai`` and ``azure`` through the real clients, against a local server."""

from __future__ import annotations

import json
import sys

import openai
import pytest
from pydantic import BaseModel

from ziggurat import models
from ziggurat.errors import InputError, ModelUnavailable, PictureError
from ziggurat.models.openai_images import nearest_size
from ziggurat.testing import FakeChat, FakeEmbeddings, Fault, OpenAIServer, tool_call

KEY = "sk-secret-0123456789"


class City(BaseModel):
    """A city."""

    name: str


@pytest.fixture
def server(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    with OpenAIServer(FakeChat(script="Lisbon is the capital."), api_key=KEY) as running:
        yield running


@pytest.fixture(params=["openai", "azure"])
def open_with(request, server):
    """Opens a model of a provider at the server."""
    if request.param == "openai":
        where = {"base_url": server.base_url, "api_key": KEY}
    else:
        where = {"azure_endpoint": server.url, "api_key": KEY, "api_version": "2025-01-01"}
    return lambda opener, name="gpt-4.1", **options: opener(f"{request.param}:{name}", **where, **options)


def test_a_chat_answers_with_usage(server, open_with):
    answer = open_with(models.chat).invoke("The capital of Portugal?")
    assert answer.content == "Lisbon is the capital."
    assert answer.usage_metadata["total_tokens"] == 8
    assert server.requests[-1].body["messages"][0]["content"] == "The capital of Portugal?"


def test_a_stream_carries_its_usage(open_with):
    chunks = list(open_with(models.chat).stream("The capital?"))
    assert "".join(chunk.text for chunk in chunks) == "Lisbon is the capital."
    assert sum(chunk.usage_metadata["output_tokens"] for chunk in chunks if chunk.usage_metadata) == 4


async def test_it_works_asynchronously(open_with):
    chat = open_with(models.chat)
    assert (await chat.ainvoke("?")).content == "Lisbon is the capital."
    assert "".join([chunk.text async for chunk in chat.astream("?")]) == "Lisbon is the capital."


def test_tools_are_called_whole_and_streamed(server, open_with):
    server.chat = FakeChat(script=[tool_call("add", a=1, b=2)] * 2)

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    chat = open_with(models.chat).bind_tools([add])
    assert chat.invoke("1 + 2").tool_calls[0]["args"] == {"a": 1, "b": 2}
    whole = None
    for chunk in chat.stream("1 + 2"):
        whole = chunk if whole is None else whole + chunk
    assert whole.tool_calls[0]["args"] == {"a": 1, "b": 2}
    assert server.requests[0].body["tools"][0]["function"]["name"] == "add"


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_is_parsed(server, open_with, method):
    server.chat = FakeChat(script='{"name": "Lisbon"}')
    assert open_with(models.chat).with_structured_output(City, method=method).invoke("?") == City(name="Lisbon")


def test_embeddings_are_those_of_the_server(open_with):
    made = open_with(models.embeddings, "text-embedding-3-small").embed_documents(["one", "two words"])
    wanted = FakeEmbeddings().embed_documents(["one", "two words"])
    assert made[1] == pytest.approx(wanted[1], abs=1e-6)
    assert len(made) == 2


def test_embeddings_come_as_numbers_when_base64_is_not_asked_for(server):
    client = openai.OpenAI(base_url=server.base_url, api_key=KEY)
    made = client.embeddings.create(model="m", input="one", encoding_format="float")
    assert made.data[0].embedding == pytest.approx(FakeEmbeddings().embed_query("one"))


def test_a_picture_is_drawn_at_the_nearest_size(server, open_with):
    picture = open_with(models.images, "gpt-image-1", quality="low").generate("a boat", size=(1920, 1080))
    assert (picture.width, picture.height, picture.kind, picture.format) == (1536, 1024, "photo", "png")
    assert server.requests[-1].body["quality"] == "low"


async def test_a_picture_is_drawn_asynchronously(open_with):
    assert (await open_with(models.images, "dall-e-3").agenerate("a boat")).prompt == "a boat"


def test_azure_asks_at_the_deployments_own_path(server):
    options = {"azure_endpoint": server.url, "api_key": KEY, "api_version": "2025-01-01"}
    models.chat("azure:house-model", **options).invoke("?")
    models.embeddings("azure:house-vectors", **options).embed_query("?")
    models.images("azure:house-pictures", **options).generate("?")
    assert [request.path for request in server.requests] == [
        "/openai/deployments/house-model/chat/completions",
        "/openai/deployments/house-vectors/embeddings",
        "/openai/deployments/house-pictures/images/generations",
    ]
    assert {request.query["api-version"] for request in server.requests} == {"2025-01-01"}
    assert all(request.headers["api-key"] == KEY for request in server.requests)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_after_the_time_it_names(server, open_with, status):
    server.fail(Fault(status=status, retry_after=0.01), Fault(status=status, retry_after=0.01))
    assert open_with(models.chat, max_retries=2).invoke("?").content == "Lisbon is the capital."
    assert len(server.requests) == 3


def test_a_service_that_hangs_is_given_up(server, open_with):
    server.fail(Fault(hang=5))
    with pytest.raises(openai.APITimeoutError):
        open_with(models.chat, timeout=0.2, max_retries=0).invoke("?")


def test_a_stream_that_is_cut_is_an_error_and_not_a_short_answer(server, open_with):
    server.fail(Fault(cut_after=2))
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|connection"):
        list(open_with(models.chat, max_retries=0).stream("?"))


def test_a_body_that_is_not_json_is_an_error(server, open_with):
    server.fail(Fault(invalid_json=True))
    with pytest.raises(ValueError, match="Expecting value"):
        open_with(models.chat, max_retries=0).invoke("?")


def test_a_fault_meets_only_the_path_it_names(server, open_with):
    server.fail(Fault(status=500, path="/embeddings"))
    assert open_with(models.chat, max_retries=0).invoke("?").content
    with pytest.raises(openai.InternalServerError):
        open_with(models.embeddings, max_retries=0).embed_query("?")


def test_a_wrong_key_is_never_repeated_in_the_error(server):
    wrong = "sk-wrong-abcdefghij"
    with pytest.raises(openai.AuthenticationError) as refused:
        models.chat("openai:gpt-4.1", base_url=server.base_url, api_key=wrong).invoke("?")
    with pytest.raises(ModelUnavailable) as pictures:
        models.images("openai:gpt-image-1", base_url=server.base_url, api_key=wrong).generate("?")
    for error in (refused.value, pictures.value):
        assert wrong not in str(error)
        assert wrong not in repr(error)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=400), PictureError),
        (Fault(status=403), ModelUnavailable),
        (Fault(status=404), ModelUnavailable),
        (Fault(status=429), ModelUnavailable),
        (Fault(status=500), ModelUnavailable),
        (Fault(invalid_json=True), PictureError),
    ],
)
def test_every_failure_of_the_images_service_is_one_of_our_errors(server, open_with, fault, error):
    server.fail(fault)
    with pytest.raises(error):
        open_with(models.images, "gpt-image-1", max_retries=0).generate("?")


def test_an_images_service_that_is_not_there_is_unavailable():
    images = models.images("openai:gpt-image-1", base_url="http://127.0.0.1:9/v1", api_key="x", max_retries=0)
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        images.generate("?")


def test_an_empty_prompt_is_refused_before_anything_is_sent(server, open_with):
    with pytest.raises(InputError):
        open_with(models.images, "gpt-image-1").generate("  ")
    assert server.requests == []


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [((512, 512), (1024, 1024)), ((1920, 1080), (1536, 1024)), ((600, 900), (1024, 1536)), ((1, 1), (1024, 1024))],
)
def test_the_nearest_size_is_the_nearest_shape(wanted, nearest):
    assert nearest_size(wanted, ((1024, 1024), (1536, 1024), (1024, 1536))) == nearest


@pytest.mark.parametrize("opener", [models.chat, models.embeddings, models.images])
def test_a_missing_key_names_the_variable(monkeypatch, opener):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY"):
        opener("openai:gpt-4.1")


def test_what_azure_lacks_is_named_one_by_one(monkeypatch):
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ModelUnavailable, match="AZURE_OPENAI_ENDPOINT"):
        models.chat("azure:house")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://house.example")
    with pytest.raises(ModelUnavailable, match="OPENAI_API_VERSION"):
        models.chat("azure:house")
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01")
    monkeypatch.setitem(sys.modules, "azure.identity", None)  # else it would sign in by itself
    with pytest.raises(ModelUnavailable, match="AZURE_OPENAI_API_KEY"):
        models.chat("azure:house")


def test_a_token_from_the_environment_signs_in_and_openais_key_stays_at_home(server, monkeypatch):
    server._api_key = None
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-entra")
    models.chat("azure:house", azure_endpoint=server.url, api_version="2025-01-01").invoke("?")
    models.images("azure:house", azure_endpoint=server.url, api_version="2025-01-01").generate("?")
    for request in server.requests:
        assert request.headers["authorization"] == "Bearer token-of-entra"
        assert KEY not in json.dumps(request.headers)


def test_the_server_lists_its_models_and_knows_what_it_does_not_have(server):
    client = openai.OpenAI(base_url=server.base_url, api_key=KEY)
    assert [model.id for model in client.models.list()] == ["fake"]
    with pytest.raises(openai.NotFoundError):
        client.files.list()
