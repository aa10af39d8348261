"""``ziggurat check``: whether chain files can run, without running anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ziggurat.cli import HELP
from ziggurat.cli.target import METAVAR, functions_option

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.chain.multichain import MultiChain
    from ziggurat.chain.stage import Stage
    from ziggurat.chain.wiring import Feed


@click.command("check", context_settings=HELP)
@click.argument("targets", nargs=-1, metavar=f"[{METAVAR}]...")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of chain files instead, for editors.")
@click.option("--quiet", "-q", is_flag=True, help="Print only what is wrong.")
@functions_option
def command(targets: tuple[str, ...], schema: bool, quiet: bool, functions: Path | None) -> None:
    """Check that chains can run: names, settings, models, indexes and wiring.

    Nothing is run and no model is called. What is wrong is printed a line each, with its file and
    line, and the exit code is 1. A stage of a provider that needs a key is refused without one.

    An editor completes and checks chain files when their first line is

    \b
      # yaml-language-server: $schema=chain.schema.json

    \b
    Examples:
      ziggurat check chain.yaml
      ziggurat check examples/*.yaml --quiet
      ziggurat check chain.yaml --functions functions.py
      ziggurat check --schema > chain.schema.json
    """
    from rich.console import Console

    if schema:
        from ziggurat.chain.spec import chain_schema

        click.echo(json.dumps(chain_schema(), indent=2, ensure_ascii=False))
        return
    if not targets:
        raise click.UsageError("Missing argument: what to check, for example chain.yaml.")
    failed = [target for target in targets if not _check(target, functions, Console(), quiet=quiet)]
    if failed:
        sys.exit(1)


def _check(target: str, functions: Path | None, console: Console, *, quiet: bool) -> bool:
    """Check one chain and print what there is to say; whether it is fine."""
    from ziggurat.chain.target import load_multichain
    from ziggurat.cli.view import print_error
    from ziggurat.errors import SpecError, ZigguratError

    try:
        chain = load_multichain(target, functions)
    except SpecError as error:
        for finding in error.findings:
            click.echo(finding, err=True)
        return False
    except ZigguratError as error:
        print_error(error)
        return False
    if not quiet:
        _print(chain, target, console)
    return True


def _print(chain: MultiChain, target: str, console: Console) -> None:
    """A chain at a glance."""
    from rich.table import Table

    wiring = chain.wiring
    console.print(f"{target}: fine", markup=False, highlight=False, soft_wrap=True)
    optional = [f"{name} (optional)" if not one.required else name for name, one in wiring.inputs.items()]
    console.print(f"  inputs   {', '.join(optional) or 'none'}", markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, show_header=True, header_style="dim", padding=(0, 2, 0, 2))
    for heading in ("stage", "is", "reads", "policy"):
        table.add_column(heading, overflow="fold")
    for name, stage, feeds in zip(wiring.names, wiring.stages, wiring.feeds, strict=True):
        reads = ", ".join(dict.fromkeys(one for feed in feeds for one in _reads(feed)))
        table.add_row(name, _what(stage), reads, ", ".join(_policy(stage)))
    console.print(table, highlight=False, markup=False)
    outputs = ", ".join(wiring.names[position] for position in wiring.outputs)
    console.print(f"  outputs  {outputs}", markup=False, highlight=False, soft_wrap=True)


def _reads(feed: Feed) -> Iterator[str]:
    from ziggurat.chain.wiring import refs_of

    for reference in refs_of(feed.binding):
        yield str(reference)


def _what(stage: Stage) -> str:
    """What a stage is, in a few words."""
    from ziggurat.chain.composite import Branch, Map, Repeat

    match stage.call.target:
        case Map() as one:
            kept = ", failures kept" if one.on_error == "keep" else ""
            return f"{_what(one.body.stage)}, for each {one.each}{kept}"
        case Repeat() as one:
            return f"{_what(one.body.stage)}, until {one.until}, {one.at_most} times at most"
        case Branch() as one:
            arms = [f"{_what(body.stage)} when {when}" for when, body in one.arms]
            return "; ".join([*arms, *([f"else {_what(one.otherwise.stage)}"] if one.otherwise else [])])
        case target if (wiring := getattr(target, "wiring", None)) is not None:
            return f"chain of {len(wiring.names)}"
        case _:
            return stage.label


def _policy(stage: Stage) -> Iterator[str]:
    policy = stage.policy
    if policy.retry:
        yield f"{policy.retry.attempts} attempts"
    if policy.timeout is not None:
        yield f"{policy.timeout:g} s"
    if policy.fallback is not None:
        yield "fallback"
    if policy.limit:
        yield f"{policy.limit} at once"
    if policy.cache is not None:
        yield "cached" if policy.cache else "not cached"
    if policy.effect:
        yield "acts on the world"
    if not policy.store:
        yield "not stored"
