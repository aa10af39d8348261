"""``ziggurat presets``: chains that reason in well-known ways, listed, shown and copied."""

from __future__ import annotations

from pathlib import Path

import click

from ziggurat.cli import HELP
from ziggurat.errors import InputError


@click.command("presets", context_settings=HELP)
@click.argument("name", required=False)
@click.option("--to", "target", type=click.Path(path_type=Path), help="Copy it into this file, to be changed.")
def command(name: str | None, target: Path | None) -> None:
    """List the presets; with NAME, show one.

    \b
    Examples:
      ziggurat presets
      ziggurat presets multihop
      ziggurat presets vote --to vote.yaml && ziggurat run vote.yaml question="..."
    """
    from ziggurat.presets import preset, presets

    if name is None:
        if target is not None:
            raise InputError("Which preset is to be copied?", fix="ziggurat presets NAME --to FILE")
        width = max(map(len, presets()))
        for one, about in presets().items():
            click.echo(f"{one:{width}}  {about}")
        return
    text = preset(name)
    if target is None:
        click.echo(text, nl=False)
        return
    if target.exists():
        raise InputError("The file is there already.", where=str(target), fix="name another one")
    # The first line points an editor to the schema in our own folders.
    target.write_text(text.partition("\n")[2], encoding="utf-8")
    click.echo(f"{target} is yours; run it with: ziggurat run {target}")
