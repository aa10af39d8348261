import base64
import json
import time

import numpy as np
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied, ResourceConflict
from databricks.sdk.errors.platform import InvalidParameterValue, ResourceAlreadyExists
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    EndpointTag,
    ExternalModel,
    ExternalModelProvider,
    OpenAiConfig,
    RateLimit,
    RateLimitKey,
    RateLimitRenewalPeriod,
    Route,
    ServedEntityInput,
    TrafficConfig,
)
from local_workspace import AT_ONCE, CHAT, HELLO, recorded, signed_in

from ziggurat.databricks.local import Delays, Models
from ziggurat.testing import FakeChat, FakeEmbeddings, tool_call

ROWS = [{"prompt": "How are you?"}]


def invoke(client, name, body):
    return client.post(f"/serving-endpoints/{name}/invocations", json=body)


def external(name="gpt", key="{{secrets/keys/openai}}", **more):
    model = {"name": "gpt-4", "provider": "openai", "task": "llm/v1/chat", "openai_config": {"openai_api_key": key}}
    return {"served_entities": [{"name": name, "external_model": {**model, **more}}]}


def with_secret(client):
    client.post("/api/2.0/secrets/scopes/create", json={"scope": "keys"})
    client.post("/api/2.0/secrets/put", json={"scope": "keys", "key": "openai", "string_value": "sk-hidden"})


def test_the_models_that_every_workspace_has_are_there_and_cannot_be_removed():
    with signed_in() as (local, _):
        client = WorkspaceClient(host=local.url, token=local.token)
        found = client.serving_endpoints.get("databricks-bge-large-en")
        assert (found.state.ready.value, found.task, found.endpoint_url) == ("READY", "llm/v1/embeddings", None)
        with pytest.raises(PermissionDenied):
            client.serving_endpoints.delete("databricks-bge-large-en")


