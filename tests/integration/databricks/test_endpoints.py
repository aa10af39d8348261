"""Endpoints and secrets of a workspace: made, looked at, waited for, changed and removed, by three clients alike."""

import contextlib
import json
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from databricks.sdk.errors import ResourceDoesNotExist
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    ExternalModel,
    ExternalModelProvider,
    OpenAiConfig,
    ServedEntityInput,
)
from quick_workspace import quick_workspace, sdk

from ziggurat.databricks import Databricks, Endpoints, custom, external, foundation
from ziggurat.databricks.calls import Calls
from ziggurat.databricks.endpoints import KEYS
from ziggurat.databricks.local import Models
from ziggurat.databricks.secrets import Reference, Secrets
from ziggurat.errors import (
    EndpointNotReady,
    EndpointRefused,
    InputError,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceNotFound,
    WorkspaceUnavailable,
)
from ziggurat.testing import FakeChat, FakeEmbeddings
from ziggurat.workspace import access

SECRET = "sk-live-0123456789"
PLACE = Reference("lab", "openai-api-key")


@pytest.fixture
def local():
    models = Models(chat=FakeChat(script="I am well."), embeddings=FakeEmbeddings())
    with quick_workspace(models=models, delays={"endpoint": 0.4}) as made:
        made.workspace.serving.register_model("main.default.dolly", 1, FakeChat(script="one"))
        made.workspace.serving.register_model("main.default.dolly", 2, FakeChat(script="two"))
        yield made


@pytest.fixture
def calls(local):
    made = Calls(access(local.url, local.token))
    yield made
    made.close()


@pytest.fixture
def endpoints(calls):
    return Endpoints(calls)


@pytest.fixture
def secrets(calls):
    return Secrets(calls)


@pytest.fixture
def with_key(secrets):
    secrets.put(PLACE, SECRET)


@pytest.fixture
def deployments(local, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", local.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", local.token)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns while it is imported
        from mlflow.deployments import get_deploy_client

        return get_deploy_client("databricks")


def last(states):
    return list(states)[-1]


