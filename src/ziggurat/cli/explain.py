"""``ziggurat explain``: what a run would do, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ziggurat.chain.target import load_multichain
from ziggurat.cli import HELP
from ziggurat.cli.outputs import read_input, wide_console
from ziggurat.cli.settings import running_options, settled
from ziggurat.cli.target import METAVAR, functions_option


@click.command("explain", context_settings=HELP)
@click.argument("target", metavar=METAVAR)
@click.argument("inputs", nargs=-1, metavar="[KEY=VALUE]...")
@functions_option
@running_options
def command(target: str, inputs: tuple[str, ...], functions: Path | None, **settings: Any) -> None:
    """Say what a run would do: stages, cache hits, the most it can ask of models and what that costs.

    Inputs may be left out; what depends on them is then unknown.

    \b
    Examples:
      ziggurat explain chain.yaml
      ziggurat explain chain.yaml question="What is new?" --cache
    """
    from rich.table import Table

    from ziggurat.chain.explain import say

    chain = settled(load_multichain(target, functions), target, **settings)
    explained = chain.explain(dict(read_input(one) for one in inputs))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("stage", "", "at most", "models", ""):
        table.add_column(heading, overflow="fold")
    for one in explained.stages:
        style = {"cached": "green", "runs": "default", "depends": "dim"}[one.fate]
        bound = say(one.bound) if one.declares else "does not say"
        name = "  " * one.depth + one.path.rpartition("/")[2]
        table.add_row(name, f"[{style}]{one.fate}[/]", bound, ", ".join(one.models), f"[yellow]{one.note}[/]")
    console = wide_console()
    console.print(table)
    console.print(f"\nat most [bold]{say(explained.bound)}[/]", highlight=False)
    if explained.undeclared:
        console.print(f"[dim]not counted, since functions do not say: {', '.join(explained.undeclared)}[/]")
    if explained.missing:
        console.print(f"still to be given: {', '.join(explained.missing)}")
