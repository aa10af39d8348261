"""A purse whose budget is a share of a batch's, and that asks for more when it is short.

What it asks, and over what, is handed in. Invariant: what it reserves never exceeds the shares that it was given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

from ziggurat.batch.leases import Refused
from ziggurat.chain.budget import Amounts, Budget, Purse
from ziggurat.errors import BudgetExceeded
from ziggurat.prices import PACKAGE, Prices

_DRY_SECONDS = 1.0
"""For so long a refusal is not asked about again: many calls may want what is no longer there."""


class LeasedPurse(Purse):
    """A worker's part of a batch's budget.

    Args:
        budget: The whole batch's.
        more: Asks for a further share of at least so much, telling what was spent so far. Blocks for a round
            trip; shares are of many calls, so it is called about once a second. None if nobody is there to ask.
        prices: What models cost.
        seconds_left: What is left of the budget's seconds.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        budget: Budget,
        more: Callable[[Amounts, Amounts], Amounts | Refused | None],
        prices: Prices = PACKAGE,
        *,
        seconds_left: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(budget, prices, clock=clock)
        if budget.seconds is not None and seconds_left is not None:
            self._began -= budget.seconds - seconds_left
        self._limit_usd = None if budget.usd is None else Decimal(0)
        self._limit_tokens = None if budget.tokens is None else 0
        self._limit_calls = None if budget.calls is None else 0
        self._more = more
        self._dry: tuple[float, Refused] | None = None
        self._is_closed = False

    @property
    def share(self) -> Amounts:
        """All that it was given."""
        return Amounts(self._limit_usd or Decimal(0), self._limit_tokens or 0, self._limit_calls or 0)

    @property
    def used(self) -> Amounts:
        """What is settled."""
        return self._spent

    def close(self) -> Amounts:
        """Reserve nothing from now on.

        Returns:
            What was spent, calls that are not settled at the most they may take. The rest of the share
            is free for others.
        """
        with self._lock:
            self._is_closed = True
            taken = self._spent + self._aside
            self._limit_usd = None if self._limit_usd is None else taken.usd
            self._limit_tokens = None if self._limit_tokens is None else taken.tokens
            self._limit_calls = None if self._limit_calls is None else taken.calls
            return taken

    def _widen(self, lacking: Amounts, needed: Amounts) -> None:
        """Ask for a further share.

        Raises:
            BudgetExceeded: If there is none, or nobody to ask.
        """
        found: Amounts | Refused | None = self._still_dry(lacking)
        if found is None and not self._is_closed:
            found = self._more(lacking, self._spent)
        if isinstance(found, Amounts):
            with self._lock:
                if not self._is_closed:
                    self._limit_usd = None if self._limit_usd is None else self._limit_usd + found.usd
                    self._limit_tokens = None if self._limit_tokens is None else self._limit_tokens + found.tokens
                    self._limit_calls = None if self._limit_calls is None else self._limit_calls + found.calls
            return
        if found is None:
            bound = "calls" if lacking.calls else "tokens" if lacking.tokens else "usd"
            raise BudgetExceeded(
                "The share of the batch's budget is used up, and nobody is there who could give more.",
                bound=bound,
                fix="run the batch again: it goes on where this one ended",
            )
        self._dry = self._clock() + _DRY_SECONDS, found
        raise self._no_room(found, needed)

    def _still_dry(self, lacking: Amounts) -> Refused | None:
        """The last refusal, if it is recent and answers this, too."""
        if self._dry is None or self._clock() >= self._dry[0]:
            return None
        refused = self._dry[1]
        return refused if getattr(lacking, refused.bound) > refused.rest else None

    def _no_room(self, refused: Refused, needed: Amounts) -> BudgetExceeded:
        whole, need = getattr(self.budget, refused.bound), getattr(needed, refused.bound)
        if refused.bound == "usd":
            words = f"{refused.rest:.4f} of {Decimal(str(whole))} are neither spent nor set aside"
            may = f"up to {need:.4f}"
        else:
            words = f"{refused.rest:,} of {whole:,} are neither used nor set aside by the workers"
            may = f"up to {need:,}"
        return self._refusal(refused.bound, words, may)
