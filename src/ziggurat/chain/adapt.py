"""How a thing of another kind becomes a `Stage`: functions, generators, Runnables, prompts, chains.

LangChain is recognised by what a thing can do (``ainvoke``), so that a chain of plain functions
never imports it. This room reads signatures; it never calls the thing.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, overload, runtime_checkable

from ziggurat.chain.stage import ANY, Call, CallKind, Param, Policy, Retry, Stage, Value
from ziggurat.errors import InputError

_SINGLE_INPUT = "input"
"""What the one value a Runnable takes is called here, when it does not take a mapping."""


@runtime_checkable
class StageLike(Protocol):
    """A Runnable that declares its stage inputs: ours do, and anybody's may."""

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """Its inputs by name; it is invoked with a mapping of them."""

    @property
    def stage_output(self) -> Any:
        """The type of its output."""


@runtime_checkable
class Callee(StageLike, Protocol):
    """A `StageLike` that says how it is called: chains, maps, branches, repeats."""

    @property
    def stage_call(self) -> Call:
        """How it is called."""


def as_stage(thing: Any) -> Stage:
    """Turn whatever can be a step into a `Stage`.

    Args:
        thing: A `Stage`, a function (plain, async, or a generator whose pieces are streamed), a LangChain
            Runnable (prompts, models, retrievers and sequences among them), a chain, a `Map`, a
            `Branch`, a `Repeat`, or an object with ``__call__``.

    Raises:
        InputError: If it cannot be called with inputs by name.
    """
    if isinstance(thing, Stage):
        return thing
    if isinstance(thing, Callee):
        return Stage(
            thing.stage_call,
            thing.stage_inputs,
            returns=thing.stage_output,
            given=getattr(thing, "stage_given", {}),
            label=_label(thing),
        )
    if isinstance(thing, StageLike) and _is_runnable(thing):
        return Stage(
            Call(CallKind.RUNNABLE, thing),
            thing.stage_inputs,
            policy=Policy(effect=bool(getattr(thing, "stage_effect", False))),
            returns=thing.stage_output,
            label=_label(thing),
        )
    if _is_runnable(thing):
        return _from_runnable(thing)
    if callable(thing) and not isinstance(thing, type):
        return _from_function(thing)
    raise InputError(
        f"{thing!r} cannot be a stage.",
        fix="give a function, a LangChain Runnable, a MultiChain, or one of the classes in ziggurat.stages",
    )


@overload
def stage(thing: Callable[..., Any], /) -> Stage: ...


@overload
def stage(
    thing: Any = None,
    /,
    *,
    given: Mapping[str, Any] | None = None,
    retry: Retry | int | None = None,
    timeout: float | None = None,
    fallback: Any = None,
    limit: int | None = None,
    cache: bool | None = None,
    effect: bool | None = None,
    store: bool = True,
) -> Any: ...


def stage(
    thing: Any = None,
    /,
    *,
    given: Mapping[str, Any] | None = None,
    retry: Retry | int | None = None,
    timeout: float | None = None,
    fallback: Any = None,
    limit: int | None = None,
    cache: bool | None = None,
    effect: bool | None = None,
    store: bool = True,
) -> Any:
    """A stage with a policy; also a decorator, with or without arguments.

    Args:
        thing: What `as_stage` takes.
        given: Inputs that do not come from their namesake: a value, a `ref`, or a template.
        retry: Attempts in all, or a `Retry`.
        timeout: Seconds for one attempt.
        fallback: Called with the same inputs when the last attempt failed, or ``value(...)``.
        limit: Calls under way at once, over all runs of the chain.
        cache: False to keep a run's cache out; True to cache what cannot be told apart, too.
        effect: It acts on the world: never cached, and on resume never repeated in silence. Left out, what the
            thing says of itself (``stage_effect``), as an agent does that may act.
        store: False to keep the output out of the journal; it is made again on resume.
    """
    if thing is None:
        return functools.partial(
            stage,
            given=given,
            retry=retry,
            timeout=timeout,
            fallback=fallback,
            limit=limit,
            cache=cache,
            effect=effect,
            store=store,
        )
    base = as_stage(thing)
    policy = Policy(
        retry=Retry(attempts=retry) if isinstance(retry, int) else retry,
        timeout=timeout,
        fallback=fallback if isinstance(fallback, Value | None) else as_stage(fallback).call,
        limit=limit,
        cache=cache,
        effect=base.policy.effect if effect is None else effect,
        store=store,
    )
    return replace(base, policy=policy).with_given(given or {})


