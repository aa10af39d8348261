"""Budgets: what a run may spend at most, reserved before each call is sent and settled after.

`Budget` says how much; a `Purse` is what is left of it in one run, shared by all stages that run at
once, from any thread. What a call may cost at most is set aside before it is sent, so that stages
side by side cannot spend the same money twice; when its real usage is known the rest goes back.
Seconds are counted by a clock that nobody can set.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from decimal import Decimal

from ziggurat.chain.usage import Usage
from ziggurat.errors import BudgetExceeded, InputError
from ziggurat.prices import PACKAGE, Prices


@dataclass(frozen=True, slots=True)
class Budget:
    """The most a run may spend. None means no bound.

    Attributes:
        usd: US dollars, by `ziggurat.prices`.
        tokens: Tokens read and written by models.
        calls: Model calls.
        seconds: Time from the run's beginning.

    Raises:
        InputError: If a bound is not above 0.
    """

    usd: float | Decimal | str | None = None
    tokens: int | None = None
    calls: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("usd", "tokens", "calls", "seconds"):
            bound = getattr(self, name)
            try:
                allowed = bound is None or Decimal(str(bound)) > 0
            except ArithmeticError:
                allowed = False
            if not allowed:
                raise InputError(f"A budget of {name}={bound!r} allows nothing.", fix="a number above 0, or None")


@dataclass(frozen=True, slots=True)
class Ask:
    """A call about to be sent.

    Attributes:
        model: What the model calls itself.
        provider: Who serves it.
        input_tokens: Tokens of the prompt, estimated.
        output_tokens: Tokens of the longest answer it allows.
    """

    model: str
    provider: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Amounts:
    """So many US dollars, tokens and calls."""

    usd: Decimal = Decimal(0)
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.usd + other.usd, self.tokens + other.tokens, self.calls + other.calls)

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(self.usd - other.usd, self.tokens - other.tokens, self.calls - other.calls)

    def __bool__(self) -> bool:
        return bool(self.usd or self.tokens or self.calls)


NOTHING = Amounts()


class Purse:
    """What is left of a budget in one run.

    Args:
        budget: The bounds.
        prices: What models cost.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, budget: Budget, prices: Prices = PACKAGE, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.budget = budget
        self._prices = prices
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._held: dict[Hashable, Amounts] = {}
        self._aside = NOTHING  # the sum of what is held
        self._spent = NOTHING
        self._limit_usd = None if budget.usd is None else Decimal(str(budget.usd))
        self._limit_tokens = budget.tokens
        self._limit_calls = budget.calls

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time is up, not below 0; None without a bound."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - (self._clock() - self._began))

    @property
    def spent(self) -> tuple[Decimal, int, int]:
        """US dollars, tokens and calls that are settled."""
        return self._spent.usd, self._spent.tokens, self._spent.calls

    def check_time(self) -> None:
        """Refuse to go on once the time is up.

        Raises:
            BudgetExceeded: If it is.
        """
        if self.seconds_left == 0.0:
            raise BudgetExceeded(
                f"The budget of {self.budget.seconds:g} s is used up.", bound="seconds", fix="allow more seconds"
            )

    def reserve(self, call: Hashable, ask: Ask) -> None:
        """Set aside what a call may cost at most.

        Raises:
            BudgetExceeded: If there is no room for it, or its price is unknown and the budget is in
                US dollars. Nothing was set aside.
        """
        self.check_time()
        needed = self._most(ask)
        while True:
            with self._lock:
                lacking = self._lacking(needed)
                if not lacking:
                    self._aside += needed - self._held.get(call, NOTHING)
                    self._held[call] = needed
                    return
            self._widen(lacking, needed)

    def settle(self, call: Hashable, usage: Usage) -> None:
        """Replace what was set aside for a call by what it used; nothing used gives all of it back."""
        with self._lock:
            held = self._held.pop(call, None)
            if held is None:
                return
            self._aside -= held
            if not usage.lines:
                return
            usd = Decimal(0)
            if self._limit_usd is not None:
                costs = [self._prices.cost(line) for line in usage.lines]
                known = sum((cost for cost in costs if cost is not None), Decimal(0))
                usd = held.usd if None in costs or not usage.total_tokens else known
            self._spent += Amounts(usd, usage.total_tokens or held.tokens, usage.calls)

    def _most(self, ask: Ask) -> Amounts:
        """The most that a call may take."""
        usd: Decimal | None = Decimal(0)
        if self._limit_usd is not None:
            usd = self._prices.bound(ask.model, ask.provider, ask.input_tokens, ask.output_tokens)
        if usd is None:
            raise BudgetExceeded(
                f"The price of {ask.model or 'this model'!r} is unknown, so a budget in US dollars cannot be kept.",
                bound="usd",
                fix="give its price with prices=..., or a budget in tokens",
            )
        return Amounts(usd, ask.input_tokens + ask.output_tokens, 1)

    def _lacking(self, needed: Amounts) -> Amounts:
        """How much more than there is left a call needs, for each bound."""
        taken = self._spent + self._aside + needed
        return Amounts(
            Decimal(0) if self._limit_usd is None else max(Decimal(0), taken.usd - self._limit_usd),
            0 if self._limit_tokens is None else max(0, taken.tokens - self._limit_tokens),
            0 if self._limit_calls is None else max(0, taken.calls - self._limit_calls),
        )

    def _widen(self, lacking: Amounts, needed: Amounts) -> None:
        """Get what is lacking, or refuse; a whole budget has nowhere to get it from. Called without the lock."""
        taken = self._spent + self._aside
        if lacking.calls:
            raise self._refusal("calls", f"{taken.calls} of {self.budget.calls} are made", "1")
        if lacking.tokens:
            used = f"{taken.tokens:,} of {self.budget.tokens:,} are used or set aside"
            raise self._refusal("tokens", used, f"up to {needed.tokens:,}")
        used = f"{taken.usd:.4f} of {self._limit_usd} are spent or set aside"
        raise self._refusal("usd", used, f"up to {needed.usd:.4f}")

    def _refusal(self, bound: str, used: str, needed: str) -> BudgetExceeded:
        return BudgetExceeded(
            f"The budget in {bound} has no room for this call: {used}, and it may take {needed}.",
            bound=bound,
            fix="allow more calls" if bound == "calls" else "allow more, or bound the answer's length (max_tokens)",
        )
