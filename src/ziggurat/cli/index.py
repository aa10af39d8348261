"""``ziggurat index``: read documents into a vector index."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ziggurat import specs
from ziggurat.cli import HELP
from ziggurat.cli.sources import chosen, show_left_out, source_options


@click.command("index", context_settings=HELP)
@click.argument("sources", nargs=-1, required=True)
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="The index's folder; made if new.")
@click.option(
    "--embeddings",
    "spec",
    help=f"The embedding model of a new index. An index that is there keeps its own.  [default: {specs.DEFAULTS['embeddings']}]",
)
@source_options
def command(
    sources: tuple[str, ...], target: Path, spec: str | None, include: tuple[str, ...], exclude: tuple[str, ...]
) -> None:
    """Read SOURCES (files, folders, web pages, buckets) into the index in a folder.

    Documents of every common type are read: text, Markdown, HTML, PDF, Office, mail, e-books, tables,
    notebooks. Whatever is left out is named with its reason. What is read again replaces what was read
    before; what has not changed is not embedded again. To drop what is gone too: ziggurat kb sync.

    \b
    Examples:
      ziggurat index notes/ README.md --to kb
      ziggurat index docs/ --to kb --exclude '*.csv'
      ziggurat index https://example.org/page.html s3://bucket/reports --to kb
      ziggurat index docs/ --to kb --embeddings openai:text-embedding-3-small
    """
    from ziggurat.cli.outputs import wide_console
    from ziggurat.errors import InputError
    from ziggurat.index import VectorIndex
    from ziggurat.loaders.source import is_address

    elsewhere = ("/Volumes/",)  # where no such folder is mounted, the workspace is asked
    missing = [one for one in sources if not (is_address(one) or one.startswith(elsewhere) or Path(one).exists())]
    if missing:
        raise InputError(f"There is no {', '.join(missing)}.", fix="check the path")
    options = chosen(include, exclude)
    console, began, read = wide_console(), time.perf_counter(), 0
    with VectorIndex.open_or_create(target, spec) as index:
        for source in sources:
            report = index.add(source, **options)
            show_left_out(console, report)
            read += len(report.documents)
        stats = index.stats()
    console.print(
        f"{read} documents read in {time.perf_counter() - began:.1f} s; "
        f"{target} holds {stats.documents} documents, {stats.chunks} chunks",
        highlight=False,
        soft_wrap=True,
    )
