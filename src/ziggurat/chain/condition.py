"""Conditions: ``check.ok``, ``not check.ok``, ``kind == "sql"``, ``score >= 0.8``.

One comparison of one reference with one constant, and nothing else: a condition in a stranger's
file can read data and never call anything. Pure.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ziggurat.chain.stage import Ref, ref
from ziggurat.errors import InputError

_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "in": lambda found, choices: found in choices,
}
_COMPARISON = re.compile(r"^(?P<ref>[\w.*\-]+)\s*(?P<test>==|!=|<=|>=|<|>|\bin\b)\s*(?P<constant>.+)$", re.DOTALL)
_FLAGS = {"true": True, "false": False, "null": None, "none": None}


@dataclass(frozen=True, slots=True)
class Condition:
    """A reference, and what must hold of its value.

    Attributes:
        ref: What is looked at.
        test: A comparison's sign; empty for "is true", ``not`` for "is not true".
        constant: What it is compared with.
    """

    ref: Ref
    test: str = ""
    constant: Any = None

    def holds(self, value: Any) -> bool:
        """Whether the condition holds of the value its reference led to.

        Raises:
            InputError: If the value cannot be compared with the constant.
        """
        if not self.test:
            return bool(value)
        if self.test == "not":
            return not value
        try:
            return bool(_TESTS[self.test](value, self.constant))
        except TypeError as error:
            raise InputError(
                f"The condition {str(self)!r} compares {type(value).__name__} with {type(self.constant).__name__}."
            ) from error

    def __str__(self) -> str:
        if not self.test:
            return str(self.ref)
        return f"not {self.ref}" if self.test == "not" else f"{self.ref} {self.test} {self.constant!r}"


def condition(written: str | Ref | Condition) -> Condition:
    """What somebody wrote as a condition.

    Raises:
        InputError: If it is anything but a reference, ``not`` a reference, or one comparison of a
            reference with a constant.
    """
    if isinstance(written, Condition):
        return written
    if isinstance(written, Ref):
        return Condition(written)
    text = written.strip()
    if found := _COMPARISON.match(text):
        return Condition(ref(found["ref"]), found["test"], _constant(found["constant"].strip(), text))
    if text.startswith("not "):
        return Condition(ref(text[4:].strip()), "not")
    return Condition(ref(text))


def _constant(text: str, whole: str) -> Any:
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise InputError(
            f"The condition {whole!r} does not end in a constant.",
            fix="compare with a number, true, false, a quoted text or a list of these",
        ) from error
