"""What the commands that read sources have in common: their options, and how they tell what was left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.index import IngestReport

_Command = TypeVar("_Command", bound=Callable[..., Any])


def source_options(command: _Command) -> _Command:
    """``--include`` and ``--exclude``, given to the command as ``include`` and ``exclude``."""
    for name, says in (("exclude", "No file that matches"), ("include", "Only files that match")):
        said = f"{says} this pattern, as in .gitignore; may be repeated."
        command = click.option(f"--{name}", multiple=True, help=said)(command)
    return command


def chosen(include: tuple[str, ...], exclude: tuple[str, ...]) -> dict[str, Any]:
    """The options of a source that were given."""
    return {name: value for name, value in (("include", include), ("exclude", exclude)) if value}


def show_left_out(console: Console, report: IngestReport) -> None:
    """One line for each item that could not be indexed."""
    for left in report.left_out:
        console.print(f"  left out: {left}", style="yellow", markup=False, soft_wrap=True)