def given(thing: Any, /, **bindings: Any) -> Stage:
    """The stage ``thing`` with some inputs given: ``given(draw, prompt="Illustrate: {qa.text}")``."""
    return as_stage(thing).with_given(bindings)


def _is_runnable(thing: Any) -> bool:
    return not isinstance(thing, type) and callable(getattr(thing, "ainvoke", None)) and hasattr(thing, "invoke")


def _from_runnable(runnable: Any) -> Stage:
    label = _label(runnable)
    variables = getattr(runnable, "input_variables", None)
    if isinstance(variables, list):  # a prompt; its partial variables are not asked for
        optional = set(getattr(runnable, "optional_variables", ()))
        params = tuple(Param(name, required=name not in optional) for name in variables)
        return Stage(Call(CallKind.RUNNABLE, runnable), params, label=label)
    schema = runnable.get_input_schema()
    root = schema.model_fields.get("root")
    if root is not None:
        param = Param(_SINGLE_INPUT, _concrete(root.annotation))
        return Stage(Call(CallKind.RUNNABLE_VALUE, runnable), (param,), returns=_output_of(runnable), label=label)
    if not schema.model_fields:
        return Stage(Call(CallKind.RUNNABLE_VALUE, runnable), (Param(_SINGLE_INPUT),), label=label)
    params = tuple(
        Param(name, _concrete(field.annotation), field.is_required()) for name, field in schema.model_fields.items()
    )
    return Stage(Call(CallKind.RUNNABLE, runnable), params, returns=_output_of(runnable), label=label)


def _output_of(runnable: Any) -> Any:
    try:
        return _concrete(runnable.OutputType)
    except (AttributeError, TypeError, ValueError):
        return ANY


def _concrete(annotation: Any) -> Any:
    """A class worth checking against; LangChain's broad unions of message types are let through."""
    return annotation if isinstance(annotation, type) and not typing.get_args(annotation) else ANY


def _from_function(function: Callable[..., Any]) -> Stage:
    label = _label(function)
    hints = _hints(function)
    params: list[Param] = []
    open_ended = False
    for one in inspect.signature(function).parameters.values():
        match one.kind:
            case one.VAR_KEYWORD:
                open_ended = True
            case one.POSITIONAL_ONLY | one.VAR_POSITIONAL:
                raise InputError(
                    f"The function {label!r} takes {str(one)!r} by position.",
                    fix="stages get their inputs by name: use ordinary parameters",
                )
            case _:
                params.append(Param(one.name, hints.get(one.name, ANY), required=one.default is one.empty))
    return Stage(
        Call(_kind(function), function),
        tuple(params),
        returns=ANY if _kind(function) in (CallKind.STREAM, CallKind.ASYNC_STREAM) else hints.get("return", ANY),
        open_ended=open_ended,
        label=label,
    )


def _kind(function: Callable[..., Any]) -> CallKind:
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not inspect.isroutine(inner):
        inner = type(inner).__call__
    if inspect.iscoroutinefunction(inner):
        return CallKind.ASYNC
    if inspect.isasyncgenfunction(inner):
        return CallKind.ASYNC_STREAM
    if inspect.isgeneratorfunction(inner):
        return CallKind.STREAM
    return CallKind.SYNC


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Declared types, or none where they name something that cannot be found."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    try:
        return typing.get_type_hints(inner if inspect.isroutine(inner) else type(inner).__call__)
    except (NameError, TypeError, AttributeError):
        return {}


def _label(thing: Any) -> str:
    inner = thing.func if isinstance(thing, functools.partial) else thing
    return str(getattr(inner, "name", None) or getattr(inner, "__name__", None) or type(inner).__name__)