def test_an_external_model_is_made_with_a_secret_and_answers_at_once():
    served = {"gpt-4": FakeChat(script="I am the external one.")}
    with signed_in(models=Models(chat=FakeChat(), served=served), delays=Delays(endpoint=60)) as (local, http):
        with_secret(http)
        client = WorkspaceClient(host=local.url, token=local.token)
        model = ExternalModel(
            name="gpt-4",
            provider=ExternalModelProvider.OPENAI,
            task="llm/v1/chat",
            openai_config=OpenAiConfig(openai_api_key="{{secrets/keys/openai}}"),
        )
        config = EndpointCoreConfigInput(
            name="my-chat", served_entities=[ServedEntityInput(name="my-chat", external_model=model)]
        )
        made = client.serving_endpoints.create_and_wait("my-chat", config=config)
        assert http.get("/api/2.0/serving-endpoints/my-chat").json()["endpoint_type"] == "EXTERNAL_MODEL"
        assert "sk-hidden" not in json.dumps(made.as_dict())
        answer = invoke(http, "my-chat", HELLO)
        assert answer.json()["choices"][0]["message"]["content"] == "I am the external one."
        assert answer.headers["served-model-name"] == "my-chat"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (external(key="{{secrets/keys/nothing}}"), "Secret does not exist with scope: keys and key: nothing"),
        (external(key="{{secrets/none/openai}}"), "Scope none does not exist!"),
        (external(key="sk-plain-text"), "{{secrets/<scope>/<key>}}"),
        (external(provider="nobody"), "nobody"),
        (external(task="llm/v1/sing"), "llm/v1/sing"),
        (external(openai_config=None), "openai_config"),
        ({"served_entities": [{"entity_name": "main.default.none", "entity_version": "1"}]}, "main.default.none"),
        ({"served_entities": []}, "served_entities"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_and_nothing_is_made(config, told):
    with signed_in() as (_, client):
        with_secret(client)
        answer = client.post("/api/2.0/serving-endpoints", json={"name": "one", "config": config})
        assert answer.status_code in (400, 404)
        assert told in answer.json()["message"]
        assert "sk-plain-text" not in answer.text
        assert client.get("/api/2.0/serving-endpoints/one").status_code == 404


def test_a_key_in_plain_text_is_forgotten():
    with signed_in() as (_, client):
        plain = {"openai_api_key_plaintext": "sk-in-plain-text"}
        client.post("/api/2.0/serving-endpoints", json={"name": "one", "config": external(openai_config=plain)})
        answer = client.get("/api/2.0/serving-endpoints/one")
        assert answer.json()["state"]["ready"] == "READY"
        assert "sk-in-plain-text" not in answer.text


def test_a_custom_model_is_not_ready_at_first_and_its_calls_are_refused():
    with signed_in(delays=Delays(endpoint=0.4)) as (local, http):
        local.workspace.serving.register_model("main.default.dolly", 1, FakeChat(script="Fine."))
        client = WorkspaceClient(host=local.url, token=local.token)
        entity = ServedEntityInput(entity_name="main.default.dolly", entity_version="1", scale_to_zero_enabled=True)
        waiter = client.serving_endpoints.create(
            "dolly", config=EndpointCoreConfigInput("dolly", served_entities=[entity])
        )
        early = invoke(http, "dolly", {"dataframe_records": ROWS})
        assert (early.status_code, early.json()["error_code"]) == (400, "BAD_REQUEST")
        assert "NOT_READY" in early.json()["message"]
        found = client.serving_endpoints.get("dolly")
        assert (found.state.ready.value, found.state.config_update.value) == ("NOT_READY", "IN_PROGRESS")
        assert found.pending_config.served_entities[0].name == "dolly-1"
        assert waiter.result().state.ready.value == "READY"
        assert invoke(http, "dolly", {"dataframe_records": ROWS}).json() == {"predictions": ["Fine."]}


def test_an_update_serves_the_old_model_until_it_is_through():
    with signed_in(delays=Delays(endpoint=0.3)) as (local, http):
        register = local.workspace.serving.register_model
        register("main.default.dolly", 1, FakeChat(script="old"))
        register("main.default.dolly", 2, FakeChat(script="new"))
        local.workspace.serving.serve("dolly", FakeChat(script="old"))
        client = WorkspaceClient(host=local.url, token=local.token)
        entity = ServedEntityInput(name="next", entity_name="main.default.dolly", entity_version="2")
        waiter = client.serving_endpoints.update_config("dolly", served_entities=[entity])
        assert invoke(http, "dolly", {"dataframe_records": ROWS}).json() == {"predictions": ["old"]}
        with pytest.raises(ResourceConflict):
            client.serving_endpoints.update_config("dolly", served_entities=[entity])
        assert waiter.result().config.config_version == 2
        assert invoke(http, "dolly", {"dataframe_records": ROWS}).json() == {"predictions": ["new"]}


def test_traffic_is_shared_as_it_is_asked():
    with signed_in() as (local, http):
        for version, word in ((1, "one"), (2, "two")):
            local.workspace.serving.register_model("main.default.m", version, FakeChat(script=word))
        entities = [
            ServedEntityInput(name=name, entity_name="main.default.m", entity_version=version)
            for name, version in (("a", "1"), ("b", "2"))
        ]
        client = WorkspaceClient(host=local.url, token=local.token)
        routes = [
            Route(served_model_name="a", traffic_percentage=0),
            Route(served_model_name="b", traffic_percentage=100),
        ]
        config = EndpointCoreConfigInput("m", served_entities=entities, traffic_config=TrafficConfig(routes=routes))
        client.serving_endpoints.create_and_wait("m", config=config)
        assert {invoke(http, "m", {"inputs": ROWS}).json()["predictions"][0] for _ in range(8)} == {"two"}
        one = http.post("/serving-endpoints/m/served-models/a/invocations", json={"inputs": ROWS})
        assert one.json() == {"predictions": ["one"]}
        wrong = TrafficConfig(routes=[Route(served_model_name="a", traffic_percentage=30)])
        with pytest.raises(InvalidParameterValue, match="100"):
            client.serving_endpoints.update_config("m", served_entities=entities, traffic_config=wrong)


def test_names_are_unique_and_well_formed():
    with signed_in() as (local, _):
        client = WorkspaceClient(host=local.url, token=local.token)
        client.serving_endpoints.create("one")
        with pytest.raises(ResourceAlreadyExists, match="'one' already exists"):
            client.serving_endpoints.create("one")
        with pytest.raises(InvalidParameterValue, match="63 characters"):
            client.serving_endpoints.create("x" * 64)
        client.serving_endpoints.delete("one")
        with pytest.raises(NotFound, match="Endpoint with name 'one' does not exist"):
            client.serving_endpoints.get("one")


def test_tags_are_added_and_removed():
    with signed_in() as (local, _):
        client = WorkspaceClient(host=local.url, token=local.token)
        client.serving_endpoints.create("one", tags=[EndpointTag("team", "a")])
        client.serving_endpoints.patch("one", add_tags=[EndpointTag("cost", "b")], delete_tags=["team"])
        assert [(tag.key, tag.value) for tag in client.serving_endpoints.get("one").tags] == [("cost", "b")]


def test_a_rate_limit_holds_and_says_when_to_come_back():
    with signed_in() as (local, http):
        client = WorkspaceClient(host=local.url, token=local.token)
        limit = RateLimit(calls=2, renewal_period=RateLimitRenewalPeriod.MINUTE, key=RateLimitKey.USER)
        client.serving_endpoints.put(CHAT, rate_limits=[limit])
        assert [invoke(http, CHAT, HELLO).status_code for _ in range(3)] == [200, 200, 429]
        refused = invoke(http, CHAT, HELLO)
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
        assert len(recorded(local, 4)) == 4
        assert local.workspace.record.completed() == 2
        http.headers["Authorization"] = f"Bearer {local.workspace.issue('another')}"
        assert invoke(http, CHAT, HELLO).status_code == 200


def test_a_gateways_limit_of_the_endpoint_holds_for_everybody():
    with signed_in() as (local, http):
        limit = {"calls": 1, "renewal_period": "minute", "key": "endpoint"}
        told = http.put(f"/api/2.0/serving-endpoints/{CHAT}/ai-gateway", json={"rate_limits": [limit]})
        assert told.json() == {"rate_limits": [limit]}
        assert invoke(http, CHAT, HELLO).status_code == 200
        http.headers["Authorization"] = f"Bearer {local.workspace.issue('another')}"
        assert invoke(http, CHAT, HELLO).status_code == 429


def test_an_endpoint_that_is_not_there_is_refused_as_the_real_one_is():
    with signed_in() as (_, client):
        answer = invoke(client, "nothing", HELLO)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"prompt": "a", "stop": ["."]}, {"prompt": "b"}]},
        {"dataframe_split": {"columns": ["prompt"], "data": [["a"], ["b"]]}},
        {"inputs": {"prompt": ["a", "b"]}},
        {"instances": [{"prompt": "a"}, {"prompt": "b"}]},
    ],
)
def test_rows_come_in_four_forms(body):
    with signed_in(script=lambda messages: f"{messages[-1].text}: I am fine. Thanks.") as (local, client):
        local.workspace.serving.serve("dolly", FakeChat(script=lambda messages: f"{messages[-1].text} fine. Thanks."))
        found = invoke(client, "dolly", body).json()["predictions"]
        stopped = "a fine" if "dataframe_records" in body else "a fine. Thanks."
        assert found == [stopped, "b fine. Thanks."]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"dataframe_records": [{"text": "x"}]},
            "Model is missing inputs ['prompt']. Note that there were extra inputs",
        ),
        ({"dataframe_records": [{"prompt": 3}]}, "Incompatible input types for column prompt"),
        ({"dataframe_records": [{"prompt": "x", "stop": [1]}]}, "Incompatible input types for column stop"),
        ({"prompt": "x"}, "Received dictionary with input fields: ['prompt']"),
        ({"inputs": ROWS, "instances": ROWS}, "exactly one of the input fields"),
        ({"dataframe_split": {"columns": ["prompt"], "data": [["a", "b"]]}}, "Failed to parse input"),
        ({"inputs": {"prompt": ["a"], "stop": []}}, "same length"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused_in_mlflows_words(body, told):
    with signed_in() as (local, client):
        local.workspace.serving.serve("dolly", FakeChat())
        answer = invoke(client, "dolly", body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
        assert told in answer.json()["message"]
        if "Model is missing" in told or "Incompatible" in told:
            assert "with schema '['prompt': string (required), 'stop': Array(string) (optional)" in answer.text


def test_a_function_of_rows_is_a_model_and_its_faults_are_told():
    with signed_in() as (local, client):
        local.workspace.serving.serve("double", lambda rows: [2 * row["x"] for row in rows])
        assert invoke(client, "double", {"inputs": {"x": [1, 2]}}).json() == {"predictions": [2, 4]}
        failed = invoke(client, "double", {"inputs": {"y": [1]}})
        assert failed.status_code == 400
        assert "Error ''x''" in failed.json()["message"]


@pytest.mark.filterwarnings("ignore")  # MLflow warns while it is imported, saves and loads
def test_a_folder_that_mlflow_wrote_is_a_model_in_mlflows_own_words(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    script = tmp_path / "model.py"
    script.write_text(
        "import mlflow\n"
        "class Shout(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return [one.upper() for one in model_input['prompt']]\n"
        "mlflow.models.set_model(Shout())\n"
    )
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    signature = ModelSignature(Schema([ColSpec("string", "prompt")]), Schema([ColSpec("string")]))
    folder = tmp_path / "shout"
    mlflow.pyfunc.save_model(folder, python_model=str(script), signature=signature, pip_requirements=[])
    with signed_in() as (local, client):
        local.workspace.serving.serve("shout", folder)
        assert invoke(client, "shout", {"dataframe_records": ROWS}).json() == {"predictions": ["HOW ARE YOU?"]}
        refused = invoke(client, "shout", {"dataframe_records": [{"text": "x"}]})
        assert refused.status_code == 400
        assert "Model is missing inputs ['prompt']" in refused.json()["message"]
        shown = client.get("/api/2.0/serving-endpoints/shout/openapi").text
        assert '"prompt":{"type":"string"}' in shown.replace(" ", "")


AGENT_SCRIPT = """
import mlflow
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse, ResponsesAgentStreamEvent


class Echo(ResponsesAgent):
    def predict(self, request):
        text = request.input[-1].content
        return ResponsesAgentResponse(output=[self.create_text_output_item(f"You said: {text}", "msg_1")])

    def predict_stream(self, request):
        yield ResponsesAgentStreamEvent(**self.create_text_delta("You said", "msg_1"))
        item = self.create_text_output_item("You said", "msg_1")
        yield ResponsesAgentStreamEvent(type="response.output_item.done", item=item)


mlflow.models.set_model(Echo())
"""


@pytest.mark.filterwarnings("ignore")  # MLflow warns while it is imported, saves and loads
def test_an_agent_that_mlflow_wrote_answers_responses_whole_and_streamed(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")  # it traces what it answers
    (tmp_path / "agent.py").write_text(AGENT_SCRIPT)
    import mlflow

    mlflow.pyfunc.save_model(tmp_path / "echo", python_model=str(tmp_path / "agent.py"), pip_requirements=[])
    asked = {"input": [{"role": "user", "content": "Hello"}]}
    with signed_in() as (local, client):
        local.workspace.serving.serve("echo", tmp_path / "echo")
        assert client.get("/api/2.0/serving-endpoints/echo").json()["task"] == "agent/v1/responses"
        for answer in (
            invoke(client, "echo", asked),
            client.post("/serving-endpoints/responses", json={**asked, "model": "echo"}),
        ):
            assert answer.json()["output"][0]["content"][0]["text"] == "You said: Hello"
        streamed = invoke(client, "echo", {**asked, "stream": True}).text
        assert "event: response.output_text.delta" in streamed
        assert streamed.rstrip().endswith("data: [DONE]")


def test_a_chat_takes_options_and_counts_tokens():
    with signed_in() as (_, client):
        body = {**HELLO, "max_tokens": 2, "temperature": 0.5, "n": 2, "stop": "friend"}
        answer = invoke(client, CHAT, body).json()
        assert [one["message"]["content"] for one in answer["choices"]] == ["Hello there,"] * 2
        assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}
        assert (answer["object"], answer["model"]) == ("chat.completion", CHAT)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": "Hello"},
        {**HELLO, "n": 9},
        {**HELLO, "temperature": 3},
        {**HELLO, "max_tokens": 0},
    ],
)
def test_a_chat_that_cannot_be_is_refused(body):
    with signed_in() as (_, client):
        assert invoke(client, CHAT, body).status_code == 400


def test_a_stream_is_events_that_end_with_done():
    with signed_in() as (_, client):
        answer = invoke(client, CHAT, {**HELLO, "stream": True, "stream_options": {"include_usage": True}})
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
        assert lines[-1] == "[DONE]"
        chunks = [json.loads(line) for line in lines[:-1]]
        said = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks if one["choices"])
        assert said == "Hello there, friend."
        assert chunks[-1]["usage"]["completion_tokens"] == 3


