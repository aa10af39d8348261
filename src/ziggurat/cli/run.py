"""``ziggurat run``: a chain from a chain file or a Python file, with inputs from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ziggurat.cli import HELP
from ziggurat.cli.target import METAVAR, functions_option, load_multichain
from ziggurat.errors import InputError


@click.command("run", context_settings=HELP)
@click.argument("target", metavar=METAVAR)
@click.argument("inputs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print the outputs as one JSON object.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), show_default="here", help="Where pictures are saved."
)
@functions_option
def command(target: str, inputs: tuple[str, ...], as_json: bool, out: Path, functions: Path | None) -> None:
    """Run the chain in CHAIN.yaml, or the one named CHAIN in FILE.py.

    KEY=VALUE gives a text; KEY:=JSON gives a number, a list or a mapping; KEY=@PATH gives what a
    file holds. A Python file is executed: run only what you trust.

    \b
    Examples:
      ziggurat run chain.yaml question="What is new?"
      ziggurat run pipeline.py:chain question="What is new?"
      ziggurat run pipeline.py:chain rows:='[1, 2]' text=@notes.txt --json
    """
    from rich.console import Console

    from ziggurat.cli.view import print_answer, save_picture, watch
    from ziggurat.picture import Picture
    from ziggurat.stages.answer import Answer

    chain = load_multichain(target, functions)
    given = dict(_input(one) for one in inputs)
    finished = watch(chain, given, Console(stderr=True), f"{target}")
    outputs = {name: finished[name] for name in map(chain.wiring.names.__getitem__, chain.wiring.outputs)}
    console = Console()
    if as_json:
        for name, output in outputs.items():
            if isinstance(output, Picture):
                outputs[name] = str(save_picture(output, out, name))
        click.echo(json.dumps(outputs, default=_plain, ensure_ascii=False, indent=2))
        return
    for name, output in outputs.items():
        console.print(f"\n[bold]{name}[/]")
        match output:
            case Answer():
                print_answer(output, console)
            case Picture():
                console.print(str(save_picture(output, out, name)), soft_wrap=True, highlight=False)
            case _:
                console.print(output, soft_wrap=True, markup=False)


def _input(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.rstrip(":"):
        raise InputError(f"{text!r} is no input.", fix="write KEY=VALUE, KEY:=JSON or KEY=@PATH")
    if key.endswith(":"):
        try:
            return key[:-1], json.loads(value)
        except ValueError as error:
            raise InputError(f"The value of {key[:-1]!r} is not JSON: {error}.") from error
    if value.startswith("@"):
        try:
            return key, Path(value[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The value of {key!r} cannot be read: {error}.") from error
    return key, value


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    import dataclasses

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else str(value)
