"""What one run has done, on disk: the runner's side of a journal.

A finished stage is on disk before the next begins. On resume, and in a replay, a stage is *kept* if it is
what it was and was given what it was given; a stage that acts on the world is kept if it ever
finished, whatever changed. Items of a map are written a few at a time: a kill loses at most those
of the last moment, which then run again (not so where an item acts on the world: its beginning is
on disk before it begins).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from ziggurat.chain.frozen import value_class
from ziggurat.chain.journal import Cell, CellStatus, Journal
from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.stage import Value
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.chain.values import decode, encode
from ziggurat.errors import EffectUncertain, InputError, JournalError, ValueNotStorable, gist

T = TypeVar("T")

_ITEMS_AT_ONCE = 512
_ITEM_SECONDS = 0.02
"""How many finished items, and for how long, are held back to be written together."""

WITHOUT_VALUE = frozenset({"inside", "unstored"})
"""Sources of cells that have no value: of stages made of stages, and of those whose output is not kept."""

_INLINE_BYTES = 1 << 18
"""Values larger than this are written from a worker thread, so that the others go on meanwhile."""


@value_class()
class Done:
    """A stage that has an output.

    Attributes:
        output: The value.
        usage: What its models used.
        seconds: How long it took.
        attempts: How often it was tried.
        source: ``run``, ``cache``, ``kept``, ``fallback``, or one of `WITHOUT_VALUE`.
    """

    output: Any
    usage: Usage = NO_USAGE
    seconds: float = 0.0
    attempts: int = 1
    source: str = "run"


@value_class()
class Mark:
    """What tells a stage's work apart.

    Attributes:
        identity: What the stage is.
        inputs: What it is given: digests by parameter.
        key: The content key made of both.
    """

    identity: bytes = b""
    inputs: Mapping[str, bytes] | None = None
    key: bytes = b""


NO_MARK = Mark()


class Ledger:
    """Writes and reads the cells of one run.

    Args:
        journal: Where they are.
        run_id: The run.
        kept: Cells that are there already, by path.
        source: The run whose values ``kept`` are: this one, or the one it replays.
        decided: What to do about effects of which it is not known whether they happened: their
            output as a `Value`, or None to let them happen again.
    """

    def __init__(
        self,
        journal: Journal,
        run_id: str,
        *,
        kept: Mapping[str, Cell] | None = None,
        source: str = "",
        decided: Mapping[str, Value | None] | None = None,
    ) -> None:
        self.journal = journal
        self.run_id = run_id
        self._kept = dict(kept or {})
        self._source = source or run_id
        self._decided = dict(decided or {})
        self._begun: set[str] = set()
        self._broken: JournalError | None = None
        self._waiting: list[Cell] = []
        self._blobs: dict[bytes, bytes] = {}
        self._waiting_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_replay(self) -> bool:
        """Whether the kept cells are another run's."""
        return self._source != self.run_id

    @property
    def has_kept(self) -> bool:
        """Whether any stage may have an output already: not so in a run that just began."""
        return bool(self._kept or self._decided) or self.is_replay

    async def kept(self, path: str, mark: Mark, *, effect: bool) -> Done | None:
        """What a stage did before, if that still stands."""
        if path in self._decided:
            decision = self._decided.pop(path)
            if decision is None:
                return None
            done = Done(decision.value, source="kept")
            await self.done(path, mark, done)
            return done
        cell = self._kept.get(path)
        if cell is None or cell.status is not CellStatus.DONE:
            if effect and self.is_replay:
                raise InputError(
                    f"A replay never acts on the world, and run {self._source} has no output of {path!r} to reuse.",
                    fix="swap it for a stage that does not act on the world",
                )
            return None
        if cell.source in WITHOUT_VALUE:
            return None
        if not effect and (cell.identity != mark.identity or dict(cell.inputs) != dict(mark.inputs or {})):
            return None
        stored = await self._do(lambda: self.journal.value(self._source, path))
        output = decode(stored, blob=self.journal.blob)
        if self.is_replay:
            await self.done(path, mark, Done(output, cell.usage, cell.seconds, cell.attempts, "kept"))
        return Done(output, cell.usage, cell.seconds, cell.attempts, "kept")

    async def begun(self, path: str, mark: Mark) -> None:
        """A stage is about to act on the world.

        Raises:
            EffectUncertain: If it was about to before in this run, and failed: what holds it is being
                tried again, and whether it acted is not known.
        """
        if path in self._begun:
            raise EffectUncertain(
                f"Stage {path!r} was begun and failed; whether it acted on the world is not known.",
                paths=(path,),
                where=f"run {self.run_id}",
                fix="give the stage itself a retry if it may be repeated, or resume the run and say what happened",
            )
        self._begun.add(path)
        await self._flush()
        cell = Cell(path, CellStatus.BEGUN, mark.identity, mark.key, mark.inputs or {}, began=time.time())
        await self._do(lambda: self.journal.record(self.run_id, cell))

    async def done(self, path: str, mark: Mark, done: Done, *, later: bool = False) -> None:
        """A stage has its output; returns once that is on disk, or for an item soon to be.

        Raises:
            ValueNotStorable: If the output cannot be encoded.
        """
        store = done.source not in WITHOUT_VALUE
        if not store and path in self._kept and not self.is_replay:
            return  # on disk already, and nothing of it is new
        blobs: dict[bytes, bytes] = {}
        value = encode(done.output, blobs=blobs) if store else None
        cell = Cell(
            path,
            CellStatus.DONE,
            mark.identity,
            mark.key,
            mark.inputs or {},
            value,
            tuple(blobs),
            done.usage,
            done.attempts,
            time.time() - done.seconds,
            done.seconds,
            done.source,
        )
        if path in self._begun:
            self._begun.discard(path)
            self._kept[path] = cell  # if what holds it is tried again, this is not
        if later:
            await self._later(cell, blobs)
            return
        if self._waiting or self._writing is not None:
            await self._flush()
        size = len(value or b"") + sum(map(len, blobs.values()))
        await self._do(lambda: self.journal.record(self.run_id, cell, blobs), inline=size < _INLINE_BYTES)

    async def failed(self, path: str, mark: Mark, error: BaseException, seconds: float, usage: Usage) -> None:
        """A stage failed, for good in this run. One that acts on the world stays begun: it may have acted first."""
        said = f"{type(error).__name__}: {gist(error)}"
        cell = Cell(
            path,
            CellStatus.BEGUN if path in self._begun else CellStatus.FAILED,
            mark.identity,
            mark.key,
            mark.inputs or {},
            usage=usage,
            began=time.time() - seconds,
            seconds=seconds,
            error=said,
        )
        await self._flush()
        await self._do(lambda: self.journal.record(self.run_id, cell))

    async def skipped(self, paths: Mapping[str, str]) -> None:
        """Stages that cannot start, each with the one that failed."""
        cells = [Cell(path, CellStatus.SKIPPED, error=f"{cause} failed") for path, cause in paths.items()]
        if cells:
            await self._do(lambda: self.journal.record_many(self.run_id, cells))

    async def close(self) -> None:
        """Write what was held back."""
        await self._flush()

    async def _later(self, cell: Cell, blobs: Mapping[bytes, bytes]) -> None:
        now = time.monotonic()
        if not self._waiting:
            self._waiting_since = now
            self._timer = asyncio.get_running_loop().call_later(_ITEM_SECONDS, self._due)
        self._waiting.append(cell)
        self._blobs.update(blobs)
        if len(self._waiting) >= _ITEMS_AT_ONCE or now - self._waiting_since > _ITEM_SECONDS:
            await self._flush()

    def _due(self) -> None:
        """Write items that wait for others which do not come; an error is heard by the next stage that asks."""
        self._timer = None
        loop = asyncio.get_running_loop()
        if self._writing is not None and not self._writing.done():
            self._timer = loop.call_later(_ITEM_SECONDS, self._due)
        else:
            self._writing = loop.create_task(self._write_waiting())

    async def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing
            self.check()
        if self._waiting:
            await self._record_waiting()

    async def _write_waiting(self) -> None:
        with suppress(JournalError):
            await self._record_waiting()

    async def _record_waiting(self) -> None:
        cells, self._waiting = self._waiting, []
        blobs, self._blobs = self._blobs, {}
        await self._do(lambda: self.journal.record_many(self.run_id, cells, blobs))

    def check(self) -> None:
        """Refuse to go on with a run that can no longer be written down.

        Raises:
            JournalError: As the journal raised it, whatever became of it since.
        """
        if self._broken is not None:
            raise self._broken

    async def _do(self, work: Callable[[], T], *, inline: bool = True) -> T:
        try:
            return work() if self.journal.quick and inline else await in_thread(work)
        except JournalError as error:
            self._broken = error
            raise


def check_storable(inputs: Mapping[str, Any]) -> tuple[bytes, dict[bytes, bytes]]:
    """A run's inputs, encoded, and the large bytes in them by hash.

    Raises:
        ValueNotStorable: If one of them cannot be; it names the input.
    """
    for name, given in inputs.items():
        try:
            encode(given)
        except ValueNotStorable as error:
            raise ValueNotStorable(
                f"The input {name!r} cannot be written to a journal: {error.what}",
                path=f"{name}{error.path}",
                type_name=error.type_name,
                fix="give data, or open the object inside a stage",
            ) from error
    blobs: dict[bytes, bytes] = {}
    return encode(dict(inputs), blobs=blobs), blobs
