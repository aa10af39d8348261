"""``ziggurat ask``: a question to an index, answered with file and line."""

from __future__ import annotations

from pathlib import Path

import click

from ziggurat import specs
from ziggurat.cli import HELP


@click.command("ask", context_settings=HELP)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("question")
@click.option("--model", help=f"The chat model's spec, such as openai:gpt-4.1.  [default: {specs.DEFAULTS['chat']}]")
@click.option(
    "-k", "passages", default=4, show_default=True, type=click.IntRange(1, 50), help="Passages to answer from."
)
def command(folder: Path, question: str, model: str | None, passages: int) -> None:
    """Ask the index in FOLDER a QUESTION.

    Each sentence is printed once it was checked against the passages; below stands where its
    evidence is. A sentence no passage supports is marked [?]. When the documents do not hold an
    answer, that is the answer.

    \b
    Example:
      ziggurat ask kb "What did we decide about the release?"
    """
    from rich.console import Console

    from ziggurat.cli.view import print_references
    from ziggurat.index import VectorIndex
    from ziggurat.stages.answer import Answer
    from ziggurat.stages.qa import RetrievalQA

    console = Console()
    with VectorIndex.open(folder, read_only=True) as index:
        whole, shown = Answer(""), ""
        for piece in RetrievalQA(index, model, k=passages).stream(question):
            whole += piece
            marked = whole.annotated()  # a later piece adds to it and changes nothing before
            console.print(marked[len(shown) :], end="", markup=False, highlight=False, soft_wrap=True)
            shown = marked
    console.print()
    print_references(whole, console)
