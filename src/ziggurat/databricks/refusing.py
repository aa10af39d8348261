"""What a workspace says when it refuses, as errors of ours.

Databricks words refusals in three ways: ``{"error_code", "message"}``, OpenAI's ``{"error": {…}}``, and plain
text of a gateway. Here they become one error each, with what to do. Knows no endpoint's state; what more can
be found out about a refusal is in `hints`. Invariant: nothing that looks like a token is repeated.
"""

from __future__ import annotations

import re
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
_UNAUTHENTICATED, _FORBIDDEN = 401, 403

_WRONG_TOKEN = (WorkspaceDenied, "The workspace does not accept the credentials")
_UNFIT = (EndpointRefused, "The request does not fit")

_BY_STATUS: dict[int, tuple[type[WorkspaceError], str]] = {
    400: _UNFIT,
    401: _WRONG_TOKEN,
    403: (WorkspaceDenied, "The workspace does not allow this"),
    404: (WorkspaceNotFound, "There is no such thing in the workspace"),
    409: (EndpointRefused, "The request is at odds with what is there"),
    413: (EndpointRefused, "The request is too large"),
    422: _UNFIT,
    429: (WorkspaceUnavailable, "The workspace asks for patience"),
    501: (WorkspaceError, "The workspace does not do this"),
    503: (WorkspaceUnavailable, "The workspace is too busy"),
}

_FIXES = {
    401: "is DATABRICKS_TOKEN of this workspace, and not expired?",
    403: "ask for the permission, or ask as somebody who has it",
    409: "look at what is there; wait until its change is through",
    413: "send less at once",
    429: "ask less often, or allow more time with patience",
    503: "try again later",
}
"""What to do, whatever was asked."""

_DRIVER = re.compile(r"/driver-proxy")
_FIXES_AT: tuple[tuple[re.Pattern[str], dict[int, str]], ...] = (
    (
        re.compile(r"/serving-endpoints/(?:[^/]+/(?:served-models/[^/]+/)?invocations|chat/|embeddings|responses|completions)"),
        {400: "compare it with the endpoint's signature", 404: "`ziggurat databricks endpoints list` shows what is there", 501: "is this the right kind of endpoint?"},
    ),
    (
        _DRIVER,
        {400: 'the application takes {"prompt": text, "stop": [texts]}', 404: "is the cluster's id right, and is it in this workspace?", 502: "start it on the cluster: `ziggurat databricks driver-app --listen 0.0.0.0`"},
    ),
    (re.compile(r"/api/[\d.]+/serving-endpoints"), {404: "`ziggurat databricks endpoints list` shows what is there"}),
    (re.compile(r"/api/[\d.]+/secrets/"), {404: "`ziggurat databricks secrets list` shows what is there"}),
)  # fmt: skip
"""What to do, by the path that was asked."""

_AREA = re.compile(r"/api/[\d.]+/(?:preview/)?([\w-]+)")
_HERE = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\])[:/]")
_ASLEEP = re.compile(r"\b(?:PENDING|RESTARTING|TERMINATING|TERMINATED)\b", re.IGNORECASE)
_TOKEN = re.compile(r"invalid (?:access )?token|token (?:is|has) (?:invalid|expired)", re.IGNORECASE)

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
    kind, what = _BY_STATUS.get(status, (WorkspaceError, f"The workspace answered {status}"))
    if status == _FORBIDDEN and _TOKEN.search(said):  # how the real service answers a wrong token
        status_of_fix, (kind, what) = _UNAUTHENTICATED, _WRONG_TOKEN
    else:
        status_of_fix = status
    fix = _fix(status_of_fix, where)
    if any(one in said for one in _NOT_READY) and status in (400, 404, 409, 503):
        kind, what, fix = (
            EndpointNotReady,
            "The endpoint cannot answer yet",
            "`ziggurat databricks endpoints wait NAME` waits for it",
        )
    if _DRIVER.search(where) and _ASLEEP.search(said):
        kind, what, fix = EndpointNotReady, "The cluster does not run", "start it, and the application on it"
    short = without_secrets(said)[:_LONGEST].strip()
    return kind(
        f"{what}: {short}" if short else f"{what}.", where=where, fix=fix, status_code=status, retry_after_secs=wait
    )


def _fix(status: int, where: str) -> str | None:
    """What to do about it, by what was asked."""
    told = _FIXES.get(status)
    if told is not None:
        return told
    unfit = 400 if status == 422 else status  # noqa: PLR2004 (two names of one refusal)
    for pattern, fixes in _FIXES_AT:
        if pattern.search(where) and unfit in fixes:
            return fixes[unfit]
    area = _AREA.search(where)
    if area is None:
        return None
    return {
        400: f"compare what was sent with the REST reference of {area.group(1)}",
        404: "is its name or id right, and is it in this workspace?",
        501: "a workspace on this machine has not everything; a real one may do it" if _HERE.match(where) else None,
    }.get(unfit)


def _said(body: Any) -> str:
    """The sentence in a refusal, whichever way it is worded."""
    if isinstance(body, Mapping):
        for name in ("message", "error", "detail"):
            if body.get(name):
                return _said(body[name])
        return str(body.get("error_code") or "")
    text = " ".join(str(body or "").split())
    return "" if text.startswith("<") else text  # a gateway's page in HTML
