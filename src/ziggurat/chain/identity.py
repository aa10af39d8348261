"""What a stage *is*, as plain named parts and one digest: the half of a content key that is not input.

A plain function is its code: bytecode, constants, defaults, what it closes over, and the functions
and constants of its own package that it names. A stage of ours says what decides its output; a
LangChain part is what LangChain would serialise of it. What cannot be told apart from another of
its kind (a live object inside a closure) is *opaque*: good enough to resume one's own run, not to share a
value between runs.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ziggurat.chain.composite import Branch, Map, Repeat
from ziggurat.chain.program import Program, Step
from ziggurat.chain.stage import Binding, Call, CallKind, Ref, Template, Value
from ziggurat.chain.values import canonical, digest
from ziggurat.errors import ValueNotStorable

_DEEPEST = 12
"""Functions calling functions that are looked into; deeper ones count by their name."""


_FIXED = (str, int, float, complex, bool, bytes, type(None))
"""Values that cannot change where they are; what may (a list, a dict) is read again for each run."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a stage is.

    Attributes:
        digest: Sixteen bytes; equal for stages that do the same.
        parts: The same by name, for people and for finding what differed.
        opaque: What could not be looked into; empty where everything could.
    """

    digest: bytes
    parts: Mapping[str, Any]
    opaque: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What was met on the way: things that cannot be told apart, and names that may change their meaning."""

    opaque: list[str] = field(default_factory=list)
    watched: list[tuple[dict[str, Any], str, Any]] = field(default_factory=list)
    changing: bool = False
    seen: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """An identity that stands as long as some names of some modules mean what they meant."""

    identity: Identity
    watched: tuple[tuple[dict[str, Any], str, Any], ...]


class Identities:
    """The identities of the stages of some chains, each looked up once for one run.

    What cannot change (code) is remembered from run to run as long as the names it uses mean the
    same; what can (an index's generation) is read again for each run.
    """

    def __init__(self) -> None:
        self._of_run: dict[int, Identity] = {}

    def of(self, step: Step, program: Program) -> Identity:
        """The identity of a step of a program."""
        found = self._of_run.get(id(step))
        if found is None:
            found = self._of_run[id(step)] = self._remembered(step, program)
        return found

    def of_chain(self, program: Program) -> dict[str, Identity]:
        """The identities of all stages of a program, by name."""
        return {step.name: self.of(step, program) for step in program.steps}

    def _remembered(self, step: Step, program: Program) -> Identity:
        remembered: _Remembered | None = program.remembered.get(step.position)
        if remembered is not None and all(names.get(name) is value for names, name, value in remembered.watched):
            return remembered.identity
        reading = _Reading()
        stage = program.wiring.stages[step.position]
        parts: dict[str, Any] = {
            "kind": stage.call.kind.value,
            **self._of_call(stage.call, reading),
            **{f"given {param}": _binding(one, reading) for param, one in sorted(stage.given.items())},
        }
        match stage.policy.fallback:
            case Call() as other:
                parts["fallback"] = self._of_call(other, reading)
            case Value(constant):
                parts["fallback"] = _value(constant, "the fallback", reading)
            case None:
                pass
        told_apart_by = {name: part for name, part in parts.items() if name != "function"}  # a name is not what it does
        identity = Identity(digest(told_apart_by), parts, tuple(dict.fromkeys(reading.opaque)))
        if not reading.changing:
            program.remembered[step.position] = _Remembered(identity, tuple(reading.watched))
        return identity

    def _of_call(self, call: Call, reading: _Reading) -> dict[str, Any]:
        target = call.target
        match call.kind:
            case CallKind.CHAIN:
                reading.changing = True
                return {"stages": self._inside(target.program, reading)}
            case CallKind.MAP | CallKind.BRANCH | CallKind.REPEAT:
                reading.changing = True
                return self._of_composite(target, reading)
            case CallKind.RUNNABLE | CallKind.RUNNABLE_VALUE:
                return dict(_runnable(target, reading))
            case _:
                return {"function": _name(target), "code": _code(target, reading).hex()}

    def _inside(self, program: Program, reading: _Reading) -> dict[str, str]:
        inside = self.of_chain(program)
        reading.opaque += [one for identity in inside.values() for one in identity.opaque]
        return {name: identity.digest.hex() for name, identity in inside.items()}

    def _of_composite(self, target: Any, reading: _Reading) -> dict[str, Any]:
        match target:
            case Map():
                body = self._inside(target.body.program, reading)
                return {"each": target.each, "on_error": target.on_error, "body": body}
            case Branch():
                arms = [[str(when), self._inside(body.program, reading)] for when, body in target.arms]
                otherwise = self._inside(target.otherwise.program, reading) if target.otherwise else None
                return {"arms": arms, "otherwise": otherwise}
            case Repeat():
                carry = {name: str(one) for name, one in target.carry.items()}
                until = str(target.until)
                body = self._inside(target.body.program, reading)
                return {"until": until, "at_most": target.at_most, "carry": carry, "body": body}
            case _:
                raise TypeError(type(target))


