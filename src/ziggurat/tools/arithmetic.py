"""Arithmetic on a written expression, without ever evaluating Python.

The text is parsed into a tree, and only numbers, operators and the functions in the tables below are
worked out; everything else is refused by name. Whole numbers stay exact.
Invariant: no result has more than `_BITS` bits and no step makes one that has, so nothing takes long.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

Number = int | float

_LONGEST = 1000
_DEEPEST = 60
_BITS = 13_000
"""About 3900 digits; Python itself writes no more than 4300."""
_LARGEST_FACTORIAL = 1200

_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "–": "-", "·": "*", "^": "**", "（": "(", "）": ")", "，": ","})
_THOUSANDS = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?![\w])")
_PERCENT = re.compile(r"(\d(?:[\d.]*))\s*%(?!\s*[\w(.])")

CONSTANTS: Mapping[str, Number] = {"pi": math.pi, "e": math.e, "tau": math.tau, "π": math.pi}


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, int) and isinstance(exponent, int):
        if base.bit_length() * abs(exponent) > _BITS and abs(base) > 1:
            raise OverflowError
        return _real(base**exponent)
    return _real(base**exponent)


def _times(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _BITS:
        raise OverflowError
    return left * right


def _factorial(number: Number) -> int:
    whole = _whole(number)
    if whole > _LARGEST_FACTORIAL:
        raise OverflowError
    return math.factorial(whole)


def _choices(function: Callable[[int, int], int]) -> Callable[[Number, Number], int]:
    def bounded(of: Number, take: Number) -> int:
        if max(_whole(of), _whole(take)) > _LARGEST_FACTORIAL:
            raise OverflowError
        return function(_whole(of), _whole(take))

    return bounded


def _lcm(*numbers: Number) -> int:
    whole = [_whole(one) for one in numbers]
    if sum(one.bit_length() for one in whole) > _BITS:
        raise OverflowError
    return math.lcm(*whole)


def _root(number: Number) -> Number:
    if isinstance(number, int) and number >= 0 and math.isqrt(number) ** 2 == number:
        return math.isqrt(number)
    return math.sqrt(number)


def _rounded(number: Number, digits: Number = 0) -> Number:
    return round(number, _whole(digits)) if digits else round(number)


OPERATORS: Mapping[type[ast.AST], Callable[..., Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}

FUNCTIONS: Mapping[str, Callable[..., Number]] = {
    "abs": abs,
    "round": _rounded,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": _root,
    "cbrt": math.cbrt,
    "exp": math.exp,
    "ln": math.log,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "degrees": math.degrees,
    "radians": math.radians,
    "hypot": math.hypot,
    "factorial": _factorial,
    "comb": _choices(math.comb),
    "perm": _choices(math.perm),
    "gcd": lambda *numbers: math.gcd(*map(_whole, numbers)),
    "lcm": _lcm,
    "min": min,
    "max": max,
    "sum": lambda *numbers: sum(numbers),
    "mean": lambda *numbers: sum(numbers) / len(numbers),
}


def calculate(expression: str) -> str:
    """The value of an expression, written as a person would.

    Args:
        expression: Such as ``2 * (3 + 4)``, ``sqrt(2)``, ``15% * 240``, ``1,250 ÷ 4``, ``2^10``.

    Raises:
        InputError: If it is no arithmetic, has no value, or its value is too large to be worked out.
    """
    text = _plain(expression)
    if len(text) > _LONGEST:
        raise InputError(f"The expression has more than {_LONGEST} characters.")
    try:
        tree = ast.parse(text, mode="eval")
        return _written(_value(tree.body, 0))
    except InputError:
        raise
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{expression[:80]!r} is not arithmetic.", fix="only numbers, + - * / ** %, brackets and functions"
        ) from error
    except ZeroDivisionError as error:
        raise InputError("Division by zero has no value.", where=expression[:80]) from error
    except OverflowError as error:
        raise InputError("The result is too large to be worked out.", where=expression[:80]) from error
    except (ValueError, TypeError) as error:
        raise InputError(f"This has no value: {error}.", where=expression[:80]) from error


def _plain(expression: str) -> str:
    """The expression with typographic signs, thousands and per cent in the form that is parsed."""
    text = expression.strip().removesuffix("=").strip().translate(_SIGNS)
    if not re.search(r"[a-z]\w*\s*\(", text):  # in a call, a comma tells arguments apart
        text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    return _PERCENT.sub(r"(\1/100)", text).strip()


def _value(node: ast.AST, depth: int) -> Number:
    if depth > _DEEPEST:
        raise InputError(f"The expression has more than {_DEEPEST} levels of brackets.")
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if isinstance(number, int) and number.bit_length() > _BITS:
                raise OverflowError
            return number
        case ast.BinOp(left, sign, right) if type(sign) in OPERATORS:
            return _real(OPERATORS[type(sign)](_value(left, depth + 1), _value(right, depth + 1)))
        case ast.UnaryOp(sign, operand) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](_value(operand, depth + 1))
        case ast.Name(name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.Call(ast.Name(name), arguments, []) if name in FUNCTIONS:
            return _real(FUNCTIONS[name](*[_value(one, depth + 1) for one in arguments]))
        case ast.Call(ast.Name(name)) | ast.Name(name):
            known = (*FUNCTIONS, *CONSTANTS)
            raise InputError(f"The calculator does not know {name!r}{did_you_mean(name, known)}.")
        case _:
            raise InputError(
                f"{ast.unparse(node)[:60]!r} is not arithmetic.", fix="only numbers, + - * / ** %, brackets, functions"
            )


def _real(number: object) -> Number:
    if isinstance(number, complex):
        raise ValueError("it is no real number")  # noqa: TRY004 (what it is worked out from has no real value)
    if isinstance(number, int | float):
        return number
    raise TypeError("it is no number")


def _whole(number: Number) -> int:
    if isinstance(number, float) and not number.is_integer():
        raise ValueError(f"{number:g} is not a whole number")
    if number < 0:
        raise ValueError(f"{number:g} is below 0")
    return int(number)


def _written(number: Number) -> str:
    if isinstance(number, int):
        return str(number)
    if math.isnan(number) or math.isinf(number):
        raise OverflowError
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.12g}"  # noqa: PLR2004 (floats are exact below)
