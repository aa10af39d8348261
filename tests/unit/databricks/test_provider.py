"""Specs of a workspace's models, and what is asked about a model to explain a refusal."""

import pytest

from ziggurat import chat, embeddings
from ziggurat.databricks.hints import described, explained
from ziggurat.databricks.signature import task_of
from ziggurat.errors import EndpointNotReady, EndpointRefused, InputError, WorkspaceNotFound, WorkspaceUnavailable

GIVEN = {"host": "http://127.0.0.1:9", "token": "dapi-x"}


@pytest.mark.parametrize(
    ("spec", "options", "said"),
    [
        (
            "databricks:x",
            {"temprature": 1},
            r"ChatDatabricks has no argument 'temprature' \(did you mean 'temperature'",
        ),
        ("databricks:x", {"custom": True, "stopp": ["."]}, "Databricks has no argument 'stopp'"),
        ("databricks:x", {"max_tokens": 0}, "max_tokens"),
        ("databricks:x", {"temperature": "hot"}, "temperature"),
        ("databricks-driver:7777", {}, "names no application on a driver"),
        ("databricks-driver:local/80", {}, "3000 to 8000"),
        ("databricks-driver:../7777", {}, "not a cluster's id"),
        ("databricks-driver:local/7777", {"endpoint_name": "x"}, "behind an endpoint or on a driver"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_opened(spec, options, said):
    with pytest.raises(InputError, match=said):
        chat(spec, **options)


def test_no_wrong_value_is_repeated():
    with pytest.raises(InputError) as caught:
        chat("databricks:x", timeout="dapi0123456789abcdef")
    assert "dapi" not in str(caught.value)


def test_opening_asks_nobody_and_shows_no_credentials():
    for made in (
        chat("databricks:x", client_id="me", client_secret="my-secret-value"),
        embeddings("databricks:x", token="my-secret-value"),
        chat("databricks:x", custom=True, token="my-secret-value"),
        chat("databricks-driver:1121-154700-abcd1234/7777", token="my-secret-value"),
    ):
        assert "my-secret-value" not in repr(made) + str(made)


class Told:
    """A way into a workspace that answers from a table."""

    def __init__(self, answers):
        self.answers = answers

    def get(self, path):
        return self.answers[path]


ONE = "/api/2.0/serving-endpoints/x"


@pytest.mark.parametrize("task", ["llm/v1/chat", "llm/v1/completions"])
@pytest.mark.parametrize("where", ["task", "config", "pending_config"])
def test_the_task_is_found_wherever_the_workspace_says_it(task, where):
    entity = {"external_model": {"task": task}}
    told = {"task": task} if where == "task" else {where: {"served_entities": [{}, entity]}}
    assert task_of(Told({ONE: told}), "x") == task


def test_no_task_is_a_custom_model_and_vectors_are_no_text():
    assert task_of(Told({ONE: {"config": {"served_entities": [{"entity_name": "a.b.c"}]}}}), "x") == "custom"
    with pytest.raises(EndpointRefused, match="vectors, not text"):
        task_of(Told({ONE: {"task": "llm/v1/embeddings"}}), "x")


ROW = {"type": "object", "properties": {"question": {"type": "string"}, "limit": {}}}


@pytest.mark.parametrize(
    "body",
    [
        {"properties": {"dataframe_records": {"type": "array", "items": ROW}}},
        {"oneOf": [{"properties": {"dataframe_records": {"items": ROW}}}, {"properties": {"dataframe_split": {}}}]},
        {"anyOf": [{"properties": {"inputs": ROW}}]},
        ROW,
    ],
)
def test_the_inputs_are_read_from_an_openapi_document(body):
    schema = {"paths": {"/x": {"post": {"requestBody": {"content": {"application/json": {"schema": body}}}}}}}
    assert described(schema) == "question (string), limit (any)"


@pytest.mark.parametrize("schema", [{}, {"paths": {}}, {"paths": {"/x": {}}}, {"paths": {"/x": {"post": {}}}}])
def test_a_document_that_tells_nothing(schema):
    assert described(schema) == ""


class TestExplained:
    """Against the local workspace, which says what the real one says."""

    @pytest.fixture
    def calls(self):
        from tests.support.quick_workspace import quick_workspace

        from ziggurat.databricks.calls import Calls
        from ziggurat.testing import FakeChat
        from ziggurat.workspace import access

        with quick_workspace(delays={"endpoint": 60.0}) as local:
            local.workspace.serving.register_model("main.default.dolly", 1, FakeChat())
            made = Calls(access(local.url, local.token))
            yield made
            made.close()

    def test_a_missing_endpoint_brings_the_closest(self, calls):
        error = explained(WorkspaceNotFound("?", status_code=404), calls, "databricks-bge-large")
        assert "did you mean 'databricks-bge-large-en'" in str(error)

    def test_one_that_is_deployed_is_said_to_be(self, calls):
        config = {"served_entities": [{"entity_name": "main.default.dolly", "entity_version": "1"}]}
        calls.post("/api/2.0/serving-endpoints", {"name": "slow", "config": config})
        for status in (400, 404, 503):
            kind = WorkspaceNotFound if status == 404 else EndpointRefused
            error = explained(kind("?", status_code=status), calls, "slow")
            assert isinstance(error, EndpointNotReady)
            assert "still being deployed" in str(error)
            assert "endpoints wait slow" in str(error)

    @pytest.mark.parametrize("status", [401, 403, 429, 500, None])
    def test_what_is_no_matter_of_state_is_asked_of_nobody(self, status):
        error = WorkspaceUnavailable("?", status_code=status)
        assert explained(error, None, "x") is error

    def test_what_cannot_be_explained_stays_as_it_was(self):
        from ziggurat.databricks.calls import Calls
        from ziggurat.workspace import access

        error = EndpointRefused("?", status_code=400)
        assert explained(error, Calls(access(**GIVEN)), "x") is error
