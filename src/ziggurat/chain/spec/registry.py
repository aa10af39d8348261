"""What a stage in a chain file can be: stage classes that were registered, with their settings.

A package registers a class under the entry-point group ``ziggurat.stages``; ours come through the
same door. A class that is not registered cannot be reached from a file, whatever the file says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationInfo, WithJsonSchema
from pydantic_core.core_schema import SerializationInfo

from ziggurat.chain.spec.folder import Folder
from ziggurat.errors import InputError
from ziggurat.specs import ModelSpec
from ziggurat.suggest import did_you_mean

GROUP = "ziggurat.stages"


class StageSettings(BaseModel):
    """The settings of a stage class, as a chain file says them; fields are described for editors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SettableStage(Protocol):
    """A stage class that can be made from settings and can tell them.

    ``from_settings(stage.settings())`` makes a stage that does the same.
    """

    Settings: ClassVar[type[StageSettings]]

    @classmethod
    def from_settings(cls, settings: Any) -> Self:
        """Make the stage; the settings were validated."""

    def settings(self) -> StageSettings:
        """What makes a stage like this one.

        Raises:
            InputError: If it was made of something that no file can hold; it says which argument.
        """


_NEEDED = ("Settings", "from_settings", "settings")


@cache
def registered() -> dict[str, EntryPoint]:
    """Every registered stage by name; none of them is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def stage_class(name: str) -> type[SettableStage]:
    """The stage class registered under a name, imported.

    Raises:
        InputError: If what was registered is no such class.
    """
    point = registered()[name]
    found: Any = point.load()
    if not (isinstance(found, type) and all(hasattr(found, name) for name in _NEEDED)):
        raise InputError(f"{point.value} is registered as the stage {name!r} and has no settings")
    return cast("type[SettableStage]", found)


def name_of(found: type) -> str | None:
    """The name a class is registered under."""
    value = f"{found.__module__}:{found.__qualname__}"
    return next((name for name, point in registered().items() if point.value == value), None)


@dataclass(frozen=True, slots=True)
class Here:
    """The context settings are validated and written in: the folder of the chain file."""

    folder: Folder


def _folder(info: ValidationInfo | SerializationInfo) -> Folder:
    return info.context.folder if isinstance(info.context, Here) else Folder()


def _text(given: Any, info: ValidationInfo) -> Any:
    """A text, or the text of the file a mapping ``{file: ...}`` names."""
    if isinstance(given, Mapping) and set(given) == {"file"} and isinstance(given["file"], str):
        return _folder(info).read(given["file"])
    return given


def _path(given: Any, info: ValidationInfo) -> Any:
    return _folder(info).find(given) if isinstance(given, str) else given


def _model(given: Any) -> Any:
    if isinstance(given, str):
        ModelSpec.parse(given)
    return given


FILE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"file": {"type": "string", "description": "a text file in the folder of the chain file"}},
    "required": ["file"],
    "additionalProperties": False,
}

Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"anyOf": [{"type": "string"}, FILE_SCHEMA]})]
"""A setting that is a text, in line or ``{file: prompts/summary.txt}``."""

FolderPath = Annotated[
    Path,
    BeforeValidator(_path),
    PlainSerializer(lambda path, info: _folder(info).name_of(path)),
    WithJsonSchema({"type": "string"}),
]
"""A setting that is a path in the folder of the chain file."""

ModelName = Annotated[
    str, BeforeValidator(_model), WithJsonSchema({"type": "string", "pattern": r"^\s*[^:\s][^:]*:.+$"})
]
"""A setting that is a model spec."""


def unknown_stage(name: str, more: Mapping[str, Any]) -> str:
    """What to say of a name that nothing is registered under."""
    known = ["chain", *registered(), *more]
    return f"no stage is called {name!r}" + (did_you_mean(name, known) or f"; there are {', '.join(known)}")
