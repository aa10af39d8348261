"""How a Databricks workspace is reached: its host, and credentials that never show.

The one place that knows hosts and tokens; what is asked of the workspace is nobody's business here. Host and
token as they stand go by themselves; everything else (profiles, OAuth for machines, Azure's client
credentials, notebooks) is `databricks-sdk`'s, which is loaded only then, since its import takes a second.
Invariant: no token is sent over plain HTTP to another machine, and none is in a representation or an error.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ziggurat.errors import InputError, MissingDependency, WorkspaceDenied, WorkspaceUnavailable
from ziggurat.optional import require

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

CONNECT_SECONDS = 5.0
"""How long a host may take to accept a connection before it counts as unreachable."""

CREDENTIALS = (
    "profile",
    "client_id",
    "client_secret",
    "azure_client_id",
    "azure_client_secret",
    "azure_tenant_id",
    "azure_workspace_resource_id",
    "auth_type",
)
"""What beside host and token may say who asks; each as ``databricks-sdk`` names it."""

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_AZURE_ORG = re.compile(r"adb-(\d+)\.\d+\.(?:staging\.)?azuredatabricks\.")
_CHOOSES_OTHERWISE = ("DATABRICKS_CONFIG_PROFILE", "DATABRICKS_AUTH_TYPE")


def host_of(text: str) -> str:
    """A workspace's address in one form: ``https://`` and a host, without a path.

    Accepts what people paste: no scheme, a path, the ``?o=`` of the browser's address bar.

    Raises:
        InputError: If there is no host in it, or if it is plain HTTP to another machine.
    """
    written = text.strip()
    try:
        parts = urlsplit(written if "://" in written else f"https://{written}")
        name, port = parts.hostname, parts.port
        if "://" not in written and name in _LOCAL:  # a workspace on this machine
            parts = parts._replace(scheme="http")
    except ValueError as error:
        raise InputError("This is not a workspace's address.", where=repr(without_secrets(written))) from error
    if not name or parts.scheme not in ("http", "https") or parts.username or " " in name:
        raise InputError(
            "This is not a workspace's address.",
            where=repr(without_secrets(written)),
            fix="write it as in the browser: https://adb-1234567890123456.7.azuredatabricks.net",
        )
    if parts.scheme == "http" and name not in _LOCAL:
        raise InputError(
            "A workspace is not asked over plain HTTP: the token could be read on the way.",
            where=f"http://{name}",
            fix=f"https://{name}",
        )
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port and (parts.scheme, port) != ("https", 443) else "")


@dataclass(frozen=True, slots=True)
class Access:
    """A way into a workspace.

    Attributes:
        host: Its address, as `host_of` writes it.
        headers: Gives the headers that say who asks; asked anew for each call, since tokens expire.
    """

    host: str
    headers: Callable[[], Mapping[str, str]] = field(repr=False)


def access(
    host: str | None = None, token: str | None = None, *, client: Any = None, **credentials: str | None
) -> Access:
    """Find the way into a workspace.

    Args:
        host: Its address; ``DATABRICKS_HOST`` if left out.
        token: A personal access token; ``DATABRICKS_TOKEN`` if left out.
        client: A ``WorkspaceClient`` that is there already; nothing else is read then.
        credentials: Any of `CREDENTIALS`.

    Raises:
        InputError: If the host cannot be one, or a credential is unknown.
        WorkspaceDenied: If there are no credentials, or they are refused.
        WorkspaceUnavailable: If the host cannot be reached.
        MissingDependency: If credentials need ``databricks-sdk`` and it is not installed.
    """
    if client is not None:
        return Access(client.config.host, client.config.authenticate)
    given = _given(credentials)
    if not given and (token or not any(os.environ.get(name) for name in _CHOOSES_OTHERWISE)):
        plain_host = host or os.environ.get("DATABRICKS_HOST")
        plain_token = token or os.environ.get("DATABRICKS_TOKEN")
        if plain_host and plain_token:
            return Access(host_of(plain_host), lambda: {"Authorization": f"Bearer {plain_token}"})
    config = _config(host, token, given)
    return Access(str(config.host), _Headers(config))


def client(
    host: str | None = None, token: str | None = None, *, seconds: float = 60.0, **credentials: str | None
) -> WorkspaceClient:
    """A ``WorkspaceClient`` that gives up in time; arguments and errors as for `access`.

    Args:
        host: Its address; ``DATABRICKS_HOST`` if left out.
        token: A personal access token; ``DATABRICKS_TOKEN`` if left out.
        seconds: That one call may take, its repetitions included.
        credentials: Any of `CREDENTIALS`.
    """
    sdk = _sdk("databricks.sdk")
    made: WorkspaceClient = sdk.WorkspaceClient(config=_config(host, token, _given(credentials), seconds))
    return made


def organisation_of(access: Access) -> str | None:
    """The organisation's id where the host tells it, as Azure's do; None where the workspace must be asked."""
    found = _AZURE_ORG.search(access.host)
    return found.group(1) if found else None


class _Headers:
    """Asks the SDK for headers; what it raises becomes one of ours."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()

    def __call__(self) -> Mapping[str, str]:
        with self._lock:
            try:
                found: Mapping[str, str] = self._config.authenticate()
            except Exception as error:  # the SDK lets each way of logging in raise its own
                raise _denied(error, str(self._config.host)) from error
        return found


