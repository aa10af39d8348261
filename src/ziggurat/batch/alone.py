"""The coordination of a worker that is alone: nobody to share with, the same bounds to keep."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from ziggurat.batch.coordination import Place, Tally
from ziggurat.batch.rates import Rate
from ziggurat.chain.budget import Budget, Purse
from ziggurat.prices import PACKAGE, Prices


class Alone:
    """What one worker asks of itself.

    Args:
        budget: What may be spent, or None.
        prices: What models cost.
        rate: The most calls in a while, or None.
        stop_after: Failed rows after which no further row is begun, or None.
        watch: Is told the sum of all tallies whenever one comes.

    Attributes:
        tally: The sum of what was done.
    """

    def __init__(
        self,
        *,
        budget: Budget | None = None,
        prices: Prices = PACKAGE,
        rate: Rate | None = None,
        stop_after: int | None = None,
        watch: Callable[[Tally], None] | None = None,
    ) -> None:
        self.tally = Tally()
        self._purse = Purse(budget, prices) if budget is not None else None
        self._rate = rate
        self._stop_after = stop_after
        self._watch = watch
        self._sent: deque[tuple[float, float]] = deque()
        self._turn = asyncio.Lock()

    @property
    def purse(self) -> Purse | None:
        """Is asked before each model call."""
        return self._purse

    @property
    def stopped(self) -> bool:
        """Whether more rows failed than are allowed."""
        return self._stop_after is not None and self.tally.failed >= self._stop_after

    async def pace(self, calls: float) -> None:
        """Wait until so many calls may be sent."""
        rate = self._rate
        if rate is None:
            return
        async with self._turn:
            while True:
                now = time.monotonic()
                while self._sent and self._sent[0][0] + rate.seconds <= now:
                    self._sent.popleft()
                if not self._sent or sum(many for _, many in self._sent) + calls <= rate.calls:
                    self._sent.append((now, calls))
                    return
                await asyncio.sleep(self._sent[0][0] + rate.seconds - now)

    async def claim(self, key: bytes) -> Place | None:  # noqa: ARG002 (a coordination takes it)
        """Every cell is its own."""
        return None

    def publish(self, key: bytes, place: Place) -> None:
        """Nobody else wants to know."""

    def release(self, key: bytes) -> None:
        """Nobody else waits."""

    def tell(self, tally: Tally) -> None:
        """Count what was done."""
        self.tally += tally
        if self._watch is not None:
            self._watch(self.tally)