def test_a_model_that_fails_in_a_stream_is_told_and_the_stream_has_no_end():
    import httpx

    models = Models(chat=FakeChat(script=lambda _: RuntimeError("the model broke")))
    with (
        signed_in(models=models) as (local, client),
        client.stream("POST", f"/serving-endpoints/{CHAT}/invocations", json={**HELLO, "stream": True}) as answer,
    ):
        told = []
        with pytest.raises(httpx.RemoteProtocolError):
            told.extend(answer.iter_lines())
        assert any("the model broke" in line for line in told)
        assert not any("[DONE]" in line for line in told)
        assert len(recorded(local, 1)) == 1
        assert local.workspace.record.completed() == 0


def test_tools_and_schemas_are_handed_to_the_model():
    chat = FakeChat(script={"weather": tool_call("weather", city="Lisbon"), ".": "{}"})
    with signed_in(models=Models(chat=chat)) as (_, client):
        tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
        asked = {"messages": [{"role": "user", "content": "weather"}], "tools": [tool], "tool_choice": "auto"}
        choice = invoke(client, CHAT, asked).json()["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"city": "Lisbon"}
        shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
        invoke(client, CHAT, {**HELLO, "response_format": shape})
        assert chat.calls[-1].options["response_format"] == shape
        assert chat.calls[0].options["tool_choice"] == "auto"


def test_embeddings_come_as_numbers_and_as_base64():
    with signed_in(models=Models(embeddings=FakeEmbeddings())) as (_, client):
        plain = invoke(client, "databricks-gte-large-en", {"input": ["a b", "c"]}).json()
        packed = invoke(client, "databricks-gte-large-en", {"input": ["a b"], "encoding_format": "base64"}).json()
        unpacked = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), dtype="<f4")
        assert [one["index"] for one in plain["data"]] == [0, 1]
        assert np.allclose(unpacked, plain["data"][0]["embedding"])