class TestExternal:
    def test_it_is_made_with_a_reference_and_answers(self, local, endpoints, with_key):
        made = endpoints.create("my-chat", external("gpt-4.1", "openai", "lab/openai-api-key"), tags={"team": "a"})
        assert made.word in ("ready", "deploying")
        state = last(endpoints.wait("my-chat", seconds=10))
        assert (state.word, state.task, state.models) == ("ready", "llm/v1/chat", ("gpt-4.1 of openai",))
        assert state.told["tags"] == [{"key": "team", "value": "a"}]
        assert SECRET not in json.dumps(state.told)
        assert str(PLACE) in json.dumps(state.told)
        assert Databricks(endpoint_name="my-chat", host=local.url, token=local.token).invoke("Hi") == "I am well."

    @pytest.mark.parametrize("task", ["llm/v1/completions", "llm/v1/embeddings"])
    def test_of_another_task(self, endpoints, with_key, task):
        endpoints.create("other", external("m/x.1", "openai", "lab/openai-api-key", task=task))
        assert last(endpoints.wait("other", seconds=10)).task == task

    @pytest.mark.parametrize("provider", sorted(KEYS))
    def test_every_provider_is_understood_by_the_workspace_and_by_the_sdk(self, endpoints, with_key, provider):
        needed = {
            "databricks-model-serving": {"databricks_workspace_url": "https://x"},
            "google-cloud-vertex-ai": {"project_id": "p", "region": "r"},
            "amazon-bedrock": {"aws_region": "r", "bedrock_provider": "anthropic"},
            "custom": {"custom_provider_url": "https://x"},
        }
        config = external("m", provider, "lab/openai-api-key", settings=needed.get(provider))
        parsed = ServedEntityInput.from_dict(config["served_entities"][0])
        assert str(PLACE) in json.dumps(parsed.as_dict())
        endpoints.create("e", config)
        assert endpoints.get("e").models == (f"m of {provider}",)

    @pytest.mark.parametrize(
        ("place", "said"),
        [
            ("lab/openai-api-ky", r"no secret 'openai-api-ky' in the scope 'lab' \(did you mean 'openai-api-key'\?\)"),
            ("lap/openai-api-key", r"no secret scope 'lap' \(did you mean 'lab'\?\)"),
        ],
    )
    def test_a_secret_that_is_not_there_is_said_before_anything_is_made(self, local, endpoints, with_key, place, said):
        with pytest.raises(WorkspaceNotFound, match=said):
            endpoints.create("my-chat", external("gpt-4.1", "openai", place))
        assert "my-chat" not in [one.name for one in endpoints.list()]
        sent = [one for one in local.workspace.record.entries if one.method == "POST" and "serving" in one.path]
        assert sent == []

    def test_an_update_to_a_secret_that_is_not_there_changes_nothing(self, endpoints, with_key):
        endpoints.create("my-chat", external("gpt-4.1", "openai", "lab/openai-api-key"))
        with pytest.raises(WorkspaceNotFound, match="no secret 'nosuch'"):
            endpoints.update("my-chat", external("gpt-5", "openai", "lab/nosuch"))
        assert endpoints.get("my-chat").models == ("gpt-4.1 of openai",)

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: external("m", "opnai", "a/b"), "did you mean 'openai'"),
            (lambda: external("m", "openai", "a/b", task="llm/v1/chatt"), "did you mean 'llm/v1/chat'"),
            (lambda: external("m", "openai", SECRET), "not a reference"),
            (lambda: external("m", "openai", {"openai_api_key_plaintext": SECRET}), "openai_api_key_plaintext"),
            (lambda: external("m", "openai", "a/b", settings={"openai_api_key_plaintext": SECRET}), "plaintext"),
            (lambda: external("m", "openai", "a/b", settings={"microsoft_entra_client_secret": SECRET}), "refer to"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_refused_and_no_secret_repeated(self, make, said):
        with pytest.raises(InputError, match=said) as caught:
            make()
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        "settings",
        [
            {"openai_api_key": SECRET},
            {"openai_api_key_plaintext": SECRET},
            {"bearer_token_auth": {"token": SECRET}},
            {"api_key_auth": {"key": "x-key", "value_plaintext": SECRET}},
        ],
    )
    @pytest.mark.parametrize("entities", ["served_entities", "served_models"])
    def test_a_secret_in_anybodys_mapping_never_leaves(self, local, endpoints, settings, entities):
        model = {"name": "m", "provider": "openai", "task": "llm/v1/chat", "openai_config": settings}
        before = len(local.workspace.record.entries)
        with pytest.raises(InputError) as caught:
            endpoints.create("e", {entities: [{"external_model": model}]})
        assert SECRET not in str(caught.value)
        assert len(local.workspace.record.entries) == before


class TestOwnModels:
    def test_a_registered_model_takes_its_time_and_answers(self, local, endpoints):
        assert endpoints.create("dolly", custom("main.default.dolly", 1, size="Medium")).word == "deploying"
        words = [one.word for one in endpoints.wait("dolly", seconds=10)]
        assert words[0] == "deploying"
        assert words[-1] == "ready"
        state = endpoints.get("dolly")
        assert state.models == ("main.default.dolly version 1",)
        entity = state.told["config"]["served_entities"][0]
        assert (entity["workload_size"], entity["scale_to_zero_enabled"]) == ("Medium", True)

    def test_the_old_answers_until_the_new_is_ready(self, local, endpoints):
        endpoints.create("dolly", custom("main.default.dolly", 1))
        last(endpoints.wait("dolly", seconds=10))
        llm = Databricks(endpoint_name="dolly", host=local.url, token=local.token)
        assert llm.invoke("Hi") == "one"
        assert endpoints.update("dolly", custom("main.default.dolly", 2)).word == "changing"
        assert llm.invoke("Hi") == "one"
        assert last(endpoints.wait("dolly", seconds=10)).models == ("main.default.dolly version 2",)
        assert llm.invoke("Hi") == "two"

    def test_a_secret_in_its_environment_is_checked_too(self, endpoints, with_key):
        there = custom("main.default.dolly", 1, environment={"KEY": str(PLACE)})
        with pytest.raises(WorkspaceNotFound, match="no secret 'nosuch'"):
            endpoints.create("dolly", custom("main.default.dolly", 1, environment={"KEY": "{{secrets/lab/nosuch}}"}))
        assert endpoints.create("dolly", there).name == "dolly"

    def test_a_foundation_model_with_throughput_of_its_own(self, endpoints):
        endpoints.create("mine", foundation("system.ai.llama_v3_3_70b_instruct", 1, tokens_per_second=9500))
        state = last(endpoints.wait("mine", seconds=10))
        assert state.models == ("system.ai.llama_v3_3_70b_instruct version 1",)
        assert state.told["config"]["served_entities"][0]["max_provisioned_throughput"] == 9500

    def test_a_model_that_is_not_registered(self, endpoints):
        with pytest.raises(WorkspaceNotFound, match=r"main\.default\.doly"):
            endpoints.create("dolly", custom("main.default.doly", 1))


