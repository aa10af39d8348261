"""Serving endpoints: made, looked at, waited for, changed and removed.

What an endpoint serves is a mapping (`serving`) that ``mlflow.deployments`` and ``databricks-sdk`` take as well,
so what one of the three made, the others know. Invariant: a secret that does not exist, or is no reference, is
refused before anything is created or changed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.secrets import Secrets
from ziggurat.databricks.serving import KEYS, TASKS, check_no_secret, custom, external, foundation, references
from ziggurat.databricks.signature import ENDPOINTS, FAILED, no_endpoint, task_in
from ziggurat.errors import EndpointNotReady, EndpointRefused, InputError, WorkspaceError, WorkspaceNotFound
from ziggurat.workspace import without_secrets

__all__ = ["KEYS", "TASKS", "Endpoints", "State", "custom", "external", "foundation"]

_FIRST_POLL, _LONGEST_POLL = 0.25, 5.0
_LOG_LINES = 15
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_TAKEN = "already exists"


@dataclass(frozen=True, slots=True)
class State:
    """How an endpoint is.

    Attributes:
        name: Its name.
        ready: Whether it answers.
        updating: Whether a change is under way.
        failed: Whether the last change failed or was cancelled.
        task: What it is for; empty for custom models.
        models: What it serves, a few words each.
        told: Everything the workspace says of it.
    """

    name: str
    ready: bool
    updating: bool
    failed: bool
    task: str
    models: tuple[str, ...]
    told: Mapping[str, Any]

    @property
    def word(self) -> str:
        """The state in a word or two."""
        if self.failed:
            return "failed"
        if self.updating:
            return "changing" if self.ready else "deploying"
        return "ready" if self.ready else "not ready"


class Endpoints:
    """The serving endpoints of a workspace.

    Args:
        calls: The way into it.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> list[State]:
        """All of them, by name."""
        found = self._calls.get(ENDPOINTS).get("endpoints") or ()
        return sorted((_state(one) for one in found), key=lambda one: one.name)

    def get(self, name: str) -> State:
        """One of them.

        Raises:
            WorkspaceNotFound: If it is not there; the closest name is suggested.
        """
        try:
            return _state(self._calls.get(_path(name)))
        except WorkspaceNotFound as error:
            raise self._missing(name, error) from error

    def create(self, name: str, config: Mapping[str, Any], *, tags: Mapping[str, str] | None = None) -> State:
        """Make one; it takes a while to be ready.

        Args:
            name: Letters, digits, ``-`` and ``_``; at most 63.
            config: What it serves: `external`, `custom`, `foundation`, or any mapping the REST API takes.
            tags: What marks it.

        Raises:
            InputError: If the name cannot be, or there is a secret in the mapping itself.
            WorkspaceNotFound: If a secret it refers to does not exist; the closest name is suggested.
            EndpointRefused: If there is one of that name, or the workspace refuses the mapping.
        """
        _path(name)
        self._check_secrets(config)
        body: dict[str, Any] = {"name": name, "config": dict(config)}
        if tags:
            body["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        try:
            return _state(self._calls.post(ENDPOINTS, body))
        except EndpointRefused as error:
            if _TAKEN not in error.what:
                raise
            raise EndpointRefused(
                f"There is an endpoint {name!r} already.",
                where=self._calls.access.host,
                fix=f"`ziggurat databricks endpoints update {name}` changes what it serves",
                status_code=error.status_code,
            ) from error

    def update(self, name: str, config: Mapping[str, Any]) -> State:
        """Serve something else; the old answers until the new is ready.

        Raises:
            InputError: If there is a secret in the mapping itself.
            WorkspaceNotFound: If it is not there, or a secret it refers to is not.
            EndpointRefused: If the workspace refuses the mapping.
        """
        self._check_secrets(config)
        try:
            return _state(self._calls.put(f"{_path(name)}/config", dict(config)))
        except WorkspaceNotFound as error:
            raise self._missing(name, error) from error

    def delete(self, name: str) -> None:
        """Remove one.

        Raises:
            WorkspaceNotFound: If it is not there.
        """
        try:
            self._calls.delete(_path(name))
        except WorkspaceNotFound as error:
            raise self._missing(name, error) from error

    def wait(self, name: str, *, seconds: float = 1800.0) -> Iterator[State]:
        """Look at one until it is ready.

        Yields:
            Its state, again and again; the last one is ready.

        Raises:
            EndpointNotReady: If it fails, with the end of its build log; or is not ready in time.
            WorkspaceNotFound: If it is not there.
        """
        until = time.monotonic() + seconds
        pause = _FIRST_POLL
        while True:
            state = self.get(name)
            yield state
            if state.failed:
                raise EndpointNotReady(
                    f"The endpoint {name!r} failed to deploy.",
                    where=self._calls.access.host + _path(name),
                    fix=self._why(state) or "look at its events in the workspace",
                )
            if state.ready and not state.updating:
                return
            left = until - time.monotonic()
            if left <= 0:
                raise EndpointNotReady(
                    f"The endpoint {name!r} is not ready after {seconds:g} s.",
                    where=self._calls.access.host + _path(name),
                    fix="wait longer, or look at its events in the workspace",
                )
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_POLL)

    def _check_secrets(self, config: Mapping[str, Any]) -> None:
        check_no_secret(config)
        secrets = Secrets(self._calls)
        for reference in sorted(set(references(config)), key=str):
            secrets.check(reference)

    def _missing(self, name: str, error: WorkspaceError) -> WorkspaceNotFound:
        try:
            names = [one.name for one in self.list()]
        except WorkspaceError:
            names = []
        return no_endpoint(name, names, self._calls.access.host, error.status_code)

    def _why(self, state: State) -> str:
        """What the workspace says of a failure: the state of what failed, and the end of its build log."""
        config = state.told.get("pending_config") or state.told.get("config") or {}
        told = []
        for entity in config.get("served_entities") or ():
            message = str((entity.get("state") or {}).get("deployment_state_message") or "").strip()
            lines = self._log(state.name, str(entity.get("name")))[-_LOG_LINES:]
            told += [message] * bool(message) + ["its build log ends:", *lines] * bool(lines)
        return "\n".join(map(without_secrets, told))

    def _log(self, name: str, served: str) -> tuple[str, ...]:
        try:
            told = self._calls.get(f"{_path(name)}/served-models/{quote(served, safe='')}/build-logs")
        except WorkspaceError:
            return ()
        return tuple(str(told.get("logs") or "").strip().splitlines())


def _path(name: str) -> str:
    """Where an endpoint is.

    Raises:
        InputError: If none can have that name.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} is not the name of an endpoint.",
            fix="letters, digits, - and _, at most 63, no - or _ first",
        )
    return f"{ENDPOINTS}/{name}"


def _state(told: Mapping[str, Any]) -> State:
    state = told.get("state") or {}
    update = str(state.get("config_update") or "")
    config = told.get("config") or told.get("pending_config") or {}
    entities = config.get("served_entities") or ()
    return State(
        name=str(told.get("name")),
        ready=state.get("ready") == "READY",
        updating=update == "IN_PROGRESS",
        failed=update in FAILED,
        task=task_in(told),
        models=tuple(_model(one) for one in entities),
        told=told,
    )


def _model(entity: Mapping[str, Any]) -> str:
    for kind in ("external_model", "foundation_model"):
        inner = entity.get(kind)
        if inner:
            provider = inner.get("provider")
            return f"{inner.get('name')}" + (f" of {provider}" if provider else "")
    version = entity.get("entity_version")
    return f"{entity.get('entity_name') or entity.get('name')}" + (f" version {version}" if version else "")