def test_an_endpoint_is_asked_only_for_what_it_does():
    with signed_in() as (_, client):
        wrong = client.post("/serving-endpoints/embeddings", json={"model": CHAT, "input": "x"})
        assert wrong.status_code == 400
        assert "llm/v1/embeddings" in wrong.json()["message"]
        assert invoke(client, "databricks-gte-large-en", HELLO).status_code == 400


def test_completions_answer_prompts():
    with signed_in() as (_, client):
        with_secret(client)
        config = external(task="llm/v1/completions")
        client.post("/api/2.0/serving-endpoints", json={"name": "text", "config": config})
        answer = invoke(client, "text", {"prompt": ["a", "b"]}).json()
        assert [one["text"] for one in answer["choices"]] == ["Hello there, friend."] * 2
        streamed = invoke(client, "text", {"prompt": "a", "stream": True}).text
        assert '"text": "Hello"' in streamed


def test_logs_and_openapi_are_there_for_what_is_served():
    with signed_in() as (local, _):
        local.workspace.serving.serve("dolly", FakeChat())
        client = WorkspaceClient(host=local.url, token=local.token)
        assert "dolly" in client.serving_endpoints.logs("dolly", "dolly").logs
        assert "ready" in client.serving_endpoints.build_logs("dolly", "dolly").logs
        with pytest.raises(NotFound):
            client.serving_endpoints.logs("dolly", "nothing")
        shown = json.loads(client.serving_endpoints.get_open_api("dolly").contents.read())
        (path,) = shown["paths"].values()
        row = path["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]
        assert row["properties"]["dataframe_records"]["items"]["required"] == ["prompt"]


def test_an_endpoint_without_a_configuration_is_not_ready():
    with signed_in() as (local, http):
        WorkspaceClient(host=local.url, token=local.token).serving_endpoints.create("empty")
        assert invoke(http, "empty", HELLO).status_code == 400


def test_a_prompt_that_is_too_long_is_a_bad_request():
    from ziggurat.errors import ContextLengthError

    told = ContextLengthError("The prompt is too long.", prompt_tokens=9, context_tokens=4)
    with signed_in(script=lambda _: told) as (local, _), pytest.raises(BadRequest, match="too long"):
        WorkspaceClient(host=local.url, token=local.token).api_client.do(
            "POST", f"/serving-endpoints/{CHAT}/invocations", body=HELLO
        )


@pytest.mark.model
def test_the_local_models_answer_where_no_others_are_named():
    with signed_in(models=Models(), delays=AT_ONCE) as (_, client):
        body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 12, "stream": True}
        began = time.monotonic()
        answer = client.post(f"/serving-endpoints/{CHAT}/invocations", json=body, timeout=120)
        assert answer.text.rstrip().endswith("[DONE]")
        assert '"content": ' in answer.text
        vector = invoke(client, "databricks-bge-large-en", {"input": "hello"}).json()["data"][0]["embedding"]
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=0.01)
        assert time.monotonic() - began < 120
