"""What more can be found out about a refusal: whether the endpoint is ready, what it takes, what others are called.

Asks the workspace, briefly and without repeating. Invariant: whatever goes wrong here, the error that was to be
explained is given back as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.patience import Patience
from ziggurat.databricks.signature import ENDPOINTS, FAILED, no_endpoint, place_of
from ziggurat.errors import EndpointNotReady, EndpointRefused, WorkspaceError, WorkspaceNotFound

_BRIEFLY = Patience(retries=0, seconds=5.0, silence=5.0)
_MAY_BE_STATE = (400, 404, 409, 503)


def explained(error: WorkspaceError, calls: Calls, endpoint: str) -> WorkspaceError:
    """The error with what is known of its endpoint."""
    if error.status_code not in _MAY_BE_STATE:
        return error
    asked = Calls(calls.access, _BRIEFLY)
    try:
        if isinstance(error, WorkspaceNotFound):
            return _missing(error, asked, endpoint)
        return _not_ready(error, asked, endpoint) or _unfit(error, asked, endpoint)
    except (WorkspaceError, KeyError, TypeError, AttributeError):
        return error
    finally:
        asked.close()


def _missing(error: WorkspaceError, calls: Calls, endpoint: str) -> WorkspaceError:
    names = sorted(str(one["name"]) for one in calls.get(ENDPOINTS).get("endpoints") or ())
    if endpoint in names:
        return _not_ready(error, calls, endpoint) or error
    return no_endpoint(endpoint, names, calls.access.host, error.status_code)


def _not_ready(error: WorkspaceError, calls: Calls, endpoint: str) -> WorkspaceError | None:
    state = calls.get(place_of(endpoint)).get("state") or {}
    if state.get("ready") == "READY":
        return None
    update = state.get("config_update")
    what = "failed to deploy" if update in FAILED else "is still being deployed"
    return EndpointNotReady(
        f"The endpoint {endpoint!r} {what} ({state.get('ready')}, {update}).",
        where=error.where,
        fix=f"`ziggurat databricks endpoints wait {endpoint}` waits for it and says what is wrong with it",
        status_code=error.status_code,
    )


def _unfit(error: WorkspaceError, calls: Calls, endpoint: str) -> WorkspaceError:
    if not isinstance(error, EndpointRefused):
        return error
    signature = described(calls.get(f"{place_of(endpoint)}/openapi"))
    if not signature:
        return error
    return EndpointRefused(
        error.what, where=error.where, fix=f"the endpoint takes {signature}", status_code=error.status_code
    )


def described(schema: Mapping[str, Any]) -> str:
    """The inputs that an endpoint's OpenAPI document tells of, each with its type; empty if it tells none."""
    for path in (schema.get("paths") or {}).values():
        content = ((path.get("post") or {}).get("requestBody") or {}).get("content") or {}
        body = (content.get("application/json") or {}).get("schema") or {}
        found = _fields(body)
        if found:
            return ", ".join(f"{name} ({kind})" for name, kind in found.items())
    return ""


def _fields(schema: Mapping[str, Any]) -> dict[str, str]:
    """The innermost named fields: those of a record where the body is rows."""
    for one in schema.get("oneOf") or schema.get("anyOf") or ():
        found = _fields(one)
        if found:
            return found
    properties = schema.get("properties") or {}
    for name in ("dataframe_records", "inputs", "instances"):
        if name in properties:
            inner = properties[name]
            return _fields(inner.get("items") or inner)
    return {name: str(told.get("type") or "any") for name, told in properties.items() if isinstance(told, Mapping)}
