"""An endpoint as every model of a workspace calls it, and the arguments that say which.

Sending is `calls`' and what is sent the models'; here a refusal is explained by what the workspace knows of the
endpoint. Invariant: what cannot be an endpoint's name or a target is refused when the model is made, not when
it is called; and explaining an error never hides it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from ziggurat.databricks.patience import Patience
from ziggurat.errors import InputError, WorkspaceError
from ziggurat.workspace import Access, access

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls

_SCHEME = "databricks"


class InWorkspace(BaseModel):
    """The arguments of every model of a workspace: where it is, who asks, and how long a call may take.

    Attributes:
        target_uri: ``databricks``, or ``databricks://PROFILE`` for a profile of ``~/.databrickscfg``.
        host: The workspace; ``DATABRICKS_HOST`` if left out.
        token: A personal access token; ``DATABRICKS_TOKEN`` if left out.
        credentials: Other ways in, as `ziggurat.workspace.access` takes them.
        workspace_client: A ``WorkspaceClient`` that is there already, instead of all these.
        timeout: Seconds of silence before a call is given up.
        max_retries: How often a call is repeated while the endpoint is too busy.
        patience: Seconds within which it is repeated.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    target_uri: str = "databricks"
    host: str | None = None
    token: SecretStr | None = None
    credentials: dict[str, str] = Field(default_factory=dict, repr=False)
    workspace_client: Any = Field(default=None, repr=False, exclude=True)
    timeout: float = Field(default=300.0, gt=0)
    max_retries: int = Field(default=6, ge=0)
    patience: float = Field(default=60.0, ge=0)

    @model_validator(mode="after")
    def _target(self) -> Self:
        checked_target(self.target_uri)
        return self

    def _opened(self, at: Access | None = None) -> Calls:
        """The way into the workspace, or to somewhere else, with this model's patience.

        Raises:
            As `ziggurat.workspace.access`.
        """
        from ziggurat.databricks.calls import Calls  # an HTTP client: loaded with the first call, not with the model

        return Calls(at or self._access(), Patience(self.max_retries, self.patience, self.timeout))

    def _access(self) -> Access:
        given: dict[str, str | None] = dict(self.credentials)
        profile = checked_target(self.target_uri)
        if profile:
            given.setdefault("profile", profile)
        token = self.token.get_secret_value() if self.token else None
        return access(self.host, token, client=self.workspace_client, **given)


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
