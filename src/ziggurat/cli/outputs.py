"""What a chain gave, printed for a person or as JSON; inputs of a chain, read from the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.chain.multichain import MultiChain

_FILE_WIDTH = 160


def read_input(text: str) -> tuple[str, Any]:
    """One input: ``KEY=VALUE``, ``KEY:=JSON`` or ``KEY=@PATH``.

    Raises:
        InputError: If it is none of these, or cannot be read.
    """
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


def returned(chain: MultiChain, finished: Mapping[str, Any]) -> dict[str, Any]:
    """Of all that finished, the outputs that the chain returns."""
    names = (chain.wiring.names[position] for position in chain.wiring.outputs)
    return {str(name): finished[name] for name in names}


def wide_console() -> Console:
    """A console for tables: as wide as the terminal, and wide enough for a line each in a file or a pipe."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


def print_outputs(outputs: Mapping[str, Any], console: Console, *, as_json: bool, out: Path) -> None:
    """Print outputs by stage; pictures are saved in ``out`` and their paths printed."""
    from ziggurat.cli.view import print_answer, save_picture
    from ziggurat.picture import Picture
    from ziggurat.stages.answer import Answer

    if as_json:
        shown = {
            name: str(save_picture(output, out, name)) if isinstance(output, Picture) else output
            for name, output in outputs.items()
        }
        click.echo(json.dumps(shown, default=_plain, ensure_ascii=False, indent=2))
        return
    for name, output in outputs.items():
        console.print(f"\n[bold]{name}[/]")
        match output:
            case Answer():
                print_answer(output, console)
            case Picture():
                console.print(str(save_picture(output, out, name)), soft_wrap=True, highlight=False)
            case _ if dataclasses.is_dataclass(output) and "__str__" in vars(type(output)):
                console.print(str(output), soft_wrap=True, markup=False)
            case _:
                console.print(output, soft_wrap=True, markup=False)


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else str(value)