class TestVerbs:
    def test_those_of_every_workspace_are_listed_by_name(self, endpoints):
        names = [one.name for one in endpoints.list()]
        assert "databricks-bge-large-en" in names
        assert names == sorted(names)

    def test_one_that_is_gone(self, endpoints):
        endpoints.create("dolly", custom("main.default.dolly", 1))
        endpoints.delete("dolly")
        for verb in (endpoints.get, endpoints.delete, lambda name: last(endpoints.wait(name))):
            with pytest.raises(WorkspaceNotFound, match="no endpoint 'dolly'"):
                verb("dolly")

    def test_the_closest_name_is_suggested(self, endpoints):
        for verb in (endpoints.get, endpoints.delete, lambda name: endpoints.update(name, custom("a.b.c", 1))):
            with pytest.raises(WorkspaceNotFound, match="did you mean 'databricks-bge-large-en'"):
                verb("databricks-bge-large-de")

    def test_a_name_that_is_taken(self, endpoints):
        endpoints.create("dolly", custom("main.default.dolly", 1))
        with pytest.raises(EndpointRefused, match="an endpoint 'dolly' already") as caught:
            endpoints.create("dolly", custom("main.default.dolly", 2))
        assert "endpoints update dolly" in str(caught.value)

    @pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "../x", "x" * 64, "é"])
    def test_a_name_that_cannot_be_is_asked_of_nobody(self, local, endpoints, name):
        before = len(local.workspace.record.entries)
        for verb in (endpoints.get, endpoints.delete, lambda name: endpoints.create(name, custom("a.b.c", 1))):
            with pytest.raises(InputError, match="not the name of an endpoint"):
                verb(name)
        assert len(local.workspace.record.entries) == before

    def test_a_refusal_of_the_workspace_speaks_of_no_signature(self, endpoints):
        one, two = custom("main.default.dolly", 1), foundation("system.ai.bge_large", 1, tokens_per_second=1)
        both = {"served_entities": one["served_entities"] + two["served_entities"]}
        with pytest.raises(EndpointRefused, match="same type and task") as caught:
            endpoints.create("mixed", both)
        assert "signature" not in str(caught.value)
        assert "serving-endpoints" in str(caught.value)

    def test_two_changes_at_once(self, endpoints):
        endpoints.create("dolly", custom("main.default.dolly", 1))
        with pytest.raises(EndpointRefused, match="being updated") as caught:
            endpoints.update("dolly", custom("main.default.dolly", 2))
        assert caught.value.status_code == 409

    def test_one_of_databricks_own_is_not_removed(self, endpoints):
        with pytest.raises(WorkspaceDenied, match="managed by Databricks"):
            endpoints.delete("databricks-bge-large-en")

    def test_a_wait_that_is_too_short_ends_in_time(self, local, endpoints):
        local.workspace.delays.endpoint = 60
        endpoints.create("slow", custom("main.default.dolly", 1))
        began = time.monotonic()
        with pytest.raises(EndpointNotReady, match=r"not ready after 0\.5 s"):
            list(endpoints.wait("slow", seconds=0.5))
        assert 0.5 <= time.monotonic() - began < 1.5

    def test_one_that_is_removed_while_somebody_waits(self, local, endpoints):
        local.workspace.delays.endpoint = 60
        endpoints.create("slow", custom("main.default.dolly", 1))
        threading.Timer(0.3, endpoints.delete, ["slow"]).start()
        with pytest.raises(WorkspaceNotFound, match="no endpoint 'slow'"):
            list(endpoints.wait("slow", seconds=20))


