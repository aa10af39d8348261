"""``ziggurat databricks secrets``: what a workspace keeps secret, by name."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from ziggurat.cli import HELP
from ziggurat.cli.databricks_way_in import confirmed, way_in, workspace_options
from ziggurat.cli.lazy import Suggesting
from ziggurat.cli.outputs import wide_console


@click.group("secrets", cls=Suggesting, context_settings=HELP)
def secrets() -> None:
    """List, write and remove secrets of a workspace. A value goes in and is never shown.

    \b
    Examples:
      ziggurat databricks secrets list
      ziggurat databricks secrets put lab/openai-api-key            asks for it, unseen
      ziggurat databricks secrets put lab/openai-api-key --from-env OPENAI_API_KEY
      ziggurat databricks secrets delete lab/openai-api-key
    """


@secrets.command("list", context_settings=HELP)
@click.argument("scope", required=False)
@workspace_options
def list_secrets(scope: str | None, host: str | None, profile: str | None) -> None:
    """Show the scopes, or what is in SCOPE: names and when each was written."""
    from rich.markup import escape
    from rich.table import Table

    from ziggurat.databricks.secrets import Secrets

    held = Secrets(way_in(host, profile))
    table = Table("scope", "secret", "written", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in [scope] if scope else held.scopes():
        written = held.list(name)
        for key, at in sorted(written.items()):
            table.add_row(escape(name), escape(key), f"{at:%Y-%m-%d %H:%M} UTC")
        if not written:
            table.add_row(escape(name), "[dim]nothing[/]", "")
    wide_console().print(table if table.row_count else "There are no secret scopes.")


@secrets.command("put", context_settings=HELP)
@click.argument("reference", metavar="SCOPE/KEY")
@click.option("--from-env", metavar="VARIABLE", help="Take the value from an environment variable.")
@click.option(
    "--from-file", type=click.File("rb"), metavar="FILE",
    help="Take it from a file, without its last line's end; - for standard input.",
)  # fmt: skip
@workspace_options
def put(
    reference: str, from_env: str | None, from_file: BinaryIO | None, host: str | None, profile: str | None
) -> None:
    """Write a secret; the scope is made if need be. Without an option it is asked for, unseen."""
    import os

    from ziggurat.databricks.secrets import Reference, Secrets
    from ziggurat.errors import InputError

    place = Reference.parse(reference)
    if from_env and from_file:
        raise InputError("The value comes from one place.", fix="--from-env or --from-file")
    if from_env:
        value = os.environ.get(from_env, "")
        if not value:
            raise InputError(f"The variable {from_env} is not set.", fix="export it, or leave --from-env out")
    elif from_file:
        try:
            value = from_file.read().decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise InputError("The file holds no text.", where=from_file.name, fix="save it as UTF-8") from error
    elif sys.stdin.isatty():
        value = click.prompt("Value", hide_input=True)
    else:
        raise InputError("There is nobody to ask for the value.", fix="--from-env VARIABLE or --from-file -")
    Secrets(way_in(host, profile)).put(place, value)
    click.echo(f"Wrote {place.scope}/{place.key}. An endpoint refers to it as {place}.")


@secrets.command("delete", context_settings=HELP)
@click.argument("reference", metavar="SCOPE[/KEY]")
@click.option("--yes", is_flag=True, help="Do not ask before a whole scope is removed.")
@workspace_options
def delete(reference: str, yes: bool, host: str | None, profile: str | None) -> None:
    """Remove a secret, or a whole scope with everything in it."""
    from ziggurat.databricks.secrets import Reference, Secrets

    held = Secrets(way_in(host, profile))
    if "/" in reference:
        held.delete(Reference.parse(reference))
    else:
        names = held.list(reference)
        if not yes:
            count = f"{len(names)} secret{'' if len(names) == 1 else 's'}"
            confirmed(f"Remove the scope {reference} with {count}?")
        held.delete_scope(reference)
    click.echo(f"Removed {reference}.")
