"""``ziggurat runs``: the runs of a journal: listed, shown, explained, resumed, replayed, pruned."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat.chain.target import load, load_multichain
from ziggurat.cli import HELP
from ziggurat.cli.outputs import print_outputs, returned, wide_console
from ziggurat.cli.settings import journal_option, settled
from ziggurat.cli.target import functions_option
from ziggurat.errors import EffectUncertain, InputError

if TYPE_CHECKING:
    from ziggurat.chain.journal import Cell, Journal, RunRecord
    from ziggurat.chain.multichain import MultiChain
    from ziggurat.chain.stage import Value

_STYLES = {"done": "green", "failed": "red", "stopped": "yellow", "cancelled": "yellow", "running": "cyan"}
_ITEMS_SHOWN = 20


@click.group("runs", context_settings=HELP)
def command() -> None:
    """Look at, resume and replay the runs of a journal.

    A run gets into a journal with `ziggurat run --journal`, or with chain.using(journal=...).

    \b
    Examples:
      ziggurat runs list
      ziggurat runs show 3f2a
      ziggurat runs resume 3f2a
      ziggurat runs replay 3f2a --swap answer=other.py:answer
      ziggurat runs why 3f2a answer
    """


@command.command("list")
@journal_option
@click.option("--limit", default=20, show_default=True, help="How many, the newest first.")
@click.option("--chain", help="Only runs of the chain of this name.")
def list_runs(journal: str, limit: int, chain: str | None) -> None:
    """List runs, the newest first."""
    from rich.table import Table

    with _open(journal) as opened:
        found = opened.runs(chain=chain, limit=limit)
    if not found:
        click.echo(f"No runs in {journal}.", err=True)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("run", "chain", "", "began", "seconds", "stages", "tokens", "USD"):
        table.add_column(heading, justify="right" if heading in ("seconds", "stages", "tokens", "USD") else "left")
    for one in found:
        table.add_row(
            one.id, one.chain, f"[{_STYLES[one.status]}]{one.status}[/]", _when(one.began), _seconds(one),
            str(one.cells), f"{one.usage.total_tokens:,}" if one.usage.calls else "", _cost(one),
        )  # fmt: skip
    wide_console().print(table)


@command.command("show")
@click.argument("run")
@journal_option
@click.option("--items", is_flag=True, help=f"Show every item of a map, not only the first {_ITEMS_SHOWN}.")
def show(run: str, journal: str, items: bool) -> None:
    """Show a run: its stages, attempts, usage by stage and by model, and what it cost."""
    from rich.table import Table

    from ziggurat.prices import cost

    console = wide_console()
    with _open(journal) as opened:
        record = opened.run(run)
        cells = opened.cells(record.id)
    console.print(
        f"[bold]{record.id}[/] {record.chain} [{_STYLES[record.status]}]{record.status}[/], {_when(record.began)}, "
        f"{_seconds(record)} s" + (f", replays {record.replay_of}" if record.replay_of else ""),
        highlight=False,
    )
    if record.error:
        console.print(f"  {record.error}", style="red", markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("stage", "", "from", "tries", "seconds", "tokens", "USD", ""):
        table.add_column(heading, justify="right" if heading in ("tries", "seconds", "tokens", "USD") else "left")
    shown = list(_shown(cells, all_items=items))
    for cell in shown:
        style = {"done": "green", "failed": "red", "begun": "yellow"}.get(cell.status, "dim")
        usd = [cost(line) for line in cell.usage.lines]
        table.add_row(
            cell.path, f"[{style}]{cell.status}[/]", "" if cell.source in ("run", "inside") else cell.source, str(cell.attempts),
            f"{cell.seconds:.3f}", f"{cell.usage.total_tokens:,}" if cell.usage.calls else "",
            _dollars(usd) if usd else "", cell.error,
        )  # fmt: skip
    console.print(table)
    if len(shown) < len(cells):
        console.print(f"[dim]and {len(cells) - len(shown)} more items: --items shows them[/]")
    for line in record.usage.lines:
        usd = [cost(line)]
        console.print(
            f"{line.model or 'a model without a name'}: {line.calls} calls, {line.input_tokens:,} tokens in, "
            f"{line.output_tokens:,} out, {_dollars(usd)} USD",
            highlight=False,
        )


@command.command("why")
@click.argument("run")
@click.argument("stage")
@journal_option
def why_(run: str, stage: str, journal: str) -> None:
    """Say why STAGE ran in RUN: what differs from the nearest earlier run of the chain."""
    from ziggurat.chain.replay import why

    with _open(journal) as opened:
        click.echo(str(why(opened, run, stage)))


@command.command("resume")
@click.argument("run")
@journal_option
@click.option(
    "--on-effect",
    type=click.Choice(["ask", "repeat", "skip"]),
    default="ask",
    show_default=True,
    help="What to do about a stage that was acting on the world when the run was killed.",
)
@click.option("--chain", "target", metavar="CHAIN.yaml|FILE.py:CHAIN", help="Where the chain is, if not where it was.")
@functions_option
@click.option("--json", "as_json", is_flag=True, help="Print the outputs as one JSON object.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Where pictures are saved.")
def resume(
    run: str, journal: str, on_effect: str, target: str | None, functions: Path | None, as_json: bool, out: Path
) -> None:
    """Go on with a run that was killed, failed or stopped: what finished is kept."""
    from rich.console import Console

    from ziggurat.cli.view import watch_events

    with _open(journal) as opened:
        record = opened.run(run)
    chain = _chain_of(record, journal, target, functions).using(on_effect=_asked if on_effect == "ask" else on_effect)
    finished = watch_events(chain.resume_events(record.id), chain, Console(stderr=True), f"{record.id}, resumed")
    print_outputs(returned(chain, finished), Console(), as_json=as_json, out=out)


@command.command("replay")
@click.argument("run")
@click.option("--swap", "swaps", multiple=True, metavar="STAGE=FILE.py:NAME", help="Put another stage in its place.")
@journal_option
@click.option("--chain", "target", metavar="CHAIN.yaml|FILE.py:CHAIN", help="Where the chain is, if not where it was.")
@functions_option
def replay(run: str, swaps: tuple[str, ...], journal: str, target: str | None, functions: Path | None) -> None:
    """Run a recorded run again with stages changed, and show what differs.

    What is not changed, nor fed by what is, is taken from the record. Nothing acts on the world.
    """
    from rich.console import Console

    from ziggurat.cli.view import summary

    swapped: dict[str, Any] = {}
    for one in swaps:
        stage, equals, thing = one.partition("=")
        if not equals:
            raise InputError(f"{one!r} swaps nothing.", fix="write STAGE=FILE.py:NAME")
        swapped[stage] = load(thing)
    with _open(journal) as opened:
        record = opened.run(run)
    done = _chain_of(record, journal, target, functions).replay(record.id, swap=swapped)
    console = Console()
    console.print(str(done), markup=False, highlight=False, soft_wrap=True)
    for change in done.differing:
        console.print(f"\n[bold]{change.path}[/]")
        console.print(f"- {summary(change.before)}", style="red", markup=False, soft_wrap=True)
        console.print(f"+ {summary(change.after)}", style="green", markup=False, soft_wrap=True)


@command.command("prune")
@journal_option
@click.option("--older-than", type=float, metavar="DAYS", help="Remove runs that began longer ago.")
@click.option("--max-bytes", type=int, metavar="N", help="Remove the oldest until the journal takes no more.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(journal: str, older_than: float | None, max_bytes: int | None, dry_run: bool) -> None:
    """Remove old runs and what only they used."""
    if older_than is None and max_bytes is None:
        raise InputError("Nothing says what is old.", fix="give --older-than DAYS or --max-bytes N")
    with _open(journal) as opened:
        gone = opened.prune(older_than_days=older_than, max_bytes=max_bytes, dry_run=dry_run)
    click.echo(
        f"{'would remove' if dry_run else 'removed'} {gone.runs} runs, {gone.cells} stages, {gone.bytes:,} bytes"
    )


@command.command("verify")
@journal_option
def verify(journal: str) -> None:
    """Read all of a journal and say what is wrong with it."""
    with _open(journal) as opened:
        faults = opened.verify()
    for fault in faults:
        click.echo(fault)
    if faults:
        sys.exit(1)
    click.echo(f"{journal}: all well")


def _open(journal: str) -> Journal:
    from ziggurat.chain.journal import Journal

    return Journal(journal, create=False)


def _chain_of(record: RunRecord, journal: str, target: str | None, functions: Path | None) -> MultiChain:
    """The chain that a run was of, found where it was found then."""
    where = target or record.target
    if not where:
        raise InputError(
            f"Run {record.id} does not say where its chain is.",
            fix="name it: --chain chain.yaml or --chain file.py:chain",
        )
    return settled(load_multichain(where, functions), where, journal=journal)


def _asked(path: str) -> Value | str:
    """What the person in front of the terminal knows about an effect."""
    if not sys.stdin.isatty():
        raise EffectUncertain(
            f"{path} may or may not have acted on the world, and nobody is here to ask.",
            paths=(path,),
            fix="find out, then give --on-effect repeat or --on-effect skip",
        )
    click.echo(f"{path} was acting on the world when the run was killed; nobody knows whether it did.", err=True)
    answer: str = click.prompt("repeat it, or skip it", type=click.Choice(["repeat", "skip"]), err=True)
    return answer


def _shown(cells: dict[str, Cell], *, all_items: bool) -> Iterator[Cell]:
    """The stages of a run, of the items of each map only the first few."""
    seen: dict[str, int] = {}
    first = {path.partition("/")[0].partition("[")[0]: position for position, path in reversed(list(enumerate(cells)))}
    in_order = sorted(cells, key=lambda path: (first[path.partition("/")[0].partition("[")[0]], _natural(path)))
    for path in in_order:
        cell = cells[path]
        mapped, bracket, _ = path.partition("[")
        if bracket:
            seen[mapped] = seen.get(mapped, 0) + 1
            if seen[mapped] > _ITEMS_SHOWN and not all_items and cell.status != "failed":
                continue
        yield cell


def _natural(path: str) -> list[tuple[int, str]]:
    """A key that sorts item 2 before item 10, and a stage before what is inside it."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _seconds(record: RunRecord) -> str:
    return "" if record.ended is None else f"{max(0.0, record.ended - record.began):.1f}"


def _cost(record: RunRecord) -> str:
    if record.cost is None:
        return ""
    return f"{Decimal(record.cost):.4f}" if record.cost else "unknown"


def _dollars(costs: list[Decimal | None]) -> str:
    return "unknown" if None in costs else f"{sum(cost for cost in costs if cost is not None):.4f}"
