"""Classes whose instances are data: dataclasses, pydantic models, enums, named tuples, subclasses of containers.

An instance is written as its state and made again from it without calling ``__init__``, a validator or any other code of
the class: what comes back is what was, frozen fields and fields without ``init`` included, and a
stranger's file runs nothing. Fields that a class gained since get their defaults; fields it lost are an error.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, Generic

from ziggurat.chain.values.kinds import (
    DATACLASS,
    ENUM,
    LIFTS,
    MODEL,
    NAMED_TUPLE,
    SUBCLASS,
    Kind,
    Unknown,
    Writer,
)
from ziggurat.chain.values.names import is_findable, name_of, type_named
from ziggurat.chain.values.refused import why_never

_BASES: tuple[type, ...] = (list, dict, set, frozenset, tuple, str, bytes, int, float)
_PLAIN_BASES = frozenset((object, Generic))
_HEAP_TYPE = 1 << 9
"""``Py_TPFLAGS_HEAPTYPE``: the class was made by Python code; a C class may hide state."""

_MISSING = dataclasses.MISSING


def object_kind(cls: type) -> Kind | str:
    """How instances of a class are lowered, or why they cannot be, as it reads after "it is"."""
    kind = _kind(cls)
    if isinstance(kind, str):
        return kind
    if "<locals>" in cls.__qualname__:
        return "of a class defined inside a function, where no other process can find it"
    if not is_findable(cls):
        return f"of a class that cannot be found as {name_of(cls)}"
    return kind


def _kind(cls: type) -> Kind | str:
    if issubclass(cls, Enum):
        return Kind(ENUM, _lower_enum)
    if is_model(cls):
        return _model_kind(cls)
    never = why_never(cls)
    base, reason = _base_of(cls)
    if dataclasses.is_dataclass(cls) and base is object and not reason:
        return _dataclass_kind(cls)
    if never or reason:
        return never or reason
    if base is tuple and hasattr(cls, "_fields"):
        name = name_of(cls)
        return Kind(NAMED_TUPLE, lambda value, writer: [name, *map(writer.lower, tuple.__iter__(value))])
    if base is not object:
        return _subclass_kind(cls, base)
    return "of a plain class, whose state is its own affair"


def is_model(cls: type) -> bool:
    """Whether it is a pydantic model; pydantic is not imported to find out."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and "__pydantic_fields__" in vars(cls) and issubclass(cls, pydantic.BaseModel)


def _base_of(cls: type) -> tuple[type, str]:
    """The built-in class that instances really are, and why that is not known, if so."""
    found: type = object
    for one in cls.__mro__:
        if one in _PLAIN_BASES:
            continue
        if one in _BASES:
            found = one
        elif not one.__flags__ & _HEAP_TYPE:
            return object, f"made of a {one.__qualname__}, whose state cannot be read"
    return found, ""


# -- down -------------------------------------------------------------------------------------------------------------


def _lower_enum(value: Enum, writer: Writer) -> Any:
    name = name_of(type(value))
    return [name, value.name] if value.name in type(value).__members__ else [name, None, writer.lower(value.value)]


def _dataclass_kind(cls: type) -> Kind:
    name = name_of(cls)
    names = tuple(one.name for one in dataclasses.fields(cls))

    def lower(value: Any, writer: Writer) -> Any:
        stored = {field: writer.lower(getattr(value, field)) for field in names if hasattr(value, field)}
        extra = _extra(value, stored)
        return [name, stored, {key: writer.lower(item) for key, item in extra.items()}] if extra else [name, stored]

    return Kind(DATACLASS, lower)


def _model_kind(cls: type) -> Kind:
    name = name_of(cls)

    def lower(value: Any, writer: Writer) -> Any:
        stored = {key: item for key, item in vars(value).items() if not _is_cached(cls, key)}
        private = value.__pydantic_private__
        return [
            name,
            {key: writer.lower(item) for key, item in stored.items()},
            None if writer.canonical else sorted(value.__pydantic_fields_set__),
            writer.lower(value.__pydantic_extra__),
            None if private is None else {key: writer.lower(item) for key, item in private.items()},
        ]

    return Kind(MODEL, lower)


def _subclass_kind(cls: type, base: type) -> Kind:
    name = name_of(cls)

    def lower(value: Any, writer: Writer) -> Any:
        extra = _extra(value, {})
        return [name, writer.lower(_content(value, base)), {key: writer.lower(item) for key, item in extra.items()}]

    return Kind(SUBCLASS, lower)


def _content(value: Any, base: type) -> Any:
    """What a subclass of a built-in class holds, past whatever it has overridden."""
    if base is dict:
        return dict(dict.items(value))
    if base is str:
        return str.__str__(value)
    if base in (int, float):
        return base.__pos__(value)
    if base is bytes:
        return bytes.__getitem__(value, slice(None))
    return base(base.__iter__(value))  # type: ignore[attr-defined]  # the others are collections


def _extra(value: Any, stored: Mapping[str, Any]) -> dict[str, Any]:
    """What an instance holds beside its fields, computed properties left out."""
    held = getattr(value, "__dict__", None)
    if not held or (len(held) == len(stored) and held.keys() == stored.keys()):
        return {}
    cls = type(value)
    return {key: item for key, item in held.items() if key not in stored and not _is_cached(cls, key)}


def _is_cached(cls: type, name: str) -> bool:
    return any(isinstance(vars(one).get(name), cached_property) for one in cls.__mro__)


