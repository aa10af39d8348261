"""Progress of long work, told to whoever wants to know.

The workers (downloads, embedding, indexing) call a `Progress`; what it looks like is decided here
once: a bar on a terminal, nothing elsewhere. Knows nothing of what is being counted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

Unit = Literal["bytes", "items"]


class Counter(Protocol):
    """One piece of work under way."""

    def advance(self, amount: int = 1) -> None:
        """Say that ``amount`` more units are done."""


class Progress(Protocol):
    """Where progress is shown: a callable that opens a `Counter` for a ``with`` block."""

    def __call__(self, label: str, total: int | None, unit: Unit = "items") -> AbstractContextManager[Counter]:
        """Open a counter of ``total`` units, or of an unknown number."""


class _Nothing:
    def advance(self, amount: int = 1) -> None:
        pass


@contextmanager
def silent(label: str, total: int | None, unit: Unit = "items") -> Iterator[Counter]:  # noqa: ARG001 (a Progress takes them)
    """Show nothing."""
    yield _Nothing()


@contextmanager
def bar(label: str, total: int | None, unit: Unit = "items") -> Iterator[Counter]:
    """A bar on stderr with rate and time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class _Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            seconds = task.finished_time or task.elapsed or 0.0
            if seconds < 0.5:  # noqa: PLR2004 (before that it says nothing)
                return Text("")
            rate = task.completed / seconds
            return Text(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s", style="dim")  # noqa: PLR2004 (digits that matter)

    counts: tuple[ProgressColumn, ...] = (
        (DownloadColumn(), TransferSpeedColumn()) if unit == "bytes" else (MofNCompleteColumn(), _Rate())
    )
    columns = (TextColumn("{task.description}"), BarColumn(), *counts, TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True)) as display:
        task = display.add_task(label, total=total)

        class _Bar:
            def advance(self, amount: int = 1) -> None:
                display.advance(task, amount)

        yield _Bar()


def default_progress() -> Progress:
    """A bar when a person watches stderr, silence otherwise."""
    return bar if sys.stderr.isatty() else silent