@contextlib.contextmanager
def answering(answers):
    """A server of a few fixed answers, for what the local workspace never does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = answers.get(self.path)
            raw = json.dumps(found if found is not None else {"error_code": "RESOURCE_DOES_NOT_EXIST"}).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


ROOT = "/api/2.0/serving-endpoints"


class TestFailures:
    @pytest.mark.parametrize("update", ["UPDATE_FAILED", "UPDATE_CANCELED"])
    def test_a_deployment_that_fails_shows_the_end_of_its_build_log(self, update):
        message = "Failed to build the container image."
        entity = {"name": "dolly-1", "entity_name": "a.b.c", "entity_version": "1"}
        entity["state"] = {"deployment": "DEPLOYMENT_FAILED", "deployment_state_message": message}
        log = "\n".join([*(f"step {n}" for n in range(100)), "ERROR: no matching distribution", "key dapi0123456789ab"])
        told = {
            "name": "dolly",
            "state": {"ready": "NOT_READY", "config_update": update},
            "pending_config": {"served_entities": [entity]},
        }
        answers = {f"{ROOT}/dolly": told, f"{ROOT}/dolly/served-models/dolly-1/build-logs": {"logs": log}}
        seen = []
        with answering(answers) as url, pytest.raises(EndpointNotReady, match="'dolly' failed to deploy") as caught:
            seen.extend(Endpoints(Calls(access(url, "dapi-x"))).wait("dolly", seconds=5))
        shown = str(caught.value)
        assert message in shown
        assert "no matching distribution" in shown
        assert "step 99" in shown
        assert "step 80" not in shown
        assert "dapi0123" not in shown

    def test_one_that_fails_without_a_log(self):
        told = {"name": "dolly", "state": {"ready": "NOT_READY", "config_update": "UPDATE_FAILED"}}
        with answering({f"{ROOT}/dolly": told}) as url:
            endpoints = Endpoints(Calls(access(url, "dapi-x")))
            states = endpoints.wait("dolly", seconds=5)
            assert next(states).word == "failed"
            with pytest.raises(EndpointNotReady, match="look at its events"):
                next(states)

    def test_a_wrong_token_and_no_workspace(self, local):
        wrong = Endpoints(Calls(access(local.url, "dapi-wrong-0000")))
        with pytest.raises(WorkspaceDenied, match="does not accept the credentials") as caught:
            wrong.list()
        assert "dapi-wrong" not in str(caught.value)
        began = time.monotonic()
        with pytest.raises(WorkspaceUnavailable, match="cannot be reached"):
            Endpoints(Calls(access("http://127.0.0.1:9", "dapi-x"))).list()
        assert time.monotonic() - began < 8


class TestOneWorkspaceThreeClients:
    """What one client makes another changes and the third removes; all see the same."""

    def _seen(self, name, endpoints, deployments, client):
        """What each client says is served."""
        model = client.serving_endpoints.get(name).config.served_entities[0].external_model
        told = deployments.get_endpoint(name)["config"]["served_entities"][0]["external_model"]
        (ours,) = endpoints.get(name).models
        assert ours == f"{told['name']} of {told['provider']}" == f"{model.name} of {model.provider.value}"
        names = [
            [one.name for one in endpoints.list()],
            sorted(one["name"] for one in deployments.list_endpoints()),
            sorted(one.name for one in client.serving_endpoints.list()),
        ]
        assert names[0] == names[1] == names[2]
        return ours

    def _none(self, name, endpoints, deployments, client):
        with pytest.raises(WorkspaceNotFound):
            endpoints.get(name)
        with pytest.raises(ResourceDoesNotExist):
            client.serving_endpoints.get(name)
        assert name not in [one["name"] for one in deployments.list_endpoints()]

    def test_made_by_us_changed_by_mlflow_removed_by_the_sdk(self, local, endpoints, deployments, with_key):
        client = sdk(local)
        endpoints.create("shared", external("gpt-4", "openai", "lab/openai-api-key"))
        assert self._seen("shared", endpoints, deployments, client) == "gpt-4 of openai"
        deployments.update_endpoint_config("shared", config=external("gpt-5", "openai", "lab/openai-api-key"))
        assert self._seen("shared", endpoints, deployments, client) == "gpt-5 of openai"
        client.serving_endpoints.delete("shared")
        self._none("shared", endpoints, deployments, client)

    def test_made_by_mlflow_changed_by_the_sdk_removed_by_us(self, local, endpoints, deployments, with_key):
        client = sdk(local)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # MLflow deprecates the form that the notebook uses
            deployments.create_endpoint(name="shared", config=external("gpt-4", "openai", "lab/openai-api-key"))
        assert self._seen("shared", endpoints, deployments, client) == "gpt-4 of openai"
        client.serving_endpoints.update_config("shared", served_entities=[_entity("gpt-5")])
        assert self._seen("shared", endpoints, deployments, client) == "gpt-5 of openai"
        endpoints.delete("shared")
        self._none("shared", endpoints, deployments, client)

    def test_made_by_the_sdk_changed_by_us_removed_by_mlflow(self, local, endpoints, deployments, with_key):
        client = sdk(local)
        config = EndpointCoreConfigInput(name="shared", served_entities=[_entity("gpt-4")])
        client.serving_endpoints.create("shared", config=config)
        last(endpoints.wait("shared", seconds=10))
        assert self._seen("shared", endpoints, deployments, client) == "gpt-4 of openai"
        endpoints.update("shared", external("gpt-5", "openai", "lab/openai-api-key"))
        assert self._seen("shared", endpoints, deployments, client) == "gpt-5 of openai"
        deployments.delete_endpoint("shared")
        self._none("shared", endpoints, deployments, client)


def _entity(model):
    key = OpenAiConfig(openai_api_key=str(PLACE))
    external_model = ExternalModel(ExternalModelProvider.OPENAI, model, "llm/v1/chat", openai_config=key)
    return ServedEntityInput(name=model, external_model=external_model)


class TestSecrets:
    def test_they_go_in_and_their_names_come_out(self, local, secrets):
        before = time.time()
        secrets.put(PLACE, SECRET)
        assert secrets.scopes() == ["lab"]
        (at,) = secrets.list("lab").values()
        assert before - 1 <= at.timestamp() <= time.time() + 1
        assert local.workspace.secrets.value("lab", "openai-api-key") == SECRET.encode()
        assert sdk(local).dbutils.secrets.get("lab", "openai-api-key") == SECRET

    def test_a_second_value_takes_the_place_of_the_first(self, local, secrets):
        secrets.put(PLACE, "first")
        secrets.put(PLACE, "zwölf 葡萄牙\n")
        assert local.workspace.secrets.value("lab", "openai-api-key").decode() == "zwölf 葡萄牙\n"

    def test_many_write_into_a_new_scope_at_once(self, local, secrets):
        errors = []

        def put(number):
            try:
                Secrets(Calls(access(local.url, local.token))).put(Reference("new", f"k{number}"), "v")
            except WorkspaceError as error:
                errors.append(error)

        threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(secrets.list("new")) == 8

    def test_one_and_a_scope_are_removed(self, secrets, with_key):
        secrets.put(Reference("lab", "other"), "v")
        secrets.delete(Reference("lab", "other"))
        assert list(secrets.list("lab")) == ["openai-api-key"]
        secrets.delete_scope("lab")
        assert secrets.scopes() == []

    def test_what_is_not_there(self, secrets, with_key):
        with pytest.raises(WorkspaceNotFound, match="did you mean 'lab'"):
            secrets.list("lap")
        with pytest.raises(WorkspaceNotFound, match="did you mean 'lab'"):
            secrets.delete_scope("lap")
        with pytest.raises(WorkspaceNotFound, match="did you mean 'openai-api-key'"):
            secrets.delete(Reference("lab", "openai-key"))

    @pytest.mark.parametrize("value", ["", "x" * 200_000])
    def test_a_value_that_cannot_be_is_not_repeated(self, secrets, value):
        with pytest.raises(ValueError, match=r"empty|128 KB") as caught:
            secrets.put(PLACE, value)
        assert "xxx" not in str(caught.value)

    @pytest.mark.parametrize("text", ["lab/k", "secrets/lab/k", "{{secrets/lab/k}}", " {{ secrets/lab/k }} "])
    def test_a_reference_is_read_in_every_form(self, text):
        assert Reference.parse(text) == Reference("lab", "k")
        assert str(Reference.parse(text)) == "{{secrets/lab/k}}"

    @pytest.mark.parametrize("text", ["", SECRET, "a/b/c", "{{secrets/lab}}", "a b/c", "lab/", "/k"])
    def test_what_is_no_reference_is_not_repeated(self, text):
        with pytest.raises(InputError) as caught:
            Reference.parse(text)
        assert len(text) < 3 or text not in str(caught.value)
