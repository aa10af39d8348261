"""Whether a value of one declared type can be given where another is declared.

Pure, and generous on purpose: it answers False only where no value could ever fit, so that a
finding about types is always a real mistake. Anything it cannot judge is let through.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from ziggurat.suggest import did_you_mean

_WIDENING: dict[type, tuple[type, ...]] = {bool: (int, float, complex), int: (float, complex), float: (complex,)}
"""Python's numeric tower, by which an int is welcome where a float is declared."""


def can_meet(source: Any, target: Any) -> bool:
    """Whether some value of type ``source`` is also of type ``target``.

    Type arguments are not compared (a ``list[int]`` may meet a ``list[str]``: it may be empty).
    """
    return any(_classes_meet(one, other) for one in _arms(source) for other in _arms(target))


def _arms(declared: Any) -> tuple[type | None, ...]:
    """The classes a value of a declared type may be of; None stands for any."""
    if get_origin(declared) in (Union, types.UnionType):
        return tuple(arm for member in get_args(declared) for arm in _arms(member))
    if get_origin(declared) is Literal:
        return tuple({type(choice) for choice in get_args(declared)})
    if declared is None:
        return (type(None),)
    origin = get_origin(declared) or declared
    is_class = isinstance(origin, type) and origin not in (object, Any) and not getattr(origin, "_is_protocol", False)
    return (origin if is_class else None,)


def _classes_meet(source: type | None, target: type | None) -> bool:
    if source is None or target is None or target in _WIDENING.get(source, ()):
        return True
    try:
        return issubclass(source, target) or issubclass(target, source)
    except TypeError:
        return True


def missing_field(declared: Any, path: tuple[str, ...]) -> str | None:
    """Why ``path`` leads nowhere inside the declared type, or None if it may lead somewhere.

    Only types that declare all their fields (dataclasses, pydantic models, named tuples) are
    judged; the first step alone, since a field's own type is often loose.
    """
    if not path or not isinstance(declared, type):
        return None
    names = _field_names(declared)
    if names is None or path[0] in names or hasattr(declared, path[0]):
        return None
    hint = did_you_mean(path[0], names) or f"; it has {', '.join(sorted(names)) or 'no fields'}"
    return f"{declared.__name__} has no field {path[0]!r}{hint}"


def type_name(declared: Any) -> str:
    """A type as a person would write it."""
    if isinstance(declared, type) and not get_args(declared):
        return declared.__name__
    return str(declared).replace("typing.", "")


def _field_names(declared: type) -> Iterable[str] | None:
    if dataclasses.is_dataclass(declared):
        return [one.name for one in dataclasses.fields(declared)]
    fields = getattr(declared, "model_fields", None)
    if isinstance(fields, dict):
        return list(fields)
    return list(getattr(declared, "_fields", ())) or None
