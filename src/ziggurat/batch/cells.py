"""The cells of a batch: finished stages of rows, found again by what they are and what they were given.

`Cells` belongs to one worker: it reads every segment of the ledger, writes one of its own, and lets no cell be
computed twice at once. Invariant: a cell is in the segment before another worker hears of it.

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

from ziggurat.batch.coordination import Coordination, Place
from ziggurat.batch.places import PlaceTable
from ziggurat.batch.records import CellRecord, RowEnd, StageKind
from ziggurat.batch.segments import FrameKind, SegmentReader, SegmentWriter, shows_closed_files_only
from ziggurat.chain.run.context import content_key
from ziggurat.chain.run.ledger import Done, Mark
from ziggurat.chain.values import decode
from ziggurat.errors import EffectUncertain, LedgerError, ValueNotReadable

OnEffect = Literal["ask", "repeat", "skip"]

_WORTH_WRITING = 0.001
"""Seconds of work from which on a cell is handed to the operating system before anything else happens."""
_UNKNOWN_PACE = (1.0, 1.0)
_WORTH_ASKING = 0.002
"""Seconds of work from which on it pays to ask whoever leads whether another worker computes the same cell."""


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
        concurrency: int = 64,
        unsettled: frozenset[bytes] = frozenset(),
    ) -> None:
        self.coordination = coordination
        self.unsettled = unsettled
        self.kept_only = kept_only
        self.on_effect: OnEffect = on_effect
        self._writer = SegmentWriter(folder / segment, parts=shows_closed_files_only(folder))
        self._reader = SegmentReader(folder)
        self._own = PlaceTable()
        self._tables = (self._own, *(table for table in found if len(table)))
        self._stages = stages
        self._careful = careful
        self._room = asyncio.Semaphore(concurrency)
        self._acting = acting
        self._waiting: dict[bytes, asyncio.Future[None] | None] = {}
        self._unpublished: list[tuple[bytes, Place]] = []
        self._paces: dict[bytes, list[float]] = {}  # by stage: seconds and calls of a cell, lately
        self._row_seconds = 1.0
        self._scheduled = False

    def key(self, path: str, mark: Mark, row: bytes, *, effect: bool) -> bytes:
        """What a stage's cell is kept under."""
        if effect:
            return scoped(b"effect", row, path)
        found = content_key(mark.identity, mark.inputs or {})
        kind = self._stages.get(mark.identity)
        return found if kind is not None and kind.shared else scoped(found, row, path)

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
        segment = self._writer.name  # (which is another once this frame was the last of a part)
        place = Place(segment, self._writer.append(FrameKind.CELL, key, cell.packed()))
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

    async def enter(self, identity: bytes) -> bool:
        """Wait until a cell may be computed; whether `leave` is to be called when it is done."""
        kind = self._stages.get(identity)
        if kind is not None and kind.holds_others:
            return False
        await self._room.acquire()
        return True

    def leave(self) -> None:
        """Make room for another cell."""
        self._room.release()

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
        if place.segment == self._writer.name:
            if self._writer.has_pending:
                self.flush()
            if self._writer.parts and place.segment == self._writer.name:
                self._writer.go_on()
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


def scoped(found: bytes, row: bytes, path: str) -> bytes:
    """A key for one row and one place in the chain."""
    return hashlib.blake2b(found + row + path.encode(), digest_size=16).digest()
