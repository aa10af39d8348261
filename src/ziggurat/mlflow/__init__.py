"""Chains as MLflow models: logged, served, traced, measured; prompts in MLflow's registry.

The shop window of the room. Importing it imports neither MLflow nor any of its parts; inside, ``mlflow``
is always the library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.mlflow.agent_server import agent_app, serve_agent
    from ziggurat.mlflow.evaluations import log_evaluation
    from ziggurat.mlflow.log import log_agent, log_chain
    from ziggurat.mlflow.plain import as_json
    from ziggurat.mlflow.prompts import load_prompt, register_prompts

_HOMES = {
    "agent_app": "agent_server",
    "as_json": "plain",
    "load_prompt": "prompts",
    "log_agent": "log",
    "log_chain": "log",
    "log_evaluation": "evaluations",
    "register_prompts": "prompts",
    "serve_agent": "agent_server",
}

__all__ = [
    "agent_app",
    "as_json",
    "load_prompt",
    "log_agent",
    "log_chain",
    "log_evaluation",
    "register_prompts",
    "serve_agent",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