def _binding(binding: Binding, reading: _Reading) -> Any:
    match binding:
        case Ref():
            return f"{{{binding}}}"
        case Template():
            return binding.text
        case Value(constant):
            return _value(constant, "a constant", reading)


def _name(function: Any) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    return f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def _value(value: Any, what: str, reading: _Reading) -> str:
    """A constant by its content, or by its type where that is all that can be had."""
    identity = _told(value, reading)
    if identity is not None:
        return identity
    reading.changing |= not isinstance(value, _FIXED)
    try:
        return digest(value).hex()
    except ValueNotStorable:
        reading.opaque.append(f"{what} of type {type(value).__qualname__}")
        return type(value).__qualname__


def _told(value: Any, reading: _Reading) -> str | None:
    """What a thing says of itself, if it is one that does: functions, classes, stages, models."""
    if isinstance(value, type):
        return _class(value, reading).hex()
    if isinstance(value, types.FunctionType | types.MethodType | functools.partial):
        return _code(value, reading).hex()
    if isinstance(value, types.ModuleType | types.BuiltinFunctionType):
        return value.__name__
    if hasattr(value, "stage_identity") or callable(getattr(value, "ainvoke", None)):
        return digest(dict(_runnable(value, reading))).hex()
    return None


def _class(found: type, reading: _Reading, home: str = "") -> bytes:
    """A class by its name; by its methods' code as well where it is of the same package."""
    parts = [found.__module__, found.__qualname__]
    if id(found) not in reading.seen and home and _package(found) == home:
        reading.seen.add(id(found))
        methods = [one for one in vars(found).values() if isinstance(one, types.FunctionType)]
        parts += [_code(one, reading).hex() for one in methods]
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()


def _package(thing: Any) -> str:
    return str(getattr(thing, "__module__", "") or "").partition(".")[0]


def _code(function: Any, reading: _Reading, depth: int = 0) -> bytes:
    """A function by what it does."""
    hashed = hashlib.blake2b(digest_size=16)
    if isinstance(function, functools.partial):
        hashed.update(_code(function.func, reading, depth))
        hashed.update(_value([*function.args, sorted(function.keywords.items())], "a partial", reading).encode())
        return hashed.digest()
    if isinstance(function, types.MethodType):
        hashed.update(_code(function.__func__, reading, depth))
        hashed.update(_value(function.__self__, "the object of a method", reading).encode())
        return hashed.digest()
    function = inspect.unwrap(function) if hasattr(function, "__wrapped__") else function
    if not isinstance(function, types.FunctionType):
        call = inspect.getattr_static(type(function), "__call__", None)
        if isinstance(call, types.FunctionType):
            hashed.update(_code(call, reading, depth))
        hashed.update(_name(function).encode())
        if not isinstance(function, types.BuiltinFunctionType):
            hashed.update(_value(function, "a callable object", reading).encode())
        return hashed.digest()
    if id(function) in reading.seen or depth > _DEEPEST:
        return _name(function).encode()
    reading.seen.add(id(function))
    for piece in _pieces(function.__code__):
        hashed.update(piece)
    for constant in (function.__defaults__, function.__kwdefaults__):
        if constant:
            hashed.update(_value(constant, f"a default of {_name(function)}", reading).encode())
    for cell in function.__closure__ or ():
        hashed.update(_cell(cell, function, reading, depth))
    for name in sorted(set(_names(function.__code__))):
        if name in function.__globals__:
            hashed.update(_global(function, name, reading, depth))
    return hashed.digest()


