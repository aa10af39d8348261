"""What a refusal advises: it depends on what was asked, and never sends a person the wrong way."""

import httpx
import pytest

from ziggurat.databricks.refusing import refusal
from ziggurat.errors import EndpointNotReady, EndpointRefused, WorkspaceDenied, WorkspaceError, WorkspaceUnavailable

HOST = "https://adb-1.2.azuredatabricks.net"


def refused(status, path, message="no", host=HOST):
    return refusal(httpx.Response(status, json={"message": message}), host + path)


@pytest.mark.parametrize(
    "path",
    [
        "/serving-endpoints/x/invocations",
        "/serving-endpoints/x/served-models/y/invocations",
        "/serving-endpoints/chat/completions",
        "/serving-endpoints/embeddings",
        "/serving-endpoints/responses",
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_call_of_a_model_is_compared_with_its_signature(path, status):
    assert "the endpoint's signature" in str(refused(status, path))


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("/api/2.1/clusters/create", "clusters"),
        ("/api/2.2/jobs/runs/get", "jobs"),
        ("/api/2.0/secrets/put", "secrets"),
        ("/api/2.0/preview/scim/v2/Me", "scim"),
        ("/api/2.0/serving-endpoints", "serving-endpoints"),
        ("/api/2.0/serving-endpoints/x/config", "serving-endpoints"),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_any_other_call_with_its_own_reference(path, area, status):
    error = refused(status, path)
    assert "signature" not in str(error)
    assert f"the REST reference of {area}" in str(error)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/2.0/serving-endpoints/x", "endpoints list"),
        ("/serving-endpoints/x/invocations", "endpoints list"),
        ("/api/2.0/secrets/list", "secrets list"),
        ("/api/2.1/clusters/get", "is its name or id right"),
        ("/driver-proxy-api/o/1/c/7777/", "is the cluster's id right"),
    ],
)
def test_what_is_not_there_is_looked_for_where_it_would_be(path, said):
    assert said in str(refused(404, path))


@pytest.mark.parametrize(
    "said", ["Invalid access token.", "Invalid Token", "The token has expired", "token is invalid"]
)
def test_a_wrong_token_is_said_as_that_though_it_is_a_403(said):
    error = refused(403, "/api/2.1/clusters/list", said)
    assert isinstance(error, WorkspaceDenied)
    assert "does not accept the credentials" in error.what
    assert "DATABRICKS_TOKEN" in error.fix
    assert error.status_code == 403


def test_a_permission_that_is_missing_is_not_a_wrong_token():
    error = refused(403, "/api/2.1/clusters/list", "User does not have permission")
    assert "does not allow this" in error.what
    assert "TOKEN" not in error.fix


def test_what_is_in_the_way():
    error = refused(409, "/api/2.0/serving-endpoints/x/config", "is being updated")
    assert type(error) is EndpointRefused
    assert "at odds with what is there" in error.what


@pytest.mark.parametrize("state", ["PENDING", "RESTARTING", "TERMINATING", "TERMINATED", "Terminated"])
@pytest.mark.parametrize("status", [400, 503])
def test_a_cluster_that_does_not_run_is_not_waited_for(state, status):
    error = refused(status, "/driver-proxy-api/o/1/c/7777/", f"Cluster c is {state}.")
    assert type(error) is EndpointNotReady
    assert "start it" in error.fix


def test_a_busy_application_is_waited_for():
    assert type(refused(503, "/driver-proxy-api/o/1/c/7777/", "no answer within 5 s")) is WorkspaceUnavailable
    error = refused(502, "/driver-proxy-api/o/1/c/7777/", "Nothing listens on port 7777")
    assert "driver-app --listen 0.0.0.0" in error.fix


def test_what_the_stand_in_does_not_have_a_real_one_may():
    assert "a real one may" in str(refused(501, "/api/2.0/pipelines", host="http://127.0.0.1:8765"))
    error = refused(501, "/api/2.0/pipelines")
    assert type(error) is WorkspaceError
    assert error.fix is None
