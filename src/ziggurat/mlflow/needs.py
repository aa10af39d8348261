"""What a chain needs where it is served: Ziggurat's extras as requirements, Databricks' endpoints as resources.

Both follow from the model specs and the stages of the chain; nothing that happens to be installed here is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

from ziggurat.mlflow.inside import Inside, specs
from ziggurat.mlflow.store import library
from ziggurat.specs import DEFAULT_RERANKER, DEFAULTS, ModelSpec
from ziggurat.tools.settings import ToolSettings

_PROVIDERS = {
    "local": ("local",),
    "openai": ("openai",),
    "azure": ("openai",),
    "huggingface": ("huggingface",),
    "transformers": ("transformers",),
    "databricks": ("databricks",),
    "databricks-driver": ("databricks",),
    "fake": (),
}
"""The extras of each provider; any other goes through LangChain's ``init_chat_model``."""

_STAGES = {"agent": ("agents",), "sql": ("sql",), "image": ("pictures",)}
_TOOLS = {"mcp": ("mcp",), "web_search": ("search",), "web_page": ("web",), "python": ("sandbox",), "sql": ("sql",)}
_LOCAL_CHAT = frozenset(
    "llm qa conversation summarize extract sql agent multi_query hypothetical_document".split(),
)
"""Stages that ask the local model where none is named."""

_SEARCHED = ("vectorstore", "store", "index", "retriever", "qa")
"""Where a stage keeps what it searches."""


def requirements(stages: Sequence[Inside], more: Iterable[str] = ()) -> list[str]:
    """What pip is to install: this Ziggurat with the extras the chain needs, this MLflow, pandas.

    Args:
        stages: What is inside the chain.
        more: Requirements of the user's own code.
    """
    extras = {"mlflow", *_extras(stages)}
    mlflow = library("mlflow.version", for_="a model's requirements").VERSION
    ours = f"ziggurat[{','.join(sorted(extras))}]=={version('ziggurat')}"
    return list(dict.fromkeys([ours, f"mlflow-skinny=={mlflow}", "pandas<3", *more]))


def _extras(stages: Sequence[Inside]) -> Iterator[str]:
    for spec in model_specs(stages):
        yield from _PROVIDERS.get(ModelSpec.parse(spec).provider, ("providers",))
    for one in stages:
        yield from _STAGES.get(one.uses or "", ())
        yield from _databases(one.settings)
        for tool in getattr(one.settings, "tools", None) or ():
            if isinstance(tool, ToolSettings):
                yield from _TOOLS.get(tool.kind, ())
                yield from _databases(tool.chosen)


def _databases(settings: Any) -> Iterator[str]:
    """What the database that settings name needs."""
    if str(getattr(settings, "file", None) or "").endswith((".duckdb", ".ddb")):
        yield "duckdb"
    address = str(getattr(settings, "address", None) or "")
    if address.startswith("mysql"):
        yield "mysql"
    elif address.startswith("postgres"):
        yield "postgres"


def model_specs(stages: Sequence[Inside]) -> list[str]:
    """Every model spec of a chain, those that nobody named included."""
    found = specs(stages)
    for one in stages:
        named = one.settings is not None and getattr(one.settings, "model", None) is not None
        if one.uses in _LOCAL_CHAT and one.settings is not None and not named:
            found.append(DEFAULTS["chat"])
        if one.uses == "rerank" and one.settings is not None and getattr(one.settings, "reranker", None) is None:
            found.append(DEFAULT_RERANKER)
        found += [spec for spec in [_spec_of(getattr(one.thing, "model", None))] if spec and one.settings is None]
    return list(dict.fromkeys(found))


def _spec_of(model: Any) -> str | None:
    """The spec that an open model says it was opened by."""
    spec = getattr(model, "spec", None)
    return spec if isinstance(spec, str) and ":" in spec.strip(":") else None


def resources(stages: Sequence[Inside], more: Iterable[Any] = ()) -> list[Any]:
    """What of Databricks the served model calls, so that it is let in: endpoints and AI Search indexes.

    Args:
        stages: What is inside the chain.
        more: Further ``mlflow.models.resources``.
    """
    kinds = library("mlflow.models.resources", for_="a model's resources")
    parsed = [ModelSpec.parse(spec) for spec in model_specs(stages)]
    found = [kinds.DatabricksServingEndpoint(endpoint_name=one.name) for one in parsed if one.provider == "databricks"]
    names = dict.fromkeys(name for one in stages for name in _search_indexes(one.thing, 3))
    found += [kinds.DatabricksVectorSearchIndex(index_name=name) for name in names]
    for one in more:
        if one not in found:
            found.append(one)
    return found


def _search_indexes(thing: Any, depth: int) -> Iterator[str]:
    """Names of AI Search indexes that a stage searches: a store of a Databricks package says its ``index_name``."""
    if thing is None or depth == 0:
        return
    name = getattr(thing, "index_name", None)
    if "databricks" in type(thing).__module__ and isinstance(name, str):
        yield name
        return
    for inner in _SEARCHED:
        yield from _search_indexes(getattr(thing, inner, None), depth - 1)
