"""``ziggurat databricks index``: an index's copy in a volume, sent there and brought back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ziggurat.cli import HELP
from ziggurat.cli.databricks_way_in import workspace_options

if TYPE_CHECKING:
    from ziggurat.databricks.index_home import Moved

_FORCE = "Also over a newer generation or another index."


@click.group("index", context_settings=HELP)
def index() -> None:
    """Keep a copy of an index in a Unity Catalog volume.

    An index itself needs a real file system; a volume keeps copies of its generations. Only what has
    changed is sent or fetched, and what is stopped half-way is simply run again.

    \b
    Examples:
      ziggurat databricks index push kb /Volumes/main/default/files/kb
      ziggurat databricks index pull /Volumes/main/default/files/kb kb
    """


@index.command("push", context_settings=HELP)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("home")
@click.option("--force", is_flag=True, help=_FORCE)
@workspace_options
def push_command(folder: Path, home: str, *, force: bool, host: str | None, profile: str | None) -> None:
    """Put a copy of the index in FOLDER into HOME; it may be in use meanwhile."""
    from ziggurat.databricks.index_home import push

    moved = push(folder, home, force=force, host=host, profile=profile)
    click.echo(_said(moved, "sent"))


@index.command("pull", context_settings=HELP)
@click.argument("home")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help=_FORCE)
@workspace_options
def pull_command(home: str, folder: Path, *, force: bool, host: str | None, profile: str | None) -> None:
    """Bring the newest copy of an index from HOME into FOLDER; an index in use there goes on with it."""
    from ziggurat.databricks.index_home import pull

    moved = pull(home, folder, force=force, host=host, profile=profile)
    click.echo(_said(moved, "fetched"))


def _said(moved: Moved, verb: str) -> str:
    return (
        f"generation {moved.generation}: {moved.moved} of {moved.parts} parts {verb} "
        f"({moved.moved_bytes / 1e6:.1f} of {moved.bytes / 1e6:.1f} MB) in {moved.seconds:.1f} s; {moved.home}"
    )
