"""Whether a query only reads: one SELECT, told by parsing it, not by looking at its first word.

Knows no database and no connection. Invariant: a query that passes has one statement, and nothing in it
inserts, updates, deletes, defines or calls a procedure by name.
"""

from __future__ import annotations

from typing import Any

from ziggurat.errors import InputError
from ziggurat.optional import require

DIALECTS = {"postgresql": "postgres", "mssql": "tsql", "mariadb": "mysql"}
"""SQLAlchemy's names of dialects that have another with sqlglot."""


def check_select(query: str, dialect: str, where: str) -> None:
    """Refuse what is not one query that reads.

    Args:
        query: In SQL.
        dialect: As SQLAlchemy names it; one that is not known is parsed as general SQL.
        where: The database, for messages.

    Raises:
        InputError: If it is none, several, or writes.
    """
    sqlglot = require("sqlglot", for_="reading databases", extra="sql")
    name = DIALECTS.get(dialect, dialect)
    known = name if sqlglot.Dialect.get(name) is not None else None
    try:
        parsed = [one for one in sqlglot.parse(query, read=known) if one is not None]
    except sqlglot.errors.SqlglotError as error:
        raise InputError(f"The query is not SQL: {_said(error)}.", where=where) from error
    except RecursionError as error:
        raise InputError("The query is nested too deeply.", where=where) from error
    if len(parsed) != 1:
        raise InputError(f"One query is read, and there are {len(parsed)} statements.", where=where)
    writes = _writes(parsed[0], sqlglot.exp)
    if writes is not None:
        raise InputError(f"The query does not only read: there is {writes} in it.", where=where, fix="give one SELECT")


def _writes(statement: Any, exp: Any) -> str | None:
    """What in a statement writes; None if nothing does."""
    if not isinstance(statement, exp.Query):
        return f"a statement {statement.key.upper()}"
    kinds = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Lock, exp.Merge, exp.TruncateTable, exp.Set, exp.Pragma)
    for one in statement.walk():
        if isinstance(one, kinds) and not isinstance(one, exp.Query):
            return str(one.key).upper()
    return None


def _said(error: Any) -> str:
    first = (getattr(error, "errors", None) or [{}])[0]
    told = first.get("description") or type(error).__name__
    line = first.get("line")
    return f"{str(told).rstrip('.')}{f' (line {line})' if line else ''}"
