"""Outputs of stages as plain JSON: what a served model answers with.

Answers keep their citations, pictures become base64 with their media type, and whatever has fields becomes a
mapping of them. Invariant: what comes out is made of None, booleans, numbers, texts, lists and mappings by text.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
from collections.abc import Mapping
from datetime import date, time
from functools import singledispatch
from pathlib import PurePath
from types import NoneType
from typing import Any

from pydantic import BaseModel

from ziggurat.errors import InputError
from ziggurat.picture import Picture

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "svg": "image/svg+xml"}


def as_json(value: Any, where: str = "") -> Any:
    """A value as JSON can hold it; numbers that are none become None.

    Args:
        value: An output of a stage, or any part of one.
        where: What to call it in an error: ``qa.citations[0]``.

    Raises:
        InputError: If there is no such form, naming the place.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type | Picture):
        return _fields(value, where)
    return _plain(value, where)


@singledispatch
def _plain(value: Any, where: str) -> Any:
    """Arrays, tables and numbers of libraries, by what they can do."""
    if callable(records := getattr(value, "to_dict", None)) and hasattr(value, "columns"):
        return as_json(records(orient="records"), where)
    if callable(listed := getattr(value, "tolist", None)):
        return as_json(listed(), where)
    raise InputError(
        f"A value of type {type(value).__name__} has no JSON form.",
        where=where or None,
        fix="let the stage give texts, numbers, lists, mappings or a dataclass, or leave it out: stages=[...]",
    )


@_plain.register(NoneType)
@_plain.register(str)
@_plain.register(int)
def _same(value: Any, where: str) -> Any:  # noqa: ARG001 (all are called alike)
    return value


@_plain.register
def _number(value: float, where: str) -> float | None:  # noqa: ARG001 (all are called alike)
    return value if math.isfinite(value) else None


@_plain.register
def _choice(value: enum.Enum, where: str) -> Any:
    return as_json(value.value, where)


@_plain.register
def _picture(value: Picture, where: str) -> Any:  # noqa: ARG001 (all are called alike)
    return picture_json(value)


@_plain.register(bytes)
@_plain.register(bytearray)
def _bytes(value: bytes | bytearray, where: str) -> Any:  # noqa: ARG001 (all are called alike)
    return {"media_type": "application/octet-stream", "data": base64.b64encode(value).decode()}


@_plain.register(date)
@_plain.register(time)
def _time(value: date | time, where: str) -> str:  # noqa: ARG001 (all are called alike)
    return value.isoformat()


@_plain.register
def _path(value: PurePath, where: str) -> str:  # noqa: ARG001 (all are called alike)
    return str(value)


@_plain.register
def _model(value: BaseModel, where: str) -> Any:
    return as_json(value.model_dump(), where)


@_plain.register
def _mapping(value: Mapping, where: str) -> Any:  # type: ignore[type-arg]  # registered by its class alone
    return {_key(key, where): as_json(one, f"{where}[{key!r}]") for key, one in value.items()}


@_plain.register(list)
@_plain.register(tuple)
def _list(value: list[Any] | tuple[Any, ...], where: str) -> list[Any]:
    return [as_json(one, f"{where}[{position}]") for position, one in enumerate(value)]


@_plain.register(set)
@_plain.register(frozenset)
def _set(value: set[Any] | frozenset[Any], where: str) -> list[Any]:
    return sorted((as_json(one, where) for one in value), key=repr)


def picture_json(picture: Picture) -> dict[str, Any]:
    """A picture as JSON: base64 with its media type, and how it came to be."""
    told = {one.name: getattr(picture, one.name) for one in dataclasses.fields(picture) if one.name != "data"}
    return {
        "type": "picture",
        "media_type": MEDIA_TYPES.get(picture.format, f"image/{picture.format}"),
        "data": base64.b64encode(picture.data).decode(),
        **told,
    }


def _fields(value: Any, where: str) -> dict[str, Any]:
    return {one.name: as_json(getattr(value, one.name), f"{where}.{one.name}") for one in dataclasses.fields(value)}


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return str(key)
    raise InputError(f"A mapping with keys of type {type(key).__name__} has no JSON form.", where=where or None)
