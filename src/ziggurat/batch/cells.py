"""The cells of a batch: finished stages of rows, found again by what they are and what they were given.

`Cells` belongs to one worker: it reads every segment of the ledger, writes one of its own, and lets no cell be
computed twice at once. `RowCells` is what one row's run writes to. Invariants: a cell is in the segment before
another worker hears of it; a claim ends with its row, whatever happens.

A cell's key is the content key of the chain's cache where its output may be shared between rows, so that
identical cells are computed once. Where it may not (the stage is not to be cached, or cannot be told apart from
another), the row and the place in the chain are part of the key; for one that acts on the world nothing else is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ormsgpack import packb, unpackb

from ziggurat.batch.coordination import Coordination, Place
from ziggurat.batch.places import PlaceTable
from ziggurat.batch.segments import FrameKind, SegmentReader, SegmentWriter
from ziggurat.chain.frozen import value_class
from ziggurat.chain.run.context import content_key
from ziggurat.chain.run.ledger import WITHOUT_VALUE, Done, Mark
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.chain.values import decode, encode
from ziggurat.errors import EffectUncertain, LedgerError, ValueNotReadable, gist

OnEffect = Literal["ask", "repeat", "skip"]

_WORTH_WRITING = 0.001
"""Seconds of work from which on a cell is handed to the operating system before anything else happens."""
_UNKNOWN_PACE = (1.0, 1.0)
_WORTH_ASKING = 0.002
"""Seconds of work from which on it pays to ask whoever leads whether another worker computes the same cell."""


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
    """

    shared: bool
    falls_back: bool = False


