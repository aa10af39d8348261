"""What a person sees while a batch runs: a bar with rate, cost so far and time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ziggurat.batch.coordination import Tally
from ziggurat.prices import Prices

Watch = Callable[[Tally], None]
"""Is told the sum of what was done, whenever it grows."""


def _nobody(tally: Tally) -> None:
    """Nobody watches."""


@contextmanager
def watching(label: str, rows: int | None, prices: Prices, *, shown: bool | None) -> Iterator[Watch]:
    """A bar on stderr for a ``with`` block; nothing where nobody looks.

    Args:
        label: What is being done.
        rows: How many rows there are, if that is known.
        prices: What models cost.
        shown: Whether to show it; None for only on a terminal.
    """
    if not (sys.stderr.isatty() if shown is None else shown):
        yield _nobody
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ziggurat.chain.run.session import cost_of

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[more]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=rows, rate="", more="")

        def watch(tally: Tally) -> None:
            speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
            progress.update(
                task,
                completed=tally.rows,
                rate=f"{speed:,.0f} rows/s" if speed else "",
                more=summary(tally, cost_of(tally.usage, prices)),
            )

        yield _seldom(watch)


def summary(tally: Tally, usd: str) -> str:
    """What was done, beside how many rows: calls, cost, what was kept, what failed."""
    parts = []
    if tally.usage.calls:
        parts.append(f"{tally.usage.calls:,} calls")
    if tally.usage.total_tokens:
        parts.append(f"{tally.usage.total_tokens:,} tokens")
        parts.append(f"${float(usd):,.4f}" if usd else "price unknown")
    if tally.kept:
        parts.append(f"{tally.kept:,} cells kept")
    if tally.failed or tally.left:
        parts.append(f"{tally.failed + tally.left:,} failed")
    return " · ".join(parts)


def _seldom(watch: Watch) -> Watch:
    """Tell ten times a second at most, and the last word always: bars are for people."""
    from time import monotonic

    told = 0.0

    def tell(tally: Tally) -> None:
        nonlocal told
        now = monotonic()
        if now - told > 0.1:  # noqa: PLR2004 (a tenth of a second)
            told = now
            watch(tally)

    return tell
