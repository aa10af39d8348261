"""The stand-in as an ASGI application: who may come in, who answers, and what was sent.

Knows routes, tokens and refusals, and nothing of what the areas do. A path that no route has is answered 501
with its name, since the real workspace may well have it. Invariant: every call ends as one entry in the record.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as StarletteRoute

from ziggurat.databricks.local.call import Call, Refusal, Route, parsed, unimplemented
from ziggurat.databricks.local.faults import Cut, Gate
from ziggurat.databricks.local.record import Entry
from ziggurat.errors import gist

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def application(workspace: Workspace) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The ASGI application of a workspace."""
    routes = [
        StarletteRoute(one.path, _endpoint(workspace, one), methods=[one.method], name=f"{one.method} {one.path}")
        for one in workspace.routes()
    ]
    routes.append(
        StarletteRoute(
            "/{rest:path}", _nobody, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"], name="nobody"
        )
    )
    return _recorded(workspace, Starlette(routes=routes))


def _endpoint(workspace: Workspace, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        request.scope["ziggurat.route"] = route
        try:
            user = "" if route.open else _user(workspace, request)
            if route.metered:
                request.scope["ziggurat.fate"] = fate = workspace.luck.draw()
                fate.refuse()
            raw = b"" if route.streams else await request.body()
            body = {} if route.bytes else parsed(raw, request.headers.get("content-type", ""))
            call = Call(request, request.path_params, dict(request.query_params), raw, body, user)
            if inspect.iscoroutinefunction(route.answer):
                found = await route.answer(call)
            else:
                found = await run_in_threadpool(route.answer, call)
        except Refusal as refusal:
            return refused(refusal)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # handlers read JSON as it comes
            told = f"Could not parse request object: {type(error).__name__}: {error}"
            return refused(Refusal(400, "MALFORMED_REQUEST", told))
        except Exception as error:  # noqa: BLE001 (a model's own fault, or ours: the connection stays usable)
            return refused(Refusal(500, "INTERNAL_ERROR", f"{type(error).__name__}: {gist(error)}"))
        return found if isinstance(found, Response) else JSONResponse(dict(found or {}))

    return answered


def refused(refusal: Refusal) -> Response:
    """A refusal as the real service words it."""
    body = {"error_code": refusal.code, "message": refusal.message}
    return JSONResponse(body, status_code=refusal.status, headers=refusal.headers)


def _user(workspace: Workspace, request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    user = workspace.whose(token.strip()) if scheme.lower() == "bearer" else None
    if user is None:
        raise Refusal(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API.")
    return user


def _still(workspace: Workspace, scope: Scope) -> bool:
    """Whether whoever asked may still be answered: a revoked token ends a model's stream under way."""
    route: Route | None = scope.get("ziggurat.route")
    if route is None or not route.metered:
        return True
    token = Request(scope).headers.get("authorization", "").partition(" ")[2]
    return not workspace.revoked(token.strip())


async def _nobody(request: Request) -> Response:
    return refused(unimplemented(f"{request.method} {request.url.path}"))


def _recorded(workspace: Workspace, app: Starlette) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if scope["path"].startswith("/api/"):  # clients end paths with a slash or without
            scope["path"] = scope["path"].rstrip("/")
        status, whole = 0, False
        gate = Gate(send, lambda: scope.get("ziggurat.fate"), lambda: _still(workspace, scope))

        async def sent(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
            await gate.send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                whole = True

        try:
            await app(scope, receive, sent)
        except Cut:
            pass  # an answer without its end: the server closes the socket
        finally:
            route: Route | None = scope.get("ziggurat.route")
            agent = Request(scope).headers.get("user-agent", "")
            workspace.record.add(
                Entry(
                    method=scope["method"],
                    route=route.path if route else "",
                    path=scope["path"],
                    client=agent.partition(" ")[0],
                    agent=agent,
                    status=status,
                    completed=whole,
                    metered=bool(route and route.metered),
                )
            )

    return recorded