class Cells:
    """Finds, claims and writes cells for one worker.

    Args:
        folder: Where the segments are.
        segment: The name of the worker's own.
        found: Where the cells of earlier segments lie, first match first.
        stages: By a stage's identity, what its cells are.
        coordination: What the workers have in common.
        acting: Keys of cells that were begun, act on the world, and are not known to have ended.
        on_effect: What to do about those: ``ask`` fails the row, ``repeat`` does it again, ``skip`` takes it for
            done, with None as output.
        kept_only: Whether nothing is to be computed.
        careful: Whether a worker died in this batch before, so that every row is noted before it begins.
        unsettled: Rows that failed or were lost, the end of which is noted even if nothing is left to compute.
    """

    def __init__(
        self,
        folder: Path,
        segment: str,
        *,
        found: tuple[PlaceTable, ...],
        stages: Mapping[bytes, StageKind],
        coordination: Coordination,
        acting: frozenset[bytes] = frozenset(),
        on_effect: OnEffect = "ask",
        kept_only: bool = False,
        careful: bool = False,
        unsettled: frozenset[bytes] = frozenset(),
    ) -> None:
        self.coordination = coordination
        self.unsettled = unsettled
        self.kept_only = kept_only
        self.on_effect: OnEffect = on_effect
        self._writer = SegmentWriter(folder / segment)
        self._reader = SegmentReader(folder)
        self._own = PlaceTable()
        self._tables = (self._own, *(table for table in found if len(table)))
        self._stages = stages
        self._careful = careful
        self._acting = acting
        self._waiting: dict[bytes, asyncio.Future[None] | None] = {}
        self._unpublished: list[tuple[bytes, Place]] = []
        self._paces: dict[bytes, list[float]] = {}  # by stage: seconds and calls of a cell, lately
        self._row_seconds = 1.0
        self._scheduled = False

    def key(self, path: str, mark: Mark, row: bytes, *, effect: bool) -> bytes:
        """What a stage's cell is kept under."""
        if effect:
            return _scoped(b"effect", row, path)
        found = content_key(mark.identity, mark.inputs or {})
        kind = self._stages.get(mark.identity)
        return found if kind is not None and kind.shared else _scoped(found, row, path)

    def may_fall_back(self, identity: bytes) -> bool:
        """Whether a stage has a fallback, the output of which stands for one row alone."""
        kind = self._stages.get(identity)
        return kind is not None and kind.falls_back

    def find(self, key: bytes) -> Done | None:
        """A finished cell.

        Raises:
            LedgerError: If the ledger cannot be read.
        """
        for table in self._tables:
            place = table.get(key)
            if place is not None and (done := self._read(key, place)) is not None:
                return done
        return None

    async def claim(self, key: bytes, identity: bytes) -> Done | None:
        """A finished cell, waiting for one that is being computed; None if it is now the caller's to compute.

        The caller then ends the claim with `write` or `release`.
        """
        while True:
            done = self.find(key)
            if done is not None:
                return done
            if key not in self._waiting:
                break
            waiting = self._waiting[key]
            if waiting is None:
                waiting = self._waiting[key] = asyncio.get_running_loop().create_future()
            await asyncio.shield(waiting)
        self._waiting[key] = None
        try:
            seconds, calls = self._paces.get(identity, _UNKNOWN_PACE)
            if seconds >= _WORTH_ASKING:
                place = await self.coordination.claim(key)
                if place is not None:
                    done = self._read(key, place)
                    if done is not None:
                        self._own.put(key, place)
                        self._end_claim(key)
                        return done
            if calls:
                await self.coordination.pace(calls)
        except BaseException:
            self.release(key)
            raise
        return None

    def write(self, key: bytes, identity: bytes, cell: CellRecord) -> None:
        """Write a finished cell down and end the claim on it.

        Raises:
            LedgerError: If the disk refuses.
        """
        offset = self._writer.append(FrameKind.CELL, key, cell.packed())
        place = Place(self._writer.name, offset)
        self._own.put(key, place)
        pace = self._paces.get(identity)
        if pace is None:
            self._paces[identity] = [cell.seconds, float(cell.usage.calls)]
        else:
            pace[0] += 0.1 * (cell.seconds - pace[0])
            pace[1] += 0.1 * (cell.usage.calls - pace[1])
        self._unpublished.append((key, place))
        self._end_claim(key)
        if cell.seconds >= _WORTH_WRITING:
            self.flush()
        else:
            self._flush_soon()

    def write_failure(self, key: bytes, cell: CellRecord) -> None:
        """Note that a cell failed, and end the claim on it."""
        self.release(key)
        self._writer.append(FrameKind.FAILURE, key, cell.packed())
        self._flush_soon()

    def release(self, key: bytes) -> None:
        """End the claim on a cell that was not finished."""
        if key in self._waiting:
            self._end_claim(key)
            self.coordination.release(key)

    def begin_acting(self, key: bytes) -> None:
        """Note, on disk, that a cell that acts on the world begins."""
        self._writer.append(FrameKind.ACTING, key)
        self.flush()
        self._writer.sync(always=True)

    def decided(self, path: str, key: bytes) -> Done | None:
        """What is to be done about a cell that may or may not have acted on the world.

        Raises:
            EffectUncertain: If that is to be asked.
        """
        if key not in self._acting or self.on_effect == "repeat":
            return None
        if self.on_effect == "skip":
            return Done(None, source="kept")
        raise EffectUncertain(
            f"Stage {path!r} was begun for this row by a run that was killed; whether it acted on the world is not known.",
            paths=(path,),
            fix="find out, then run again with on_effect 'repeat' or 'skip'",
        )

    def begin_row(self, row: bytes, *, alone: bool) -> bool:
        """Note, with the operating system, that cells of a row are being computed; whether that was noted.

        It is not while rows take no time: a row that ends its worker then is found by the next run, which is careful.
        """
        if not (self._careful or alone or self._row_seconds >= _WORTH_WRITING):
            return False
        self._writer.append(FrameKind.BEGUN, row, b"\1" if alone else b"")
        self.flush()
        return True

    def note_row(self, seconds: float) -> None:
        """Note how long a row took."""
        self._row_seconds = 0.9 * self._row_seconds + 0.1 * seconds

    def end_row(self, row: bytes, end: RowEnd) -> None:
        """Note how a row ended."""
        self._writer.append(FrameKind.ENDED, row, end.packed())
        self._flush_soon()

    def flush(self) -> None:
        """Hand what was written to the operating system, and tell the other workers of it."""
        self._writer.flush()
        published, self._unpublished = self._unpublished, []
        for key, place in published:
            self.coordination.publish(key, place)

    def check(self) -> None:
        """Refuse to go on once the segment cannot be written.

        Raises:
            LedgerError: As it was raised first.
        """
        self._writer.check()

    def sync(self) -> None:
        """Have the disk keep what was written, now and then. May take milliseconds."""
        self._writer.sync()

    def close(self) -> None:
        """End the segment in order.

        Raises:
            LedgerError: If the disk refuses.
        """
        try:
            self._writer.close()
        finally:
            self._reader.close()

    # -- inside ----------------------------------------------------------------------------------

    def _read(self, key: bytes, place: Place) -> Done | None:
        if place.segment == self._writer.name and self._writer.has_pending:
            self.flush()
        frame = self._reader.frame(place.segment, place.offset)
        if frame is None or frame.key != key or frame.kind is not FrameKind.CELL:
            return None
        cell = CellRecord.unpacked(frame.payload)
        try:
            return Done(decode(cell.value or b""), cell.usage, cell.seconds, cell.attempts, "kept")
        except ValueNotReadable:  # of a type that the chain no longer knows: it is computed again
            return None

    def _end_claim(self, key: bytes) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _flush_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._scheduled = False
        try:
            self.flush()
        except LedgerError:
            return  # the next who writes hears of it


