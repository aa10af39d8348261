"""`migrate`: everything in one store into another, vectors and all, and then a look at whether it came.

Reads the source page by page, compares each page with what the target holds under the same ids, and
writes what differs; so a migration that was killed goes on where it stopped, and a second one changes
nothing. Embeds nothing unless told to. What the target holds beyond the source stays.
Invariant: vectors are copied only between stores that agree on the model that made them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ziggurat.errors import EmbeddingMismatch, IndexFault, InputError
from ziggurat.index.hits import LeftOut
from ziggurat.index.inputs import Vectors, check_k, check_metadatas, check_texts
from ziggurat.index.records import Records
from ziggurat.progress import Progress, default_progress
from ziggurat.stores.backend import check_dimensions, picked
from ziggurat.stores.opening import AnyStore
from ziggurat.stores.packing import same
from ziggurat.stores.side import Side, side_of

BATCH = 256
SAMPLE = 64
"""Records that are read back and compared when all are written."""

_NEAR = 1e-5
"""How far a coordinate may be off: some stores scale vectors anew, in 32 bits."""

_PATIENCE = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Seconds to wait before each look at the target: some services show a write after a moment."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a migration did.

    Attributes:
        source: Where from.
        target: Where to.
        read: Records in the source.
        written: Those that the target did not have, or had otherwise.
        unchanged: Those it had already.
        embedded: Texts that were embedded again.
        others: Records of the target that the source has not; they stay.
        left_out: Records that no store of ours takes, each with its reason.
        compared: Records that were read back from the target and found equal.
        fingerprint: Of the model whose vectors the target holds now.
        dry_run: Whether nothing was written; ``written`` then tells what would have been.
        seconds: How long it took.
    """

    source: str
    target: str
    read: int
    written: int
    unchanged: int
    embedded: int
    others: int
    left_out: tuple[LeftOut, ...]
    compared: int
    fingerprint: str | None
    dry_run: bool
    seconds: float

    def __str__(self) -> str:
        parts = [f"{self.read} records read", f"{self.written} {'to write' if self.dry_run else 'written'}"]
        parts.append(f"{self.unchanged} there already")
        if self.embedded:
            parts.append(f"{self.embedded} embedded again")
        if self.others:
            parts.append(f"{self.others} others left as they are")
        if self.left_out:
            parts.append(f"{len(self.left_out)} left out")
        if self.compared:
            parts.append(f"{self.compared} compared and equal")
        return f"{self.source} -> {self.target}: {', '.join(parts)}; {self.seconds:.1f} s"


def migrate(
    source: AnyStore,
    target: AnyStore,
    *,
    batch: int = BATCH,
    progress: Progress | None = None,
    re_embed: bool = False,
    dry_run: bool = False,
) -> MigrationReport:
    """Copy every record of one store into another: ids, texts, metadata and vectors.

    Args:
        source: An open store; it is only read.
        target: Another open store. A record it holds under an id of the source is replaced if it differs.
        batch: Records at a time.
        progress: Where progress is shown; by default a bar when a person watches.
        re_embed: Embed the texts with the target's own model instead of copying vectors.
        dry_run: Only read and compare.

    Returns:
        What was done.

    Raises:
        InputError: If both are one store, or nothing tells which model made the source's vectors.
        EmbeddingMismatch: If the two hold vectors of different models, and ``re_embed`` is not set.
        IndexFault: If the target refuses, or does not hold afterwards what was written to it.
    """
    check_k(batch, "batch")
    began = time.perf_counter()
    here, there = side_of(source), side_of(target)
    if here.identity == there.identity:
        raise InputError("A store cannot be migrated into itself.", where=here.where)
    moving = _Moving(here, there, batch, re_embed=re_embed, dry_run=dry_run)
    moving.agree()
    moving.run(progress or default_progress())
    compared = 0 if dry_run else moving.verify()
    return MigrationReport(
        source=here.where,
        target=there.where,
        read=moving.read,
        written=moving.written,
        unchanged=moving.unchanged,
        embedded=moving.written if re_embed and not dry_run else 0,
        others=max(0, there.count() - moving.unchanged - (moving.replaced if dry_run else moving.written)),
        left_out=tuple(moving.left_out),
        compared=compared,
        fingerprint=there.fingerprint(),
        dry_run=dry_run,
        seconds=time.perf_counter() - began,
    )


