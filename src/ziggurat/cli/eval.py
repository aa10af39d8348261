"""``ziggurat eval``: how well an index finds and a model answers, measured on questions with known answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat import specs
from ziggurat.cli import HELP
from ziggurat.cli.eval_make import make
from ziggurat.cli.outputs import wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.evaluation import Comparison, Run

_SEARCHES = ["hybrid", "words", "similarity", "mmr", "multihop"]
_CHANGED = 10
_CUT = 100

_dataset = click.argument("dataset", type=click.Path(path_type=Path))
_index = click.option("--index", "folder", required=True, type=click.Path(path_type=Path), help="The index's folder.")
_parent = click.option(
    "--parent", type=click.IntRange(1), help="Widen each passage to so many characters of its document."
)
_out = click.option(
    "--out", default="evaluations", show_default=True, type=click.Path(path_type=Path), help="Where runs are saved."
)
_name = click.option("--name", help="What the run's files are called.  [default: from the dataset and the settings]")
_limit = click.option("--limit", type=click.IntRange(1), help="The first so many questions only.")


@click.group("eval", context_settings=HELP)
def command() -> None:
    """Measure how well an index finds and a model answers.

    A DATASET is a JSON or JSONL file of questions: {"question", "gold": ids, sources or titles of the
    passages that hold the answer, "answer", "language", "group"}. `ziggurat eval make` makes one from
    an index. Every run is saved, with a page to look at.

    \b
    Examples:
      ziggurat eval make kb --out questions.jsonl --review
      ziggurat eval retrieval questions.jsonl --index kb --search hybrid --search multihop
      ziggurat eval answers questions.jsonl --index kb --gold --closed-book
      ziggurat eval compare evaluations/before evaluations/after
    """


command.add_command(make)


@command.command("retrieval", context_settings=HELP)
@_dataset
@_index
@click.option(
    "--search",
    "searches",
    multiple=True,
    default=["hybrid"],
    show_default=True,
    type=click.Choice(_SEARCHES),
    help="How to search; several are compared.",
)
@click.option("--k", "-k", default=10, show_default=True, type=click.IntRange(1, 1000), help="Passages to look at.")
@_parent
@_limit
@_out
@_name
def retrieval(
    dataset: Path,
    folder: Path,
    searches: tuple[Any, ...],
    k: int,
    parent: int | None,
    limit: int | None,
    out: Path,
    name: str | None,
) -> None:
    """Ask the index every question of DATASET, and say how much of the gold was found.

    Recall, MRR, nDCG and the share of questions with all their gold found, with 95 % bootstrap
    intervals, by language and by group. No model is asked but the one that embeds.

    \b
    Example:
      ziggurat eval retrieval questions.jsonl --index kb --search hybrid --search multihop --k 8
    """
    from ziggurat.evaluation import evaluate_retrieval, load_dataset
    from ziggurat.index import VectorIndex

    questions = load_dataset(dataset).first(limit)
    with VectorIndex.open(folder, read_only=True) as index:
        run = evaluate_retrieval(
            index,
            questions,
            searches=tuple(dict.fromkeys(searches)),
            k=k,
            parent=parent,
            name=name or f"retrieval-{questions.name}-{'-'.join(dict.fromkeys(searches))}-{k}",
        )
    _saved(run, out, wide_console())


@command.command("answers", context_settings=HELP)
@_dataset
@_index
@click.option("--model", help=f"The chat model's spec, such as openai:gpt-4.1.  [default: {specs.DEFAULTS['chat']}]")
@click.option("--judge", help="The spec of a model that judges whether passages support each sentence.")
@click.option(
    "--search", default="hybrid", show_default=True, type=click.Choice(_SEARCHES), help="How passages are found."
)
@click.option("--k", "-k", default=4, show_default=True, type=click.IntRange(1, 50), help="Passages to answer from.")
@_parent
@click.option(
    "--passage-characters", default=4000, show_default=True, type=click.IntRange(1), help="Characters of them at most."
)
@click.option(
    "--style",
    "styles",
    multiple=True,
    type=click.Choice(["short", "sentence"]),
    help="The shortest answer, or the sentences `ask` gives; both may be.  [default: short where the dataset's are]",
)
@click.option("--gold", is_flag=True, help="Also answer from the gold passages.")
@click.option("--closed-book", is_flag=True, help="Also answer from no passages at all.")
@click.option("--temperature", default=0.0, show_default=True, type=click.FloatRange(0, 2), help="Of the model.")
@click.option("--concurrency", default=4, show_default=True, type=click.IntRange(1, 256), help="Questions at a time.")
@click.option("--fresh", is_flag=True, help="Begin anew instead of going on with a run that was stopped.")
@_limit
@_out
@_name
def answers(  # noqa: PLR0917 (click gives them by name)
    dataset: Path,
    folder: Path,
    model: str | None,
    judge: str | None,
    search: Any,
    k: int,
    parent: int | None,
    passage_characters: int,
    styles: tuple[Any, ...],
    gold: bool,
    closed_book: bool,
    temperature: float,
    concurrency: int,
    fresh: bool,
    limit: int | None,
    out: Path,
    name: str | None,
) -> None:
    """Answer every question of DATASET from the index, and say how good the answers are.

    Exact match and F1 beside the wanted answers, citations that are of gold passages, characters no
    passage supports, and with --judge the share of sentences that a model finds supported. With --gold
    and --closed-book the same model answers from the gold passages and from none: what is left to gain
    by finding better, and what it knew anyway. A run that was stopped goes on where it was.

    \b
    Examples:
      ziggurat eval answers questions.jsonl --index kb --gold --closed-book --limit 20
      ziggurat eval answers questions.jsonl --index kb --search multihop --model openai:gpt-4.1 --judge openai:gpt-4.1
    """
    from ziggurat.evaluation import AnswerSettings, evaluate_answers, load_dataset
    from ziggurat.index import VectorIndex

    questions = load_dataset(dataset).first(limit)
    settings = AnswerSettings(
        search=search,
        k=k,
        parent=parent,
        passage_characters=passage_characters,
        styles=tuple(dict.fromkeys(styles)),
        gold=gold,
        closed_book=closed_book,
        temperature=temperature,
        concurrency=concurrency,
    )
    named = name or f"answers-{questions.name}-{search}-{k}-{_plain_name(model or specs.DEFAULTS['chat'])}"
    console, began = wide_console(), time.perf_counter()
    with VectorIndex.open(folder, read_only=True) as index:
        run = evaluate_answers(
            index,
            questions,
            model,
            settings=settings,
            judge=judge,
            name=named,
            rows=out / f"{named}.rows.jsonl",
            fresh=fresh,
        )
    _saved(run, out, console)
    for line in run.usage:
        usd = "cost unknown" if line["usd"] is None else f"${line['usd']:.4f}"
        tokens = f"{line['input_tokens']:,} tokens read, {line['output_tokens']:,} written"
        console.print(f"{line['role']}: {line['calls']:,} calls, {tokens}, {usd}", highlight=False, markup=False)
    console.print(f"[dim]{time.perf_counter() - began:.1f} s[/dim]", highlight=False)


@command.command("compare", context_settings=HELP)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--of", "of", help="A variant of BEFORE, such as hybrid.")
@click.option("--to", "to", help="The variant of AFTER to set beside it.")
def compare(before: Path, after: Path, of: str | None, to: str | None) -> None:
    """Set two saved runs side by side: AFTER less BEFORE, with intervals, and which questions changed.

    Intervals are of paired differences: both runs' values of the same resampled questions. Two variants
    of one run are compared by naming the run twice.

    \b
    Examples:
      ziggurat eval compare evaluations/before evaluations/after
      ziggurat eval compare evaluations/run evaluations/run --of hybrid --to multihop
    """
    from ziggurat.evaluation import compare as compared
    from ziggurat.evaluation import load_run

    console = wide_console()
    for one in compared(load_run(before), load_run(after), of, to):
        _print_comparison(one, console)


def _print_comparison(one: Comparison, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    for mark, name in (("-", one.before), ("+", one.after)):
        console.print(f"{mark} {name}", markup=False, highlight=False, soft_wrap=True)
    table = Table("measure", "difference", "95 % interval", "")
    for name, found in one.differences.items():
        clear = "better" if found.low > 0 else "worse" if found.high < 0 else "could be chance"
        if found.low == found.high == 0:
            clear = "the same"
        if name == "unsupported" and clear in ("better", "worse"):
            clear = "worse" if clear == "better" else "better"
        table.add_row(escape(name), f"{found.value:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}", clear)
    console.print(table)
    for note in (f"{one.questions:,} questions, compared by {one.measure}.", *one.notes):
        console.print(note, style="dim", markup=False, highlight=False)
    for heading, changes, style in (("better", one.better, "green"), ("worse", one.worse, "red")):
        console.print(f"{len(changes)} {heading}", style=style)
        for change in changes[:_CHANGED]:
            said = f": {change.said_before[:_CUT]!r} → {change.said_after[:_CUT]!r}" if change.said_after else ""
            line = f"  {change.before:.2f} → {change.after:.2f}  {change.question}{said}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if len(changes) > _CHANGED:
            console.print(f"  and {len(changes) - _CHANGED} more", style=style)


def _saved(run: Run, out: Path, console: Console) -> None:
    """Save a run and print its figures."""
    from rich.markup import escape
    from rich.table import Table

    path = run.save(out)
    figures = {one.name: one.figures() for one in run.variants}
    table = Table("measure", *map(escape, figures))
    for name in dict.fromkeys(name for found in figures.values() for name in found):
        cells = (found.get(name) for found in figures.values())
        shown = ("" if one is None else f"{one.value:.3f} [dim]{one.low:.3f}–{one.high:.3f}[/dim]" for one in cells)
        table.add_row(escape(name), *shown)
    console.print(table)
    for note in [*run.notes, *(f"{one.name}: {note}" for one in run.variants for note in one.notes)]:
        console.print(note, style="dim", markup=False, highlight=False, soft_wrap=True)
    console.print(f"saved: {path}, page: {path.with_suffix('.html')}", markup=False, highlight=False, soft_wrap=True)


def _plain_name(text: str) -> str:
    """A spec as part of a file's name."""
    return "".join(char if char.isalnum() or char in ".-" else "-" for char in text)
