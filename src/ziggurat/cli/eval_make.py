"""``ziggurat eval make``: an evaluation set from one's own documents, and its review in the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat import specs
from ziggurat.cli import HELP
from ziggurat.cli.outputs import wide_console

if TYPE_CHECKING:
    from rich.console import Console


@click.command("make", context_settings=HELP)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The dataset, JSONL; goes on if it is there."
)
@click.option("--count", default=50, show_default=True, type=click.IntRange(1), help="Questions wanted in all.")
@click.option("--model", help=f"The chat model's spec, such as openai:gpt-4.1.  [default: {specs.DEFAULTS['chat']}]")
@click.option("--seed", default=0, show_default=True, help="Draws the passages.")
@click.option("--review", is_flag=True, help="Then look at each question: keep, edit, drop, quit.")
def make(folder: Path, out: Path, count: int, model: str | None, seed: int, *, review: bool) -> None:
    """Make questions with answers from the passages of the index in FOLDER.

    Passages are drawn evenly over the documents. A question is refused whose answer does not stand in its
    passage, that speaks of "the passage", holds its answer, was asked before, or that another
    passage answers as well. What nobody has looked at is marked "reviewed": false. Both making and
    reviewing may be interrupted and go on where they were.

    \b
    Examples:
      ziggurat eval make kb --out questions.jsonl --count 50 --review
      ziggurat eval make kb --out questions.jsonl --model openai:gpt-4.1
    """
    from ziggurat.evaluation.making import MakeSettings, make_questions
    from ziggurat.index import VectorIndex

    console = wide_console()
    rows = read_rows(out)
    if len(rows) < count:
        out.parent.mkdir(parents=True, exist_ok=True)
        with VectorIndex.open(folder, read_only=True) as index:
            report = make_questions(
                index,
                model,
                settings=MakeSettings(count, seed),
                known=rows,
                take=lambda row: _append(out, row),
            )
        rows += report.rows
        told = f"{len(report.rows)} questions from {report.asked} passages"
        console.print(f"{told}; {out} holds {len(rows)}", markup=False, highlight=False, soft_wrap=True)
        for reason, times in report.refused.most_common():
            console.print(f"  {times:,} refused: {reason}", style="dim", markup=False, highlight=False)
        if len(rows) < count:
            console.print("The index has no further passages to ask about.", style="yellow")
    if review:
        _review(rows, out, console)
    waiting = sum(row.get("reviewed") is False for row in rows)
    if waiting:
        console.print(f"{waiting} not reviewed: add --review", style="dim", highlight=False)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a set that was begun; none if there is no file. A line that was cut short is dropped.

    Raises:
        InputError: If the file is no such set.
    """
    from ziggurat.errors import InputError
    from ziggurat.evaluation.saved import write_whole

    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        whole, _, cut = text.rpartition("\n")
        rows = [json.loads(line) for line in whole.split("\n") if line.strip()]
        if not all(isinstance(row, dict) and isinstance(row["question"], str) for row in rows):
            raise ValueError(path)  # noqa: TRY301 (told below, as for any other file)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            "The file holds no questions a line each.", where=str(path), fix="name another file with --out"
        ) from error
    if cut:
        write_whole(path, whole + "\n" if whole else "")
    return rows


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _review(rows: list[dict[str, Any]], out: Path, console: Console) -> None:
    """Ask about each row that nobody has looked at; every decision is on disk before the next question."""
    from ziggurat.evaluation.saved import write_whole

    waiting = [row for row in rows if row.get("reviewed") is False]
    for at, row in enumerate(waiting, 1):
        _show(row, f"{at} of {len(waiting)}", console)
        choice = click.prompt(
            "[k]eep, [e]dit, [d]rop, [q]uit", type=click.Choice(list("kedq")), default="k", show_choices=False
        )
        if choice == "q":
            return
        if choice == "e":
            _edit(row)
        row["reviewed"] = "dropped" if choice == "d" else True
        write_whole(out, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows))


def _edit(row: dict[str, Any]) -> None:
    """Ask for another wording until the answer stands in the passage, or an empty line leaves it as it was."""
    from ziggurat.evaluation.making import stands_in

    row["question"] = click.prompt("question", default=row["question"]).strip() or row["question"]
    while True:
        answer = click.prompt("answer", default=row["answer"]).strip()
        if answer == row["answer"] or stands_in(answer, row.get("excerpt", answer)):
            row["answer"] = answer
            return
        click.echo("That does not stand in the passage.")


def _show(row: dict[str, Any], head: str, console: Console) -> None:
    from rich.text import Text

    excerpt = Text(" ".join(str(row.get("excerpt", "")).split()), style="dim")
    excerpt.highlight_words([row["answer"]], style="bold green", case_sensitive=False)
    console.rule(f"{head}  {row.get('source', '')}", align="left")
    console.print(excerpt)
    console.print(Text.assemble("\n", (row["question"], "bold"), "\n→ ", (str(row["answer"]), "green")))
