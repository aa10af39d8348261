"""What a workspace says when it refuses, as errors of ours.

Databricks words refusals in three ways: ``{"error_code", "message"}``, OpenAI's ``{"error": {…}}``, and plain
text of a gateway. Here they become one error each, with what to do. Knows no endpoint's state; what more can
be found out about a refusal is in `hints`. Invariant: nothing that looks like a token is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from ziggurat.errors import (
    EndpointNotReady,
    EndpointRefused,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceNotFound,
    WorkspaceUnavailable,
)
from ziggurat.refusals import retry_after_of
from ziggurat.workspace import without_secrets

_LONGEST = 2000

_BY_STATUS: dict[int, tuple[type[WorkspaceError], str, str]] = {
    400: (EndpointRefused, "The request does not fit", "compare it with the endpoint's signature"),
    401: (WorkspaceDenied, "The workspace does not accept the credentials", "is DATABRICKS_TOKEN of this workspace, and not expired?"),
    403: (WorkspaceDenied, "The workspace does not allow this", "an invalid token is also answered so; else ask for the permission"),
    404: (WorkspaceNotFound, "There is no such thing in the workspace", "`ziggurat databricks endpoints list` shows what is there"),
    413: (EndpointRefused, "The request is too large", "send less at once"),
    422: (EndpointRefused, "The request does not fit", "compare it with the endpoint's signature"),
    429: (WorkspaceUnavailable, "The workspace asks for patience", "ask less often, or allow more time with patience"),
    501: (WorkspaceError, "The workspace does not do this", "is this the right kind of endpoint?"),
    503: (WorkspaceUnavailable, "The workspace is too busy", "try again later"),
}  # fmt: skip

_NOT_READY = (
    "not ready",
    "still being",
    "deploying",
    "is updating",
    "ENDPOINT_NOT_READY",
    "NOT_READY",
    "not yet ready",
)


def refusal(response: httpx.Response, where: str) -> WorkspaceError:
    """The error of an answer that is none; the body must have been read."""
    status = response.status_code
    try:
        body = response.json()
    except ValueError:
        body = response.text
    return _error(status, _said(body) or response.reason_phrase, where, retry_after_of(response))


def said_in_stream(event: Mapping[str, Any], where: str) -> WorkspaceError | None:
    """The error that an event of a stream is; None if it is an ordinary one."""
    error = event.get("error")
    if error is None and "error_code" not in event:
        return None
    told = error if isinstance(error, Mapping) else event
    status = (
        told.get("status")
        or told.get("status_code")
        or told.get("code")
        or _STATUS_OF.get(str(event.get("error_code")))
    )
    return _error(status if isinstance(status, int) else 500, _said(event), where, None)


_STATUS_OF = {
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "BAD_REQUEST": 400,
    "TEMPORARILY_UNAVAILABLE": 503,
}


def _error(status: int, said: str, where: str, wait: float | None) -> WorkspaceError:
    kind, what, fix = _BY_STATUS.get(status, (WorkspaceError, f"The workspace answered {status}", None))
    if any(one in said for one in _NOT_READY) and status in (400, 404, 409, 503):
        kind, what, fix = (
            EndpointNotReady,
            "The endpoint cannot answer yet",
            "`ziggurat databricks endpoints wait NAME` waits for it",
        )
    short = without_secrets(said)[:_LONGEST].strip()
    return kind(
        f"{what}: {short}" if short else f"{what}.", where=where, fix=fix, status_code=status, retry_after_secs=wait
    )


def _said(body: Any) -> str:
    """The sentence in a refusal, whichever way it is worded."""
    if isinstance(body, Mapping):
        for name in ("message", "error", "detail"):
            if body.get(name):
                return _said(body[name])
        return str(body.get("error_code") or "")
    text = " ".join(str(body or "").split())
    return "" if text.startswith("<") else text  # a gateway's page in HTML
