"""What the ledger says of a row and of a cell, and what kind of cells a stage has: values, and their bytes."""

from __future__ import annotations

from ormsgpack import packb, unpackb

from ziggurat.chain.frozen import value_class
from ziggurat.chain.usage import ModelUsage, Usage


@value_class()
class RowEnd:
    """How a row ended.

    Attributes:
        keys: What identifies it, as text for people.
        stage: The stage that failed; empty if none did, or the row itself could not be used.
        type: The name of the error's class; empty if there was none.
        message: What the error says.
        seconds: How long it took.
    """

    keys: str = ""
    stage: str = ""
    type: str = ""
    message: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the row has an error."""
        return bool(self.type)

    def packed(self) -> bytes:
        """The row's end as the payload of a frame."""
        return packb((self.keys, self.stage, self.type, self.message, self.seconds))

    @classmethod
    def unpacked(cls, payload: bytes) -> RowEnd:
        """What `packed` gave."""
        return cls(*unpackb(payload))


@value_class()
class CellRecord:
    """A cell as the ledger has it.

    Attributes:
        path: The stage's place in the chain.
        row: The digest of the row that it was computed for.
        value: The output, encoded; None for one that failed.
        usage: What its models used.
        attempts: How often it was tried.
        seconds: How long it took.
        source: ``run``, ``cache`` or ``fallback``.
        error: The type and message of the failure.
    """

    path: str
    row: bytes
    value: bytes | None
    usage: Usage
    attempts: int = 1
    seconds: float = 0.0
    source: str = "run"
    error: str = ""

    def packed(self) -> bytes:
        """The cell as the payload of a frame."""
        lines = [
            (one.model, one.provider, one.input_tokens, one.output_tokens, one.cached_tokens, one.calls)
            for one in self.usage.lines
        ]
        return packb(
            (self.path, self.row, self.value, lines, self.attempts, self.seconds, self.source, self.error)
        )  # fmt: skip

    @classmethod
    def unpacked(cls, payload: bytes) -> CellRecord:
        """What `packed` gave."""
        path, row, value, lines, *rest = unpackb(payload)
        return cls(path, row, value, Usage(tuple(ModelUsage(*line) for line in lines)), *rest)


@value_class()
class StageKind:
    """What the cells of a stage are.

    Attributes:
        shared: Whether an output may be given to another row.
        falls_back: Whether it has a fallback.
        holds_others: Whether its work is done by stages inside it, which are counted themselves.
    """

    shared: bool
    falls_back: bool = False
    holds_others: bool = False
