"""Serving endpoints: every verb that makes, reads, changes and removes them.

Who answers their calls is in `invocations`; what one endpoint is, in `endpoint`; what it may serve, in `served`.
Invariant: a configuration is checked whole before anything is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from ziggurat.databricks.local import served
from ziggurat.databricks.local.answering import Answering
from ziggurat.databricks.local.call import Body, Call, Refusal, Route, invalid, missing, taken
from ziggurat.databricks.local.endpoint import Config, Endpoint, shares
from ziggurat.databricks.local.invocations import Invocations
from ziggurat.databricks.local.pyfunc import RegisteredModel
from ziggurat.databricks.local.signature import Signature, json_schema

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace

FOUNDATION_MODELS = {
    "databricks-bge-large-en": "BGE Large (En)",
    "databricks-gte-large-en": "GTE Large (En)",
    "databricks-qwen3-embedding-0-6b": "Qwen3 Embedding 0.6B",
    "databricks-meta-llama-3-3-70b-instruct": "Meta Llama 3.3 70B Instruct",
    "databricks-meta-llama-3-1-8b-instruct": "Meta Llama 3.1 8B Instruct",
    "databricks-claude-sonnet-4": "Claude Sonnet 4",
    "databricks-gpt-oss-120b": "GPT OSS 120B",
}
"""Endpoints that every workspace has, by name, as people read them."""

_NAME = re.compile(r"[A-Za-z0-9](?:[\w-]{0,61}[A-Za-z0-9_])?")
_API = "/api/2.0/serving-endpoints"


class Serving:
    """Serving endpoints and their models.

    Attributes:
        answering: Who answers.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._models: dict[tuple[str, str], RegisteredModel] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self.answering = Answering(workspace)
        self._invocations = Invocations(self)
        for name, display in FOUNDATION_MODELS.items():
            made = Endpoint(name, "Databricks", built_in=True)
            made.deploy(Config((served.foundation(name, display),), {name: 100}), 0.0)
            self._endpoints[name] = made

    def register_model(
        self,
        name: str,
        version: str | int,
        model: Any,
        *,
        signature: Signature | None = None,
        task: str = "",
    ) -> RegisteredModel:
        """Register a custom model, so that an endpoint can serve it.

        Args:
            name: As endpoints name it: ``catalog.schema.model``.
            version: Its version.
            model: A chat model or a spec of one, which then answers ``{"prompt", "stop"}`` with texts; a function of
                rows; or the folder of a model that MLflow wrote.
            signature: What it takes, as MLflow's JSON; of a folder, what stands in it.
            task: `pyfunc.AGENT` for a chat model that answers with the Responses API.
        """
        made = RegisteredModel(name, str(version), str(model) if isinstance(model, Path) else model, signature, task)
        with self._workspace.lock:
            self._models[name, str(version)] = made
        return made

    def serve(self, name: str, model: Any, *, signature: Signature | None = None, task: str = "") -> Endpoint:
        """Register a custom model and an endpoint of the same name that is ready at once."""
        entity = f"main.default.{name}"
        found = self.register_model(entity, 1, model, signature=signature, task=task)
        one = served.Served(name, served.CUSTOM, found.task, {"entity_name": entity, "entity_version": "1"}, found)
        made = Endpoint(name, self._workspace.user)
        made.deploy(Config((one,), {name: 100}), 0.0)
        with self._workspace.lock:
            self._endpoints[name] = made
        return made

    def find(self, name: str) -> Endpoint | None:
        """An endpoint by its name."""
        with self._workspace.lock:
            return self._endpoints.get(name)

    def routes(self) -> list[Route]:
        """What it answers."""
        one = f"{_API}/{{name}}"
        logs = f"{one}/served-models/{{served}}"
        return [
            Route("POST", _API, self._create, "make an endpoint: external, foundation or custom models"),
            Route("GET", _API, self._list, "all endpoints"),
            Route("GET", one, self._get, "an endpoint with its state"),
            Route("DELETE", one, self._delete, "remove an endpoint"),
            Route("PUT", f"{one}/config", self._update, "serve something else"),
            Route("PATCH", f"{one}/tags", self._tag, "add and remove tags"),
            Route("PUT", f"{one}/rate-limits", self._rate_limits, "limit how often it may be called"),
            Route("PUT", f"{one}/ai-gateway", self._ai_gateway, "the gateway's settings, its limits among them"),
            Route("GET", f"{one}/openapi", self._openapi, "what it takes, as OpenAPI"),
            Route("GET", f"{logs}/build-logs", self._logs, "what building a served model said"),
            Route("GET", f"{logs}/logs", self._logs, "what a served model says"),
            *self._invocations.routes(),
        ]

    def close(self) -> None:
        """End what it started."""

    def _create(self, call: Call) -> Body:
        name = call.need("name")
        if not _NAME.fullmatch(name):
            raise invalid(
                "Endpoint name must be maximum 63 characters and alphanumeric with hyphens and underscores allowed "
                "in between."
            )
        config = self._config(call.body.get("config") or {}) if call.body.get("config") else None
        made = Endpoint(
            name,
            call.user,
            tags={tag["key"]: tag.get("value", "") for tag in call.body.get("tags") or []},
            rate_limits=_limits(call.body.get("rate_limits") or []),
            ai_gateway=_gateway(call.body.get("ai_gateway") or {}),
            description=call.body.get("description") or "",
            route_optimized=bool(call.body.get("route_optimized")),
        )
        with self._workspace.lock:
            if name in self._endpoints:
                raise taken(f"Endpoint with name '{name}' already exists.")
            self._endpoints[name] = made
            if config:
                made.deploy(config, self._seconds(config))
        return made.written()

    def _config(self, asked: Mapping[str, Any], before: Config | None = None) -> Config:
        entities = asked.get("served_entities") or asked.get("served_models")
        if entities:
            found = tuple(served.read(one, self._model, self._workspace.secrets.value) for one in entities)
        elif before is not None:
            found = before.served
        else:
            raise invalid("Missing required field: config.served_entities")
        names = [one.name for one in found]
        if len(set(names)) != len(names):
            raise invalid("The names of the served entities must be unique.")
        if len({(one.kind, one.task) for one in found}) > 1:
            raise invalid("All served entities of an endpoint must be of the same type and task.")
        try:
            return Config(found, shares(found, asked.get("traffic_config")))
        except (KeyError, ValueError) as error:
            raise invalid(str(error)) from error

    def _seconds(self, config: Config) -> float:
        """External models need nothing to be built: they are ready at once."""
        external = all(one.kind == served.EXTERNAL for one in config.served)
        return 0.0 if external else self._workspace.delays.endpoint

    def _model(self, name: str, version: str) -> RegisteredModel:
        with self._workspace.lock:
            found = self._models.get((name, version))
            versions = [known for entity, known in self._models if entity == name]
        if found is None:
            what = f"Model version {version} of '{name}'" if versions else f"Registered model '{name}'"
            raise missing(f"{what} does not exist.")
        return found

    def _known(self, call: Call, *, change: bool = False) -> Endpoint:
        name = call.path["name"]
        found = self.find(name)
        if found is None:
            raise missing(f"Endpoint with name '{name}' does not exist.")
        if change and found.built_in:
            raise Refusal(403, "PERMISSION_DENIED", f"Endpoint '{name}' is managed by Databricks.")
        return found

    def _list(self, _: Call) -> Body:
        with self._workspace.lock:
            return {"endpoints": [one.written(whole=False) for one in self._endpoints.values()]}

    def _get(self, call: Call) -> Body:
        with self._workspace.lock:
            return self._known(call).written()

    def _delete(self, call: Call) -> None:
        with self._workspace.lock:
            found = self._known(call, change=True)
            del self._endpoints[found.name]

    def _update(self, call: Call) -> Body:
        found = self._known(call, change=True)
        config = self._config(call.body, found.latest)
        with self._workspace.lock:
            if found.updating:
                raise Refusal(
                    409,
                    "RESOURCE_CONFLICT",
                    f"Endpoint '{found.name}' is being updated; wait until the update is finished.",
                )
            found.deploy(config, self._seconds(config))
            return found.written()

    def _tag(self, call: Call) -> Body:
        with self._workspace.lock:
            found = self._known(call, change=True)
            added = {tag["key"]: tag.get("value", "") for tag in call.body.get("add_tags") or []}
            removed = set(call.body.get("delete_tags") or [])
            found.tags = {key: value for key, value in {**found.tags, **added}.items() if key not in removed}
            return {"tags": found.tag_list}

    def _rate_limits(self, call: Call) -> Body:
        found = self._known(call)  # those of Databricks' own endpoints may be limited too
        found.rate_limits = _limits(call.body.get("rate_limits") or [])
        return {"rate_limits": found.rate_limits}

    def _ai_gateway(self, call: Call) -> Body:
        found = self._known(call)
        found.ai_gateway = _gateway(call.body)
        return found.ai_gateway

    def _logs(self, call: Call) -> Body:
        found = self._known(call)
        config = found.latest
        name = call.path["served"]
        if config is None or config.named(name) is None:
            raise missing(f"Served entity '{name}' of endpoint '{found.name}' does not exist.")
        state = "ready" if found.ready else "being deployed"
        return {"logs": f"[{name}] {state} in the local workspace.\n"}

    def _openapi(self, call: Call) -> Response:
        found = self._known(call)
        config = found.latest
        paths = {}
        for one in config.served if config else ():
            schema = json_schema(one.custom.described()) if one.custom else _TASK_SCHEMAS.get(one.task, {})
            content = {"application/json": {"schema": _payload(schema) if one.custom else schema}}
            answer = {"200": {"description": "The answer.", "content": {"application/json": {"schema": {}}}}}
            paths[f"/served-models/{one.name}/invocations"] = {
                "post": {"requestBody": {"content": content}, "responses": answer}
            }
        return JSONResponse(
            {
                "openapi": "3.1.0",
                "info": {"title": found.name, "version": str(config.version if config else 0)},
                "servers": [{"url": f"{self._workspace.url}/serving-endpoints/{found.name}"}],
                "paths": paths,
            }
        )


