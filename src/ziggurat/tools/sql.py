"""A database as three tools: its tables, their schema, and queries that only read.

That nothing is ever written, and how much a query may take and give, is `ziggurat.sql`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean
from ziggurat.tools.bounds import CHARACTERS, cut
from ziggurat.tools.making import make

if TYPE_CHECKING:
    from ziggurat.sql import Database

_SHOWN_ROWS = 50


class Nothing(BaseModel):
    """No arguments."""


class TableNames(BaseModel):
    """Which tables."""

    tables: list[str] = Field(description="The names of the tables, as sql_tables gives them.", min_length=1)


class Query(BaseModel):
    """What is asked of the database."""

    query: str = Field(description="One SELECT in the dialect of the database.", min_length=1, max_length=10_000)


def sql_tools(
    database: Database | str | Path,
    *,
    tables: Iterable[str] | None = None,
    rows: int = _SHOWN_ROWS,
    seconds: float = 10.0,
    characters: int = CHARACTERS,
) -> list[BaseTool]:
    """Tools over a database: ``sql_tables``, ``sql_schema``, ``sql_query``. Nothing can be written through them.

    Args:
        database: A `ziggurat.sql.Database`, or what its ``open`` takes; one that is open keeps its own limits.
        tables: The only tables that may be read; all unless given.
        rows: That a query gives at most.
        seconds: After which a query is stopped.
        characters: Of a result at most.

    Raises:
        InputError: For a limit that is none, or a table that is not there.
        DatabaseUnavailable: If there is no database, or it cannot be reached.
    """
    from ziggurat.sql import Database

    opened = (
        database
        if isinstance(database, Database)
        else Database.open(database, rows=rows, seconds=seconds, tables=tables)
    )

    def sql_tables() -> str:
        lines = [f"{table.name}: {', '.join(one.name for one in table.columns)}" for table in opened.schema().tables]
        return cut("\n".join(lines) or "The database has no tables.", characters)

    def sql_schema(tables: list[str]) -> str:
        schema = opened.schema()
        for name in tables:
            if schema.table(name) is None:
                names = [one.name for one in schema.tables]
                raise InputError(f"There is no table {name!r}{did_you_mean(name, names)}.", fix="see sql_tables")
        return cut(schema.text([found.name for name in tables if (found := schema.table(name))]), characters)

    def sql_query(query: str) -> str:
        found = opened.run(query)
        return cut(found.table(rows), characters) if len(found) else "The query gave no rows."

    dialect = opened.dialect or "SQL"
    bounds: dict[str, Any] = {"characters": characters, "seconds": 3 * seconds + 5}
    return [
        make(
            "sql_tables",
            "Lists the tables of the database with their columns. Use it first.",
            Nothing,
            sql_tables,
            **bounds,
        ),
        make(
            "sql_schema",
            "Shows how some tables are defined, with types, examples of values and how they join. "
            "Use it before writing a query.",
            TableNames,
            sql_schema,
            **bounds,
        ),
        make(
            "sql_query",
            f"Runs one query that reads ({dialect} dialect) and returns its rows, at most {rows}. "
            "Nothing can be changed in the database.",
            Query,
            sql_query,
            **bounds,
        ),
    ]
