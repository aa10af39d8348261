"""What the commands that ask a workspace share: the options that say which one, and the question before a removal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls

F = TypeVar("F", bound=Callable[..., Any])


def workspace_options(command: F) -> F:
    """``--host`` and ``--profile``. A token is no option: it would stay in the shell's history."""
    command = click.option("--profile", metavar="NAME", help="A profile of ~/.databrickscfg.")(command)
    return click.option("--host", metavar="URL", help="The workspace; DATABRICKS_HOST by default.")(command)


def way_in(host: str | None, profile: str | None) -> Calls:
    """The way into the workspace that the options name.

    Raises:
        As `ziggurat.workspace.access`.
    """
    from ziggurat.databricks.calls import Calls
    from ziggurat.workspace import access

    return Calls(access(host, profile=profile))


def confirmed(question: str) -> None:
    """Ask before something is removed.

    Raises:
        SystemExit: If the answer is no.
        click.Abort: If the question is interrupted.
        InputError: If there is nobody to answer.
    """
    from ziggurat.errors import InputError

    try:
        yes = click.confirm(question)
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        click.echo()
        raise InputError("There is nobody to ask.", fix="--yes removes it without asking") from error
    if not yes:
        click.echo("Nothing was removed.")
        sys.exit(1)
