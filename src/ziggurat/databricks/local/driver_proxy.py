"""The driver proxy: applications that listen on a cluster's driver, reached through the workspace.

The "driver" is this machine, so only ports that such applications use are passed on, and never the caller's
token. Bodies pass through in both directions as they come.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from ziggurat.databricks.local.call import Call, Refusal, Route, invalid, missing
from ziggurat.databricks.local.cluster import UP

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_FIXED_PARTS = 6  # "", the front, "o", organisation, cluster, port
_FIRST_PORT, _LAST_PORT = 3000, 8000
_NOT_PASSED = frozenset(
    "authorization connection cookie host keep-alive proxy-authorization set-cookie te trailer "
    "transfer-encoding upgrade".split()
)
_TIMEOUT = httpx.Timeout(600.0, connect=5.0)


class DriverProxy:
    """Applications on a cluster's driver."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._ports: set[int] = set()

    def allow(self, port: int) -> None:
        """Pass this port on too, though it is outside 3000 to 8000."""
        self._ports.add(port)

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route(method, path, self._pass, "an application on a cluster's driver", streams=True)
            for front in ("/driver-proxy-api", "/driver-proxy")
            for path in (
                f"{front}/o/{{org}}/{{cluster}}/{{port}}",
                f"{front}/o/{{org}}/{{cluster}}/{{port}}/{{rest:path}}",
            )
            for method in _METHODS
        ]

    def close(self) -> None:
        """Nothing runs by itself."""

    async def _pass(self, call: Call) -> Response:
        port = self._port(call)
        asked = call.request.scope
        # As it was sent: decoded, a slash that is part of a name could not be told from the others.
        rest = bytes(asked["raw_path"]).decode("latin-1").split("/", _FIXED_PARTS)[_FIXED_PARTS:]
        query = asked["query_string"].decode("latin-1")
        address = f"http://127.0.0.1:{port}/{''.join(rest)}{'?' + query if query else ''}"
        client = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
        sent = client.build_request(
            call.request.method, address, headers=_passed(call.request.headers.items()), content=_body(call)
        )
        try:
            answer = await client.send(sent, stream=True)
        except httpx.ConnectError as error:
            await client.aclose()
            raise Refusal(502, "BAD_GATEWAY", f"Nothing listens on port {port} of the driver.") from error
        except httpx.HTTPError as error:
            await client.aclose()
            raise Refusal(504, "TEMPORARILY_UNAVAILABLE", f"The application on port {port} did not answer.") from error
        except BaseException:
            await client.aclose()
            raise

        async def done() -> None:
            await answer.aclose()
            await client.aclose()

        return StreamingResponse(
            answer.aiter_raw(),
            status_code=answer.status_code,
            headers=_passed(answer.headers.items()),
            background=BackgroundTask(done),
        )

    def _port(self, call: Call) -> int:
        if call.path["org"] != self._workspace.org_id:
            raise Refusal(403, "PERMISSION_DENIED", f"The organization {call.path['org']} is not this workspace.")
        try:
            cluster = self._workspace.clusters.get(call.path["cluster"])
        except Refusal as refusal:
            raise missing(refusal.message) from refusal
        if not call.path["port"].isdecimal():
            raise invalid(f"{call.path['port']!r} is not a port.")
        port = int(call.path["port"])
        if not _FIRST_PORT <= port <= _LAST_PORT and port not in self._ports:
            raise invalid(f"Port {port} is not passed on; use one from {_FIRST_PORT} to {_LAST_PORT}.")
        if cluster.state not in UP:
            raise Refusal(
                503,
                "TEMPORARILY_UNAVAILABLE",
                f"Cluster {cluster.id} is {cluster.state}; its driver cannot be reached.",
            )
        cluster.touch()
        return port


def _passed(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _NOT_PASSED}


def _body(call: Call) -> AsyncIterator[bytes] | None:
    asked = call.request.headers
    if "content-length" not in asked and "transfer-encoding" not in asked:
        return None
    return call.request.stream()
