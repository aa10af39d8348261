"""Secrets of a workspace: scopes and what is in them.

A value goes in and never comes out here: it is not returned, shown or kept. Names are checked by the workspace;
what an endpoint refers to is checked here, before anything is created.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ziggurat.databricks.calls import Calls
from ziggurat.errors import EndpointRefused, InputError, WorkspaceError, WorkspaceNotFound
from ziggurat.suggest import did_you_mean

_ROOT = "/api/2.0/secrets"
_PLACE = r"([\w.@-]+)/([\w.@-]+)"
_REFERENCE = re.compile(rf"(?:secrets/)?{_PLACE}")
_IN_BRACES = re.compile(rf"\{{\{{\s*secrets/{_PLACE}\s*\}}\}}")


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is.

    Attributes:
        scope: The scope's name.
        key: The name of the secret in it.
    """

    scope: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read ``scope/key``, ``secrets/scope/key`` or ``{{secrets/scope/key}}``.

        Raises:
            InputError: If it is none of these. The text is not repeated: it may be the secret itself.
        """
        found = _REFERENCE.fullmatch(text.strip()) or _IN_BRACES.fullmatch(text.strip())
        if found is None:
            raise InputError("This is not a reference to a secret.", fix="write scope/key, never the secret itself")
        return cls(found.group(1), found.group(2))

    def __str__(self) -> str:
        return f"{{{{secrets/{self.scope}/{self.key}}}}}"


class Secrets:
    """The secrets of a workspace.

    Args:
        calls: The way into it.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def scopes(self) -> list[str]:
        """The scopes' names, in order."""
        return sorted(str(one["name"]) for one in self._calls.get(f"{_ROOT}/scopes/list").get("scopes") or ())

    def list(self, scope: str) -> dict[str, datetime]:
        """The names of a scope's secrets, and when each was last written.

        Raises:
            WorkspaceNotFound: If there is no such scope; the closest is suggested.
        """
        try:
            found = self._calls.get(f"{_ROOT}/list", scope=scope).get("secrets") or ()
        except WorkspaceNotFound as error:
            raise self._no_scope(scope) from error
        return {
            str(one["key"]): datetime.fromtimestamp(one.get("last_updated_timestamp", 0) / 1000, UTC) for one in found
        }

    def put(self, reference: Reference, value: str) -> None:
        """Write a secret; its scope is made if need be.

        Raises:
            InputError: If the value is empty.
        """
        if not value:
            raise InputError("The secret is empty.", where=f"{reference.scope}/{reference.key}")
        if reference.scope not in self.scopes():
            self._make_scope(reference.scope)
        self._calls.post(f"{_ROOT}/put", {"scope": reference.scope, "key": reference.key, "string_value": value})

    def _make_scope(self, scope: str) -> None:
        try:
            self._calls.post(f"{_ROOT}/scopes/create", {"scope": scope})
        except EndpointRefused as error:
            if "already exists" not in error.what:  # somebody else was faster
                raise

    def check(self, reference: Reference) -> None:
        """See that a secret is there.

        Raises:
            WorkspaceNotFound: If it is not; the closest name is suggested.
        """
        names = self.list(reference.scope)
        if reference.key not in names:
            raise WorkspaceNotFound(
                f"There is no secret {reference.key!r} in the scope {reference.scope!r}"
                f"{did_you_mean(reference.key, names)}.",
                where=self._calls.access.host,
                fix=f"`ziggurat databricks secrets put {reference.scope}/{reference.key}` asks for it and writes it",
            )

    def delete(self, reference: Reference) -> None:
        """Remove a secret.

        Raises:
            WorkspaceNotFound: If it is not there; the closest name is suggested.
        """
        try:
            self._calls.post(f"{_ROOT}/delete", {"scope": reference.scope, "key": reference.key})
        except WorkspaceNotFound:
            self.check(reference)
            raise

    def delete_scope(self, scope: str) -> None:
        """Remove a scope and everything in it.

        Raises:
            WorkspaceNotFound: If it is not there; the closest is suggested.
        """
        try:
            self._calls.post(f"{_ROOT}/scopes/delete", {"scope": scope})
        except WorkspaceNotFound as error:
            raise self._no_scope(scope) from error

    def _no_scope(self, scope: str) -> WorkspaceNotFound:
        try:
            known = self.scopes()
        except WorkspaceError:
            known = []
        return WorkspaceNotFound(
            f"There is no secret scope {scope!r}{did_you_mean(scope, known)}.",
            where=self._calls.access.host,
            fix=f"there are {', '.join(known)}" if known else f"`ziggurat databricks secrets put {scope}/KEY` makes it",
        )
