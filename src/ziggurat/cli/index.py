"""``ziggurat index``: read documents into a vector index."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat import specs
from ziggurat.cli import HELP
from ziggurat.cli.sources import chosen, show_left_out, source_options

if TYPE_CHECKING:
    from rich.console import Console


@click.command("index", context_settings=HELP)
@click.argument("sources", nargs=-1, required=True)
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="The index's folder; made if new.")
@click.option(
    "--embeddings",
    "spec",
    help=f"The embedding model of a new index. An index that is there keeps its own.  [default: {specs.DEFAULTS['embeddings']}]",
)
@click.option(
    "--spark", metavar="URL", help="Read and embed on Spark: spark://…, local-cluster[…], sc://…, or session."
)
@click.option("--shards", type=click.IntRange(1), metavar="N", help="With --spark: a sharded index of N parts.")
@source_options
def command(
    sources: tuple[str, ...],
    target: Path,
    spec: str | None,
    spark: str | None,
    shards: int | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
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
      ziggurat index /shared/docs --to /shared/kb --spark spark://master:7077
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
    if spark is not None:
        _build_on_spark(console, sources, target, spec, spark, shards, options)
        return
    if shards is not None:
        raise InputError("A sharded index is built on Spark.", fix="add --spark URL, or leave --shards out")
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


def _build_on_spark(
    console: Console,
    sources: tuple[str, ...],
    target: Path,
    spec: str | None,
    spark: str,
    shards: int | None,
    options: dict[str, Any],
) -> None:
    """Bring the index up to date with the sources, by Spark's workers; what left the sources leaves the index."""
    from ziggurat.batch import build_index

    report = build_index(list(sources), target, spark=spark, embeddings=spec, shards=shards, **options)
    console.print(
        f"{len(report.documents)} documents read in {report.seconds:.1f} s ({report.commit_secs:.1f} s of it committing), "
        f"{report.pieces} pieces of work, {report.reused} items of a build before; they are in {target}",
        highlight=False,
        soft_wrap=True,
    )
