"""``ziggurat draw``: a chain as Mermaid text, SVG or PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ziggurat.chain.target import is_chain_file, load_multichain
from ziggurat.cli import HELP
from ziggurat.cli.target import METAVAR, functions_option
from ziggurat.errors import InputError

if TYPE_CHECKING:
    from ziggurat.chain.multichain import MultiChain
    from ziggurat.sketch import Sketch

_TEXT = (".mmd", ".mermaid")


@click.command("draw", context_settings=HELP)
@click.argument("target", metavar=METAVAR)
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Where to write: .svg, .png or .mmd."
)
@click.option("--title", help="What to write above it.  [default: the chain's name]")
@functions_option
def command(target: str, out: Path | None, title: str | None, functions: Path | None) -> None:
    """Draw the chain in CHAIN.yaml, or the one named CHAIN in FILE.py.

    Without a file to write, a Mermaid flowchart is printed, which code hosts and notebooks draw.
    Inputs are round; what runs for each item is a stack; a choice is a diamond; what runs again has
    a dashed arrow back; nested chains are frames. Nothing is run.

    \b
    Examples:
      ziggurat draw chain.yaml
      ziggurat draw chain.yaml -o chain.svg
      ziggurat draw pipeline.py:chain -o chain.png --title "How we answer"
    """
    from ziggurat.chain.draw import mermaid
    from ziggurat.chain.outline import sketch

    if out is not None and out.suffix.lower() not in (".svg", ".png", *_TEXT):
        raise InputError(
            f"A chain is not drawn as {out.suffix or 'a file without a suffix'}.", fix=".svg, .png or .mmd"
        )
    chain = load_multichain(target, functions)
    if out is None:
        click.echo(mermaid(chain.wiring), nl=False)
        return
    if out.suffix.lower() in _TEXT:
        data = mermaid(chain.wiring).encode()
    else:
        data = _picture(sketch(chain.wiring, title or _title(chain, target)), out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}.") from error
    click.echo(str(out))


def _title(chain: MultiChain, target: str) -> str:
    """The chain's own name, or that of its file or variable."""
    if chain.name and chain.name != "MultiChain":
        return chain.name
    return Path(target).stem if is_chain_file(target) else target.rpartition(":")[2]


def _picture(drawn: Sketch, out: Path) -> bytes:
    from ziggurat.drawing.flow_svg import chart_svg

    if out.suffix.lower() == ".svg":
        return chart_svg(drawn).encode()
    from ziggurat.drawing.raster import rasterise

    return rasterise(chart_svg(drawn, sharp=True), {"Title": drawn.title, "Software": "Ziggurat"})
