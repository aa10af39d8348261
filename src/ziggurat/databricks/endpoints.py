"""Serving endpoints: made, looked at, waited for, changed and removed.

An endpoint is described by the same mapping that ``mlflow.deployments`` and ``databricks-sdk`` take, so what one
of the three made, the others know; `external`, `custom` and `foundation` write the usual ones. Invariant: a
secret is only ever a reference, and one that does not exist is refused before anything is created.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.secrets import Reference, Secrets
from ziggurat.errors import EndpointNotReady, InputError, WorkspaceError, WorkspaceNotFound
from ziggurat.suggest import did_you_mean

_ROOT = "/api/2.0/serving-endpoints"
_POLL_SECONDS = 1.0
_LOG_LINES = 15

KEYS = {
    "openai": "openai_api_key",
    "anthropic": "anthropic_api_key",
    "cohere": "cohere_api_key",
    "ai21labs": "ai21labs_api_key",
    "palm": "palm_api_key",
    "databricks-model-serving": "databricks_api_token",
    "google-cloud-vertex-ai": "private_key",
    "amazon-bedrock": "aws_secret_access_key",
    "custom": "bearer_token_auth",
}
"""The providers of external models, and the setting of each that is a secret."""

TASKS = ("llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings")


@dataclass(frozen=True, slots=True)
class State:
    """How an endpoint is.

    Attributes:
        name: Its name.
        ready: Whether it answers.
        updating: Whether a change is under way.
        failed: Whether the last change failed.
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


