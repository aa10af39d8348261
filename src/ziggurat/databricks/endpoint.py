"""An endpoint as every model of a workspace calls it, and the arguments that say which.

Sending is `calls`' and what is sent the models'; here a refusal is explained by what the workspace knows of the
endpoint. Invariant: what cannot be an endpoint's name or a target is refused when the model is made, not when
it is called; and explaining an error never hides it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from pydantic import SecretStr

from ziggurat.errors import InputError, WorkspaceError
from ziggurat.workspace import access

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls
    from ziggurat.databricks.patience import Patience

_SCHEME = "databricks"


class HasAccess(Protocol):
    """The fields that say where a model is and who asks."""

    target_uri: str
    host: str | None
    token: SecretStr | None
    credentials: dict[str, str]
    workspace_client: Any


class Endpoint:
    """One serving endpoint.

    Args:
        calls: The way into its workspace.
        name: The endpoint's name.

    Methods and errors are those of `Calls`, without a path.
    """

    def __init__(self, calls: Calls, name: str) -> None:
        self.calls = calls
        self.name = name
        self._path = invocations(name)

    def post(self, body: Any) -> Any:
        """Send a body and read the answer."""
        try:
            return self.calls.post(self._path, body)
        except WorkspaceError as error:
            raise self._explained(error) from error.__cause__

    async def apost(self, body: Any) -> Any:
        """The same without blocking."""
        try:
            return await self.calls.apost(self._path, body)
        except WorkspaceError as error:
            raise await asyncio.to_thread(self._explained, error) from error.__cause__

    def events(self, body: Any) -> Iterator[dict[str, Any]]:
        """Send a body and read the answer as it comes."""
        try:
            yield from self.calls.events(self._path, body)
        except WorkspaceError as error:
            raise self._explained(error) from error.__cause__

    async def aevents(self, body: Any) -> AsyncIterator[dict[str, Any]]:
        """The same without blocking."""
        try:
            async for event in self.calls.aevents(self._path, body):
                yield event
        except WorkspaceError as error:
            raise await asyncio.to_thread(self._explained, error) from error.__cause__

    def _explained(self, error: WorkspaceError) -> WorkspaceError:
        from ziggurat.databricks.hints import explained

        return explained(error, self.calls, self.name)


def invocations(endpoint: str) -> str:
    """The path that an endpoint answers at."""
    return f"/serving-endpoints/{quote(endpoint, safe='')}/invocations"


def called(values: Any, others: Mapping[str, str]) -> Any:
    """Arguments with the other names that people know them by put right.

    Raises:
        InputError: If both names of one argument are given.
    """
    if not isinstance(values, Mapping):
        return values
    made = dict(values)
    for theirs, ours in others.items():
        if theirs not in made:
            continue
        value = made.pop(theirs)
        if value is None:
            continue
        if made.get(ours) is not None:
            raise InputError(f"{theirs!r} and {ours!r} are two names of one argument.", fix=f"give {ours} alone")
        made[ours] = value
    return made


def checked_target(uri: str) -> str | None:
    """The profile in a target: None for ``databricks``, ``NAME`` for ``databricks://NAME``.

    Raises:
        InputError: If it is no target of Databricks.
    """
    scheme, _, profile = uri.partition("://")
    if scheme != _SCHEME:
        raise InputError(f"{uri!r} is no workspace.", fix="target_uri is databricks, or databricks://PROFILE")
    return profile or None


def opened(model: HasAccess, patience: Patience) -> Calls:
    """The way into a model's workspace.

    Raises:
        As `ziggurat.workspace.access`.
    """
    given: dict[str, str | None] = dict(model.credentials)
    profile = checked_target(model.target_uri)
    if profile:
        given.setdefault("profile", profile)
    from ziggurat.databricks.calls import Calls  # an HTTP client: loaded with the first call, not with the model

    token = model.token.get_secret_value() if model.token else None
    return Calls(access(model.host, token, client=model.workspace_client, **given), patience)