class _Moving:
    """One migration under way: its two sides and its counts."""

    def __init__(self, source: Side, target: Side, batch: int, *, re_embed: bool, dry_run: bool) -> None:
        self.source = source
        self.target = target
        self.batch = batch
        self.re_embed = re_embed
        self.dry_run = dry_run
        self.read = self.written = self.unchanged = self.replaced = 0
        self.left_out: list[LeftOut] = []
        self._sample: list[str] = []

    def agree(self) -> None:
        """See that vectors may be copied, before any is.

        Raises:
            InputError: If nothing tells which model made the source's vectors.
            EmbeddingMismatch: If it is not the target's.
        """
        if self.re_embed or self.source.count() == 0:
            return
        ours, theirs = self.source.fingerprint(), self.target.fingerprint()
        if ours is None:
            raise InputError(
                "Nothing tells which embedding model made the source's vectors.",
                where=self.source.where,
                fix="open it with that model, or embed its texts again: re_embed=True",
            )
        if theirs is not None and theirs != ours:
            raise EmbeddingMismatch(
                f"The source holds vectors of {self.source.spec() or ours}, the target of {self.target.spec() or theirs}.",
                where=self.target.where,
                fix="choose another target, or embed the texts again: re_embed=True",
            )
        if theirs is None and self.target.count():
            raise InputError(
                "Nothing tells which embedding model made the vectors that the target holds.",
                where=self.target.where,
                fix="open it with that model, or choose another target",
            )
        dimensions = self.source.dimensions() or 0
        check_dimensions(self.target.dimensions(), dimensions, self.target.where)
        if not self.dry_run:
            self.target.adopt(ours, self.source.spec(), dimensions)

    def run(self, progress: Progress) -> None:
        """Bring over what differs, page by page."""
        total = self.source.count()
        every = max(1, total // SAMPLE)
        with progress("migrating", total) as counter:
            for page in self.source.records(self.batch):
                self._bring(page, range(-self.read % every, len(page.ids), every))
                self.read += len(page.ids)
                counter.advance(len(page.ids))

    def _bring(self, page: Records, sampled: Sequence[int]) -> None:
        taken = self._takeable(page)
        held = _by_id(self.target.fetch([page.ids[at] for at in taken]))
        wanted = _by_id(page)
        missing = [at for at in taken if not self._equal(wanted[page.ids[at]], held.get(page.ids[at]))]
        self.unchanged += len(taken) - len(missing)
        self.replaced += sum(page.ids[at] in held for at in missing)
        self.written += len(missing)
        self._sample.extend(page.ids[at] for at in sampled if at in set(taken))
        if missing and not self.dry_run:
            self.target.put(picked(page, missing), with_vectors=not self.re_embed)

    def _takeable(self, page: Records) -> list[int]:
        """Places of the records that can be stored; the others are left out, each with its reason."""
        taken = []
        for at, (one, text, metadata) in enumerate(zip(page.ids, page.texts, page.metadatas, strict=True)):
            try:
                check_texts([text])
                check_metadatas([metadata], 1)
            except InputError as refused:
                self.left_out.append(LeftOut(one, refused.what))
            else:
                taken.append(at)
        return taken

    def _equal(self, ours: _Held, theirs: _Held | None) -> bool:
        if theirs is None or theirs.text != ours.text or not same(theirs.metadata, ours.metadata):
            return False
        return self.re_embed or bool(np.allclose(ours.vector, theirs.vector, rtol=0, atol=_NEAR))

    def verify(self) -> int:
        """Count the target, read some records back, and compare them; returns how many.

        Raises:
            IndexFault: If something is not there as it was written.
        """
        wrong: list[str] = []
        count, expected = 0, self.unchanged + self.written
        for pause in _PATIENCE:
            time.sleep(pause)
            count = self.target.count()
            wrong = self._wrong()
            if not wrong and count >= expected:
                return len(self._sample)
        what = f"of {expected} records {count} are there" if not wrong else f"these differ: {', '.join(wrong[:5])}"
        raise IndexFault(
            f"The target does not hold what was written to it: {what}.",
            where=self.target.where,
            fix="see whether another program writes to it, and run the migration again",
        )

    def _wrong(self) -> list[str]:
        wrong: list[str] = []
        for at in range(0, len(self._sample), self.batch):
            ids = self._sample[at : at + self.batch]
            wanted, held = _by_id(self.source.fetch(ids)), _by_id(self.target.fetch(ids))
            wrong.extend(one for one, ours in wanted.items() if not self._equal(ours, held.get(one)))
        return wrong


class _Held(NamedTuple):
    """One record without its id."""

    text: str
    metadata: dict[str, Any]
    vector: Vectors


def _by_id(found: Records) -> dict[str, _Held]:
    rows = zip(*found, strict=True)
    return {one: _Held(text, metadata, vector) for one, text, metadata, vector in rows}
