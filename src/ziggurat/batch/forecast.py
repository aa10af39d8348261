"""What a batch will take, before it is begun: time, calls, tokens, money, bytes, and what holds it back.

Pure arithmetic over what is known or measured of a chain and a cluster; measures nothing itself. `docs/scale.md`
explains it and holds it against measured runs. Invariant: what is not known (a price) is None, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ziggurat.batch.rates import Rate
from ziggurat.batch.records import CellRecord, RowEnd
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.errors import InputError
from ziggurat.prices import PACKAGE, Prices

WORTH_A_CLAIM = 0.002
"""Seconds of work from which on a cell is claimed, so that no two workers compute it."""

_FRAME = 25
"""Bytes of a ledger's frame around its payload."""

_PLACE = 54
"""Bytes that a finished cell takes in the table of places, at most."""


@dataclass(frozen=True, slots=True)
class StageLoad:
    """What one stage does for one row.

    Attributes:
        name: The stage.
        seconds: How long a cell of it takes while it waits: for a model, a database.
        after: Stages that it waits for.
        calls: Model calls a cell.
        input_tokens: Tokens they read, in all.
        output_tokens: Tokens they write, in all.
        model: What the model calls itself.
        provider: Who serves it.
        value_bytes: Bytes of its encoded output.
        distinct: The share of rows whose cell no row before them had; the others' are not computed again.
    """

    name: str
    seconds: float = 0.0
    after: tuple[str, ...] = ()
    calls: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    model: str = ""
    provider: str = ""
    value_bytes: int = 256
    distinct: float = 1.0


@dataclass(frozen=True, slots=True)
class Machinery:
    """What our own work costs, measured (`docs/scale.md` says where and how).

    Attributes:
        row_seconds: Processor time of a worker for each row.
        cell_seconds: The same for each cell, its line in the ledger included.
        start_seconds: From the command to the first row.
        cells_per_second: Cells that a coordinator claims and publishes.
    """

    row_seconds: float = 15e-6
    cell_seconds: float = 30e-6
    start_seconds: float = 0.0
    cells_per_second: float = 100_000.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a batch will take.

    Attributes:
        rows: Rows of the table.
        seconds: From the command to the end.
        rows_per_second: Once it runs.
        ceilings: Rows a second that each bound would allow by itself; infinite ones are left out.
        bound_by: The lowest of them: ``latency``, ``cpu``, ``rate``, ``tokens`` or ``coordinator``.
        calls: Model calls.
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        usd: What they cost; None if the price of one that is called is unknown.
        unpriced: Models whose price is unknown.
        ledger_bytes: Of the ledger beside the output.
        coordinator_bytes: Of memory for the places of finished cells.
    """

    rows: int
    seconds: float
    rows_per_second: float
    ceilings: Mapping[str, float]
    bound_by: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    unpriced: tuple[str, ...]
    ledger_bytes: int
    coordinator_bytes: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who works.

    Attributes:
        workers: Python processes; each has one event loop.
        concurrency: Rows in flight for each.
        cores: Processors that they share; None for one each.
        rate: The most calls, of all together.
        tokens_per_minute: The most tokens, of all together.
        machinery: What our own work costs there.

    Raises:
        InputError: If nobody works.
    """

    workers: int = 1
    concurrency: int = 64
    cores: int | None = None
    rate: Rate | None = None
    tokens_per_minute: float | None = None
    machinery: Machinery = field(default_factory=Machinery)

    def __post_init__(self) -> None:
        for name in ("workers", "concurrency", "cores"):
            if (bound := getattr(self, name)) is not None and bound < 1:
                raise InputError(f"{name}={bound} is nobody.", fix="a number of at least 1")


def critical_path(stages: Sequence[StageLoad]) -> float:
    """Seconds of the longest way through the stages: what one row takes alone.

    Raises:
        InputError: If a stage waits for one that does not come before it in the sequence.
    """
    ends: dict[str, float] = {}
    for stage in stages:
        unknown = [one for one in stage.after if one not in ends]
        if unknown:
            raise InputError(f"{stage.name!r} waits for {unknown[0]!r}, which does not come before it.")
        ends[stage.name] = max((ends[one] for one in stage.after), default=0.0) + stage.seconds
    return max(ends.values(), default=0.0)


def one_worker(concurrency: int, wait: float, work: float) -> float:
    """Rows a second of one worker: ``concurrency`` rows circulate between waiting and one processor.

    Exact mean value analysis of the closed network of a delay (``wait``) and one queue (``work``), both in seconds a
    row (Reiser and Lavenberg 1980): with n rows ``R(n) = work (1 + Q(n-1))``, ``X(n) = n / (wait + R(n))``,
    ``Q(n) = X(n) R(n)``. Its asymptotes are ``concurrency / (wait + work)`` and ``1 / work``.
    """
    if work <= 0:
        return concurrency / wait if wait > 0 else math.inf
    queued = rate = 0.0
    for rows in range(1, concurrency + 1):
        response = work * (1 + queued)
        rate = rows / (wait + response)
        queued = rate * response
    return rate


