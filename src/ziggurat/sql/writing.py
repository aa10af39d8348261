"""The query in what a model wrote: out of its fence, one statement, in this database's dialect.

A query in another dialect's words (``EXTRACT``, ``NOW()``, intervals) is read as such and written anew; SQLite, which
has none of them, gets the same in its own words. Knows no tables; what cannot be read is None.
"""

from __future__ import annotations

import re
from typing import Any

from ziggurat.optional import require
from ziggurat.sql.check import DEEPEST, LONGEST, depth

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)(?:```|\Z)", re.DOTALL)
_START = re.compile(r"\b(?:SELECT|WITH)\b", re.IGNORECASE)
_OTHERS = ("postgres", "mysql", "duckdb", "sqlite")
_UNITS = {"YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H", "MINUTE": "%M", "DOW": "%w", "WEEK": "%W"}
_TRUNCATED = {"YEAR": "%Y-01-01", "MONTH": "%Y-%m-01", "DAY": "%Y-%m-%d"}


def query_in(reply: str) -> str:
    """The text of the first query in a model's reply; empty if there is none."""
    fenced = _FENCE.search(reply)
    text = fenced.group(1) if fenced and _START.search(fenced.group(1)) else reply
    began = _START.search(text)
    if began is None:
        return ""
    text = text[began.start() :]
    return re.split(r";|\n\s*\n(?=[A-Z][a-z])|```", text, maxsplit=1)[0].strip()


def read(query: str, dialect: str) -> Any:
    """A query as sqlglot's tree, read in the dialect or another; None if it cannot be."""
    if len(query) > LONGEST or depth(query) > DEEPEST:
        return None
    sqlglot = require("sqlglot", for_="asking databases", extra="sql")
    for name in dict.fromkeys((dialect, *_OTHERS)):
        try:
            tree = sqlglot.parse_one(query, read=name)
        except (sqlglot.errors.SqlglotError, RecursionError):
            continue
        if isinstance(tree, sqlglot.exp.Query):
            return _in_sqlite(tree, sqlglot.exp) if dialect == "sqlite" else tree
    return None


def _in_sqlite(tree: Any, exp: Any) -> Any:
    """Dates in SQLite's words."""

    def strftime(form: str, of: Any) -> Any:
        return exp.func("STRFTIME", exp.Literal.string(form), of, dialect="sqlite")

    def moved(of: Any, interval: Any, sign: str) -> Any:
        amount = interval.this.name if interval.this is not None else "1"
        unit = str(interval.args.get("unit") or "day").lower()
        if unit in ("week", "weeks") and amount.isdigit():
            amount, unit = str(7 * int(amount)), "days"
        return exp.Anonymous(this="DATE", expressions=[_now(of, exp), exp.Literal.string(f"{sign}{amount} {unit}")])

    def change(node: Any) -> Any:
        match node:
            case exp.Extract() if (unit := str(node.this.name).upper()) in _UNITS:
                return exp.cast(strftime(_UNITS[unit], _now(node.expression, exp)), "INTEGER")
            case exp.Year() | exp.Month() | exp.Day():
                return exp.cast(strftime(_UNITS[node.key.upper()], _now(node.this, exp)), "INTEGER")
            case exp.DateSub() | exp.DateAdd() if isinstance(node.expression, exp.Literal | exp.Neg):
                sign = "-" if isinstance(node, exp.DateSub) else "+"
                return moved(node.this, exp.Interval(this=node.expression, unit=node.args.get("unit")), sign)
            case exp.Sub() | exp.Add() | exp.DateSub() | exp.DateAdd() if isinstance(node.expression, exp.Interval):
                return moved(node.this, node.expression, "-" if isinstance(node, exp.Sub | exp.DateSub) else "+")
            case exp.DateDiff() | exp.TsOrDsDiff():
                days = exp.Sub(this=_julian(node.this, exp), expression=_julian(node.expression, exp))
                return exp.cast(exp.Paren(this=days), "INTEGER")
            case exp.TimestampTrunc() | exp.DateTrunc() if form := _TRUNCATED.get(str(node.unit.name).upper()):
                return strftime(form, _now(node.this, exp))
            case exp.ILike():
                return exp.Like(this=node.this, expression=node.expression)
            case _:
                return node

    return tree.transform(change)


def _julian(node: Any, exp: Any) -> Any:
    return exp.Anonymous(this="JULIANDAY", expressions=[_now(node, exp)])


def _now(node: Any, exp: Any) -> Any:
    """Today as SQLite's functions take it."""
    if isinstance(node, exp.Anonymous) and node.name.upper() in ("NOW", "CURDATE", "GETDATE", "SYSDATE"):
        return exp.Literal.string("now")
    while (
        isinstance(node, exp.TsOrDsToDate | exp.Date | exp.Paren)
        and node.this is not None
        and not node.args.get("expressions")
    ):
        node = node.this
    return exp.Literal.string("now") if isinstance(node, exp.CurrentDate | exp.CurrentTimestamp) else node.copy()
