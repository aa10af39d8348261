"""``ziggurat index``: read documents into a vector index."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ziggurat import specs
from ziggurat.cli import HELP


@click.command("index", context_settings=HELP)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="The index's folder; made if new.")
@click.option(
    "--embeddings",
    "spec",
    help=f"The embedding model of a new index. An index that is there keeps its own.  [default: {specs.DEFAULTS['embeddings']}]",
)
def command(paths: tuple[Path, ...], target: Path, spec: str | None) -> None:
    """Read PATHS (files and folders) into the index in a folder.

    Text and Markdown are read. Every file that is left out is named with its reason. A file that is
    read again replaces what was read before.

    \b
    Examples:
      ziggurat index notes/ README.md --to kb
      ziggurat index docs/ --to kb --embeddings openai:text-embedding-3-small
    """
    from rich.console import Console

    from ziggurat.errors import InputError
    from ziggurat.index import VectorIndex
    from ziggurat.progress import default_progress

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise InputError(f"There is no {', '.join(missing)}.", fix="check the path")
    console, began = Console(), time.perf_counter()
    with VectorIndex.open_or_create(target, spec) as index:
        report = index.add_files(paths, progress=default_progress())
        for left in (*report.unreadable, *report.unsupported):
            console.print(f"  left out: {left}", style="yellow", markup=False, soft_wrap=True)
        stats = index.stats()
    console.print(
        f"{len(report.documents)} documents read in {time.perf_counter() - began:.1f} s; "
        f"{target} holds {stats.documents} documents, {stats.chunks} chunks",
        highlight=False,
        soft_wrap=True,
    )
