"""What people see in a terminal: the tree of a run as it happens, answers, errors.

A reader of events and values; it computes nothing. On a terminal the tree is redrawn in place; in a
file or a pipe each stage is one line when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from ziggurat.chain.events import (
    Event,
    RunFinished,
    StageFailed,
    StageFinished,
    StageRetried,
    StageSkipped,
    StageStarted,
    Token,
)
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import ZigguratError
from ziggurat.picture import Picture
from ziggurat.stages.answer import Answer

_SHOWN_TEXT = 70
_MARKS = {"waiting": "·", "running": "▸", "done": "✓", "failed": "✗", "skipped": "-"}
_STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "red", "skipped": "yellow"}


@dataclass(slots=True)
class _Row:
    """One stage as it is shown."""

    state: str = "waiting"
    began: float = 0.0
    seconds: float = 0.0
    usage: Usage = NO_USAGE
    note: str = ""


@dataclass(slots=True)
class RunView:
    """The state of a run, gathered from its events.

    Attributes:
        title: The first line of the tree.
        rows: The stages in order.
    """

    title: str
    rows: dict[str, _Row] = field(default_factory=dict)
    usage: Usage = NO_USAGE

    def take(self, event: Event) -> None:
        """Note what happened."""
        match event:
            case StageStarted():
                self.rows[event.stage] = _Row("running", began=time.perf_counter())
            case Token():
                row = self.rows[event.stage]
                row.note = (row.note + event.text)[-_SHOWN_TEXT:]
            case StageRetried():
                self.rows[event.stage].note = f"attempt {event.attempt} failed, again in {event.wait:.1f} s"
            case StageFinished():
                note = "fallback: " if event.fell_back else ""
                self.rows[event.stage] = _Row(
                    "done", seconds=event.seconds, usage=event.usage, note=note + summary(event.output)
                )
            case StageFailed():
                self.rows[event.stage] = _Row("failed", seconds=event.seconds, note=str(event.error).partition("\n")[0])
            case StageSkipped():
                self.rows[event.stage] = _Row("skipped", note=f"{event.cause} failed")
            case RunFinished():
                self.usage = event.usage

    def __rich__(self) -> Tree:
        tree = Tree(f"[bold]{escape(self.title)}[/]", guide_style="dim")
        for name in self.rows:
            tree.add(self.line(name))
        return tree

    def line(self, name: str) -> Text:
        """One stage: mark, name, seconds, tokens, a glimpse of its output."""
        row = self.rows[name]
        seconds = time.perf_counter() - row.began if row.state == "running" else row.seconds
        tokens = f"{row.usage.total_tokens:5d} tokens" if row.usage.calls else " " * 12
        timing = "" if row.state in ("waiting", "skipped") else f"{seconds:6.1f} s  {tokens}"
        line = Text(f"{_MARKS[row.state]} {name:18}", style=_STYLES[row.state])
        line.append(f" {timing}", style="dim")
        line.append(f"  {' '.join(row.note.split())[:_SHOWN_TEXT]}", style="default")
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


def watch(chain: MultiChain, inputs: Mapping[str, Any], console: Console, title: str) -> dict[str, Any]:
    """Run a chain while its tree is shown; returns the outputs by stage.

    Raises:
        ChainError: If a stage failed, after the tree has shown everything else.
    """
    view = RunView(title, {name: _Row() for name in chain.stages})
    outputs: dict[str, Any] = {}
    for event in _shown(chain.events(inputs), view, console):
        if isinstance(event, RunFinished):
            if event.error is not None:
                raise event.error
            outputs = event.outputs
    return outputs


def _shown(events: Iterator[Event], view: RunView, console: Console) -> Iterator[Event]:
    if console.is_terminal:
        with Live(view, console=console, refresh_per_second=12):
            for event in events:
                view.take(event)
                yield event
        return
    console.print(view.title)
    for event in events:
        view.take(event)
        if isinstance(event, StageFinished | StageFailed | StageSkipped):
            console.print(view.line(event.stage), soft_wrap=True)
        yield event


def summary(value: Any) -> str:
    """A value in a few words."""
    match value:
        case Answer():
            return value.text
        case Picture():
            return f"{value.kind}, {value.width} x {value.height} {value.format}"
        case _:
            return str(value)


def print_answer(answer: Answer, console: Console) -> None:
    """An answer and its numbered evidence."""
    console.print(Text(answer.annotated()), soft_wrap=True)
    print_references(answer, console)


def print_references(answer: Answer, console: Console) -> None:
    """The evidence of an answer: document, line and quote."""
    for line in answer.references():
        console.print(Text(f"  {line}", style="dim"), soft_wrap=True)


def print_error(error: ZigguratError) -> None:
    """An error as a person reads one: what, where, what to do."""
    console = Console(stderr=True)
    first, *rest = str(error).splitlines()
    console.print(Text.assemble(("error: ", "bold red"), first), soft_wrap=True)
    for line in rest:
        console.print(Text(line), soft_wrap=True)


def save_picture(picture: Picture, folder: Path, stem: str) -> Path:
    """Write a picture under a name that is free to overwrite; returns its path."""
    return picture.save(folder / f"{stem}.{picture.format}")