_TASK_SCHEMAS: Mapping[str, dict[str, Any]] = {
    served.CHAT: {
        "type": "object",
        "properties": {"messages": {"type": "array", "items": {"type": "object"}}},
        "required": ["messages"],
    },
    served.COMPLETIONS: {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
    served.EMBEDDINGS: {"type": "object", "properties": {"input": {}}, "required": ["input"]},
}


def _payload(row: Mapping[str, Any]) -> dict[str, Any]:
    rows = {"type": "array", "items": row}
    split = {"type": "object", "properties": {"columns": {"type": "array"}, "data": {"type": "array"}}}
    return {"oneOf": [{"properties": {"dataframe_records": rows}}, {"properties": {"dataframe_split": split}}]}


def _limits(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in asked:
        if one.get("renewal_period") != "minute":
            raise invalid("renewal_period must be 'minute'.")
        if one.get("calls") is None and one.get("tokens") is None:
            raise invalid("A rate limit needs calls or tokens.")
        if one.get("calls") is not None and (not isinstance(one["calls"], int) or one["calls"] < 0):
            raise invalid("calls must be a whole number of at least 0.")
    return [dict(one) for one in asked]


def _gateway(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {**asked, "rate_limits": _limits(asked["rate_limits"])} if "rate_limits" in asked else dict(asked)
