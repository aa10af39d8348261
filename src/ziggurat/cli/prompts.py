"""``ziggurat prompts``: what the stages say to models; shown, taken out, checked and compared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ziggurat.cli import HELP

if TYPE_CHECKING:
    from ziggurat.prompts import PromptFile, PromptFolder

_folder = click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ZIGGURAT_PROMPTS",
    show_envvar=True,
    help="A folder of your own prompts.",
)


@click.group("prompts", context_settings=HELP, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """See and replace what the stages say to models; alone, it lists them.

    Every prompt is a file with a version, in several languages. To change one, take it out, edit it, and say
    where yours are:

    \b
      ziggurat prompts show qa --lang zh
      ziggurat prompts eject qa --to my-prompts     then edit my-prompts/qa.yaml
      ziggurat prompts check my-prompts
      export ZIGGURAT_PROMPTS=my-prompts            from now on every stage uses yours
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_prompts)


@command.command("list", context_settings=HELP)
@_folder
def list_prompts(folder: Path | None = None) -> None:
    """Show all prompts: name, version, languages, where each comes from, and what it is for."""
    from rich.console import Console
    from rich.table import Table

    from ziggurat.prompts import shipped_names

    own = _own(folder)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "version", "languages", "from"):
        table.add_column(column, no_wrap=True)
    table.add_column("about")
    for name in sorted({*shipped_names(), *(own or ())}):
        found = _find(name, own)
        source = str(folder) if own is not None and name in own else "shipped"
        table.add_row(name, str(found.version), " ".join(found.prompts), source, found.about)
    Console().print(table)


@command.command("show", context_settings=HELP)
@click.argument("name")
@click.option("--lang", "language", help="The language; all of them by default.")
@click.option("--version", type=click.IntRange(1), help="The version; the newest by default.")
@_folder
def show(name: str, language: str | None, version: int | None, folder: Path | None) -> None:
    """Show the prompt NAME as it is used now: its variables, and its turns.

    \b
    Examples:
      ziggurat prompts show qa
      ziggurat prompts show qa --lang pt
      ziggurat prompts show qa --from my-prompts --version 1
    """
    from ziggurat.errors import InputError

    found = _find(name, _own(folder), version)
    if language is not None:
        if language not in found.prompts:
            raise InputError(
                f"The prompt {found.name} is not in {language!r}.", fix=f"one of {', '.join(found.prompts)}"
            )
        found = found.model_copy(update={"prompts": {language: found.prompts[language]}})
    click.echo(found.yaml(), nl=False)


@command.command("eject", context_settings=HELP)
@click.argument("names", nargs=-1, required=True)
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder.")
def eject(names: tuple[str, ...], folder: Path) -> None:
    """Copy the shipped prompts NAMES into a folder, to edit them there; a file that is there is kept.

    \b
    Example:
      ziggurat prompts eject qa multi_query --to my-prompts
    """
    from ziggurat.errors import InputError
    from ziggurat.prompts import PromptFolder
    from ziggurat.prompts.shipped import original

    own = PromptFolder(folder)
    found = [original(name) for name in names]
    there = [name for name in names if name in own]
    if there:
        raise InputError(f"The folder has {', '.join(there)} already.", where=str(folder), fix="name another folder")
    for prompt in found:
        own.push(prompt)
        click.echo(str(folder / f"{prompt.name}.yaml"))


@command.command("check", context_settings=HELP)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
def check(folder: Path) -> None:
    """Check all prompt files of FOLDER: each must be whole, and fit the prompt it replaces.

    Ends with 1 if one does not.
    """
    from ziggurat.errors import ZigguratError
    from ziggurat.prompts import PromptFolder
    from ziggurat.prompts.shipped import fits

    own, wrong = PromptFolder(folder), 0
    for name in own:
        try:
            for version in own.versions(name):
                fits(own.pull(name, version), str(folder))
        except ZigguratError as error:
            wrong += 1
            click.secho(f"✗ {name}", fg="red", bold=True)
            click.echo("\n".join(f"    {line}" for line in str(error).splitlines()))
        else:
            click.echo(f"✓ {name}")
    if not list(own):
        click.echo(f"{folder} holds no prompts.")
    if wrong:
        sys.exit(1)


@command.command("diff", context_settings=HELP)
@click.argument("name")
@_folder
def diff(name: str, folder: Path | None) -> None:
    """Show how your prompt NAME differs from the shipped one."""
    import difflib

    from ziggurat.errors import InputError
    from ziggurat.prompts.shipped import original

    own = _own(folder)
    if own is None:
        raise InputError("No folder of your own was named.", fix="give --from DIR, or set ZIGGURAT_PROMPTS")
    ours, theirs = original(name), own.pull(name)
    lines = difflib.unified_diff(
        ours.yaml().splitlines(),
        theirs.yaml().splitlines(),
        f"shipped/{name}.yaml, version {ours.version}",
        f"{folder}/{name}.yaml, version {theirs.version}",
        lineterm="",
    )
    colours = {"+": "green", "-": "red", "@": "cyan"}
    shown = [click.style(line, fg=colours.get(line[:1])) for line in lines]
    click.echo("\n".join(shown) if shown else "They are the same.")


@command.command("versions", context_settings=HELP)
@click.argument("name")
@_folder
def versions(name: str, folder: Path | None) -> None:
    """List the versions of the prompt NAME, and where each is."""
    from ziggurat.prompts import shipped_names
    from ziggurat.prompts.shipped import original

    own = _own(folder)
    if own is not None and name in own:
        for version in own.versions(name):
            click.echo(f"{version}  {folder}")
        if name not in shipped_names():
            return
    click.echo(f"{original(name).version}  shipped")


def _own(folder: Path | None) -> PromptFolder | None:
    from ziggurat.prompts import PromptFolder

    return None if folder is None else PromptFolder(folder)


def _find(name: str, own: PromptFolder | None, version: int | None = None) -> PromptFile:
    """A prompt as it is used: the person's own, else the shipped one."""
    from ziggurat.errors import InputError
    from ziggurat.prompts.shipped import original

    if own is not None and (name.partition("@")[0] in own):
        return own.pull(name, version)
    found = original(name)
    if version not in (None, found.version):
        raise InputError(
            f"The shipped {name} has version {found.version}, not {version}.", fix="older ones are in a folder of yours"
        )
    return found
