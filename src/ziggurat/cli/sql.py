"""``ziggurat sql``: questions to a database, answered with the query and its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ziggurat import specs
from ziggurat.cli import HELP

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.stages.sql import SQL


@click.command("sql", context_settings=HELP)
@click.argument("database")
@click.argument("question", required=False)
@click.option("--model", help=f"The chat model's spec, such as openai:gpt-4.1.  [default: {specs.DEFAULTS['chat']}]")
@click.option("--table", "tables", multiple=True, help="A table that may be read; repeat it.  [default: all]")
@click.option("--rows", default=100, show_default=True, type=click.IntRange(1), help="Rows of an answer at most.")
@click.option("--seconds", default=10.0, show_default=True, type=float, help="A query is stopped after this long.")
@click.option("--schema", "show_schema", is_flag=True, help="Print what the model sees of the database, and stop.")
@click.option("--dry-run", is_flag=True, help="Print only the query.")
def command(
    database: str,
    question: str | None,
    model: str | None,
    tables: tuple[str, ...],
    rows: int,
    seconds: float,
    show_schema: bool,
    dry_run: bool,
) -> None:
    """Ask DATABASE a QUESTION; several in turn when none is given.

    DATABASE is a SQLite or DuckDB file, or an address such as postgresql://user@host/name. It is
    opened for reading only; a query that would do anything else is refused.

    \b
    Examples:
      ziggurat sql shop.sqlite "Which city has the most customers?"
      ziggurat sql postgresql://reader@localhost/shop --schema
    """
    from rich.console import Console

    from ziggurat.sql import Database
    from ziggurat.stages.sql import SQL

    console = Console()
    opened = Database.open(database, rows=rows, seconds=seconds, tables=tables or None)
    if show_schema:
        console.print(opened.schema().text(), markup=False, highlight=False, soft_wrap=True)
        return
    stage = SQL(opened, model, sentence=not dry_run)
    if question is not None:
        _answer(stage, question, console, dry_run=dry_run)
        return
    while asked := click.prompt("question", default="", show_default=False, prompt_suffix="> ").strip():
        _answer(stage, asked, console, dry_run=dry_run)


def _answer(stage: SQL, question: str, console: Console, *, dry_run: bool) -> None:
    """Show the query as soon as it is there, then the rows and the answer."""

    def show(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    for piece in stage.stream(question):
        if piece.query:
            show(piece.query, None if dry_run else "dim")
        if piece.columns and not dry_run:
            show(f"\n{piece.table()}\n")
        if piece.text and not (dry_run and piece.found):
            show(piece.text)
        if not piece.found:
            for attempt in piece.attempts:
                show(f"  {attempt.error}", "dim")
