"""``ziggurat batch status|report|retry``: what a ledger tells, and going on from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat.cli import HELP
from ziggurat.errors import LedgerError

if TYPE_CHECKING:
    from rich.console import Console

    from ziggurat.batch.report import BatchReport

_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


@click.command("status", context_settings=HELP)
@click.argument("out")
@_JSON
def status(out: str, as_json: bool) -> None:
    """Say how far the batch of OUT is; also while it runs.

    \b
    Example:
      ziggurat batch status answers.parquet
    """
    from rich.console import Console
    from rich.markup import escape

    found = _report(out)
    if as_json:
        click.echo(json.dumps(found.as_data(), indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False, soft_wrap=True)
    manifest, run = found.manifest, found.manifest.runs[-1]
    state = "[cyan]running[/]" if found.running else _STATES.get(run.status, "[yellow]was killed[/]")
    console.print(f"[bold]{escape(manifest.chain)}[/] over {escape(manifest.table)} → {escape(out)}: {state}")
    cells = sum(stage.cells for stage in found.stages.values())
    console.print(
        f"  last run on {escape(run.where)}: {run.rows:,} rows, {run.computed:,} cells computed, {run.kept:,} kept"
    )
    console.print(f"  ledger: {cells:,} cells, {found.bytes / 1e6:,.1f} MB in {found.segments} files; runs so far: {len(manifest.runs)}")  # fmt: skip
    if found.in_flight:
        console.print(f"  rows begun and not ended: {found.in_flight:,}" + (f", {found.suspects:,} of them when a worker died" if found.suspects else ""))  # fmt: skip
    _models(found, console)
    if found.failed:
        console.print(f"  [red]{found.failed:,} rows failed[/]: ziggurat batch report {escape(out)}")
    if run.error and not found.running:
        console.print(f"  it ended with {escape(_line(run.error))}", style="red")
    if not found.running and run.status != "done":
        console.print("  give the same command again to go on, or: ziggurat batch retry " + escape(out))


_STATES = {"done": "[green]done[/]", "failed": "[red]failed[/]", "stopped": "[yellow]stopped[/]"}


@click.command("report", context_settings=HELP)
@click.argument("out")
@_JSON
def report(out: str, as_json: bool) -> None:
    """Say what each stage of the batch of OUT took, what failed and why.

    \b
    Example:
      ziggurat batch report answers.parquet
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    found = _report(out)
    if as_json:
        click.echo(json.dumps(found.as_data(), indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, title_justify="left")
    for name in ("stage", "computed", "failed", "retried", "calls", "tokens", "p50 s", "p95 s", "sum s"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for path, stage in found.stages.items():
        table.add_row(
            escape(path), f"{stage.cells:,}", f"{stage.failed:,}", f"{stage.retried:,}", f"{stage.usage.calls:,}",
            f"{stage.usage.total_tokens:,}", f"{stage.quantile(0.5):.3f}", f"{stage.quantile(0.95):.3f}", f"{stage.seconds:,.1f}",
        )  # fmt: skip
    console.print(table)
    _models(found, console)
    if found.failures:
        console.print(f"\n[red]{found.failed:,} rows failed[/]")
    for (stage_name, kind), failures in found.failures.items():
        where = f"{stage_name}: " if stage_name else ""
        console.print(f"  {failures.rows:>7,}  [bold]{escape(where + kind)}[/]  {escape(_line(failures.message))}")  # fmt: skip
        console.print(f"           for example {escape('; '.join(failures.examples))}", style="dim")
    if found.slowest:
        console.print("\nslowest rows")
        for row, seconds in found.slowest:
            console.print(f"  {seconds:>9.3f} s  {escape(row)}")
    console.print("\nruns")
    for run in found.manifest.runs:
        took = f"{run.ended - run.began:,.1f} s" if run.ended else "no end"
        console.print(
            f"  {run.id}  {escape(run.where)}  {run.status}, {took}: {run.rows:,} rows, {run.computed:,} computed, "
            f"{run.kept:,} kept, {run.failed:,} failed"
        )


@click.command("retry", context_settings=HELP)
@click.argument("out")
@click.option("--spark", metavar="URL", help="Where Spark is; without it the batch is run here.")
def retry(out: str, spark: str | None) -> None:
    """Run the batch of OUT again as it was asked for: what failed, what is missing, and rows that were given up.

    \b
    Example:
      ziggurat batch retry answers.parquet
    """
    from ziggurat.batch import Rate, map_table
    from ziggurat.batch.ledger import BatchLedger
    from ziggurat.cli.batch_run import print_result

    ledger = BatchLedger.beside(Path(out.removeprefix("delta:")).absolute())
    manifest = ledger.manifest()
    if not manifest.source:
        raise LedgerError(
            "The chain of this batch was made in code, and no file says how.", fix="call map_table with it again"
        )
    with ledger.held():
        ledger.forgive()
    options: dict[str, Any] = dict(manifest.options)
    if options.get("rate"):
        options["rate"] = Rate(*options["rate"])
    result = map_table(manifest.source, manifest.table, out, spark=spark, **options)
    print_result(result, out)


def _report(out: str) -> BatchReport:
    from ziggurat.batch.report import report as read
    from ziggurat.optional import require

    require("pyarrow", for_="chains over tables", extra="tables")
    return read(out)


def _line(text: str) -> str:
    """The first line of a text, which may be empty."""
    return text.partition("\n")[0]


def _models(found: BatchReport, console: Console) -> None:
    usage = found.usage
    if usage.calls:
        usd = found.usd()
        cost = f"${float(usd):,.4f}" if usd else "price unknown"
        console.print(f"  models, all runs: {usage.calls:,} calls, {usage.total_tokens:,} tokens, {cost}")
