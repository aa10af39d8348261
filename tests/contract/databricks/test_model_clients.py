"""The clients of models that live beside us: databricks-sdk, MLflow's deployments and OpenAI's own."""

import json
import warnings

import httpx
import openai
import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import PermissionDenied, Unauthenticated
from databricks.sdk.service.serving import ChatMessage, ChatMessageRole, DataframeSplitInput
from local_workspace import CHAT, HELLO, recorded, signed_in

from ziggurat.databricks.local import Models
from ziggurat.databricks.local.faults import Faults
from ziggurat.testing import FakeChat, FakeEmbeddings, tool_call

EMBEDDINGS = "databricks-bge-large-en"


@pytest.fixture
def local():
    script = {"weather": tool_call("weather", city="Lisbon"), ".": "Hello there, friend."}
    served = {"my-chat": FakeChat(script="I am behind a secret.")}
    models = Models(chat=FakeChat(script=script), embeddings=FakeEmbeddings(), served=served)
    with signed_in(models=models) as (made, _):
        yield made


@pytest.fixture
def deployments(local, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", local.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", local.token)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns while it is imported
        from mlflow.deployments import get_deploy_client

        return get_deploy_client("databricks")


@pytest.fixture
def client(local):
    with openai.OpenAI(
        base_url=f"{local.url}/serving-endpoints", api_key=local.token, http_client=httpx.Client(trust_env=False)
    ) as made:
        yield made


def external():
    model = {
        "name": "gpt-4",
        "provider": "openai",
        "task": "llm/v1/chat",
        "openai_config": {"openai_api_key": "{{secrets/keys/openai-api-key}}"},
    }
    return {"served_entities": [{"name": "my-chat", "external_model": model}]}


def workspace_client(local):
    return WorkspaceClient(host=local.url, token=local.token)


def test_mlflow_makes_an_external_endpoint_as_the_notebook_does_and_removes_it(local, deployments):
    sdk = workspace_client(local)
    sdk.secrets.create_scope("keys")
    sdk.secrets.put_secret("keys", "openai-api-key", string_value="sk-hidden")
    with pytest.warns(UserWarning, match="deprecated"):
        made = deployments.create_endpoint(name="my-chat", config=external())
    assert made["name"] == "my-chat"
    assert deployments.get_endpoint("my-chat")["state"]["ready"] == "READY"
    assert "my-chat" in [one["name"] for one in deployments.list_endpoints()]
    answer = deployments.predict(endpoint="my-chat", inputs=HELLO)
    assert answer["choices"][0]["message"]["content"] == "I am behind a secret."
    deployments.delete_endpoint("my-chat")
    assert "my-chat" not in [one["name"] for one in deployments.list_endpoints()]


def test_mlflow_changes_an_endpoint_in_every_way_it_can(local, deployments):
    sdk = workspace_client(local)
    sdk.secrets.create_scope("keys")
    sdk.secrets.put_secret("keys", "openai-api-key", string_value="sk-hidden")
    deployments.create_endpoint(config={"name": "my-chat", "config": external()})
    assert deployments.update_endpoint_config("my-chat", external())["config"]["config_version"] == 2
    tags = deployments.update_endpoint_tags("my-chat", {"add_tags": [{"key": "project", "value": "test"}]})
    assert tags == {"tags": [{"key": "project", "value": "test"}]}
    limits = {"rate_limits": [{"calls": 10, "key": "endpoint", "renewal_period": "minute"}]}
    assert deployments.update_endpoint_rate_limits("my-chat", limits) == limits
    assert deployments.update_endpoint_ai_gateway("my-chat", limits) == limits


def test_a_secret_that_does_not_exist_is_named_to_mlflow(local, deployments):
    with pytest.raises(requests.HTTPError, match="secrets/keys/openai-api-key"):
        deployments.create_endpoint(config={"name": "my-chat", "config": external()})


def test_mlflow_streams(deployments):
    pieces = list(deployments.predict_stream(endpoint=CHAT, inputs=HELLO))
    assert "".join(one["choices"][0]["delta"].get("content", "") for one in pieces) == "Hello there, friend."


def test_mlflow_embeds_and_asks_custom_models(local, deployments):
    assert len(deployments.predict(endpoint=EMBEDDINGS, inputs={"input": ["a", "b"]})["data"]) == 2
    local.workspace.serving.serve("dolly", FakeChat(script="I am fine. Thanks."))
    asked = {"dataframe_records": [{"prompt": "How are you?", "stop": ["."]}]}
    assert deployments.predict(endpoint="dolly", inputs=asked) == {"predictions": ["I am fine"]}
    with pytest.raises(requests.HTTPError, match="Model is missing inputs"):
        deployments.predict(endpoint="dolly", inputs={"dataframe_records": [{"text": "x"}]})


def test_the_sdk_asks_every_kind_of_endpoint(local):
    endpoints = workspace_client(local).serving_endpoints
    chat = endpoints.query(CHAT, messages=[ChatMessage(content="Hello", role=ChatMessageRole.USER)], max_tokens=2)
    assert chat.choices[0].message.content == "Hello there,"
    assert chat.served_model_name == CHAT
    assert len(endpoints.query(EMBEDDINGS, input=["a", "b"]).data) == 2
    local.workspace.serving.serve("dolly", FakeChat(script="Fine."))
    split = DataframeSplitInput(columns=["prompt"], data=[["a"]])
    assert endpoints.query("dolly", dataframe_split=split).predictions == ["Fine."]


