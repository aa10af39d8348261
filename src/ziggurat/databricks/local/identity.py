"""Who somebody is: the current user, discovery, OAuth tokens of service principals, personal access tokens.

The tokens themselves are the workspace's; this room gives them out and takes them back. Azure's sign-in is here
too, for clients whose Azure environment can be pointed at this address. Invariant: a client's secret is compared
and never answered.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode
from uuid import uuid4

from starlette.responses import JSONResponse, RedirectResponse, Response

from ziggurat.databricks.local.call import Body, Call, Route, missing

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_FOREVER = -1


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """An application that may sign in.

    Attributes:
        client_id: Its name for OAuth.
        client_secret: What proves it.
        name: Whose name its calls carry.
    """

    client_id: str
    client_secret: str
    name: str


class Identity:
    """Who somebody is.

    Attributes:
        token_seconds: How long an OAuth token lasts.
        tenant_id: The Azure tenant that the stand-in answers for.
        principal: A service principal that exists from the start.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.token_seconds = 3600.0
        self.tenant_id = str(uuid4())
        self._principals: dict[str, ServicePrincipal] = {}
        self._personal: dict[str, dict[str, Any]] = {}
        self.principal = self.add_service_principal()

    def add_service_principal(
        self, client_id: str | None = None, client_secret: str | None = None, *, name: str | None = None
    ) -> ServicePrincipal:
        """Let an application sign in; what is not given is made up."""
        known = client_id or str(uuid4())
        made = ServicePrincipal(known, client_secret or f"dose{token_hex(16)}", name or known)
        with self._workspace.lock:
            self._principals[known] = made
        return made

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", "/api/2.0/preview/scim/v2/Me", self._me, "who the token's owner is, and the organisation"),
            Route("GET", "/.well-known/databricks-config", self._config, "what kind of host this is", open=True),
            Route("GET", "/oidc/.well-known/oauth-authorization-server", self._oidc, "where to sign in", open=True),
            Route("POST", "/oidc/v1/token", self._token, "a token for a service principal", open=True),
            Route("GET", "/aad/auth", self._azure_login, "which Azure tenant this is", open=True),
            Route("GET", "/oidc/oauth2/v2.0/authorize", self._azure_login, "where Azure signs in", open=True),
            Route("POST", "/{tenant}/oauth2/token", self._azure_token, "Azure's token for a client secret", open=True),
            Route("POST", "/{tenant}/oauth2/v2.0/token", self._azure_token, "the same, version 2", open=True),
            Route("POST", "/api/2.0/token/create", self._create, "make a personal access token"),
            Route("GET", "/api/2.0/token/list", self._list, "the personal access tokens, without their values"),
            Route("POST", "/api/2.0/token/delete", self._delete, "revoke a personal access token"),
        ]

    def close(self) -> None:
        """End what it started."""

    def _me(self, call: Call) -> Response:
        with self._workspace.lock:
            principal = next((one for one in self._principals.values() if one.name == call.user), None)
        body: dict[str, Any] = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": str(int.from_bytes(call.user.encode()[:6], "big")),
            "userName": principal.client_id if principal else call.user,
            "displayName": call.user,
            "active": True,
            "groups": [{"display": "users", "type": "direct", "value": "1", "$ref": "Groups/1"}],
        }
        if principal is None:
            body["emails"] = [{"type": "work", "value": call.user, "primary": True}]
        return JSONResponse(body, headers={"x-databricks-org-id": self._workspace.org_id})

    def _config(self, _: Call) -> Body:
        return {"oidc_endpoint": f"{self._workspace.url}/oidc", "workspace_id": self._workspace.org_id}

    def _oidc(self, _: Call) -> Body:
        base = f"{self._workspace.url}/oidc"
        return {
            "issuer": base,
            "authorization_endpoint": f"{base}/v1/authorize",
            "token_endpoint": f"{base}/v1/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": ["all-apis"],
        }

    def _token(self, call: Call) -> Response:
        form = _form(call)
        if form.get("grant_type") != "client_credentials":
            return _oauth_error(400, "unsupported_grant_type", "Only client_credentials is supported here.")
        principal = self._known(*(_basic(call) or (form.get("client_id", ""), form.get("client_secret", ""))))
        if principal is None:
            return _oauth_error(401, "invalid_client", "Client authentication failed")
        token = self._workspace.issue(principal.name, seconds=self.token_seconds)
        return JSONResponse(
            {
                "access_token": token,
                "token_type": "Bearer",
                "scope": form.get("scope", "all-apis"),
                "expires_in": int(self.token_seconds),
            }
        )

    def _azure_login(self, call: Call) -> Response:
        asked = urlencode({"response_type": "code", "redirect_uri": f"{self._workspace.url}/login.html"})
        version = "/v2.0" if "v2.0" in call.request.url.path else ""
        where = f"{self._workspace.url}/{self.tenant_id}/oauth2{version}/authorize"
        return RedirectResponse(f"{where}?{asked}" if not version else where, status_code=302)

    def _azure_token(self, call: Call) -> Response:
        form = _form(call)
        if call.path["tenant"] != self.tenant_id:
            return _oauth_error(
                400, "invalid_request", f"AADSTS90002: Tenant '{call.path['tenant']}' not found. Check the tenant ID."
            )
        principal = self._known(form.get("client_id", ""), form.get("client_secret", ""))
        if principal is None:
            return _oauth_error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        token = self._workspace.issue(principal.name, seconds=self.token_seconds)
        ends = int(time.time() + self.token_seconds)
        seconds = str(int(self.token_seconds))  # Azure's first version writes numbers as text
        return JSONResponse(
            {"token_type": "Bearer", "expires_in": seconds, "expires_on": str(ends), "access_token": token}
        )

    def _known(self, client_id: str, secret: str) -> ServicePrincipal | None:
        with self._workspace.lock:
            found = self._principals.get(client_id)
        return found if found and hmac.compare_digest(found.client_secret.encode(), secret.encode()) else None

    def _create(self, call: Call) -> Body:
        seconds = call.body.get("lifetime_seconds")
        token = self._workspace.issue(call.user, seconds=None if seconds is None else float(seconds))
        now = int(time.time() * 1000)
        info = {
            "token_id": token_hex(32),
            "creation_time": now,
            "expiry_time": _FOREVER if seconds is None else now + int(float(seconds) * 1000),
            "comment": call.body.get("comment", ""),
        }
        with self._workspace.lock:
            self._personal[info["token_id"]] = {"info": info, "token": token, "user": call.user}
        return {"token_value": token, "token_info": info}

    def _list(self, call: Call) -> Body:
        with self._workspace.lock:
            return {"token_infos": [one["info"] for one in self._personal.values() if one["user"] == call.user]}

    def _delete(self, call: Call) -> None:
        name = call.need("token_id")
        with self._workspace.lock:
            found = self._personal.get(name)
            if found is None or found["user"] != call.user:
                raise missing(f"Token with ID {name} does not exist.")
            del self._personal[name]
        self._workspace.revoke(found["token"])


def _form(call: Call) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(call.raw.decode("utf-8", "replace")).items()}


def _basic(call: Call) -> tuple[str, str] | None:
    """The client's id and secret, where they come in the header."""
    scheme, _, told = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(told).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return client, secret


def _oauth_error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)
