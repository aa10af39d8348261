"""What is inside a chain, however deep: its stages' settings, the paths and the models that they name.

Reads stages and settings; opens nothing but the manifest of an index, which says who embeds for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from ziggurat.chain.adapt import as_stage
from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.spec.registry import ModelName, name_of
from ziggurat.chain.stage import Call, Stage
from ziggurat.errors import IndexFault, InputError

if TYPE_CHECKING:
    from ziggurat.chain.spec.registry import StageSettings


@dataclass(frozen=True, slots=True)
class Inside:
    """A stage that is no wrapper and no chain.

    Attributes:
        place: Where it is: ``book.summaries``.
        thing: What is called.
        uses: The name it is registered under, or None.
        settings: What makes it, or None where nothing written can.
    """

    place: str
    thing: Any
    uses: str | None
    settings: StageSettings | None


@dataclass(frozen=True, slots=True)
class NamedPath:
    """A path that a stage names.

    Attributes:
        place: The stage and the setting: ``qa.index``.
        key: The setting: ``index``.
        path: Where it leads.
    """

    place: str
    key: str
    path: Path


def inside(chain: MultiChain, place: str = "") -> Iterator[Inside]:
    """Every stage of a chain, of the chains in it, and of what wraps and replaces them."""
    for name, stage in chain.stages.items():
        yield from _of_stage(stage, f"{place}{name}")


def _of_stage(stage: Stage, place: str) -> Iterator[Inside]:
    match stage.call.target:
        case MultiChain() as chain:
            yield from inside(chain, f"{place}.")
        case Map() | Repeat() as one:
            yield from _of_stage(one.body.stage, place)
        case Branch() as one:
            bodies = [body for _, body in one.arms] + ([one.otherwise] if one.otherwise else [])
            for body in bodies:
                yield from _of_stage(body.stage, place)
        case target:
            uses = name_of(type(target))
            yield Inside(place, target, uses, _settings(target) if uses else None)
    if isinstance(stage.policy.fallback, Call):
        yield from _of_stage(as_stage(stage.policy.fallback.target), f"{place}.fallback")


def _settings(target: Any) -> StageSettings | None:
    try:
        found: StageSettings = target.settings()
    except InputError:
        return None
    return found


def paths(stages: Iterable[Inside]) -> list[NamedPath]:
    """Every path that settings name, in order."""
    return [
        NamedPath(f"{one.place}.{key}", key.rpartition(".")[2], value)
        for one in stages
        if one.settings is not None
        for key, value, _ in _values(one.settings)
        if isinstance(value, Path)
    ]


def specs(stages: Iterable[Inside]) -> list[str]:
    """Every model spec that settings name, and those of the embedding models of the indexes they name."""
    found: list[str] = []
    for one in stages:
        for key, value, is_model in _values(one.settings) if one.settings is not None else ():
            if is_model and isinstance(value, str):
                found.append(value)
            elif isinstance(value, Path) and key.rpartition(".")[2] == "index":
                found += [spec for spec in [embedding_of(value)] if spec]
    return list(dict.fromkeys(found))


def embedding_of(folder: Path) -> str | None:
    """The spec of the model that embeds for an index; None where there is none, or no index."""
    from ziggurat.index.store import Store, read_manifest

    try:
        store = Store(folder, read_only=True)
        try:
            with store.reading() as connection:
                return read_manifest(connection, folder).embedding_spec
        finally:
            store.close()
    except IndexFault:
        return None


def _values(settings: BaseModel, before: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Every value in settings with its key, and whether it is declared to be a model's spec."""
    for name, field in type(settings).model_fields.items():
        is_model = any(one == ModelName for one in (field.annotation, *get_args(field.annotation)))
        yield from _unfolded(f"{before}{name}", getattr(settings, name), is_model=is_model)


def _unfolded(key: str, value: Any, *, is_model: bool) -> Iterator[tuple[str, Any, bool]]:
    match value:
        case BaseModel():
            yield from _values(value, f"{key}.")
        case Mapping():
            for name, one in value.items():
                yield from _unfolded(f"{key}.{name}", one, is_model=False)
        case list() | tuple():
            for one in value:
                yield from _unfolded(key, one, is_model=False)
        case _:
            yield key, value, is_model
