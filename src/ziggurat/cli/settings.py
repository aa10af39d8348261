"""Options about how a chain is run, shared by the commands that run one: journal, cache, budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ziggurat.chain.multichain import MultiChain

_Command = TypeVar("_Command", bound=Callable[..., Any])

JOURNAL = "runs.sqlite3"
"""Where runs are written when nobody says where."""

_ENVIRONMENT = "ZIGGURAT_JOURNAL"


def journal_option(command: _Command) -> _Command:
    """``--journal PATH``, for commands that read one."""
    return click.option(
        "--journal",
        default=JOURNAL,
        show_default=True,
        envvar=_ENVIRONMENT,
        show_envvar=True,
        metavar="PATH|postgresql://...",
        help="The journal.",
    )(command)


def running_options(command: _Command) -> _Command:
    """``--journal``, ``--cache`` and the bounds of a budget, for commands that run a chain."""
    options = [
        click.option(
            "--journal",
            is_flag=False,
            flag_value=JOURNAL,
            envvar=_ENVIRONMENT,
            show_envvar=True,
            metavar="[PATH]",
            help=f"Write the run down, so that it can be resumed, replayed, shown.  [{JOURNAL} if no path is given]",
        ),
        click.option(
            "--cache",
            is_flag=False,
            flag_value="cache.sqlite3",
            type=click.Path(path_type=Path),
            metavar="[PATH]",
            help="Take outputs from earlier runs where nothing changed.  [cache.sqlite3 if no path is given]",
        ),
        click.option("--max-usd", type=float, metavar="USD", help="Spend at most this much on models."),
        click.option("--max-tokens", type=int, metavar="N", help="Use at most this many tokens."),
        click.option("--max-calls", type=int, metavar="N", help="Make at most this many model calls."),
        click.option("--max-seconds", type=float, metavar="S", help="Run at most this long."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def settled(
    chain: MultiChain,
    target: str,
    *,
    journal: str | None = None,
    cache: Path | None = None,
    max_usd: float | None = None,
    max_tokens: int | None = None,
    max_calls: int | None = None,
    max_seconds: float | None = None,
) -> MultiChain:
    """The chain with the settings that the options say."""
    settings: dict[str, Any] = {"target": target}
    if journal is not None:
        settings["journal"] = journal
    if cache is not None:
        settings["cache"] = cache
    bounds = {"usd": max_usd, "tokens": max_tokens, "calls": max_calls, "seconds": max_seconds}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if given:
        settings["budget"] = given
    return chain.using(**settings)