def forecast(rows: int, stages: Sequence[StageLoad], fleet: Fleet | None = None, prices: Prices = PACKAGE) -> Forecast:
    """What a chain over so many rows will take.

    With n rows, critical path L, our work c a row, W workers of C rows each on P processors, k calls and t tokens
    a row, s cells a row that are claimed, and a coordinator of M cells a second:

    - latency: ``W C / (L + c)`` rows a second (Little's law);
    - cpu: ``min(W, P) / c``; both together: `one_worker`, shared out where workers share processors;
    - rate: ``calls / seconds / k``;  tokens: ``tokens_per_minute / 60 / t``;
    - coordinator: ``M / s``, where there is more than one worker;
    - the time is ``start + max(n / X, L + c)``, X being the lowest of them.

    Args:
        rows: Rows of the table.
        stages: The chain's, each after those it waits for. Their seconds count in full for every row, their calls
            for the distinct share only.
        fleet: Who works; this machine with one worker if None.
        prices: What models cost.

    Raises:
        InputError: If there are no rows, or the stages are in no order.
    """
    if rows < 1:
        raise InputError(f"{rows} rows take nothing.", fix="a number of at least 1")
    fleet = fleet or Fleet()
    ours = fleet.machinery
    path = critical_path(stages)
    work = ours.row_seconds + ours.cell_seconds * len(stages)
    crowding = max(1.0, fleet.workers / (fleet.cores or fleet.workers))  # workers that share a processor are slower
    calls = sum(one.calls * one.distinct for one in stages)
    tokens = sum((one.input_tokens + one.output_tokens) * one.distinct for one in stages)
    claimed = sum(one.seconds >= WORTH_A_CLAIM for one in stages) if fleet.workers > 1 else 0
    ceilings = {
        "latency": _per(fleet.workers * fleet.concurrency, path + work),
        "cpu": _per(fleet.workers / crowding, work),
        "rate": math.inf if fleet.rate is None else _per(fleet.rate.calls / fleet.rate.seconds, calls),
        "tokens": math.inf if fleet.tokens_per_minute is None else _per(fleet.tokens_per_minute / 60, tokens),
        "coordinator": _per(ours.cells_per_second, claimed),
    }
    together = fleet.workers * one_worker(fleet.concurrency, path, work * crowding)
    speed = min(together, *ceilings.values())
    usd, unpriced = _cost(rows, stages, prices)
    cells = sum(one.distinct for one in stages)
    return Forecast(
        rows=rows,
        seconds=ours.start_seconds + max(rows / speed, path + work),
        rows_per_second=speed,
        ceilings={name: one for name, one in ceilings.items() if math.isfinite(one)},
        bound_by=min(ceilings, key=ceilings.__getitem__),
        calls=round(rows * calls),
        input_tokens=round(rows * sum(one.input_tokens * one.distinct for one in stages)),
        output_tokens=round(rows * sum(one.output_tokens * one.distinct for one in stages)),
        usd=usd,
        unpriced=unpriced,
        ledger_bytes=round(rows * _ledger_bytes(stages)),
        coordinator_bytes=round(rows * cells * _PLACE),
    )


def _per(amount: float, each: float) -> float:
    return amount / each if each > 0 else math.inf


def _cost(rows: int, stages: Sequence[StageLoad], prices: Prices) -> tuple[Decimal | None, tuple[str, ...]]:
    """What the calls cost, and the models nobody knows the price of."""
    total, unpriced = Decimal(0), []
    for one in stages:
        if not one.calls:
            continue
        cost = prices.cost(_used(one, rows * one.distinct))
        if cost is None:
            unpriced.append(one.model or one.name)
        else:
            total += cost
    return (None if unpriced else total), tuple(dict.fromkeys(unpriced))


def _used(stage: StageLoad, cells: float) -> ModelUsage:
    counts = (stage.input_tokens, stage.output_tokens, 0.0, stage.calls)
    return ModelUsage(stage.model, stage.provider, *(round(cells * one) for one in counts))


def _ledger_bytes(stages: Sequence[StageLoad]) -> float:
    """Bytes a row: a frame for each cell that is computed, and two for the row's beginning and end."""
    total = float(2 * _FRAME + len(RowEnd(keys="0" * 12, seconds=0.1).packed()))
    for one in stages:
        usage = Usage((_used(one, 1),)) if one.calls else Usage()
        record = CellRecord(one.name, bytes(16), bytes(one.value_bytes), usage, seconds=one.seconds or 0.1)
        total += one.distinct * (_FRAME + len(record.packed()))
    return total
