"""Applications on the driver of a cluster, and how to speak with one from here.

From outside, the workspace passes requests on: the way in is the driver proxy, whose path names the workspace's
organisation, the cluster and a port. On the driver itself the application is next door and is spoken to in
plain HTTP. Knows where it runs from what Databricks sets in the environment. Invariant: an organisation is
never guessed; it is in the host's name or the workspace is asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ziggurat.errors import InputError, WorkspaceError, WorkspaceUnavailable
from ziggurat.workspace import CONNECT_SECONDS, Access, organisation_of, unreachable

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls

PORTS = range(3000, 8001)
"""The ports that the driver proxy passes requests on to."""

HERE = "local"
"""The cluster's name for the driver that this program runs on."""

_CLUSTER = re.compile(r"[\w-]{4,}")
_ME = "/api/2.0/preview/scim/v2/Me"
_ORGANISATION = "x-databricks-org-id"


class Application:
    """An application on a driver.

    Args:
        calls: The way to the workspace, or to the driver itself.
        path: Where the application is.
    """

    def __init__(self, calls: Calls, path: str) -> None:
        self._calls = calls
        self._path = path

    def post(self, body: Any) -> Any:
        """Send a body and read the answer; errors as for `Calls.post`."""
        with self._told():
            return self._calls.post(self._path, body)

    async def apost(self, body: Any) -> Any:
        """The same without blocking."""
        with self._told():
            return await self._calls.apost(self._path, body)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """An application that is not there, said as that."""
        try:
            yield
        except WorkspaceUnavailable as error:
            if error.status_code is not None or self._path != "/":
                raise
            raise WorkspaceUnavailable(
                "No application listens on that port of this machine.",
                where=self._calls.access.host,
                fix="`ziggurat databricks driver-app --listen 0.0.0.0` starts one; elsewhere than on its driver, name the cluster",
            ) from error


def port_of(text: str | int) -> int:
    """A port that the driver proxy knows.

    Raises:
        InputError: If it is none.
    """
    try:
        port = int(text)
    except ValueError:
        port = 0
    if port not in PORTS:
        raise InputError(
            f"{str(text)!r} is not a port of a driver application.", fix=f"from {PORTS[0]} to {PORTS[-1]}, as the app listens"
        )  # fmt: skip
    return port


def cluster_of(text: str) -> str:
    """A cluster's id.

    Raises:
        InputError: If it cannot be one.
    """
    if not _CLUSTER.fullmatch(text):
        raise InputError(f"{text!r} is not a cluster's id.", fix="as in its address: 1121-154700-abcd1234")
    return text


def own_cluster() -> str | None:
    """The cluster this program runs on: `HERE` on its driver, the id on a worker, None elsewhere."""
    if os.environ.get("DB_IS_DRIVER", "").upper() == "FALSE":
        return os.environ.get("DB_CLUSTER_ID") or None
    return HERE if os.environ.get("DATABRICKS_RUNTIME_VERSION") else None


def next_door(port: int) -> Access:
    """The way to an application on this very machine."""
    return Access(f"http://127.0.0.1:{port}", dict)


def proxied(access: Access, cluster: str, port: int) -> str:
    """The path of an application through the driver proxy.

    Raises:
        WorkspaceError: If the workspace does not tell its organisation.
    """
    return f"/driver-proxy-api/o/{organisation(access)}/{cluster}/{port}/"


def organisation(access: Access) -> str:
    """The id of a workspace's organisation: from an Azure host, or from a header of any answer.

    Raises:
        WorkspaceDenied: If the workspace refuses the credentials.
        WorkspaceUnavailable: If it cannot be reached.
        WorkspaceError: If it does not tell.
    """
    known = organisation_of(access)
    if known:
        return known
    import httpx

    from ziggurat.databricks.refusing import refusal

    where = access.host + _ME
    try:
        answer = httpx.get(where, headers=dict(access.headers()), timeout=httpx.Timeout(30.0, connect=CONNECT_SECONDS))
    except httpx.HTTPError as error:
        raise unreachable(access.host, error) from error
    if not answer.is_success:
        raise refusal(answer, where)
    told = answer.headers.get(_ORGANISATION)
    if not told:
        raise WorkspaceError(
            "The workspace does not tell its organisation.", where=where, fix="is this the right host?"
        )
    return str(told)