# -- up ---------------------------------------------------------------------------------------------------------------


def _found(name: str, fields: Mapping[str, Any], is_right: Callable[[type], bool]) -> type:
    cls = type_named(name)
    if cls is None or not is_right(cls):
        raise Unknown(name, fields)
    return cls


def _lift_enum(stored: Any) -> Enum:
    name, member, *value = stored
    cls = _found(name, {"name": member, "value": value[0] if value else None}, lambda one: issubclass(one, Enum))
    if member is None:
        return cls(*value)  # type: ignore[no-any-return]  # a combination of flags
    try:
        return cls.__members__[member]  # type: ignore[attr-defined,no-any-return]  # an Enum, as was looked
    except KeyError:
        raise _changed(name, {"name": member}, f"which has no {member} now") from None


def _lift_named_tuple(stored: Any) -> Any:
    name, *values = stored
    fields = {str(at): value for at, value in enumerate(values)}
    cls: Any = _found(name, fields, lambda one: issubclass(one, tuple) and hasattr(one, "_fields"))
    if len(values) != len(cls._fields):
        raise _changed(name, fields, f"which has {len(cls._fields)} fields now, and {len(values)} are stored")
    return tuple.__new__(cls, values)


def _lift_dataclass(stored: Any) -> Any:
    name, values, *extra = stored
    cls: Any = _found(name, values, _is_plain_dataclass)
    fields = cls.__dataclass_fields__  # pseudo-fields too: their names are never stored
    _refuse_lost(name, values, fields)
    made = object.__new__(cls)
    for key, value in values.items():
        object.__setattr__(made, key, value)
    if len(values) < len(fields):
        _fill(made, name, values)
    if extra:
        made.__dict__.update(extra[0])
    return made


def _fill(made: Any, name: str, values: Mapping[str, Any]) -> None:
    """Give fields that are not stored their defaults."""
    for field in dataclasses.fields(made):
        if field.name in values:
            continue
        if field.default is not _MISSING:
            object.__setattr__(made, field.name, field.default)
        elif field.default_factory is not _MISSING:
            object.__setattr__(made, field.name, field.default_factory())
        elif field.init:
            raise _changed(name, values, f"which has a field {field.name!r} now that is not stored")


@lru_cache(maxsize=256)
def _is_plain_dataclass(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) and _base_of(cls) == (object, "")


def _lift_model(stored: Any) -> Any:
    name, values, fields_set, extra, private = stored
    cls: Any = _found(name, values, is_model)
    fields = cls.__pydantic_fields__
    state = dict(values)
    for field_name, field in fields.items():
        if field_name not in state:
            if field.is_required():
                raise _changed(name, values, f"which has a field {field_name!r} now that is not stored")
            state[field_name] = field.get_default(call_default_factory=True, validated_data=state)
    _refuse_lost(name, values, fields)
    made = cls.__new__(cls)
    object.__setattr__(made, "__dict__", state)
    object.__setattr__(made, "__pydantic_fields_set__", set(fields_set))
    if not cls.__pydantic_root_model__:  # whose two others belong to the class
        object.__setattr__(made, "__pydantic_extra__", extra)
        object.__setattr__(made, "__pydantic_private__", private)
    return made


def _lift_subclass(stored: Any) -> Any:
    name, content, extra = stored
    base = type(content)
    cls: Any = _found(name, {"content": content, **extra}, lambda one: base in _BASES and _base_of(one) == (base, ""))
    # A mutable container is made empty and filled, an immutable one is made full.
    if base is list:
        made = list.__new__(cls)
        list.extend(made, content)
    elif base is dict:
        made = dict.__new__(cls)
        dict.update(made, content)
    elif base is set:
        made = set.__new__(cls)
        set.update(made, content)
    else:
        made = base.__new__(cls, content)
    if extra:
        made.__dict__.update(extra)
    return made


def _refuse_lost(name: str, values: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    lost = [key for key in values if key not in fields]
    if lost:
        raise _changed(name, values, f"which has no field {lost[0]!r} now")


def _changed(name: str, fields: Mapping[str, Any], problem: str) -> Unknown:
    return Unknown(name, fields, problem, "read it with the version of the code that wrote it")


LIFTS |= {
    ENUM: _lift_enum,
    NAMED_TUPLE: _lift_named_tuple,
    DATACLASS: _lift_dataclass,
    MODEL: _lift_model,
    SUBCLASS: _lift_subclass,
}


# -- where --------------------------------------------------------------------------------------------------------------


def path_to(value: Any, part: Any) -> str:
    """How Python would reach a part of a value: ``.citations[2]``; empty if it is the value itself."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, one = waiting.pop()
        if one is part:
            return path
        if id(one) not in seen:
            seen.add(id(one))
            waiting.extend((path + step, child) for step, child in _children(one))
    return ""


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f"[{key!r}]", item
            yield f" (key {key!r:.40})", key
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from ((f".{name}", item) for name, item in zip(value._fields, value, strict=False))
    elif isinstance(value, list | tuple):
        yield from ((f"[{at}]", item) for at, item in enumerate(value))
    elif isinstance(value, set | frozenset):
        yield from (("{…}", item) for item in value)
    elif dataclasses.is_dataclass(value) or is_model(type(value)):
        slots = [one.name for one in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
        held = {**{name: getattr(value, name, None) for name in slots}, **getattr(value, "__dict__", {})}
        held |= getattr(value, "__pydantic_private__", None) or {}
        yield from ((f".{name}", item) for name, item in held.items())
