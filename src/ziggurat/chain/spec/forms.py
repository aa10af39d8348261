"""The small forms of a chain file, both ways: what feeds an input, what decides a branch, a policy.

Each pair is exact: what is written reads back as the same value, or is refused when it is written.
A text that begins with ``$`` is a reference (``$$`` begins a text with a dollar sign); braces are
references inside a text, as in `bind`.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ziggurat import errors
from ziggurat.chain.condition import Condition, condition
from ziggurat.chain.spec.keys import RetryKeys, StageKeys
from ziggurat.chain.stage import PLAIN, Binding, Policy, Ref, Retry, Template, Value, bind, ref
from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

_SIGN = "$"
_PLAIN_TYPES = (str, int, float, bool, type(None))
_DEEPEST = 100

ERRORS: Mapping[str, type[Exception]] = {
    name: found
    for room in (builtins, errors)
    for name, found in vars(room).items()
    if isinstance(found, type) and issubclass(found, Exception) and found.__name__ == name
}
"""What ``retry: {errors: [...]}`` may name: nothing is imported for it."""


def read_binding(written: Any) -> Binding:
    """What an input is given.

    Raises:
        InputError: If a text begins with ``$`` and is no reference, or its braces hold none.
    """
    if isinstance(written, str) and written.startswith(_SIGN):
        if written.startswith(_SIGN * 2):
            return bind(written[1:])
        try:
            return ref(written[1:])
        except InputError as error:
            raise InputError(
                f"{written!r} is not a reference", fix=f"write ${written} for a text that begins with a dollar sign"
            ) from error
    return bind(written)


def write_binding(binding: Binding) -> Any:
    """What is written for a binding.

    Raises:
        InputError: If it cannot be written so that it reads back the same.
    """
    match binding:
        case Ref():
            written: Any = f"{_SIGN}{binding}"
        case Template(text=text):
            written = _SIGN + text if text.startswith(_SIGN) else text
        case Value(value=str() as text):
            text = text.replace("{", "{{").replace("}", "}}")
            written = _SIGN + text if text.startswith(_SIGN) else text
        case Value(value=constant):
            written = constant
    plain(written)
    if read_binding(written) != binding and written == written:  # noqa: PLR0124 (not a number is not itself)
        raise InputError(f"{binding!r} has no written form")
    return written


def plain(value: Any, depth: int = 0) -> Any:
    """The same value, if a file can hold it: texts, numbers, truths, None, and lists and mappings of these.

    Raises:
        InputError: If it holds anything else.
    """
    if depth > _DEEPEST:
        raise InputError("a constant that is nested too deep, or holds itself")
    if type(value) is list:
        for item in value:
            plain(item, depth + 1)
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) not in _PLAIN_TYPES:
                raise InputError(f"a key of type {type(key).__name__} has no written form")
            plain(item, depth + 1)
    elif type(value) not in _PLAIN_TYPES:
        raise InputError(
            f"a {type(value).__name__} has no written form", fix="give it as text, number, list or mapping"
        )
    return value


def write_condition(one: Condition) -> str:
    """What is written for a condition.

    Raises:
        InputError: If its constant has no written form.
    """
    written = str(one)
    try:
        same = condition(written) == one
    except InputError:
        same = False
    if not same:
        raise InputError(f"the condition {written!r} has no written form")
    return written


def read_ref(written: str) -> Ref:
    """A reference where nothing else can stand; the ``$`` may be left out."""
    return ref(written.removeprefix(_SIGN))


def read_policy(keys: StageKeys, base: Policy, fallback: Any) -> Policy:
    """A policy: what is written, over what the used thing has of its own.

    Raises:
        InputError: If it can never be followed.
    """
    said = keys.model_fields_set
    changes: dict[str, Any] = {
        name: getattr(keys, name) for name in ("timeout", "limit", "cache", "effect", "store") if name in said
    }
    if "retry" in said:
        changes["retry"] = _read_retry(keys.retry)
    if "fallback" in said:
        changes["fallback"] = fallback
    return replace(base, **changes) if changes else base


def _read_retry(written: int | RetryKeys | None) -> Retry | None:
    match written:
        case None:
            return None
        case int():
            return Retry(attempts=written)
        case RetryKeys():
            on = {"on": tuple(_error(name) for name in written.errors)} if written.errors is not None else {}
            return Retry(attempts=written.attempts, wait=written.wait, max_wait=written.max_wait, **on)


def _error(name: str) -> type[Exception]:
    if name not in ERRORS:
        raise InputError(f"{name!r} is no exception of Python's own or of Ziggurat's{did_you_mean(name, ERRORS)}")
    return ERRORS[name]


def write_policy(policy: Policy, base: Policy = PLAIN) -> dict[str, Any]:
    """What of a policy is written; its fallback is not.

    Raises:
        InputError: If it retries on exceptions that a file cannot name.
    """
    names: Iterable[str] = ("timeout", "limit", "cache", "effect", "store")
    changed = {name: getattr(policy, name) for name in names if getattr(policy, name) != getattr(base, name)}
    if policy.retry != base.retry:
        return {"retry": _write_retry(policy.retry), **changed}
    return changed


def _write_retry(retry: Retry | None) -> Any:
    if retry is None or retry == Retry(attempts=retry.attempts):
        return None if retry is None else retry.attempts
    default = Retry()
    written: dict[str, Any] = {"attempts": retry.attempts}
    written |= {
        name: getattr(retry, name) for name in ("wait", "max_wait") if getattr(retry, name) != getattr(default, name)
    }
    if retry.on != default.on:
        unnamed = [one.__qualname__ for one in retry.on if ERRORS.get(one.__name__) is not one]
        if unnamed:
            raise InputError(f"retry names {', '.join(unnamed)}, and a file can only name Python's own exceptions")
        written["errors"] = [one.__name__ for one in retry.on]
    return written
