"""``ziggurat migrate``: everything in one vector store into another."""

from __future__ import annotations

from typing import Any

import click

from ziggurat.cli import HELP


@click.command("migrate", context_settings=HELP)
@click.argument("source")
@click.argument("target")
@click.option(
    "--from-embeddings",
    "source_spec",
    help="The model of the source's vectors, where the source does not tell.",
)
@click.option(
    "--to-embeddings",
    "target_spec",
    help="The model the target's vectors shall be of. If it is another one, the texts are embedded again.",
)
@click.option("--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Records at a time.")
@click.option("--dry-run", is_flag=True, help="Read and compare, and write nothing.")
def command(
    source: str, target: str, source_spec: str | None, target_spec: str | None, batch: int, dry_run: bool
) -> None:
    """Copy every record of SOURCE into TARGET: ids, texts, metadata and vectors.

    Nothing is embedded again unless another model is asked for. What TARGET has already is left as it
    is, so a migration that was stopped is simply run again. In the end records are read back and compared.

    A store is a folder (an index of ours) or an address:

    \b
      chroma:FOLDER?collection=NAME      chroma+http://HOST:8000?collection=NAME
      qdrant:FOLDER?collection=NAME      qdrant+http://HOST:6333?collection=NAME
      lancedb:FOLDER?table=NAME          postgresql://USER@HOST/DATABASE?collection=NAME
      pinecone:INDEX?namespace=NAME      (PINECONE_API_KEY in the environment)
      databricks-search:ENDPOINT/CATALOG.SCHEMA.INDEX

    \b
    Examples:
      ziggurat migrate kb "chroma:chroma?collection=kb"
      ziggurat migrate "chroma:chroma?collection=kb" "postgresql://me@localhost/app?collection=kb" --dry-run
      ziggurat migrate kb kb-openai --to-embeddings openai:text-embedding-3-small
    """
    from rich.console import Console

    from ziggurat.errors import IndexNotFound
    from ziggurat.index.embedder import fingerprint_of
    from ziggurat.progress import default_progress
    from ziggurat.specs import open_embeddings
    from ziggurat.stores import migrate, open_store

    model = None if target_spec is None else open_embeddings(target_spec)
    with open_store(source, source_spec, create=False) as here:
        try:
            there = open_store(target, model, create=not dry_run)
        except IndexNotFound:
            if not dry_run:
                raise
            click.echo(f"{len(here)} records to write; {target} would be made")
            return
        with there:
            re_embed = model is not None and fingerprint_of(model) != _fingerprint(here)
            report = migrate(here, there, batch=batch, progress=default_progress(), re_embed=re_embed, dry_run=dry_run)
    console = Console()
    for left in report.left_out:
        console.print(f"  left out: {left}", style="yellow", markup=False, soft_wrap=True)
    console.print(str(report), markup=False, highlight=False, soft_wrap=True)


def _fingerprint(store: Any) -> str | None:
    from ziggurat.stores.side import side_of

    return side_of(store).fingerprint()
