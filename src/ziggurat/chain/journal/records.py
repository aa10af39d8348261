"""What a journal holds, as frozen values: runs, and the cells they are made of.

Pure. A cell is one stage of one run, or one item of a mapped stage; its path says which. Values and
descriptions are bytes here: `ziggurat.chain.values` knows what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ziggurat.chain.frozen import value_class
from ziggurat.chain.usage import NO_USAGE, Usage


class RunStatus(StrEnum):
    """How far a run has come. ``RUNNING`` and held by nobody means that its process died."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """At the cap of its budget, with what it had."""
    CANCELLED = "cancelled"


class CellStatus(StrEnum):
    """How far a stage has come. ``BEGUN`` is written before a stage that acts on the world."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@value_class()
class Cell:
    """What became of one stage, or of one item of a mapped stage.

    Attributes:
        path: Which: ``answer``, ``book/summaries[12]/draft``.
        status: How far it came.
        identity: A digest of what the stage is, 16 bytes; `Journal.describe` tells what it stands for.
        key: Its content key, where one was computed.
        inputs: By parameter, the digest of the value it was given.
        value: What it returned, encoded; None for composite stages and for what did not finish.
        blobs: The hashes of the large bytes the value refers to.
        usage: What its models used.
        attempts: How often it was tried.
        began: Unix time.
        seconds: How long it took.
        source: Where the value came from: ``run``, ``cache``, ``kept`` or ``fallback``; ``inside`` for a stage
            made of stages, whose value is theirs; ``unstored`` where the value is not kept.
        error: The type and message of the failure.
    """

    path: str
    status: CellStatus
    identity: bytes = b""
    key: bytes = b""
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    value: bytes | None = field(default=None, repr=False)
    blobs: tuple[bytes, ...] = ()
    usage: Usage = NO_USAGE
    attempts: int = 1
    began: float = 0.0
    seconds: float = 0.0
    source: str = "run"
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution of a chain.

    Attributes:
        id: Unique in the journal.
        chain: The chain's name.
        status: How far it came.
        began: Unix time.
        ended: Unix time; None while it runs, and after its process died.
        inputs: What the run was given, encoded.
        usage: What its models used; told at its end.
        cost: In USD, a decimal in text; empty where a price is unknown, None before its end.
        replay_of: The run it is a replay of.
        target: How to find the chain again: ``file.yaml``, ``file.py:name``, or empty.
        shape: What the chain looked like, encoded.
        error: The type and message of the failure.
        cells: How many cells it has.
    """

    id: str
    chain: str
    status: RunStatus = RunStatus.RUNNING
    began: float = 0.0
    ended: float | None = None
    inputs: bytes = field(default=b"", repr=False)
    usage: Usage = NO_USAGE
    cost: str | None = None
    replay_of: str | None = None
    target: str = ""
    shape: bytes = field(default=b"", repr=False)
    error: str = ""
    cells: int = 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed from a journal, or would be.

    Attributes:
        runs: Runs.
        cells: Cells of those runs.
        bytes: Room that came free in the file, or on a dry run about that.
    """

    runs: int = 0
    cells: int = 0
    bytes: int = 0
