"""One serving endpoint: what it serves, since when, and what it says of itself.

Knows its states and its JSON; nothing of HTTP or of who answers. Invariant: what it serves changes only when an
update is through, all of it at once, so that a ready endpoint goes on answering while it is updated.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from ziggurat.databricks.local.served import CUSTOM, EXTERNAL, FOUNDATION, Served
from ziggurat.databricks.local.timeline import Timeline

_UPDATING, _SETTLED = "IN_PROGRESS", "NOT_UPDATING"


@dataclass(slots=True)
class Config:
    """A version of what an endpoint serves.

    Attributes:
        served: Its models.
        traffic: The share of each by name, in percent.
        version: Counted from 1.
    """

    served: tuple[Served, ...]
    traffic: dict[str, int]
    version: int = 1

    def choose(self, draw: float) -> Served:
        """The model for a call; ``draw`` from 0 to 1."""
        left = draw * sum(self.traffic.values())
        for one in self.served:
            left -= self.traffic.get(one.name, 0)
            if left < 0:
                return one
        return self.served[0]

    def named(self, name: str) -> Served | None:
        """A model by its name here."""
        return next((one for one in self.served if one.name == name), None)


@dataclass(slots=True)
class Endpoint:
    """A serving endpoint.

    Attributes:
        name: Its name.
        creator: Who made it.
        config: What it serves; None until the first configuration is deployed.
        tags, rate_limits, ai_gateway, description, route_optimized: As they were given.
        built_in: Whether every workspace has it; it cannot be changed then.
    """

    name: str
    creator: str
    config: Config | None = None
    tags: dict[str, str] = field(default_factory=dict)
    rate_limits: list[dict[str, Any]] = field(default_factory=list)
    ai_gateway: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    route_optimized: bool = False
    built_in: bool = False
    id: str = field(default_factory=lambda: token_hex(16))
    created: int = field(default_factory=lambda: int(time.time() * 1000))
    updated: int = field(default_factory=lambda: int(time.time() * 1000))
    _pending: Config | None = None
    _update: Timeline = field(default_factory=lambda: Timeline([(_SETTLED, 0.0)]))

    def deploy(self, config: Config, seconds: float) -> None:
        """Serve something else after some seconds."""
        latest = self._pending or self.config
        config.version = latest.version + 1 if latest else 1
        self.updated = int(time.time() * 1000)
        self._pending = config
        self._update.walk((_UPDATING, seconds), (_SETTLED, 0.0))
        self.settle()

    def settle(self) -> None:
        """Take over what is deployed by now."""
        if self._pending is not None and self._update.settled:
            self.config, self._pending = self._pending, None

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        self.settle()
        return self.config is not None

    @property
    def updating(self) -> bool:
        """Whether an update is on its way."""
        self.settle()
        return self._pending is not None

    @property
    def latest(self) -> Config | None:
        """What it serves or is about to."""
        return self._pending or self.config

    @property
    def task(self) -> str:
        """What it does."""
        return self.latest.served[0].task if self.latest and self.latest.served else ""

    @property
    def kind(self) -> str:
        """Whether its models are external, foundation or custom."""
        return self.latest.served[0].kind if self.latest and self.latest.served else CUSTOM

    @property
    def limits(self) -> list[dict[str, Any]]:
        """Every rate limit that holds for its calls."""
        return [*self.rate_limits, *self.ai_gateway.get("rate_limits", [])]

    def choose(self, served: str | None = None) -> Served | None:
        """The model that answers a call; None if it has none of that name."""
        if self.config is None:
            return None
        return self.config.named(served) if served else self.config.choose(random.random())  # noqa: S311 (a share of traffic)

    def written(self, *, whole: bool = True) -> dict[str, Any]:
        """As the API answers it; ``whole`` with what only one endpoint is asked for."""
        ready, updating = self.ready, self.updating
        body: dict[str, Any] = {
            "name": self.name,
            "creator": self.creator,
            "creation_timestamp": self.created,
            "last_updated_timestamp": self.updated,
            "state": {
                "ready": "READY" if ready else "NOT_READY",
                "config_update": _UPDATING if updating else _SETTLED,
            },
            "id": self.id,
            "permission_level": "CAN_QUERY" if self.built_in else "CAN_MANAGE",
            "tags": self.tag_list,
            "task": self.task,
        }
        if self.kind in (EXTERNAL, FOUNDATION):
            body["endpoint_type"] = self.kind
        if self.description:
            body["description"] = self.description
        if self.ai_gateway:
            body["ai_gateway"] = self.ai_gateway
        if self.config is not None:
            body["config"] = self._config(self.config, ready=True)
        if self._pending is not None:
            body["pending_config"] = {**self._config(self._pending, ready=False), "start_time": self.updated}
        if whole:
            body["route_optimized"] = self.route_optimized
        return body

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """Its tags as the API writes them."""
        return [{"key": key, "value": value} for key, value in self.tags.items()]

    def _config(self, config: Config, *, ready: bool) -> dict[str, Any]:
        routes = [
            {"served_model_name": name, "served_entity_name": name, "traffic_percentage": share}
            for name, share in config.traffic.items()
        ]
        entities = [one.written(creator=self.creator, created=self.created, ready=ready) for one in config.served]
        return {
            "served_entities": entities,
            "traffic_config": {"routes": routes},
            "config_version": config.version,
        }


def shares(served: tuple[Served, ...], asked: Mapping[str, Any] | None) -> dict[str, int]:
    """The traffic of each model: as asked, or all to the first.

    Raises:
        ValueError: If they are not 100 together, or name a model that is not served.
    """
    routes = (asked or {}).get("routes")
    if not routes:
        return {one.name: 100 if index == 0 else 0 for index, one in enumerate(served)}
    told = {
        str(route.get("served_entity_name") or route.get("served_model_name")): int(route["traffic_percentage"])
        for route in routes
    }
    unknown = sorted(told.keys() - {one.name for one in served})
    if unknown:
        raise ValueError(f"Traffic is routed to {unknown[0]!r}, which is not served.")
    if sum(told.values()) != 100:  # noqa: PLR2004 (percent)
        raise ValueError("The sum of the traffic percentages must be 100.")
    return told
