"""Whether a query may be sent: parsed, one statement, reading only what is known through functions that are known.

What is sent is written anew from the parsed query, so nothing reaches the database that was not looked
at (a comment that one server executes, a quoting that two parsers read in two ways). Knows no connection.
Invariant: a query that passes names only known tables, calls only functions of the allow-list, and has no
part that writes, locks, defines, sets or assigns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ziggurat.errors import QueryRefused
from ziggurat.optional import require
from ziggurat.sql.functions import GROWING, GROWN_AT_MOST, WORDS, allowed
from ziggurat.suggest import did_you_mean

LONGEST = 20_000
DEEPEST = 200
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?:QUERY\s+PLAN\s+)?(?=SELECT\b|WITH\b)", re.IGNORECASE)
_WRITES = (
    "DML DDL Command Into Lock Merge TruncateTable Set Pragma Attach Detach Copy LoadData Transaction Commit Rollback "
    "Use Kill Cache Uncache Analyze Grant Revoke Comment Drop Alter Create Insert Update Delete Export Install"
).split()
_ASSIGNS = "PropertyEQ Parameter SessionParameter Placeholder NextValueFor Returning".split()


@dataclass(frozen=True, slots=True)
class Checked:
    """A query that may be sent.

    Attributes:
        text: The query, written anew.
        tables: The known tables it reads, as they are named in the database.
        explains: Whether it only asks how a query would be run.
    """

    text: str
    tables: tuple[str, ...]
    explains: bool = False


def parsed(query: str, dialect: str, where: str) -> Any:
    """The one statement of a text, as sqlglot's tree.

    Raises:
        QueryRefused: If there is none, there are several, or it is not SQL.
    """
    sqlglot = require("sqlglot", for_="asking databases", extra="sql")
    if len(query) > LONGEST or "\0" in query:
        what = "contains a NUL character" if "\0" in query else f"has more than {LONGEST:,} characters"
        raise QueryRefused(f"The query {what}.", where=where)
    if depth(query) > DEEPEST:
        raise QueryRefused("The query is nested too deeply.", where=where)
    try:
        statements = [one for one in sqlglot.parse(query, read=dialect) if one is not None and one.key != "semicolon"]
    except sqlglot.errors.SqlglotError as error:
        first = (getattr(error, "errors", None) or [{}])[0]
        told = str(first.get("description") or type(error).__name__).rstrip(".")
        near = str(first.get("highlight") or "")[:60]
        raise QueryRefused(f"The query is not SQL: {told}{f' near {near!r}' if near else ''}.", where=where) from error
    except RecursionError as error:
        raise QueryRefused("The query is nested too deeply.", where=where) from error
    if len(statements) != 1:
        raise QueryRefused(
            f"One query may be run at a time, and there are {len(statements)} statements.",
            where=where,
            fix="give one SELECT",
        )
    return statements[0]


def check(query: str, dialect: str, known: Iterable[str], where: str) -> Checked:
    """Refuse what is not one query that only reads known tables.

    Args:
        query: In the dialect.
        dialect: sqlglot's name.
        known: The tables, ``name`` or ``schema.name``.
        where: The database, for messages.

    Raises:
        QueryRefused: Says what in the query may not be.
    """
    exp = require("sqlglot", for_="asking databases", extra="sql").exp
    explains = _EXPLAIN.match(query)
    statement = parsed(query[explains.end() :] if explains else query, dialect, where)
    try:
        if not isinstance(statement, exp.Select | exp.SetOperation | exp.Subquery):
            raise QueryRefused(
                f"The query is a statement {statement.key.upper()}; only queries that read are run.",
                where=where,
                fix="give one SELECT",
            )
        if found := _harm(statement, exp):
            raise QueryRefused(f"The query does not only read: there is {found} in it.", where=where)
        tables = tuple(_tables(statement, exp, {name.casefold(): name for name in known}, where))
        text = str(statement.sql(dialect=dialect, comments=False))
    except RecursionError as error:
        raise QueryRefused("The query is nested too deeply.", where=where) from error
    _check_functions(text, dialect, _given_columns(statement, exp), where)
    _check_growth(statement, exp, where)
    return Checked(f"{explains.group().strip()} {text}" if explains else text, tables, explains is not None)


def depth(query: str) -> int:
    """How deep the parentheses of a text are nested; those in its strings count too."""
    level = deepest = 0
    for character in query:
        if character in "([":
            level += 1
            deepest = max(deepest, level)
        elif character in ")]":
            level -= 1
    return deepest


def _harm(statement: Any, exp: Any) -> str | None:
    """What in a statement does more than read; None if nothing does."""
    kinds = tuple(getattr(exp, name) for name in (*_WRITES, *_ASSIGNS) if hasattr(exp, name))
    for node in statement.walk():
        if isinstance(node, kinds) and not isinstance(node, exp.Query):
            return str(node.key).upper()
        if isinstance(node, exp.Hint):
            return "a hint"
    return None


def _tables(statement: Any, exp: Any, known: dict[str, str], where: str) -> Iterator[str]:
    """The known tables a statement reads."""
    short = {name.rpartition(".")[2]: whole for name, whole in known.items()}
    for table in statement.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue  # a function that gives rows, or a list of such: the functions are checked by name
        name, schema = table.name.casefold(), table.db.casefold()
        if not schema and _is_common(table, name, exp):
            continue
        found = known.get(f"{schema}.{name}") if schema else known.get(name) or short.get(name)
        if found is None and schema in ("main", "public") and not table.catalog:
            found = known.get(name)
        if found is None or table.catalog:
            raise QueryRefused(
                f"There is no table {table.sql(comments=False)}{did_you_mean(name, short)}.",
                where=where,
                fix=f"the tables are {', '.join(sorted(known.values())[:20])}",
            )
        yield found


def _is_common(table: Any, name: str, exp: Any) -> bool:
    """Whether a name means a common table expression where it stands."""
    inner, outer = table, table.parent
    while outer is not None:
        if isinstance(outer, exp.With):
            ours = [one.alias.casefold() for one in outer.expressions]
            place = next((at for at, one in enumerate(outer.expressions) if one is inner), 0)
            if name in ours[:place] or (outer.recursive and name == ours[place]):
                return True
        else:
            given = outer.args.get("with_")
            if given is not None and given is not inner and name in (one.alias.casefold() for one in given.expressions):
                return True
        inner, outer = outer, outer.parent
    return False


def _given_columns(statement: Any, exp: Any) -> frozenset[str]:
    """Names that stand before a parenthesis as in ``t(a, b)``: aliases that name their columns, windows."""
    names = [alias.name for alias in statement.find_all(exp.TableAlias) if alias.args.get("columns")]
    return frozenset(name.casefold() for name in names)


def _check_functions(text: str, dialect: str, own: frozenset[str], where: str) -> None:
    """Look at every name that stands before a parenthesis in what would be sent."""
    sqlglot = require("sqlglot", for_="asking databases", extra="sql")
    kinds = require("sqlglot.tokens", for_="asking databases", extra="sql").TokenType
    functions = allowed(dialect)
    tokens = sqlglot.tokenize(text, read=dialect)
    for at, token in enumerate(tokens[1:], 1):
        if token.token_type is not kinds.L_PAREN:
            continue
        before = tokens[at - 1]
        quoted = before.token_type is kinds.IDENTIFIER
        if not quoted and not re.fullmatch(r"[^\W\d]\w*(?: \w+)*", before.text):
            continue
        name = before.text.casefold()
        qualified = at > 1 and tokens[at - 2].token_type is kinds.DOT
        if qualified or not (name in functions or name in own or (not quoted and name.split()[-1] in WORDS)):
            raise QueryRefused(
                f"The function {before.text} may not be called.",
                where=where,
                fix="use functions that compute with values; none that acts, waits, or reads files or settings",
            )


def _check_growth(statement: Any, exp: Any, where: str) -> None:
    for node in statement.find_all(exp.Pad, exp.Anonymous):
        if isinstance(node, exp.Anonymous) and node.name.casefold() not in GROWING:
            continue
        length = node.expression if isinstance(node, exp.Pad) else (node.expressions[1:2] or [None])[0]
        if not (isinstance(length, exp.Literal) and length.is_int and int(length.this) <= GROWN_AT_MOST):
            raise QueryRefused(
                f"A text may be filled up to {GROWN_AT_MOST} characters, written as a number.", where=where
            )
