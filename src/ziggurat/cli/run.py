"""``ziggurat run``: a chain from a chain file or a Python file, with inputs from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ziggurat.chain.target import load_multichain
from ziggurat.cli import HELP
from ziggurat.cli.outputs import print_outputs, read_input, returned
from ziggurat.cli.settings import running_options, settled
from ziggurat.cli.target import METAVAR, functions_option
from ziggurat.errors import ChainError


@click.command("run", context_settings=HELP)
@click.argument("target", metavar=METAVAR)
@click.argument("inputs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print the outputs as one JSON object.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), show_default="here", help="Where pictures are saved."
)
@functions_option
@running_options
def command(
    target: str, inputs: tuple[str, ...], as_json: bool, out: Path, functions: Path | None, **settings: Any
) -> None:
    """Run the chain in CHAIN.yaml, or the one named CHAIN in FILE.py.

    KEY=VALUE gives a text; KEY:=JSON gives a number, a list or a mapping; KEY=@PATH gives what a
    file holds. A Python file is executed: run only what you trust.

    \b
    Examples:
      ziggurat run chain.yaml question="What is new?"
      ziggurat run pipeline.py:chain question="What is new?"
      ziggurat run pipeline.py:chain rows:='[1, 2]' text=@notes.txt --json
      ziggurat run chain.yaml question="..." --journal --max-usd 0.05
    """
    from rich.console import Console

    from ziggurat.cli.view import watch

    chain = settled(load_multichain(target, functions), target, **settings)
    given = dict(read_input(one) for one in inputs)
    console = Console(stderr=True)
    try:
        finished = watch(chain, given, console, target)
    except ChainError as error:
        if chain.settings.journal is not None:
            console.print(f"[dim]to go on:[/] ziggurat runs resume {error.run}", highlight=False)
        raise
    print_outputs(returned(chain, finished), Console(), as_json=as_json, out=out)
