"""Which runs leave a journal: the old, and the oldest when it is too large.

Never a run that somebody holds; what only the removed runs used goes with them. Ages are told by the wall
clock, so a run is removed for its age at an end of another only while that clock runs as evenly as the
system's steady one: after a jump nothing is removed until the process is started again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from ziggurat.chain.journal.engine import Engine
from ziggurat.chain.journal.records import Pruned
from ziggurat.chain.values import DIGEST_BYTES
from ziggurat.errors import InputError, RunInProgress

_DAY = 86_400.0
_CHECK_SECONDS = 60.0
"""How often, at most, the ends of runs look for what is due."""
_FILL = 0.9
"""How full a journal is left when it had to make room."""
_JUMP_SECONDS = 60.0
_RUNS_AT_ONCE = 256

_CELLS = "SELECT count(*), coalesce(sum(coalesce(length(value), 0) + 200), 0) FROM cells WHERE run = ?"
HELD = (
    "SELECT (SELECT coalesce(sum(coalesce(length(value), 0) + 200), 0) FROM cells) + "
    "(SELECT coalesce(sum(length(data)), 0) FROM blobs)"
)
"""What all runs hold, about, in bytes."""
_OWN_BLOBS = (
    "SELECT uses.hash, length(data) FROM uses JOIN blobs ON blobs.hash = uses.hash WHERE run = ? AND NOT EXISTS "
    "(SELECT 1 FROM uses AS others WHERE others.hash = uses.hash AND others.run <> uses.run)"
)


class Retention:
    """The bounds of a journal.

    Args:
        keep_days: Runs that began longer ago go; None keeps them.
        max_bytes: The oldest runs go while the journal takes more; None is no bound.

    Raises:
        InputError: If a bound is not positive.
    """

    def __init__(self, keep_days: float | None, max_bytes: int | None) -> None:
        for name, bound in (("days", keep_days), ("max_bytes", max_bytes)):
            if bound is not None and not bound > 0:
                raise InputError(f"A journal's bound on {name} is positive, and not {bound!r}.")
        self._keep_days = keep_days
        self._max_bytes = max_bytes
        self._started = (time.time(), time.monotonic())
        self._checked = -_CHECK_SECONDS

    def after_end(self, engine: Engine, run_id: str) -> None:
        """Remove what is due, now that a run has ended; that run stays. Looks now and then only."""
        if self._keep_days is None and self._max_bytes is None:
            return
        now = time.monotonic()
        too_large = self._max_bytes is not None and engine.quick and engine.used_bytes() > self._max_bytes
        if too_large or now - self._checked >= _CHECK_SECONDS:
            self._checked = now
            self._prune(engine, spare=run_id, by_age=self._clock_is_even(), dry_run=False)

    def prune(self, engine: Engine, *, dry_run: bool) -> Pruned:
        """Remove everything that is due, and give its room back to the system where that is worth it."""
        pruned = self._prune(engine, spare=None, by_age=True, dry_run=dry_run)
        if pruned.runs and not dry_run:
            _forget_identities(engine)
            engine.compact()
        return pruned

    def _clock_is_even(self) -> bool:
        wall, steady = self._started
        return abs((time.time() - wall) - (time.monotonic() - steady)) < _JUMP_SECONDS

    def _prune(self, engine: Engine, *, spare: str | None, by_age: bool, dry_run: bool) -> Pruned:
        before = engine.used_bytes()
        # What rows take on disk is more than what they hold; on a dry run that is all there is to go by.
        scale = before / max(1, int(engine.rows(HELD)[0][0])) if dry_run else 1.0
        total = Pruned()
        left = before
        seen: set[int] = set()
        for number, run_id, due in self._candidates(engine, by_age=by_age):
            if not due and (self._max_bytes is None or left <= self._room(before)):
                break
            if number in seen or run_id == spare:
                continue
            seen.add(number)
            gone = _remove(engine, number, run_id, dry_run=dry_run)
            if gone is not None:
                total = Pruned(total.runs + 1, total.cells + gone.cells, total.bytes + int(gone.bytes * scale))
                left = engine.used_bytes() if engine.quick and not dry_run else before - total.bytes
        return replace(total, bytes=before - left)

    def _room(self, before: int) -> float:
        """What may be left: all that is there if that is within the bound, else a little less than the bound."""
        bound = self._max_bytes or before
        return before if before <= bound else bound * _FILL

    def _candidates(self, engine: Engine, *, by_age: bool) -> Iterator[tuple[int, str, bool]]:
        """Runs with whether they are due for their age: first all that are, then all, the oldest first."""
        if by_age and self._keep_days is not None:
            until = time.time() - self._keep_days * _DAY
            for number, run_id in engine.rows("SELECT run, id FROM runs WHERE began < ? ORDER BY run", (until,)):
                yield number, run_id, True
        last = 0
        while self._max_bytes is not None and (
            rows := engine.rows(f"SELECT run, id FROM runs WHERE run > ? ORDER BY run LIMIT {_RUNS_AT_ONCE}", (last,))  # noqa: S608 (a number of ours)
        ):
            for number, run_id in rows:
                yield number, run_id, False
            last = rows[-1][0]


def _remove(engine: Engine, number: int, run_id: str, *, dry_run: bool) -> Pruned | None:
    """Remove a run with what only it used, in one commit; None if somebody holds it."""
    try:
        with engine.hold(run_id), engine.transaction():
            cells, room = engine.rows(_CELLS, (number,))[0]
            blobs = engine.rows(_OWN_BLOBS, (number,))
            if not dry_run:
                engine.write_many("DELETE FROM blobs WHERE hash = ?", [(hash_,) for hash_, _ in blobs])
                for table in ("uses", "cells", "runs"):
                    engine.write(f"DELETE FROM {table} WHERE run = ?", (number,))  # noqa: S608 (our own tables)
            return Pruned(1, cells, int(room) + sum(size for _, size in blobs))
    except RunInProgress:
        return None


def _forget_identities(engine: Engine) -> None:
    """Remove what no run left is made of."""
    with engine.transaction():
        used = {
            joined[at : at + DIGEST_BYTES]
            for (joined,) in engine.rows("SELECT identities FROM runs")
            for at in range(0, len(joined), DIGEST_BYTES)
        }
        known = {bytes(digest) for (digest,) in engine.rows("SELECT digest FROM identities")}
        engine.write_many("DELETE FROM identities WHERE digest = ?", [(digest,) for digest in known - used])
