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
@click.option(
    "--search",
    type=click.Choice(["hybrid", "multihop", "words", "similarity", "mmr"]),
    default="hybrid",
    show_default=True,
    help="How passages are found; multihop follows the names in them, and shows the path.",
)
def command(folder: Path, question: str, model: str | None, passages: int, search: str) -> None:
    """Ask the index in FOLDER a QUESTION.

    Each sentence is printed once it was checked against the passages; below stands where its
    evidence is. A sentence no passage supports is marked [?]. When the documents do not hold an
    answer, that is the answer.

    \b
    Examples:
      ziggurat ask kb "What did we decide about the release?"
      ziggurat ask kb "Where was the director of Swamp Thing born?" --search multihop
    """
    from rich.console import Console

    from ziggurat.cli.view import print_pieces, print_references
    from ziggurat.index import VectorIndex
    from ziggurat.stages.answer import Answer
    from ziggurat.stages.qa import RetrievalQA

    console = Console()
    with VectorIndex.open(folder, read_only=True) as index:
        if search == "multihop":
            found = index.search(question, k=passages, mode="multihop")
            for hop in dict.fromkeys(hop for hit in found for hop in hit.path):
                console.print(f"  {hop}", style="dim", markup=False, highlight=False, soft_wrap=True)
        retriever = index.as_retriever(search_type=search, search_kwargs={"k": passages})
        whole = print_pieces(RetrievalQA(retriever, model, k=passages).stream(question), Answer(""), console)
    console.print()
    print_references(whole, console)