class RowCells:
    """Where the run of one row finds and writes its cells: the recorder of its context.

    Attributes:
        computed: Cells that were computed.
        found: Cells that were there already.
        failed: Whether a stage failed.
    """

    __slots__ = ("_alone", "_begun", "_cells", "_claimed", "_keys", "_noted", "_row", "computed", "found")

    has_kept = True

    def __init__(self, cells: Cells, row: bytes, *, alone: bool = False) -> None:
        self._cells = cells
        self._row = row
        self._alone = alone
        self._begun = False
        self._noted = False
        self._keys: dict[str, bytes] = {}
        self._claimed: set[bytes] = set()
        self.computed = 0
        self.found = 0

    async def kept(self, path: str, mark: Mark, *, effect: bool) -> Done | None:
        """A finished cell; None if it is this row's to compute.

        Raises:
            EffectUncertain: If it may have acted on the world already.
            NotComputed: If nothing is to be computed.
        """
        cells = self._cells
        key = self._keys[path] = cells.key(path, mark, self._row, effect=effect)
        done = cells.find(self._own_key(path, key)) if cells.may_fall_back(mark.identity) else None
        if cells.kept_only:
            done = done or cells.find(key)
            if done is None:
                raise NotComputed
        elif done is None:
            done = await cells.claim(key, mark.identity)
        if done is None and effect:
            try:
                done = cells.decided(path, key)
            except EffectUncertain:
                cells.release(key)
                raise
            if done is not None:
                cells.release(key)
        if done is not None:
            self.found += 1
            return done
        self._claimed.add(key)
        if not self._begun:
            self._begun = True
            self._noted = cells.begin_row(self._row, alone=self._alone)
        return None

    async def begun(self, path: str, mark: Mark) -> None:  # noqa: ARG002 (a recorder takes it)
        """A stage that acts on the world is about to begin."""
        self._cells.begin_acting(self._keys[path])

    async def done(self, path: str, mark: Mark, done: Done, *, later: bool = False) -> None:  # noqa: ARG002 (a recorder takes it)
        """A stage has its output.

        Raises:
            ValueNotStorable: If it cannot be encoded.
        """
        key = self._keys.get(path)
        if key is None or key not in self._claimed or done.source in WITHOUT_VALUE:
            return
        value = encode(done.output)
        self._claimed.discard(key)
        self.computed += 1
        cell = CellRecord(path, self._row, value, done.usage, done.attempts, done.seconds, done.source)
        if done.source == "fallback":  # stands for this row, and for no other
            self._cells.release(key)
            key = self._own_key(path, key)
        self._cells.write(key, mark.identity, cell)

    async def failed(self, path: str, mark: Mark, error: BaseException, seconds: float, usage: Usage) -> None:  # noqa: ARG002 (a recorder takes it)
        """A stage failed."""
        key = self._keys.get(path)
        if key is None or key not in self._claimed:
            return
        self._claimed.discard(key)
        said = f"{type(error).__name__}: {gist(error)}"
        self._cells.write_failure(key, CellRecord(path, self._row, None, usage, seconds=seconds, error=said))

    async def skipped(self, paths: Mapping[str, str]) -> None:
        """Stages that cannot start are told by the row's error."""

    async def close(self) -> None:
        """Nothing is held back."""

    def check(self) -> None:
        """Refuse to go on with a ledger that can no longer be written.

        Raises:
            LedgerError: As it was raised first.
        """
        self._cells.check()

    def _own_key(self, path: str, key: bytes) -> bytes:
        return _scoped(key, self._row, path)

    def end(self, end: RowEnd) -> None:
        """The row is through: let go of its claims, and note its end where anything was done or went wrong."""
        for key in self._claimed:
            self._cells.release(key)
        self._claimed.clear()
        if self._begun:
            self._cells.note_row(end.seconds)
        if self._noted or end.failed or self._row in self._cells.unsettled:
            self._cells.end_row(self._row, end)

    def drop(self) -> None:
        """The row is not through and will not be: let go of its claims."""
        for key in self._claimed:
            self._cells.release(key)
        self._claimed.clear()


class NotComputed(LookupError):
    """A cell is not in the ledger, and nothing is to be computed."""

    def __init__(self) -> None:
        super().__init__("It was not computed yet.")


def _scoped(found: bytes, row: bytes, path: str) -> bytes:
    return hashlib.blake2b(found + row + path.encode(), digest_size=16).digest()
