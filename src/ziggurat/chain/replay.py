"""Two runs of a journal side by side: what a replay changed, and why a stage ran.

Reads records and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import dropwhile
from typing import Any

from ziggurat.chain.journal import Cell, CellStatus, Journal
from ziggurat.chain.usage import Usage
from ziggurat.chain.values import decode
from ziggurat.errors import RunNotFound
from ziggurat.prices import Prices
from ziggurat.suggest import did_you_mean

INSIDE = "inside"
"""The source of a stage made of stages, whose value is theirs."""

_EARLIER_RUNS = 50
"""How many of a chain's last runs are looked through for the run and an earlier one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One stage in two runs.

    Attributes:
        path: The stage's place in the run.
        ran: Whether it ran in the later run, instead of being taken from the earlier.
        same: Whether both outputs are equal.
        before: The output in the earlier run; None where there is none.
        after: The output in the later run.
        tokens: Tokens in the earlier and the later run; what was kept counts as it did when it ran.
        cost: US dollars likewise; None where unknown.
        seconds: Seconds likewise.
    """

    path: str
    ran: bool
    same: bool
    before: Any = field(repr=False)
    after: Any = field(repr=False)
    tokens: tuple[int, int]
    cost: tuple[Decimal | None, Decimal | None]
    seconds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Replay:
    """A run and what it replayed.

    Attributes:
        run: The new run's id.
        of: The recorded run's id.
        outputs: The new run's outputs by stage.
        changes: Every stage of either run, but those made of stages.
    """

    run: str
    of: str
    outputs: dict[str, Any]
    changes: tuple[Change, ...]

    @property
    def differing(self) -> tuple[Change, ...]:
        """The stages whose output changed."""
        return tuple(one for one in self.changes if not one.same)

    def __str__(self) -> str:
        width = max((len(one.path) for one in self.changes), default=0)
        lines = [f"{self.run} replays {self.of}"]
        for one in self.changes:
            what = ("same" if one.same else "DIFFERS") if one.ran else "kept"
            tokens = f"{one.tokens[0]:,} -> {one.tokens[1]:,} tokens"
            cost = " -> ".join("unknown" if usd is None else f"{usd:.4f}" for usd in one.cost)
            times = f"{one.seconds[0]:.2f} -> {one.seconds[1]:.2f} s"
            lines.append(f"  {one.path:{width}}  {what:8}  {tokens:24}  {cost} USD  {times}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Why:
    """Why a stage ran, or did not.

    Attributes:
        path: The stage's place in the run.
        run: The run.
        earlier: The nearest earlier run of the chain that has the stage, or None.
        reasons: What differs, one line each; empty where nothing does.
        source: Where its output came from: ``run``, ``cache``, ``kept``, ``fallback``.
    """

    path: str
    run: str
    earlier: str | None
    reasons: tuple[str, ...]
    source: str

    def __str__(self) -> str:
        how = {"cache": "came from the cache", "kept": "was kept", "fallback": "fell back"}.get(self.source, "ran")
        if self.earlier is None:
            return f"{self.path} {how} in {self.run}: no earlier run of the chain has it"
        if not self.reasons:
            return f"{self.path} {how} in {self.run}: it is what it was in {self.earlier}, given the same"
        return "\n".join(
            [f"{self.path} {how} in {self.run}; since {self.earlier}:", *(f"  - {one}" for one in self.reasons)]
        )


def compare(journal: Journal, before: str, after: str, outputs: dict[str, Any], prices: Prices) -> Replay:
    """What differs between a recorded run and its replay."""
    old, new = journal.cells(before), journal.cells(after)
    paths = [path for path in dict.fromkeys((*old, *new)) if (new.get(path) or old[path]).source != INSIDE]
    changes = tuple(_change(journal, path, (before, old.get(path)), (after, new.get(path)), prices) for path in paths)
    return Replay(after, before, outputs, changes)


def _change(
    journal: Journal, path: str, before: tuple[str, Cell | None], after: tuple[str, Cell | None], prices: Prices
) -> Change:
    cells = (before[1], after[1])
    values = tuple(_value(journal, run, cell) for run, cell in (before, after))
    return Change(
        path,
        ran=cells[1] is not None and cells[1].source != "kept",
        same=values[0] == values[1] and (cells[0] is None) == (cells[1] is None),
        before=_decoded(journal, values[0]),
        after=_decoded(journal, values[1]),
        tokens=(cells[0].usage.total_tokens if cells[0] else 0, cells[1].usage.total_tokens if cells[1] else 0),
        cost=(_cost(cells[0], prices), _cost(cells[1], prices)),
        seconds=(cells[0].seconds if cells[0] else 0.0, cells[1].seconds if cells[1] else 0.0),
    )


def _value(journal: Journal, run: str, cell: Cell | None) -> bytes | None:
    found = journal.cell(run, cell.path) if cell is not None and cell.status is CellStatus.DONE else None
    return found.value if found is not None else None


def _decoded(journal: Journal, value: bytes | None) -> Any:
    return None if value is None else decode(value, blob=journal.blob, lenient=True)


def _cost(cell: Cell | None, prices: Prices) -> Decimal | None:
    usage = cell.usage if cell is not None else Usage()
    costs = [prices.cost(line) for line in usage.lines]
    return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))


def why(journal: Journal, run: str, stage: str) -> Why:
    """What differs between a stage's cell and the nearest earlier one.

    Raises:
        RunNotFound: If there is no such run, or no such stage in it.
    """
    record = journal.run(run)
    cells = journal.cells(record.id)
    cell = cells.get(stage)
    if cell is None:
        raise RunNotFound(
            f"Run {record.id} has no stage {stage!r}{did_you_mean(stage, cells)}.", fix=f"it has {', '.join(cells)}"
        )
    newest_first = journal.runs(chain=record.chain, limit=_EARLIER_RUNS)
    for earlier in dropwhile(lambda one: one.id != record.id, newest_first):  # by order, since clocks jump
        if earlier.id == record.id:
            continue
        before = journal.cell(earlier.id, stage)
        if before is not None and before.status is CellStatus.DONE:
            return Why(stage, record.id, earlier.id, tuple(_reasons(journal, before, cell)), cell.source)
    return Why(stage, record.id, None, (), cell.source)


def _reasons(journal: Journal, before: Cell, now: Cell) -> Iterator[str]:
    told: set[str] = set()
    if before.identity != now.identity:
        was, is_ = _parts(journal, before), _parts(journal, now)
        for name in dict.fromkeys((*was, *is_)):
            if was.get(name) != is_.get(name):
                told.add(name)
                yield f"{name} changed: {_short(was.get(name))} -> {_short(is_.get(name))}"
    for name in dict.fromkeys((*before.inputs, *now.inputs)):
        if before.inputs.get(name) != now.inputs.get(name) and f"given {name}" not in told:
            verb = (
                "is new" if name not in before.inputs else "is gone" if name not in now.inputs else "has another value"
            )
            yield f"the input {name!r} {verb}"


def _parts(journal: Journal, cell: Cell) -> Mapping[str, Any]:
    described = journal.describe(cell.identity)
    return decode(described, lenient=True) if described is not None else {}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 (a line's worth)
