"""Refusals of a workspace, in the ways it words them."""

import httpx
import pytest

from ziggurat.databricks.refusing import refusal
from ziggurat.errors import (
    EndpointNotReady,
    EndpointRefused,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceNotFound,
    WorkspaceUnavailable,
)
from ziggurat.refusals import retry_after, status_of


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"error_code": "BAD_REQUEST", "message": "missing prompt"}, EndpointRefused, "missing prompt"),
        (401, {"error": {"message": "who are you", "code": 401}}, WorkspaceDenied, "who are you"),
        (403, "Invalid access token.", WorkspaceDenied, "Invalid access token."),
        (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}, WorkspaceNotFound, "RESOURCE_DOES_NOT_EXIST"),
        (404, {"message": "The endpoint is not ready"}, EndpointNotReady, "not ready"),
        (429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow"}, WorkspaceUnavailable, "slow"),
        (502, "<html><body>Bad gateway</body></html>", WorkspaceError, "502: Bad Gateway"),
        (503, "", WorkspaceUnavailable, "Service Unavailable"),
        (418, {"detail": {"message": "tea"}}, WorkspaceError, "418: tea"),
    ],
)
def test_a_refusal_becomes_one_error(status, body, kind, said):
    given = {"json": body} if isinstance(body, dict) else {"text": body}
    error = refusal(httpx.Response(status, headers={"Retry-After": "3"}, **given), "here")
    assert type(error) is kind
    assert said in error.what
    assert status_of(error) == status
    assert retry_after(error) == 3.0


def test_a_refusal_repeats_no_token():
    error = refusal(httpx.Response(400, json={"message": "bad key dapi0123456789abcdef"}), "here")
    assert "dapi0123" not in str(error)
