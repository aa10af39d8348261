"""What every room of the stand-in speaks: a call that came in, a route that answers it, a refusal.

A route is data (method, path, who answers), so that the list of what the stand-in can do is the same list
that serves it and that the documentation shows. Handlers are plain functions of a `Call`; they run in worker
threads, and asynchronous ones in the event loop. Invariant: what a handler refuses has Databricks' form,
``{"error_code": …, "message": …}``, with the HTTP status that the real service gives.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

Body = Mapping[str, Any]


class Refusal(Exception):
    """An answer that says no.

    Args:
        status: The HTTP status.
        code: Databricks' ``error_code``, for example ``RESOURCE_DOES_NOT_EXIST``.
        message: What a person reads.
        headers: Sent with it, for example ``Retry-After``.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        super().__init__(f"{status} {code}: {message}")


def missing(what: str) -> Refusal:
    """404: there is no such thing."""
    return Refusal(404, "RESOURCE_DOES_NOT_EXIST", what)


def taken(what: str) -> Refusal:
    """400, as Databricks gives it: there is such a thing already."""
    return Refusal(400, "RESOURCE_ALREADY_EXISTS", what)


def invalid(what: str) -> Refusal:
    """400: a parameter that cannot be."""
    return Refusal(400, "INVALID_PARAMETER_VALUE", what)


def unimplemented(what: str) -> Refusal:
    """501: the real workspace has it, the stand-in has not; it is named."""
    return Refusal(501, "NOT_IMPLEMENTED", f"The local workspace does not implement {what}.")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read.

    Attributes:
        request: Starlette's request, for who needs its stream or headers.
        path: The path's parameters, decoded.
        query: The query's parameters, the last value of each.
        raw: The body's bytes; empty where the route streams it (`Route.streams`).
        body: The body as JSON; empty where there is none or where it is no JSON object.
        user: Who calls, by the token.
    """

    request: Request
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes
    body: Body
    user: str

    def need(self, name: str, kind: type | tuple[type, ...] = str) -> Any:
        """A parameter of the body, or of the query where the body has none.

        Raises:
            Refusal: 400 if it is not there or has another type.
        """
        value = self.body.get(name, self.query.get(name))
        if value is None or value == "":
            raise invalid(f"Missing required field: {name}")
        if not isinstance(value, kind):
            raise invalid(f"Field {name} has the wrong type: {type(value).__name__}")
        return value


Handler = Callable[[Call], "Response | Body | Awaitable[Response | Body | None] | None"]


@dataclass(frozen=True, slots=True)
class Route:
    """One thing the stand-in answers.

    Attributes:
        method: ``GET``, ``POST``, …
        path: As Starlette writes it: ``/api/2.0/serving-endpoints/{name}``, ``{path:path}`` for the rest.
        answer: Who answers; a mapping becomes JSON, None an empty object.
        does: What it does, in a few words; shown in the documentation.
        open: Whether no token is needed.
        streams: Whether the body is left unread, for large uploads and for passing on.
        metered: Whether it is a call of a model: faults and rate limits apply, and completed ones are counted.
        bytes: Whether its body is bytes, whatever its type says, and never JSON.
    """

    method: str
    path: str
    answer: Handler = field(repr=False)
    does: str
    open: bool = False
    streams: bool = False
    metered: bool = False
    bytes: bool = False


class Area(Protocol):
    """A part of the workspace with routes of its own."""

    def routes(self) -> list[Route]:
        """What it answers."""

    def close(self) -> None:
        """End what it started."""


def parsed(raw: bytes, content_type: str) -> Body:
    """A request's body, where it is a JSON object.

    Raises:
        Refusal: 400 if it says it is JSON and is not.
    """
    if not raw or (content_type and "json" not in content_type):
        return {}
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise Refusal(400, "MALFORMED_REQUEST", f"The body is not JSON: {error}") from error
    return found if isinstance(found, dict) else {}
