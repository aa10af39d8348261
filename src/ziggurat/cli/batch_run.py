"""``ziggurat batch CHAIN TABLE OUT``: every option of a batch, and the summary at its end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ziggurat.cli import HELP
from ziggurat.cli.outputs import read_input
from ziggurat.cli.target import METAVAR, functions_option
from ziggurat.errors import InputError

if TYPE_CHECKING:
    from ziggurat.batch import BatchResult

_UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}
_RATE = re.compile(r"(\d+)\s*/\s*(\d*)\s*([a-z]+)")


@click.command("batch", context_settings=HELP)
@click.argument("chain", metavar=METAVAR)
@click.argument("table")
@click.argument("out")
@click.option("--key", "keys", multiple=True, metavar="COLUMN", help="A column that identifies a row; may be repeated.")
@click.option("--input", "inputs", multiple=True, metavar="INPUT=COLUMN", help="The column that feeds an input, where it is called otherwise.")  # fmt: skip
@click.option("--set", "constants", multiple=True, metavar="INPUT=VALUE", help="An input that is the same for every row; INPUT:=JSON and INPUT=@FILE, too.")  # fmt: skip
@click.option("--output", "outputs", multiple=True, metavar="[COLUMN=]STAGE[.FIELD]", help="What becomes a column.  [default: what the chain returns]")  # fmt: skip
@click.option("--carry", multiple=True, metavar="COLUMN", help="A column of the table to carry over.  [default: all]")
@click.option("--error-column", default="error", show_default=True, metavar="COLUMN", help="The column for errors.")
@click.option("--concurrency", type=click.IntRange(1), default=64, show_default=True, help="Stages at work at once, so calls in flight; on Spark for each worker.")  # fmt: skip
@click.option("--as-finished", is_flag=True, help="Let rows come out as they finish, not in the table's order.")
@click.option(
    "--stop-after", type=click.IntRange(1), metavar="N", help="Stop once N rows have failed.  [default: never]"
)
@click.option("--max-usd", type=float, metavar="USD", help="Spend at most this much on models, all rows together.")
@click.option("--max-tokens", type=int, metavar="N", help="Use at most this many tokens.")
@click.option("--max-calls", type=int, metavar="N", help="Make at most this many model calls.")
@click.option("--max-seconds", type=float, metavar="S", help="Run at most this long.")
@click.option("--rate", metavar="N/UNIT", help="Model calls at most, for all workers together: 600/min, 10/s.")
@click.option("--spark", metavar="URL", help="Where Spark is: spark://…, local-cluster[…], sc://…, or session.")
@click.option("--partitions", type=click.IntRange(1), metavar="N", help="On Spark, the parts of the table.  [default: as many as run at once]")  # fmt: skip
@click.option("--ship", multiple=True, type=click.Path(exists=True, path_type=Path), help="On Spark, a file or folder beside the chain that it reads.")  # fmt: skip
@click.option("--on-effect", type=click.Choice(["ask", "repeat", "skip"]), default="ask", show_default=True, help="What to do about stages that act on the world and may have done so before a kill.")  # fmt: skip
@click.option("--kept-only", is_flag=True, help="Compute nothing: make OUT of what is finished.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is no batch's, or has other columns.")
@functions_option
def command(chain: str, table: str, out: str, **options: Any) -> None:
    """Run a chain over every row of a table.

    Errors are values: a row that fails has a null where its outputs would be, and says why in the column for
    errors. Give the same command again to go on after a kill, or to try again what failed.

    \b
    Examples:
      ziggurat batch chain.yaml questions.csv answers.parquet --key id
      ziggurat batch chain.yaml questions.csv answers.csv --input question=title --output answer=qa.text
      ziggurat batch chain.yaml rows.parquet out.parquet --max-calls 10000 --rate 600/min
      ziggurat batch chain.yaml rows.parquet out.parquet --spark sc://cluster:15002
    """
    run_batch(chain, table, out, **options)


def run_batch(chain: str, table: str, out: str, **options: Any) -> None:
    """Run a batch as the options say, and print how it went."""
    from ziggurat.batch import map_table

    bounds = {name: options.pop(f"max_{name}") for name in ("usd", "tokens", "calls", "seconds")}
    rate = options.pop("rate")
    outputs, carry = options.pop("outputs"), options.pop("carry")
    result = map_table(
        chain,
        table,
        out,
        inputs=_pairs(options.pop("inputs"), "--input"),
        constants=dict(read_input(one) for one in options.pop("constants")),
        outputs=_outputs(outputs) if outputs else None,
        carry=list(carry) or None,
        error=options.pop("error_column"),
        ordered=not options.pop("as_finished"),
        budget={name: bound for name, bound in bounds.items() if bound is not None} or None,
        rate=read_rate(rate) if rate else None,
        **options,
    )
    print_result(result, out)


def print_result(result: BatchResult, out: str) -> None:
    """How a run went, in a few lines."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    speed = f", {result.rows / result.seconds:,.0f} rows/s" if result.seconds else ""
    console.print(f"[bold]{result.rows:,}[/] rows in {result.seconds:,.1f} s{speed} → {escape(str(result.out))}")
    console.print(f"  cells: {result.computed:,} computed, {result.kept:,} kept")
    if result.usage.calls:
        cost = f"${float(result.usd):,.4f}" if result.usd else "price unknown"
        console.print(f"  models: {result.usage.calls:,} calls, {result.usage.total_tokens:,} tokens, {cost}")
    if result.failed:
        console.print(f"  [red]{result.failed:,} rows failed[/]: ziggurat batch report {escape(out)}")


def read_rate(text: str) -> Any:
    """A rate as people write it: ``600/min``, ``10/s``, ``100/10s``.

    Raises:
        InputError: If it is none.
    """
    from ziggurat.batch import Rate

    match = _RATE.fullmatch(text.strip().lower())
    if match is None or match[3] not in _UNITS:
        raise InputError(f"{text!r} is no rate.", where="--rate", fix="for example 600/min, 10/s or 100/10s")
    return Rate(int(match[1]), int(match[2] or 1) * _UNITS[match[3]])


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name or not value:
            raise InputError(f"{one!r} is no pair.", where=option, fix=f"{option} NAME=COLUMN")
        pairs[name] = value
    return pairs


def _outputs(given: tuple[str, ...]) -> Mapping[str, str]:
    outputs = {}
    for one in given:
        name, sign, path = one.partition("=")
        if sign and not (name and path):
            raise InputError(f"{one!r} is no output.", where="--output", fix="--output answer=qa.text")
        outputs[name if sign else one.replace(".", "_")] = path if sign else one
    return outputs
