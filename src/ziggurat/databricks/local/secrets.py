"""Secret scopes and their secrets.

Values are kept in memory as bytes and are answered in one place only, to who asks for one by name; messages name
scopes and keys, never values. Key Vault scopes and access control are not here.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ziggurat.databricks.local.call import Body, Call, Refusal, Route, invalid, missing, taken, unimplemented

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

_NAME = re.compile(r"[\w.@/-]{1,128}")
_MOST_BYTES = 128 * 1024
_MOST_SCOPES = 1000
_MOST_SECRETS = 1000


@dataclass(frozen=True, slots=True)
class _Secret:
    value: bytes = field(repr=False)
    updated: int


class Secrets:
    """Secret scopes and their secrets."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._scopes: dict[str, dict[str, _Secret]] = {}

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("POST", "/api/2.0/secrets/scopes/create", self._create_scope, "make a scope of secrets"),
            Route("GET", "/api/2.0/secrets/scopes/list", self._list_scopes, "the scopes"),
            Route("POST", "/api/2.0/secrets/scopes/delete", self._delete_scope, "remove a scope and its secrets"),
            Route("POST", "/api/2.0/secrets/put", self._put, "write a secret"),
            Route("GET", "/api/2.0/secrets/get", self._get, "a secret's value, base64"),
            Route("GET", "/api/2.0/secrets/list", self._list, "the keys of a scope, without values"),
            Route("POST", "/api/2.0/secrets/delete", self._delete, "remove a secret"),
        ]

    def close(self) -> None:
        """End what it started."""
        self._scopes.clear()

    def value(self, scope: str, key: str) -> bytes:
        """A secret's value, for the other areas.

        Raises:
            Refusal: 404 if there is no such scope or key.
        """
        with self._workspace.lock:
            found = self._scope(scope).get(key)
        if found is None:
            raise missing(f"Secret does not exist with scope: {scope} and key: {key}")
        return found.value

    def _scope(self, name: str) -> dict[str, _Secret]:
        found = self._scopes.get(name)
        if found is None:
            raise missing(f"Scope {name} does not exist!")
        return found

    def _create_scope(self, call: Call) -> None:
        name = _named(call, "scope")
        if call.body.get("scope_backend_type", "DATABRICKS") != "DATABRICKS":
            raise unimplemented("secret scopes in Azure Key Vault")
        with self._workspace.lock:
            if name in self._scopes:
                raise taken(f"Scope {name} already exists!")
            if len(self._scopes) >= _MOST_SCOPES:
                raise _too_many(f"Cannot exceed {_MOST_SCOPES} scopes in a workspace.")
            self._scopes[name] = {}

    def _list_scopes(self, _: Call) -> Body:
        with self._workspace.lock:
            return {"scopes": [{"name": name, "backend_type": "DATABRICKS"} for name in sorted(self._scopes)]}

    def _delete_scope(self, call: Call) -> None:
        name = call.need("scope")
        with self._workspace.lock:
            self._scope(name)
            del self._scopes[name]

    def _put(self, call: Call) -> None:
        scope, key, value = call.need("scope"), _named(call, "key"), _value(call.body)
        with self._workspace.lock:
            kept = self._scope(scope)
            if key not in kept and len(kept) >= _MOST_SECRETS:
                raise _too_many(f"Cannot exceed {_MOST_SECRETS} secrets in a scope.")
            kept[key] = _Secret(value, int(time.time() * 1000))

    def _get(self, call: Call) -> Body:
        scope, key = call.need("scope"), call.need("key")
        return {"key": key, "value": base64.b64encode(self.value(scope, key)).decode()}

    def _list(self, call: Call) -> Body:
        with self._workspace.lock:
            kept = self._scope(call.need("scope"))
            return {"secrets": [{"key": key, "last_updated_timestamp": kept[key].updated} for key in sorted(kept)]}

    def _delete(self, call: Call) -> None:
        scope, key = call.need("scope"), call.need("key")
        with self._workspace.lock:
            self.value(scope, key)
            del self._scopes[scope][key]


def _named(call: Call, field_name: str) -> str:
    name: str = call.need(field_name)
    if not _NAME.fullmatch(name):
        raise invalid(
            f"The {field_name} must consist of alphanumeric characters, dashes, underscores, and periods, "
            "and may not exceed 128 characters."
        )
    return name


def _value(body: Body) -> bytes:
    told = [name for name in ("string_value", "bytes_value") if body.get(name) is not None]
    if len(told) != 1:
        raise Refusal(400, "MALFORMED_REQUEST", "Exactly one of string_value and bytes_value must be specified.")
    given = body[told[0]]
    if not isinstance(given, str):
        raise invalid(f"Field {told[0]} has the wrong type: {type(given).__name__}")
    if told[0] == "string_value":
        value = given.encode()
    else:
        try:
            value = base64.b64decode(given, validate=True)
        except binascii.Error as error:
            raise Refusal(400, "MALFORMED_REQUEST", "bytes_value is not base64.") from error
    if len(value) > _MOST_BYTES:
        raise invalid("The maximum allowed secret value size is 128 KB.")
    return value


def _too_many(what: str) -> Refusal:
    return Refusal(400, "RESOURCE_LIMIT_EXCEEDED", what)
