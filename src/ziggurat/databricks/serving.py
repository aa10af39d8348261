"""What an endpoint serves, as the mapping that the REST API, ``mlflow.deployments`` and ``databricks-sdk`` take.

`external`, `custom` and `foundation` write the usual ones; anybody's own is as good. Asks no workspace.
Invariant: a secret in such a mapping is only ever a reference to one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ziggurat.databricks.secrets import Reference
from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

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

_SECRET = re.compile(r"(?:.+_)?(?:api_key|api_token|private_key|access_key|client_secret|password|token|value)")
_PLAIN = "_plaintext"


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
    for name in given:
        _check_plain(name)
        if name in (settings or {}):
            raise InputError(f"{name} is given twice.", fix="give it as the secret only")
    _check_settings(settings or {})
    referred: dict[str, Any] = {name: str(Reference.parse(place)) for name, place in given.items()}
    kind = provider.replace("-", "_")
    if provider == "custom":
        kind = "custom_provider"
        if "bearer_token_auth" in referred:
            referred["bearer_token_auth"] = {"token": referred["bearer_token_auth"]}
    described = {"name": model, "provider": provider, "task": task, f"{kind}_config": {**(settings or {}), **referred}}
    return {"served_entities": [{"name": re.sub(r"[^\w-]", "-", model), "external_model": described}]}


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
        environment: Variables for it; ``{{secrets/scope/key}}`` is taken from a secret.
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


def references(value: Any) -> Iterator[Reference]:
    """Every secret that a mapping refers to, wherever it does.

    Raises:
        InputError: If a reference has no form that one has.
    """
    if isinstance(value, str):
        if value.strip().startswith("{{") and "secrets/" in value:
            yield Reference.parse(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from references(one)


def check_no_secret(config: Mapping[str, Any]) -> None:
    """See that no provider's key is in a mapping itself.

    Raises:
        InputError: If one is; it is not repeated.
    """
    for entity in config.get("served_entities") or config.get("served_models") or ():
        model = entity.get("external_model") if isinstance(entity, Mapping) else None
        if isinstance(model, Mapping):
            for name, settings in model.items():
                if str(name).endswith("_config") and isinstance(settings, Mapping):
                    _check_settings(settings)


def _check_settings(settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        _check_plain(str(name))
        if isinstance(value, Mapping):
            _check_settings(value)
        elif isinstance(value, str) and _SECRET.fullmatch(str(name)) and not value.strip().startswith("{{"):
            raise InputError(f"{name} must refer to a secret.", fix="{{secrets/SCOPE/KEY}}, never the secret itself")


def _check_plain(name: str) -> None:
    if name.endswith(_PLAIN):
        raise InputError(
            f"{name} would put a secret into the endpoint's description.",
            fix=f"put it into a secret scope and give {name.removesuffix(_PLAIN)}",
        )
