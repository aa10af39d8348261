"""What can be told of a type before there is a value of it: that no value of it could be stored.

Errs towards silence: a base class, a protocol or a type variable may stand for anything.
"""

from __future__ import annotations

import dataclasses
import inspect
import threading
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ForwardRef, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ziggurat.chain.values.arrays import array_kind
from ziggurat.chain.values.kinds import KINDS
from ziggurat.chain.values.objects import is_model, object_kind
from ziggurat.chain.values.refused import why_never

_FINE = frozenset((type(None), bool, int, float, str, bytes, list, dict, object, *KINDS))
_FACTORIES = (threading.Lock, threading.RLock)
"""Functions that are written where a type is meant."""
_UNIONS = (Union, types.UnionType)


def why_not(declared_type: Any) -> str | None:
    """Why no value of a declared type can be encoded, as a noun phrase; None where it can, or nobody knows.

    A union is refused only if every member is; a container or a dataclass if what it holds is.
    """
    return _why(declared_type, frozenset())


def _why(declared: Any, above: frozenset[Any]) -> str | None:
    if declared in (Any, None, Ellipsis) or isinstance(declared, str | ForwardRef | TypeVar):
        return None
    if declared in _FACTORIES:
        declared = type(declared())
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is Annotated:
        return _why(arguments[0], above)
    if origin is Literal:
        return None
    if origin in _UNIONS:
        reasons = [_why(one, above) for one in arguments]
        return None if None in reasons else reasons[0]
    if origin is Callable or declared is Callable:
        return "a function, which is code and not data"
    if isinstance(origin, type):
        reason = _of_class(origin, above)
        if reason:
            return reason
        inside = next((found for one in arguments if (found := _why(one, above))), None)
        return f"{inside} (in {_shown(declared)})" if inside else None
    return _of_class(declared, above) if isinstance(declared, type) else None


def _of_class(cls: type, above: frozenset[Any]) -> str | None:
    if cls in _FINE or cls in above or array_kind(cls) or typing.is_typeddict(cls):
        return _of_fields(cls, above) if typing.is_typeddict(cls) else None
    kind = object_kind(cls)
    if not isinstance(kind, str):
        return _of_fields(cls, above | {cls})
    never = why_never(cls)
    if never is not None:
        return f"{never} (a {cls.__qualname__})"
    if inspect.isabstract(cls) or getattr(cls, "_is_protocol", False) or _stands_for_others(cls):
        return None
    return f"a {cls.__qualname__}: it is {kind}"


def _of_fields(cls: type, above: frozenset[Any]) -> str | None:
    for name, hint in _fields(cls):
        reason = _why(hint, above | {cls})
        if reason:
            return f"{reason} (in {cls.__qualname__}.{name})"
    return None


def _fields(cls: type) -> Iterator[tuple[str, Any]]:
    if is_model(cls):
        yield from ((name, field.annotation) for name, field in vars(cls)["__pydantic_fields__"].items())
    elif dataclasses.is_dataclass(cls) or hasattr(cls, "_fields") or typing.is_typeddict(cls):
        try:
            hints = get_type_hints(cls)
        except Exception:  # noqa: BLE001 (a name that cannot be resolved says nothing of the value)
            return
        names = [one.name for one in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else list(hints)
        yield from ((name, hints[name]) for name in names if name in hints)


def _stands_for_others(cls: type) -> bool:
    """Whether some class below can be stored: a value declared so may be one of those."""
    below: list[type] = type.__subclasses__(cls)
    return any(one in _FINE or not isinstance(object_kind(one), str) or _stands_for_others(one) for one in below)


def _shown(declared: Any) -> str:
    return str(declared).replace("typing.", "").replace("collections.abc.", "")
