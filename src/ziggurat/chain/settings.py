"""What a chain is run with, beside its inputs: journal, cache, budget, prices, observers.

`MultiChain.using` takes these; a frozen value, shared by every run that is started with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ziggurat.chain.budget import Budget
from ziggurat.chain.journal import Journal
from ziggurat.chain.run.context import Reader
from ziggurat.chain.stage import Value
from ziggurat.errors import InputError
from ziggurat.prices import PACKAGE, Prices

if TYPE_CHECKING:
    from ziggurat.chain.cache import Cache

OnEffect = Literal["ask", "repeat", "skip"] | Callable[[str], "Literal['repeat', 'skip'] | Value"]
"""What to do about a stage that acts on the world and may or may not have done so: ``ask`` raises,
``repeat`` does it again, ``skip`` takes it for done, with None as output. A function is given the
stage's path and says which, or gives the output as ``value(...)``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What runs are run with.

    Attributes:
        journal: Where runs are written, or None.
        cache: Finished values shared between runs, or None.
        budget: What each run may spend, or None.
        prices: What models cost.
        observers: Readers of every run's events (tracing, logging).
        run_id: What the next run is called; None to make an id up.
        on_effect: What to do on resume about an effect of which nobody knows whether it happened.
        target: How another process finds the chain: ``chain.yaml`` or ``file.py:chain``.
    """

    journal: Journal | None = None
    cache: Cache | None = None
    budget: Budget | None = None
    prices: Prices = PACKAGE
    observers: tuple[Reader, ...] = ()
    run_id: str | None = None
    on_effect: OnEffect = "ask"
    target: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether nothing was asked for, so that stages can simply be called."""
        return self.journal is None and self.cache is None and self.budget is None and not self.observers

    def but(self, changes: Mapping[str, Any]) -> Settings:
        """These settings with some changed, as `MultiChain.using` takes them.

        Raises:
            InputError: If one is not what it should be.
        """
        from ziggurat.chain.cache import Cache

        given = dict(changes)
        if isinstance(journal := given.get("journal"), str | Path):
            given["journal"] = Journal(journal)
        if isinstance(cache := given.get("cache"), str | Path):
            given["cache"] = Cache(cache)
        elif cache is True:
            given["cache"] = Cache()
        elif cache is False:
            given["cache"] = None
        if "observers" in given:
            given["observers"] = tuple(given["observers"])
        on_effect = given.get("on_effect", "ask")
        if not callable(on_effect) and on_effect not in ("ask", "repeat", "skip"):
            raise InputError(f"on_effect={on_effect!r} is unknown.", fix="'ask', 'repeat', 'skip', or a function")
        if isinstance(given.get("budget"), Mapping):
            given["budget"] = Budget(**given["budget"])
        return replace(self, **given)
