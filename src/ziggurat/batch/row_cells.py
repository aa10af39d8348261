"""Where the run of one row finds and writes its cells: the recorder of its context.

Invariant: a claim, and the room that a cell takes while it is computed, end with the row, whatever happens.
"""

from __future__ import annotations

from collections.abc import Mapping

from ziggurat.batch.cells import Cells, scoped
from ziggurat.batch.records import CellRecord, RowEnd
from ziggurat.chain.run.ledger import WITHOUT_VALUE, Done, Mark
from ziggurat.chain.usage import Usage
from ziggurat.chain.values import encode
from ziggurat.errors import EffectUncertain, gist


class RowCells:
    """Where the run of one row finds and writes its cells: the recorder of its context.

    Attributes:
        computed: Cells that were computed.
        found: Cells that were there already.
    """

    __slots__ = ("_alone", "_begun", "_cells", "_claimed", "_entered", "_keys", "_noted", "_row", "computed", "found")

    has_kept = True

    def __init__(self, cells: Cells, row: bytes, *, alone: bool = False) -> None:
        self._cells = cells
        self._row = row
        self._alone = alone
        self._begun = False
        self._noted = False
        self._keys: dict[str, bytes] = {}
        self._claimed: set[bytes] = set()
        self._entered: set[bytes] = set()
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
        if await cells.enter(mark.identity):
            self._entered.add(key)
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
        if key is None or key not in self._claimed:
            return
        if done.source in WITHOUT_VALUE:  # nobody else can have it: who waits computes its own
            self._leave(key)
            self._claimed.discard(key)
            self._cells.release(key)
            return
        value = encode(done.output)
        self._leave(key)
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
        self._leave(key)
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
        return scoped(key, self._row, path)

    def end(self, end: RowEnd) -> None:
        """The row is through: let go of its claims, and note its end where anything was done or went wrong."""
        self.drop()
        if self._begun:
            self._cells.note_row(end.seconds)
        if self._noted or end.failed or self._row in self._cells.unsettled:
            self._cells.end_row(self._row, end)

    def drop(self) -> None:
        """The row is not through and will not be: let go of its claims."""
        for key in self._claimed:
            self._cells.release(key)
        self._claimed.clear()
        for key in list(self._entered):
            self._leave(key)

    def _leave(self, key: bytes) -> None:
        if key in self._entered:
            self._entered.discard(key)
            self._cells.leave()


class NotComputed(LookupError):
    """A cell is not in the ledger, and nothing is to be computed."""

    def __init__(self) -> None:
        super().__init__("It was not computed yet.")
