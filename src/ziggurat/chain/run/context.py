"""What all stages of one run share: who reads its events, what is on disk, what may be spent.

One `Context` for a run, however deep its chains nest. A run without any of it has no context at all, and
then none of it costs anything.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ziggurat.chain.events import Event
from ziggurat.chain.identity import Identities
from ziggurat.chain.program import Program, Step
from ziggurat.chain.run.ledger import NO_MARK, Done, Mark
from ziggurat.chain.run.metering import Meter
from ziggurat.chain.usage import Usage
from ziggurat.chain.values import digest

if TYPE_CHECKING:
    from ziggurat.chain.cache import Cache

Reader = Callable[[Event], Awaitable[None]]
"""Where events go. Awaited, so that a slow reader slows the run instead of filling memory."""


class Watcher(Protocol):
    """An observer that is told, besides events, of beginnings and ends that no event tells; it may not raise."""

    def run_started(self, run: str, name: str) -> None:
        """A run of the chain ``name`` begins; told in the run's own task, before any of its stages begins."""

    def item_started(self, run: str, path: str) -> None:
        """An item begins; told in its own task."""

    def run_ended(self, run: str, error: BaseException | None) -> None:
        """A run is over, with what it raised; told in the run's own task, after everything else.

        A cancelled run tells its end in no other way.
        """


class Recorder(Protocol):
    """Where the finished stages of a run are written, and found again; a `Ledger` is one."""

    @property
    def has_kept(self) -> bool:
        """Whether any stage may have an output already."""

    async def kept(self, path: str, mark: Mark, *, effect: bool) -> Done | None:
        """What a stage did before, if that still stands."""

    async def begun(self, path: str, mark: Mark) -> None:
        """A stage that acts on the world is about to begin; returns once that is on disk."""

    async def done(self, path: str, mark: Mark, done: Done, *, later: bool = False) -> None:
        """A stage has its output; returns once that is on disk, or for an item soon to be.

        Raises:
            ValueNotStorable: If the output cannot be encoded.
        """

    async def failed(self, path: str, mark: Mark, error: BaseException, seconds: float, usage: Usage) -> None:
        """A stage failed, for good in this run."""

    async def skipped(self, paths: Mapping[str, str]) -> None:
        """Stages that cannot start, each with the one that failed."""

    async def close(self) -> None:
        """The run is over: write what was held back."""

    def check(self) -> None:
        """Refuse to go on with a run that can no longer be written down."""


_SMALL = 256
"""Inputs shorter than this are hashed each time; larger ones are remembered while the run lasts."""

_REMEMBERED = 512

_ATOMS = frozenset({int, float, bool, type(None)})
_TEXTS = frozenset({str, bytes})


def content_key(identity: bytes, inputs: Mapping[str, bytes]) -> bytes:
    """What a value is kept under: what the stage is and what it is given, in whatever order."""
    hashed = hashlib.blake2b(identity, digest_size=16)
    for name in sorted(inputs):
        hashed.update(name.encode() + b"=" + inputs[name])
    return hashed.digest()


@dataclass(slots=True)
class Context:
    """What the stages of one run share.

    Attributes:
        run_id: The run.
        reader: Is told every event, or None.
        streams: Whether somebody reads pieces of outputs as they are made.
        ledger: What is on disk of this run, or None.
        cache: Finished values of all runs, or None.
        meter: Counts the whole run's usage.
        watchers: Are told of beginnings and ends that no event tells.
        identities: What the stages are.
        began: When the run began, on the clock of ``now``.
    """

    run_id: str
    reader: Reader | None = None
    streams: bool = False
    ledger: Recorder | None = None
    cache: Cache | None = None
    meter: Meter = field(default_factory=Meter)
    watchers: tuple[Watcher, ...] = ()
    identities: Identities = field(default_factory=Identities)
    began: float = field(default_factory=time.perf_counter)
    _digests: dict[int, tuple[Any, bytes]] = field(default_factory=dict)

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.began

    def mark(self, step: Step, program: Program, inputs: Mapping[str, Any]) -> Mark:
        """What tells a stage's work apart, where that is of use.

        Raises:
            ValueNotStorable: If an input cannot be told apart from another.
        """
        if self.ledger is None and self.cache is None:
            return NO_MARK
        identity = self.identities.of(step, program).digest
        digests = {name: self._digest(given) for name, given in inputs.items()}
        return Mark(identity, digests, content_key(identity, digests) if self.cache is not None else b"")

    def may_cache(self, step: Step, program: Program) -> bool:
        """Whether the cache may give and keep a stage's output."""
        policy = step.policy
        if self.cache is None or policy.effect or policy.cache is False:
            return False
        return policy.cache is True or not (step.is_composite or self.identities.of(step, program).opaque)

    def _digest(self, given: Any) -> bytes:
        kind = type(given)
        if kind in _ATOMS or (kind in _TEXTS and len(given) < _SMALL):
            return digest(given)
        remembered = self._digests.get(id(given))
        if remembered is not None and remembered[0] is given:
            return remembered[1]
        if len(self._digests) > _REMEMBERED:
            self._digests.clear()
        found = digest(given)
        self._digests[id(given)] = (given, found)
        return found