def external(
    model: str,
    provider: str,
    secret: str | Mapping[str, str],
    *,
    task: str = "llm/v1/chat",
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The mapping of an external model.

    Args:
        model: The provider's name of it, ``gpt-4.1``.
        provider: One of `KEYS`.
        secret: Where its key is, ``scope/key``; or a mapping of settings to such places.
        task: One of `TASKS`.
        settings: Further settings of the provider that are no secrets, ``{"openai_api_base": …}``.

    Raises:
        InputError: If the provider or the task is unknown, or a secret is given in plain text.
    """
    if provider not in KEYS:
        raise InputError(
            f"There is no provider {provider!r}{did_you_mean(provider, KEYS)}.", fix=f"one of {', '.join(KEYS)}"
        )
    if task not in TASKS:
        raise InputError(f"There is no task {task!r}{did_you_mean(task, TASKS)}.", fix=f"one of {', '.join(TASKS)}")
    given = {KEYS[provider]: secret} if isinstance(secret, str) else dict(secret)
    plain = [name for name in (*given, *(settings or {})) if name.endswith("_plaintext")]
    if plain:
        raise InputError(
            f"{plain[0]} would put a secret into the endpoint's description.", fix="put it into a secret scope"
        )
    referred = {name: str(Reference.parse(place)) for name, place in given.items()}
    kind = "custom_provider" if provider == "custom" else provider.replace("-", "_")
    described = {"name": model, "provider": provider, "task": task, f"{kind}_config": {**(settings or {}), **referred}}
    return {"served_entities": [{"name": model.replace("/", "-").replace(".", "-"), "external_model": described}]}


def custom(
    model: str,
    version: str | int,
    *,
    size: str = "Small",
    scale_to_zero: bool = True,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The mapping of a registered model.

    Args:
        model: Its name in the registry, ``catalog.schema.name``.
        version: Which of its versions.
        size: ``Small``, ``Medium`` or ``Large``: how many requests it takes at once.
        scale_to_zero: Whether it costs nothing while nobody asks.
        environment: Variables for it; a value ``scope/key`` in double braces is taken from a secret.
    """
    entity: dict[str, Any] = {
        "entity_name": model,
        "entity_version": str(version),
        "workload_size": size,
        "scale_to_zero_enabled": scale_to_zero,
    }
    if environment:
        entity["environment_vars"] = dict(environment)
    return {"served_entities": [entity]}


def foundation(model: str, version: str | int, *, tokens_per_second: int) -> dict[str, Any]:
    """The mapping of a foundation model with throughput of its own; those paid by token are there already.

    Args:
        model: Its name, ``system.ai.llama_v3_3_70b_instruct``.
        version: Which of its versions.
        tokens_per_second: The throughput that is paid for.
    """
    entity = {
        "entity_name": model,
        "entity_version": str(version),
        "min_provisioned_throughput": 0,
        "max_provisioned_throughput": tokens_per_second,
    }
    return {"served_entities": [entity]}


class Endpoints:
    """The serving endpoints of a workspace.

    Args:
        calls: The way into it.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> list[State]:
        """All of them, by name."""
        found = self._calls.get(_ROOT).get("endpoints") or ()
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
            WorkspaceNotFound: If a secret it refers to does not exist.
            EndpointRefused: If there is one of that name, or the workspace refuses the mapping.
        """
        self._check_secrets(config)
        body: dict[str, Any] = {"name": name, "config": dict(config)}
        if tags:
            body["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        return _state(self._calls.post(_ROOT, body))

    def update(self, name: str, config: Mapping[str, Any]) -> State:
        """Serve something else; the old answers until the new is ready.

        Raises:
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
        while True:
            state = self.get(name)
            yield state
            if state.failed:
                raise EndpointNotReady(
                    f"The endpoint {name!r} failed to deploy.",
                    where=_path(name),
                    fix=self._log(state) or "look at its events",
                )
            if state.ready and not state.updating:
                return
            if time.monotonic() > until:
                raise EndpointNotReady(
                    f"The endpoint {name!r} is not ready after {seconds:g} s.",
                    where=_path(name),
                    fix="wait longer, or look at its logs",
                )
            time.sleep(_POLL_SECONDS)

    def _check_secrets(self, config: Mapping[str, Any]) -> None:
        secrets = Secrets(self._calls)
        for reference in sorted({str(one) for one in _references(config)}):
            secrets.check(Reference.parse(reference))

    def _missing(self, name: str, error: WorkspaceError) -> WorkspaceNotFound:
        try:
            names = [one.name for one in self.list()]
        except WorkspaceError:
            names = []
        return WorkspaceNotFound(
            f"There is no endpoint {name!r} in the workspace{did_you_mean(name, names)}.",
            where=self._calls.access.host,
            fix=f"there are {', '.join(names)}" if names else "`ziggurat databricks endpoints create` makes one",
            status_code=error.status_code,
        )

    def _log(self, state: State) -> str:
        """The end of the build log, where there is one."""
        config = state.told.get("pending_config") or state.told.get("config") or {}
        for entity in config.get("served_entities") or ():
            try:
                told = self._calls.get(f"{_path(state.name)}/served-models/{quote(str(entity.get('name')))}/build-logs")
            except WorkspaceError:
                continue
            lines = str(told.get("logs") or "").strip().splitlines()
            if lines:
                return "its build log ends:\n" + "\n".join(lines[-_LOG_LINES:])
        return ""


def _path(name: str) -> str:
    return f"{_ROOT}/{quote(name, safe='')}"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip().startswith("{{") and "secrets/" in value:
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _references(one)


def _state(told: Mapping[str, Any]) -> State:
    state = told.get("state") or {}
    update = str(state.get("config_update") or "")
    config = told.get("config") or told.get("pending_config") or {}
    entities = config.get("served_entities") or ()
    task = str(told.get("task") or next((t for one in entities for t in _task(one)), ""))
    return State(
        name=str(told.get("name")),
        ready=state.get("ready") == "READY",
        updating=update == "IN_PROGRESS",
        failed=update == "UPDATE_FAILED",
        task=task,
        models=tuple(_model(one) for one in entities),
        told=told,
    )


def _task(entity: Mapping[str, Any]) -> Iterator[str]:
    task = (entity.get("external_model") or {}).get("task")
    if task:
        yield str(task)


def _model(entity: Mapping[str, Any]) -> str:
    for kind in ("external_model", "foundation_model"):
        inner = entity.get(kind)
        if inner:
            provider = inner.get("provider")
            return f"{inner.get('name')}" + (f" of {provider}" if provider else "")
    version = entity.get("entity_version")
    return f"{entity.get('entity_name') or entity.get('name')}" + (f" version {version}" if version else "")
