"""What an endpoint serves: external, foundation and custom models, read from a configuration and written back.

Checks what can be checked before anything is made: the provider, the task, the secret behind each key, the
registered model. Invariant: a key given in plain text is forgotten here; only references are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ziggurat.databricks.local.call import Refusal, invalid
from ziggurat.databricks.local.pyfunc import RegisteredModel

CHAT, COMPLETIONS, EMBEDDINGS = "llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"
FOUNDATION, EXTERNAL, CUSTOM = "FOUNDATION_MODEL_API", "EXTERNAL_MODEL", "CUSTOM_MODEL"

_PROVIDERS = {
    "ai21labs": "ai21labs_config",
    "amazon-bedrock": "amazon_bedrock_config",
    "anthropic": "anthropic_config",
    "cohere": "cohere_config",
    "custom": "custom_provider_config",
    "databricks-model-serving": "databricks_model_serving_config",
    "google-cloud-vertex-ai": "google_cloud_vertex_ai_config",
    "openai": "openai_config",
    "palm": "palm_config",
}
_TASKS = (CHAT, COMPLETIONS, EMBEDDINGS)
_SECRET_FIELDS = re.compile(r".*(?:_key|_token|_secret|private_key|_password)$")
_REFERENCE = re.compile(r"\{\{\s*secrets/([^/{}]+)/([^{}]+?)\s*\}\}")
_NAME = re.compile(r"[\w.-]{1,128}")

FindModel = Callable[[str, str], RegisteredModel]
FindSecret = Callable[[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Served:
    """One served model.

    Attributes:
        name: Its name in the endpoint.
        kind: `FOUNDATION`, `EXTERNAL` or `CUSTOM`.
        task: What it does.
        asked: Its configuration, without keys in plain text.
        custom: The registered model behind it, if it is one.
    """

    name: str
    kind: str
    task: str
    asked: Mapping[str, Any] = field(repr=False)
    custom: RegisteredModel | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called where the workspace's models are named, the nearest first."""
        external = self.asked.get("external_model") or self.asked.get("foundation_model") or {}
        return tuple(name for name in (self.name, external.get("name"), self.asked.get("entity_name")) if name)

    def written(self, *, creator: str, created: int, ready: bool) -> dict[str, Any]:
        """As the API answers it."""
        state = "DEPLOYMENT_READY" if ready else "DEPLOYMENT_CREATING"
        told = "" if ready else "Creating resources for served entity."
        return {
            **self.asked,
            "name": self.name,
            "state": {"deployment": state, "deployment_state_message": told},
            "creator": creator,
            "creation_timestamp": created,
        }


def read(asked: Mapping[str, Any], find_model: FindModel, find_secret: FindSecret) -> Served:
    """A served model from a configuration.

    Raises:
        Refusal: 400 if it cannot be, 404 if it names what does not exist.
    """
    if "external_model" in asked:
        return _external(asked, find_secret)
    entity = str(asked.get("entity_name") or asked.get("model_name") or "")
    if not entity:
        raise invalid("A served entity needs either external_model, or entity_name and entity_version.")
    version = str(asked.get("entity_version") or asked.get("model_version") or "")
    name = _named(asked.get("name") or f"{entity.rpartition('.')[2]}-{version}")
    for value in (asked.get("environment_vars") or {}).values():
        _resolve(str(value), "environment_vars", find_secret)
    kept = {**asked, "entity_name": entity, "entity_version": version}
    if entity.startswith("system.ai."):
        return Served(name, FOUNDATION, _foundation_task(entity), kept)
    if not version:
        raise invalid(f"entity_version is required for {entity}.")
    found = find_model(entity, version)
    task = found.task
    return Served(name, CUSTOM, task, kept, found)


def foundation(name: str, display: str) -> Served:
    """A model that every workspace serves, paid by the token."""
    described = {"name": f"system.ai.{name.removeprefix('databricks-')}", "display_name": display}
    return Served(name, FOUNDATION, _foundation_task(name), {"foundation_model": described})


def _foundation_task(name: str) -> str:
    return EMBEDDINGS if re.search(r"bge|gte|embed", name) else CHAT


def _external(asked: Mapping[str, Any], find_secret: FindSecret) -> Served:
    external = asked["external_model"]
    provider, task = external.get("provider"), external.get("task")
    if provider not in _PROVIDERS:
        raise invalid(f"External model provider {provider!r} is not supported. Choose one of {sorted(_PROVIDERS)}.")
    if task not in _TASKS:
        raise invalid(f"External model task {task!r} is not supported. Choose one of {list(_TASKS)}.")
    model = external.get("name")
    if not model:
        raise invalid("Missing required field: external_model.name")
    config_name = _PROVIDERS[provider]
    config = external.get(config_name)
    if not isinstance(config, Mapping):
        raise invalid(f"Missing required field: external_model.{config_name}")
    kept = {name: _kept(name, value, find_secret) for name, value in config.items() if not name.endswith("_plaintext")}
    name = _named(asked.get("name") or str(model))
    return Served(name, EXTERNAL, task, {**asked, "external_model": {**external, config_name: kept}})


def _kept(name: str, value: Any, find_secret: FindSecret) -> Any:
    """A setting as it is kept: one that is a key must be a reference to a secret that exists."""
    if not isinstance(value, str) or not _SECRET_FIELDS.match(name):
        return value
    if not _REFERENCE.fullmatch(value):
        raise invalid(
            f"{name} must be a reference to a Databricks secret of the form {{{{secrets/<scope>/<key>}}}}; "
            f"to give the key itself, use {name}_plaintext."
        )
    _resolve(value, name, find_secret)
    return value


def _resolve(value: str, where: str, find_secret: FindSecret) -> None:
    for scope, key in _REFERENCE.findall(value):
        try:
            find_secret(scope, key)
        except Refusal as error:
            raise Refusal(
                400,
                "INVALID_PARAMETER_VALUE",
                f"Failed to resolve the secret reference in {where}: {{{{secrets/{scope}/{key}}}}}. {error.message}",
            ) from error


def _named(name: str) -> str:
    cleaned = name.replace(" ", "-")
    if not _NAME.fullmatch(cleaned):
        raise invalid("A served entity's name must be alphanumeric with dots, hyphens and underscores in between.")
    return cleaned
