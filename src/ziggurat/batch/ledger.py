"""The ledger beside an output: what every row and cell of a batch came to, whoever computed it.

A folder with one manifest (what the batch is and how its runs went) and one segment a worker. It is held by one
process at a time. Invariants: what a segment holds is never changed; the manifest is replaced whole; a segment that
ends in the middle of a frame is read up to there.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from ziggurat.batch.engine import Deaths
from ziggurat.batch.places import PlaceTable
from ziggurat.batch.records import RowEnd
from ziggurat.batch.segments import SUFFIX, FrameKind, SegmentWriter, frames, shows_closed_files_only
from ziggurat.errors import BatchInProgress, LedgerError

VERSION = 1
_MANIFEST = "batch.json"
_CELLS = "cells"
_FORGIVEN = RowEnd(type="WorkerDied", message="To be run again.")


@dataclass(frozen=True, slots=True)
class RunNote:
    """One run of a batch, as the manifest tells it.

    Attributes:
        id: Unique in the ledger.
        where: ``this machine``, or the URL of the cluster.
        began: Unix time.
        ended: Unix time; None while it runs, and after it was killed.
        status: ``running``, ``done``, ``stopped`` or ``failed``.
        rows: Rows that went through.
        failed: Those of them that have an error.
        computed: Cells that were computed.
        kept: Cells that were there already.
        calls: Model calls.
        input_tokens: Tokens that models read.
        output_tokens: Tokens that models wrote.
        usd: What that cost, in decimal text; empty where a price is unknown.
        error: What ended it, if it did not end well.
    """

    id: str
    where: str
    began: float
    ended: float | None = None
    status: str = "running"
    rows: int = 0
    failed: int = 0
    computed: int = 0
    kept: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a batch is.

    Attributes:
        chain: The chain's name.
        source: How the chain is found again: a chain file's path, ``file.py:name``, or empty.
        table: The table's path, or what kind of thing it was.
        format: The output's format.
        schema: The output's columns, each a name and a type in Arrow's words.
        options: How it was asked for, so that it can be asked for again.
        runs: Its runs, in order.
    """

    chain: str
    source: str
    table: str
    format: str
    schema: tuple[tuple[str, str], ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    runs: tuple[RunNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What a ledger holds, as far as the next run needs it.

    Attributes:
        places: Where the finished cells are.
        deaths: By row, how often a worker died with it in flight.
        acting: Keys of cells that act on the world, were begun and are not known to have ended.
        careful: Whether a worker died.
        unsettled: Rows that failed or were in flight when a worker died, and are not through since.
    """

    places: PlaceTable
    deaths: Mapping[bytes, Deaths]
    acting: frozenset[bytes]
    careful: bool
    unsettled: frozenset[bytes] = frozenset()


class BatchLedger:
    """The ledger of one output.

    Args:
        folder: Where it is, or is to be.
        manifest: The manifest's name; several outputs that share a ledger have one each.
    """

    def __init__(self, folder: Path, manifest: str = _MANIFEST) -> None:
        self.folder = folder
        self._manifest = folder / manifest

    @classmethod
    def beside(cls, out: Path) -> BatchLedger:
        """The ledger of an output."""
        return cls(out.with_name(f"{out.name}.ledger"))

    @classmethod
    def shared(cls, folder: Path, out: Path | None) -> BatchLedger:
        """A ledger in a folder that outputs share, as one of them sees it; None for one in memory."""
        return cls(folder, _MANIFEST if out is None else f"{out.name}-{crc32(str(out).encode()):08x}.json")

    @property
    def cells(self) -> Path:
        """The folder of the segments."""
        return self.folder / _CELLS

    @property
    def exists(self) -> bool:
        """Whether there is a batch."""
        return self._manifest.is_file()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the ledger, so that no other process runs the batch meanwhile; a process that dies lets go of it.

        Raises:
            BatchInProgress: If another process does.
            LedgerError: If the folder cannot be made.
        """
        from filelock import FileLock, Timeout

        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock", timeout=0)
            if not shows_closed_files_only(self.folder):  # such storage knows no locks
                lock.acquire()
        except Timeout:
            raise BatchInProgress(
                "Another process runs this batch.", where=str(self.folder), fix="wait for it, or give another output"
            ) from None
        except OSError as error:
            raise LedgerError(
                f"The ledger cannot be made beside the output: {error.strerror or error}.", where=str(self.folder)
            ) from error
        try:
            yield
        finally:
            lock.release()

    def manifest(self) -> Manifest:
        """What the batch is.

        Raises:
            LedgerError: If there is none, or a later version wrote it.
        """
        path = self._manifest
        try:
            found = json.loads(path.read_text("utf-8"))
            if found["version"] > VERSION:
                raise LedgerError("A later Ziggurat wrote this ledger.", where=str(path), fix="upgrade")
            return Manifest(
                found["chain"],
                found["source"],
                found["table"],
                found["format"],
                tuple((name, kind) for name, kind in found["schema"]),
                found["options"],
                tuple(RunNote(**note) for note in found["runs"]),
            )
        except FileNotFoundError:
            raise LedgerError(
                "There is no batch for this output.", where=str(self.folder), fix="ziggurat batch CHAIN TABLE OUT"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LedgerError(f"The batch's manifest cannot be read: {error}.", where=str(path)) from error

    def write(self, manifest: Manifest) -> None:
        """Replace the manifest.

        Raises:
            LedgerError: If the disk refuses; the one before is kept.
        """
        path = self._manifest
        part = path.with_suffix(".part")
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump({"version": VERSION, **asdict(manifest)}, file, indent=1, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise LedgerError(
                f"The batch's manifest cannot be written: {error.strerror or error}.",
                where=str(path),
                fix="make room, and start the batch again: what finished is kept",
            ) from error

    def segments(self) -> list[Path]:
        """The segments, oldest first."""
        found = self.cells.glob(f"*{SUFFIX}") if self.cells.is_dir() else ()
        return sorted(found, key=lambda path: (path.name.partition(".")[0], len(path.name), path.name))

    def known(self, only: str = "") -> Known:
        """Read all segments.

        Args:
            only: What the names of the segments begin with, behind their time.

        Raises:
            LedgerError: If one cannot be read.
        """
        reading = _Reading()
        for path in self.segments():
            if not only or path.name.partition("-")[2].startswith(only):
                reading.take(path)
        return reading.known()

    def forgive(self) -> int:
        """Forget which rows workers died over, so that they are run like any other; how many there were.

        Raises:
            LedgerError: If the disk refuses.
        """
        deaths = self.known().deaths
        writer = SegmentWriter(self.cells / new_segment("forgiven"))
        for row in deaths:
            writer.append(FrameKind.ENDED, row, _FORGIVEN.packed())
        writer.close()
        return len(deaths)


def new_segment(worker: str) -> str:
    """A name for a segment: the time first, so that names are in order, then who writes it."""
    return f"{time.time_ns():020d}-{worker}-{secrets.token_hex(4)}{SUFFIX}"


class _Reading:
    """What segments tell, one after another."""

    def __init__(self) -> None:
        self._places = PlaceTable()
        self._deaths: dict[bytes, Deaths] = {}
        self._acting: set[bytes] = set()
        self._failed: set[bytes] = set()
        self._careful = False
        self._carried: dict[str, dict[bytes, bool]] = {}  # rows in flight where a worker went on in another part

    def take(self, path: Path) -> None:
        """Read a segment."""
        worker = path.name.partition(".")[0]
        in_flight = self._carried.pop(worker, {})
        cells: list[tuple[bytes, int]] = []
        ended = False
        for frame in frames(path):
            match frame.kind:
                case FrameKind.CELL:
                    cells.append((frame.key, frame.offset))
                    self._acting.discard(frame.key)
                case FrameKind.BEGUN:
                    in_flight[frame.key] = bool(frame.payload)
                case FrameKind.ENDED:
                    in_flight.pop(frame.key, None)
                    self._end(frame.key, RowEnd.unpacked(frame.payload))
                case FrameKind.ACTING:
                    self._acting.add(frame.key)
                case FrameKind.CLOSED | FrameKind.CONTINUED:
                    ended = True
                    if frame.kind is FrameKind.CONTINUED:
                        self._carried[worker] = in_flight
                case FrameKind.FAILURE:
                    pass
        self._places.extend(cells, path.name)
        if not ended:
            self._die(in_flight)

    def known(self) -> Known:
        """What they tell together."""
        for in_flight in self._carried.values():  # of workers that died before their next part
            self._die(in_flight)
        unsettled = frozenset(self._failed | self._deaths.keys())
        return Known(self._places, self._deaths, frozenset(self._acting), self._careful, unsettled)

    def _end(self, row: bytes, end: RowEnd) -> None:
        if end.type != "WorkerDied" or end == _FORGIVEN:  # a row that was given up stays so
            self._deaths.pop(row, None)
        if end.failed:
            self._failed.add(row)
        else:
            self._failed.discard(row)

    def _die(self, in_flight: Mapping[bytes, bool]) -> None:
        self._careful = True
        for row, alone in in_flight.items():
            before = self._deaths.get(row, Deaths())
            self._deaths[row] = Deaths(before.times + 1, before.alone + alone)
