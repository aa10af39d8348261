"""What people see in a terminal: the tree of a run as it happens, answers, errors.

A reader of events and values; it computes nothing. On a terminal the tree is redrawn in place; in a
file or a pipe each stage is one line when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from ziggurat.chain.events import (
    Event,
    Item,
    RunFinished,
    StageCached,
    StageEvent,
    StageFailed,
    StageFinished,
    StageRetried,
    StageSkipped,
    StageStarted,
    Token,
)
from ziggurat.chain.multichain import MultiChain
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import ZigguratError, gist
from ziggurat.picture import Picture
from ziggurat.stages.answer import Answer

_SHOWN_TEXT = 70
_MARKS = {"waiting": "·", "running": "▸", "done": "✓", "kept": "=", "failed": "✗", "skipped": "-"}
_STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "kept": "green", "failed": "red", "skipped": "yellow"}


@dataclass(slots=True)
class _Row:
    """One stage as it is shown."""

    state: str = "waiting"
    began: float = 0.0
    seconds: float = 0.0
    usage: Usage = NO_USAGE
    note: str = ""
    done: int = 0
    failed: int = 0
    total: int | None = None

    @property
    def items(self) -> str:
        """How far a map or a repeat has come."""
        if not self.done:
            return ""
        of = "" if self.total is None else f"/{self.total}"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done}{of}{failed}  "


@dataclass(slots=True)
class RunView:
    """The state of a run, gathered from its events.

    Stages of chains inside the chain have rows of their own; what happens inside a map or a repeat is
    gathered in its one row, however many items there are.

    Attributes:
        title: The first line of the tree.
        rows: The stages by path, in order.
        usage: What the run used.
    """

    title: str
    rows: dict[str, _Row] = field(default_factory=dict)
    usage: Usage = NO_USAGE

    def take(self, event: Event) -> None:
        """Note what happened."""
        match event:
            case RunFinished():
                self.usage = event.usage
            case Token():
                row = self._row(event)
                row.note = (row.note + event.text)[-_SHOWN_TEXT:]
            case Item():
                self._take_item(event)
            case StageRetried():
                self._row(event).note = f"attempt {event.attempt} failed, again in {event.wait:.1f} s"
            case _ if is_gathered(event):
                pass
            case StageStarted():
                self.rows[event.path] = _Row("running", began=time.perf_counter())
            case StageFinished():
                note = "fallback: " if event.fell_back else ""
                self._end(event, "done", note + summary(event.output), event.seconds, event.usage)
            case StageCached():
                self._end(event, "kept", f"from the {event.source}: {summary(event.output)}")
            case StageFailed():
                self._end(event, "failed", gist(event.error), event.seconds, event.usage)
            case StageSkipped():
                self._end(event, "skipped", f"{event.cause} failed")

    def _row(self, event: StageEvent) -> _Row:
        return self.rows.setdefault(event.path.partition("[")[0], _Row("running", began=time.perf_counter()))

    def _take_item(self, event: Item) -> None:
        if "[" in event.path.rpartition("[")[0]:
            return  # an item of an item: its map is inside another, whose row counts only its own
        row = self._row(event)
        row.done, row.total = row.done + 1, event.total
        row.failed += event.error is not None
        row.note = summary(event.output) if event.error is None else gist(event.error)

    def _end(self, event: StageEvent, state: str, note: str, seconds: float = 0.0, usage: Usage = NO_USAGE) -> None:
        before = self.rows.get(event.path, _Row())
        self.rows[event.path] = _Row(
            state, seconds=seconds, usage=usage, note=note, done=before.done, failed=before.failed, total=before.total
        )

    def __rich__(self) -> Tree:
        tree = Tree(f"[bold]{escape(self.title)}[/]", guide_style="dim")
        branches = {"": tree}
        for path in self.rows:
            parent = branches.get(path.rpartition("/")[0], tree)
            branches[path] = parent.add(self.line(path))
        return tree

    def line(self, path: str) -> Text:
        """One stage: mark, name, seconds, tokens, items, a glimpse of its output."""
        row = self.rows[path]
        seconds = time.perf_counter() - row.began if row.state == "running" else row.seconds
        tokens = f"{row.usage.total_tokens:5d} tokens" if row.usage.calls else " " * 12
        timing = "" if row.state in ("waiting", "skipped", "kept") else f"{seconds:6.1f} s  {tokens}"
        line = Text(f"{_MARKS[row.state]} {path.rpartition('/')[2]:18}", style=_STYLES[row.state])
        line.append(f" {timing}", style="dim")
        line.append(f"  {row.items}", style="cyan")
        line.append(" ".join(row.note.split())[:_SHOWN_TEXT], style="default")
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


def is_gathered(event: StageEvent) -> bool:
    """Whether something happened inside a map or a repeat, whose row stands for all of it."""
    return "[" in event.path


def watch(chain: MultiChain, inputs: Mapping[str, Any], console: Console, title: str) -> dict[str, Any]:
    """Run a chain while its tree is shown; returns the outputs by stage.

    Raises:
        ChainError: If a stage failed, after the tree has shown everything else.
    """
    return watch_events(chain.events(inputs), chain, console, title)


def watch_events(
    events: Generator[Event, None, None], chain: MultiChain, console: Console, title: str
) -> dict[str, Any]:
    """Show a run's events as they come; returns the outputs by stage.

    Raises:
        ChainError: If a stage failed, after the tree has shown everything else.
    """
    view = RunView(title, {name: _Row() for name in chain.stages})
    outputs: dict[str, Any] = {}
    with closing(events):
        for event in _shown(events, view, console):
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
        if isinstance(event, StageFinished | StageFailed | StageSkipped | StageCached) and not is_gathered(event):
            console.print(view.line(event.path), soft_wrap=True)
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


class _Annotated(Protocol):
    """Something whose pieces add up, and whose marked text only grows."""

    def __add__(self, other: object, /) -> Self: ...

    def annotated(self) -> str: ...


_Whole = TypeVar("_Whole", bound=_Annotated)


def print_pieces(pieces: Iterable[_Whole], whole: _Whole, console: Console) -> _Whole:
    """Print what is streamed, with its marks, as it comes; returns the sum.

    Args:
        pieces: Of an answer or a summary.
        whole: An empty one to begin with.
        console: Where to print; the line is left open.
    """
    shown = ""
    for piece in pieces:
        whole = whole + piece
        marked = whole.annotated()  # a later piece adds to it and changes nothing before
        console.print(marked[len(shown) :], end="", markup=False, highlight=False, soft_wrap=True)
        shown = marked
    return whole


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
