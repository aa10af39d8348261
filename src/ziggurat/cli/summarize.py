"""``ziggurat summarize``: a file, a folder or a page in a few sentences, each with where it comes from."""

from __future__ import annotations

import click

from ziggurat import specs
from ziggurat.cli import HELP
from ziggurat.cli.sources import chosen, source_options


@click.command("summarize", context_settings=HELP)
@click.argument("sources", nargs=-1, required=True)
@click.option("--model", help=f"The chat model's spec, such as openai:gpt-4.1.  [default: {specs.DEFAULTS['chat']}]")
@click.option(
    "--strategy",
    type=click.Choice(["auto", "stuff", "map_reduce", "refine", "map_rerank"]),
    default="auto",
    show_default=True,
    help="auto: at once if it fits the model's context, else in parts; map_rerank answers a question from the best part.",
)
@click.option("--question", help="What the summary is to answer.")
@click.option("--sentences", default=6, show_default=True, type=click.IntRange(1, 50), help="Sentences at most.")
@click.option("--max-calls", default=40, show_default=True, type=click.IntRange(1), help="Calls of the model at most.")
@click.option("--all", "everything", is_flag=True, help="Read everything, however many calls that takes.")
@source_options
def command(
    *,
    sources: tuple[str, ...],
    model: str | None,
    strategy: str,
    question: str | None,
    sentences: int,
    max_calls: int,
    everything: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
) -> None:
    """Summarise SOURCES: files, folders, web pages, anything that can be indexed.

    Each sentence was checked against the text; below stand the places it comes from. A text that is too
    long for so many calls is read in the places that say most, from its beginning to its end, and the last line says
    how much of it that was.

    \b
    Examples:
      ziggurat summarize report.pdf
      ziggurat summarize book.txt --question "When was each lighthouse built?" --sentences 20
      ziggurat summarize notes/ --include "*.md" --strategy refine
    """
    from typing import Any, cast

    from rich.console import Console

    from ziggurat.cli.view import print_pieces
    from ziggurat.loaders import load
    from ziggurat.progress import default_progress
    from ziggurat.stages.summarize import Summarize
    from ziggurat.stages.summary import Summary

    console, notes = Console(), Console(stderr=True)

    def left_out(key: str, error: Exception) -> None:
        notes.print(f"  left out: {key}: {error}", style="yellow", markup=False, soft_wrap=True)

    options = chosen(include, exclude)
    documents = [one for source in sources for one in load(source, on_problem=left_out, **options)]
    stage = Summarize(
        model,
        strategy=cast("Any", strategy),
        question=question,
        sentences=sentences,
        max_calls=None if everything else max_calls,
        progress=default_progress(),
    )
    whole = print_pieces(stage.stream(documents), Summary(""), console)
    console.print("\n")
    for line in whole.references():
        console.print(f"  {line}", style="dim", markup=False, highlight=False, soft_wrap=True)
    console.print(whole.coverage(), style="dim", markup=False, highlight=False, soft_wrap=True)
