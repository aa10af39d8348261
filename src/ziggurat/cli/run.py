"""``ziggurat run``: a chain from a Python file, with inputs from the command line."""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from ziggurat.cli import HELP
from ziggurat.errors import InputError, ZigguratError
from ziggurat.suggest import did_you_mean


@click.command("run", context_settings=HELP)
@click.argument("target", metavar="FILE.py:CHAIN")
@click.argument("inputs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print the outputs as one JSON object.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), show_default="here", help="Where pictures are saved."
)
def command(target: str, inputs: tuple[str, ...], as_json: bool, out: Path) -> None:
    """Run the chain named CHAIN in FILE.py.

    KEY=VALUE gives a text; KEY:=JSON gives a number, a list or a mapping; KEY=@PATH gives what a
    file holds. The file is Python and is executed: run only what you trust.

    \b
    Examples:
      ziggurat run pipeline.py:chain question="What is new?"
      ziggurat run pipeline.py:chain rows:='[1, 2]' text=@notes.txt --json
    """
    from rich.console import Console

    from ziggurat.chain.multichain import MultiChain
    from ziggurat.cli.view import print_answer, save_picture, watch
    from ziggurat.picture import Picture
    from ziggurat.stages.answer import Answer

    chain = load(target)
    if not isinstance(chain, MultiChain):
        chain = MultiChain(**{target.rpartition(":")[2]: chain})
    given = dict(_input(one) for one in inputs)
    outputs = watch(chain, given, Console(stderr=True), f"{target}")
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


def load(target: str) -> Any:
    """The object a ``FILE.py:NAME`` names; the file is executed.

    Raises:
        InputError: If there is no such file or name in it.
    """
    file, colon, name = target.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise InputError(f"{target!r} names no chain.", fix="write FILE.py:NAME, for example pipeline.py:chain")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"There is no file {file}.", fix="check the path before the colon")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{file} is not a Python file.", fix="its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InputError(f"{file} is not Python that can be run: {error}.") from error
    except ZigguratError:
        raise
    except Exception as error:
        own = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename).resolve() == path.resolve()
        ]
        raise InputError(
            f"{file} raised {type(error).__name__}: {error}.", where=f"{file}:{own[-1].lineno}" if own else file
        ) from error
    finally:
        sys.path.pop(0)
    if not hasattr(module, name):
        raise InputError(f"{file} has no {name!r}{did_you_mean(name, vars(module))}.")
    return getattr(module, name)


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
