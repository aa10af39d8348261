"""What the workers of one batch have in common: shares of the budget, the pace, who computes which cell.

A worker runs rows; it does not know whether it is alone (`Alone`) or one of a thousand on Spark, led over
a socket. Invariants: what all workers together reserve never exceeds the budget, whoever is lost; a
cell that one of them is computing is not computed by another.
"""

from __future__ import annotations

from typing import Protocol

from ziggurat.chain.budget import Purse
from ziggurat.chain.frozen import value_class
from ziggurat.chain.usage import NO_USAGE, Usage


@value_class()
class Place:
    """Where a finished cell lies in the ledger.

    Attributes:
        segment: The segment's file name.
        offset: Where its frame begins, in bytes.
    """

    segment: str
    offset: int


@value_class()
class Tally:
    """What was done since the last one.

    Attributes:
        rows: Rows that are through, failed ones included.
        failed: Those of them that have an error.
        computed: Cells that were computed.
        kept: Cells that were there already.
        usage: What the models used for the computed ones.
        left: Further rows that have an error: nothing more was to be computed, for want of budget or of permission.
    """

    rows: int = 0
    failed: int = 0
    computed: int = 0
    kept: int = 0
    usage: Usage = NO_USAGE
    left: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.rows + other.rows,
            self.failed + other.failed,
            self.computed + other.computed,
            self.kept + other.kept,
            self.usage + other.usage,
            self.left + other.left,
        )


class Coordination(Protocol):
    """What a worker asks of whoever leads the batch. Used on one event loop; `purse` from any thread."""

    @property
    def purse(self) -> Purse | None:
        """Is asked before each model call; None without a budget."""

    @property
    def stopped(self) -> bool:
        """Whether no further row is to be begun: too many failed, or whoever leads is gone."""

    async def pace(self, calls: float) -> None:
        """Wait until ``calls`` more calls may be sent under the batch's rate."""

    async def claim(self, key: bytes) -> Place | None:
        """Ask for a cell: None if it is the caller's to compute, else where it lies, once it is finished.

        A claim that is neither published nor released ends with its worker; it then goes to the next that waits.
        """

    def publish(self, key: bytes, place: Place) -> None:
        """A claimed cell is finished and can be read."""

    def release(self, key: bytes) -> None:
        """A claimed cell was not finished: somebody else may try."""

    def tell(self, tally: Tally) -> None:
        """Say what was done, for the progress and the bound on failed rows."""
