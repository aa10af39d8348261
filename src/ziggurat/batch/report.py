"""What a ledger tells of its batch: how far it is, what each stage took, what failed and why.

Reads, and changes nothing; works while the batch runs. Its memory does not grow with the rows, only with those that failed.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ziggurat.batch.ledger import BatchLedger, Manifest
from ziggurat.batch.records import CellRecord, RowEnd
from ziggurat.batch.segments import FrameKind, frames
from ziggurat.chain.run.session import cost_of
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import BatchInProgress
from ziggurat.prices import PACKAGE, Prices

_ITEM = re.compile(r"\[\d+\]")
_SAMPLE = 4096
_SLOWEST = 5
_EXAMPLES = 3


@dataclass(slots=True)
class StageReport:
    """What one stage took.

    Attributes:
        cells: Times it was computed.
        failed: Times it failed.
        retried: Times it needed more than one attempt.
        usage: What its models used.
        seconds: In all.
    """

    cells: int = 0
    failed: int = 0
    retried: int = 0
    usage: Usage = NO_USAGE
    seconds: float = 0.0
    _sample: list[float] = field(default_factory=list)

    def note(self, seconds: float) -> None:
        """Count one time that it was computed."""
        self.cells += 1
        self.seconds += seconds
        if len(self._sample) < _SAMPLE:
            self._sample.append(seconds)
        elif (at := random.randrange(self.cells)) < _SAMPLE:  # noqa: S311 (a sample, no secret)
            self._sample[at] = seconds

    def quantile(self, share: float) -> float:
        """Seconds within which a share of the times was done, of a sample of some thousand; 0 for none."""
        ordered = sorted(self._sample)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(slots=True)
class Failures:
    """Rows that failed alike.

    Attributes:
        rows: How many.
        message: What the first of them says.
        examples: What identifies the first few.
    """

    rows: int = 0
    message: str = ""
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What a ledger tells.

    Attributes:
        manifest: What the batch is, and its runs.
        running: Whether a process runs it now.
        stages: By a stage's place in the chain, what it took.
        failures: By stage and class of error, the rows that have it now.
        in_flight: Rows that were begun and not ended: being run, or lost with their worker.
        suspects: Rows that were in flight when a worker died, and are not through since.
        slowest: The rows that took longest: what identifies them, and seconds.
        segments: Files of the ledger.
        bytes: What they take.
    """

    manifest: Manifest
    running: bool
    stages: Mapping[str, StageReport]
    failures: Mapping[tuple[str, str], Failures]
    in_flight: int
    suspects: int
    slowest: tuple[tuple[str, float], ...]
    segments: int
    bytes: int

    @property
    def failed(self) -> int:
        """Rows that have an error now."""
        return sum(one.rows for one in self.failures.values())

    @property
    def usage(self) -> Usage:
        """What the models used in all runs."""
        return Usage.of(line for stage in self.stages.values() for line in stage.usage.lines)

    def usd(self, prices: Prices = PACKAGE) -> str:
        """What that cost, in decimal text; empty where a price is unknown."""
        return cost_of(self.usage, prices)

    def as_data(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        usage = self.usage
        return {
            "chain": self.manifest.chain, "table": self.manifest.table, "format": self.manifest.format,
            "running": self.running, "failed": self.failed, "in_flight": self.in_flight, "suspects": self.suspects,
            "calls": usage.calls, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
            "usd": self.usd() or None, "segments": self.segments, "bytes": self.bytes,
            "stages": {
                path: {
                    "cells": one.cells, "failed": one.failed, "retried": one.retried, "calls": one.usage.calls,
                    "seconds": one.seconds, "p50": one.quantile(0.5), "p95": one.quantile(0.95),
                }
                for path, one in self.stages.items()
            },
            "failures": [
                {"stage": stage, "type": kind, "rows": one.rows, "message": one.message, "examples": one.examples}
                for (stage, kind), one in self.failures.items()
            ],
            "slowest": [{"row": row, "seconds": seconds} for row, seconds in self.slowest],
            "runs": [
                {name: getattr(run, name) for name in run.__slots__} for run in self.manifest.runs
            ],
        }  # fmt: skip


def report(out: str | Path) -> BatchReport:
    """Read the ledger of an output.

    Raises:
        LedgerError: If there is none, or it cannot be read.
    """
    ledger = BatchLedger.beside(Path(str(out).removeprefix("delta:")).absolute())
    manifest = ledger.manifest()
    stages: dict[str, StageReport] = {}
    failed: dict[bytes, RowEnd] = {}
    slowest: list[tuple[float, str]] = []
    begun: set[bytes] = set()
    size = 0
    segments = ledger.segments()
    for path in segments:
        size += path.stat().st_size
        for frame in frames(path):
            match frame.kind:
                case FrameKind.CELL | FrameKind.FAILURE:
                    cell = CellRecord.unpacked(frame.payload)
                    stage = stages.setdefault(_ITEM.sub("[]", cell.path), StageReport())
                    stage.usage += cell.usage
                    if cell.value is None:
                        stage.failed += 1
                    else:
                        stage.note(cell.seconds)
                    stage.retried += cell.attempts > 1
                case FrameKind.BEGUN:
                    begun.add(frame.key)
                case FrameKind.ENDED:
                    begun.discard(frame.key)
                    end = RowEnd.unpacked(frame.payload)
                    if end.failed:
                        failed[frame.key] = end
                    else:
                        failed.pop(frame.key, None)
                    slowest = sorted([*slowest, (end.seconds, end.keys or frame.key.hex()[:12])], reverse=True)[
                        :_SLOWEST
                    ]
                case _:
                    pass
    return BatchReport(
        manifest, _is_running(ledger), stages, _grouped(failed), len(begun), len(ledger.known().deaths),
        tuple((row, seconds) for seconds, row in slowest), len(segments), size,
    )  # fmt: skip


def _grouped(failed: Mapping[bytes, RowEnd]) -> dict[tuple[str, str], Failures]:
    grouped: dict[tuple[str, str], Failures] = {}
    for row, end in failed.items():
        one = grouped.setdefault((end.stage, end.type), Failures(message=end.message))
        one.rows += 1
        if len(one.examples) < _EXAMPLES:
            one.examples.append(end.keys or row.hex()[:12])
    counts = Counter({key: one.rows for key, one in grouped.items()})
    return {key: grouped[key] for key, _ in counts.most_common()}


def _is_running(ledger: BatchLedger) -> bool:
    try:
        with ledger.held():
            return False
    except BatchInProgress:
        return True