def _cell(cell: Any, function: types.FunctionType, reading: _Reading, depth: int) -> bytes:
    try:
        held = cell.cell_contents
    except ValueError:  # not filled yet: a function that names itself
        return b"empty"
    if isinstance(held, types.FunctionType):
        return _code(held, reading, depth + 1)
    return _value(held, f"what {_name(function)} closes over", reading).encode()


def _global(function: types.FunctionType, name: str, reading: _Reading, depth: int) -> bytes:
    """A name of the function's module: by content where it is the same package's, else by name."""
    held, home = function.__globals__[name], _package(function)
    reading.watched.append((function.__globals__, name, held))
    if isinstance(held, types.FunctionType):
        return _code(held, reading, depth + 1) if _package(held) == home else _name(held).encode()
    if isinstance(held, type):
        return _class(held, reading, home)
    if isinstance(held, types.ModuleType | types.BuiltinFunctionType):
        return held.__name__.encode()
    told = _told(held, _Reading())
    if told is not None:
        return told.encode()
    reading.changing |= not isinstance(held, _FIXED)
    try:
        return canonical(held)
    except ValueNotStorable:  # loggers, clients, locks: one for the module, whatever they hold
        return f"{name}: {type(held).__qualname__}".encode()


def _pieces(code: types.CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], code.co_flags)).encode()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _pieces(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant))).encode()
        else:
            yield repr(constant).encode()


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _runnable(thing: Any, reading: _Reading) -> Mapping[str, Any]:
    """What decides a Runnable's output: what it says itself, its parts, or what LangChain serialises."""
    told = getattr(thing, "stage_identity", None)
    if isinstance(told, Mapping):
        reading.changing = True
        return told
    kind = type(thing)
    parts: dict[str, Any] = {"class": f"{kind.__module__}.{kind.__qualname__}"}
    if isinstance(steps := getattr(thing, "steps", None), list):
        return parts | {"steps": [dict(_runnable(step, reading)) for step in steps]}
    if isinstance(steps := getattr(thing, "steps__", None), Mapping):
        return parts | {"steps": {name: dict(_runnable(step, reading)) for name, step in steps.items()}}
    if (bound := getattr(thing, "bound", None)) is not None:
        return parts | {"bound": dict(_runnable(bound, reading)), "kwargs": _value(thing.kwargs, "options", reading)}
    functions = [getattr(thing, name, None) for name in ("func", "afunc")]
    if codes := [_code(one, reading).hex() for one in functions if isinstance(one, Callable)]:  # type: ignore[arg-type]  # (a class to test with)
        return parts | {"code": codes}
    from langchain_core.load import dumpd

    dumped = dumpd(thing)
    if not _is_whole(dumped):
        parameters = getattr(thing, "_identifying_params", None)
        if not parameters:
            reading.opaque.append(parts["class"])
            return parts
        dumped = dict(parameters)
    return parts | {"configuration": _value(dumped, parts["class"], reading)}


def _is_whole(dumped: Any) -> bool:
    """Whether LangChain could serialise all of it."""
    if isinstance(dumped, Mapping):
        return dumped.get("type") != "not_implemented" and all(map(_is_whole, dumped.values()))
    return all(map(_is_whole, dumped)) if isinstance(dumped, list) else True
