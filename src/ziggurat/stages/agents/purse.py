"""An agent's own budget within the run's: a call needs room in both.

How a purse counts is `ziggurat.chain.budget`'s.
"""

from __future__ import annotations

from collections.abc import Hashable

from ziggurat.chain.budget import Ask, Budget, Purse
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import BudgetExceeded


class OwnPurse(Purse):
    """A purse inside another.

    Args:
        budget: Of the agent, for one question.
        around: The run's purse, or None.

    Attributes:
        refusal: The error by which this purse, and not the one around it, refused a call.
    """

    def __init__(self, budget: Budget, around: Purse | None) -> None:
        super().__init__(budget)
        self.around = around
        self.refusal: BudgetExceeded | None = None

    def reserve(self, call: Hashable, ask: Ask) -> None:
        """Set aside what a call may cost in both purses.

        Raises:
            BudgetExceeded: If one has no room; nothing was set aside.
        """
        try:
            super().reserve(call, ask)
        except BudgetExceeded as error:
            self.refusal = error
            raise
        if self.around is not None:
            try:
                self.around.reserve(call, ask)
            except BudgetExceeded:
                super().settle(call, NO_USAGE)
                raise

    def settle(self, call: Hashable, usage: Usage) -> None:
        """Replace what was set aside in both."""
        super().settle(call, usage)
        if self.around is not None:
            self.around.settle(call, usage)