def test_the_sdk_waits_as_long_as_a_refusal_says():
    with signed_in(faults=Faults(refuse=0.5, retry_after=0, seed=1)) as (local, _):
        sdk = workspace_client(local)
        for _ in range(3):
            sdk.api_client.do("POST", f"/serving-endpoints/{CHAT}/invocations", body=HELLO)
        found = recorded(local, 4)
        assert [one.status for one in found].count(200) == 3
        assert 429 in [one.status for one in found]
        assert local.workspace.record.completed() == 3


def test_a_wrong_and_a_revoked_token_are_told_apart_from_nothing_else(local):
    wrong = WorkspaceClient(config=Config(host=local.url, token="dapi-wrong"))
    with pytest.raises((Unauthenticated, PermissionDenied)) as caught:
        wrong.current_user.me()
    assert "dapi-wrong" not in str(caught.value)


def test_the_sdks_own_openai_client_chats(local):
    with pytest.warns(DeprecationWarning, match="databricks-openai"):
        made = workspace_client(local).serving_endpoints.get_open_ai_client()
    answer = made.chat.completions.create(model=CHAT, messages=HELLO["messages"])
    assert answer.choices[0].message.content == "Hello there, friend."
    made.close()


def test_openai_chats_streams_and_counts(client):
    answer = client.chat.completions.create(model=CHAT, messages=HELLO["messages"], n=2)
    assert [one.message.content for one in answer.choices] == ["Hello there, friend."] * 2
    stream = client.chat.completions.create(
        model=CHAT, messages=HELLO["messages"], stream=True, stream_options={"include_usage": True}
    )
    pieces = list(stream)
    assert "".join(one.choices[0].delta.content or "" for one in pieces if one.choices) == "Hello there, friend."
    assert pieces[-1].usage.completion_tokens == 3


def test_openai_calls_tools_whole_and_streamed(client):
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    asked = {"model": CHAT, "messages": [{"role": "user", "content": "weather"}], "tools": [tool]}
    (call,) = client.chat.completions.create(**asked).choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Lisbon"}
    with client.chat.completions.stream(**asked) as stream:
        found = stream.get_final_completion().choices[0].message.tool_calls
    assert json.loads(found[0].function.arguments) == {"city": "Lisbon"}


def test_openai_embeds_as_base64_without_being_told(client):
    found = client.embeddings.create(model=EMBEDDINGS, input=["a b", "c"])
    assert [one.index for one in found.data] == [0, 1]
    assert all(isinstance(number, float) for number in found.data[0].embedding)


def test_openais_responses_come_whole_and_as_events(client):
    assert client.responses.create(model=CHAT, input="Hello", instructions="Be kind.").output_text.startswith("Hello")
    with client.responses.stream(model=CHAT, input="Hello") as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == "Hello there, friend."
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") == 3


def test_openais_responses_call_tools_and_read_their_answers(client):
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
    first = client.responses.create(model=CHAT, input="weather", tools=[tool])
    (call,) = first.output
    assert json.loads(call.arguments) == {"city": "Lisbon"}
    items = [
        {"role": "user", "content": "weather"},
        call.model_dump(),
        {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."},
        {"role": "user", "content": "Hello"},
    ]
    assert client.responses.create(model=CHAT, input=items, tools=[tool]).output_text == "Hello there, friend."
    with client.responses.stream(model=CHAT, input="weather", tools=[tool]) as stream:
        list(stream)
        (streamed,) = stream.get_final_response().output
    assert json.loads(streamed.arguments) == {"city": "Lisbon"}


def test_openai_is_told_what_cannot_be(client):
    with pytest.raises(openai.NotFoundError, match="endpoint does not exist"):
        client.chat.completions.create(model="nothing", messages=HELLO["messages"])
    with pytest.raises(openai.BadRequestError, match="not stored"):
        client.responses.create(model=CHAT, input="Hello", previous_response_id="resp_1")
    with pytest.raises(openai.BadRequestError, match="web_search"):
        client.responses.create(model=CHAT, input="Hello", tools=[{"type": "web_search"}])


def test_openai_repeats_what_was_refused_and_is_billed_once():
    with signed_in(faults=Faults(refuse=0.3, unavailable=0.2, retry_after=1, seed=4)) as (local, _):
        patient = openai.OpenAI(
            base_url=f"{local.url}/serving-endpoints",
            api_key=local.token,
            max_retries=20,
            http_client=httpx.Client(trust_env=False),
        )
        with patient:
            for _ in range(4):
                patient.chat.completions.create(model=CHAT, messages=HELLO["messages"])
        assert len(recorded(local, 5)) > 4
        assert local.workspace.record.completed() == 4


def test_the_gateways_paths_answer_openai(local):
    for prefix in ("mlflow", "openai"):
        with openai.OpenAI(
            base_url=f"{local.url}/ai-gateway/{prefix}/v1",
            api_key=local.token,
            http_client=httpx.Client(trust_env=False),
        ) as client:
            assert client.responses.create(model=CHAT, input="Hello").output_text == "Hello there, friend."
