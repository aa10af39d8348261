"""The options that say which workspace, shared by the commands that ask one."""

from __future__ import annotations

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