def _given(credentials: Mapping[str, str | None]) -> dict[str, str]:
    unknown = sorted(set(credentials) - set(CREDENTIALS))
    if unknown:
        raise InputError(f"A workspace has no credential {unknown[0]!r}.", fix=f"one of {', '.join(CREDENTIALS)}")
    return {name: value for name, value in credentials.items() if value}


def _config(host: str | None, token: str | None, given: Mapping[str, str], seconds: float = 60.0) -> Config:
    config = _sdk("databricks.sdk.config")
    named = host or (None if given.get("profile") else os.environ.get("DATABRICKS_HOST"))
    if named:
        named = host_of(named)
    likely = named or _host_of_profile(given.get("profile"))
    if likely:  # the SDK would try for minutes
        reach(host_of(likely))
    try:
        made: Config = config.Config(
            host=named,
            token=token,
            http_timeout_seconds=min(seconds, 60.0),
            retry_timeout_seconds=int(seconds) or 1,
            product="ziggurat",
            product_version=version("ziggurat"),
            **given,
        )
    except Exception as error:  # the SDK raises ValueError for most, and each way of logging in its own
        raise _denied(error, named or given.get("profile") or "databricks-sdk") from error
    return made


def _host_of_profile(profile: str | None) -> str | None:
    """The host that a profile names; None where there is no such profile, which the SDK then says."""
    file = Path(os.environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()
    known = ConfigParser(interpolation=None)
    try:
        known.read(file, encoding="utf-8")
    except (ConfigError, OSError, UnicodeDecodeError):
        return None
    name = profile or os.environ.get("DATABRICKS_CONFIG_PROFILE") or "DEFAULT"
    return known.get(name, "host", fallback=None) if name == "DEFAULT" or known.has_section(name) else None


def reach(host: str) -> None:
    """See whether anybody listens at a host. Behind a proxy the proxy answers for it, so nothing is tried.

    Raises:
        WorkspaceUnavailable: If nobody does within `CONNECT_SECONDS`.
    """
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return
    parts = urlsplit(host)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
    except OSError as error:
        raise unreachable(host, error) from error


def unreachable(host: str, error: BaseException) -> WorkspaceUnavailable:
    """The error of a workspace that does not answer."""
    return WorkspaceUnavailable(
        f"The workspace cannot be reached: {without_secrets(str(error)) or type(error).__name__}.",
        where=host,
        fix="check the host (DATABRICKS_HOST) and the network; `ziggurat databricks local` starts one on this machine",
    )


def _denied(error: Exception, where: str) -> Exception:
    if isinstance(error, MissingDependency | WorkspaceUnavailable):
        return error
    return WorkspaceDenied(
        f"There is no way into the workspace: {without_secrets(str(error).partition('Config:')[0].strip())}",
        where=where,
        fix="set DATABRICKS_HOST and DATABRICKS_TOKEN, or name a profile of ~/.databrickscfg",
    )


def _sdk(module: str) -> Any:
    return require(module, for_="credentials of a Databricks workspace", extra="databricks")


_SECRETS = re.compile(r"dapi[\w-]{8,}|dose[\w-]{8,}|eyJ[\w-]{6,}[\w.-]*|(?<=://)[^/\s@]+@", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """A text without what looks like a token or a password."""
    return _SECRETS.sub("***", text)[:500]
