"""Getting a model's files: one source after the other, until every file is there and checked.

Knows the order of things (lock, look, try, check, place) and no source by name. One process at a
time works on a model; the others wait and find it done. Nothing unverified is ever under a final name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ziggurat.errors import HashMismatch, MissingDependency, ModelUnavailable
from ziggurat.models.weights.file import File, SourceFailed, check
from ziggurat.optional import require
from ziggurat.progress import Progress
from ziggurat.quiet import logger

_log = logger(__name__)


class Source(Protocol):
    """Somewhere a model's files can come from."""

    @property
    def label(self) -> str:
        """How messages call it, as in "from the package index"."""

    def bring(self, files: Sequence[File], into: Path, staging: Path, progress: Progress) -> None:
        """Put every one of ``files`` into ``into``, checked, with unfinished work in ``staging``.

        Raises:
            SourceFailed: If it cannot.
            HashMismatch: If what it gave is another file.
        """


def missing(files: Sequence[File], directory: Path) -> list[File]:
    """The files that are not in ``directory`` at their full size.

    A final name is only given after the hash was checked, so looking at sizes is enough here.
    """
    return [file for file in files if not (path := directory / file.name).is_file() or path.stat().st_size != file.size]


def verify(files: Sequence[File], directory: Path) -> None:
    """Read every file again and compare its hash.

    Raises:
        HashMismatch: If one has changed on the disk; it was deleted, so the next fetch renews it.
    """
    for file in files:
        check(directory / file.name, file.sha256, size=file.size, source=str(directory / file.name))


def obtain(
    name: str, files: Sequence[File], sources: Sequence[Source], *, directory: Path, staging: Path, progress: Progress
) -> None:
    """Make sure every file of a model is in ``directory``, verified.

    Args:
        name: The model, for messages.
        files: What it consists of.
        sources: Tried in order; each is asked only for what is still missing.
        directory: Where the files go.
        staging: Where unfinished downloads wait for the next attempt; on the same disk.
        progress: Where progress is shown.

    Raises:
        ModelUnavailable: If no source could give them, with one line for each.
    """
    filelock = require("filelock", for_="downloads of local models", extra="local")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        staging.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{staging}.lock"):
            if not missing(files, directory):  # another process brought them while this one waited
                return
            staging.mkdir(exist_ok=True)
            _try_each(name, files, sources, directory=directory, staging=staging, progress=progress)
    except OSError as error:
        raise ModelUnavailable(
            f"The files of {name} cannot be written: {error.strerror or error}.",
            where=str(error.filename or directory),
            fix="set ZIGGURAT_HOME to a directory that can be written and has room",
        ) from error


def _try_each(
    name: str, files: Sequence[File], sources: Sequence[Source], *, directory: Path, staging: Path, progress: Progress
) -> None:
    reasons: list[str] = []
    for source in sources:
        wanted = missing(files, directory)
        if not wanted:
            break
        if reasons:
            _log.warning("%s: %s; trying %s", name, reasons[-1], source.label)
        try:
            source.bring(wanted, directory, staging, progress)
        except (SourceFailed, HashMismatch, MissingDependency) as error:
            reasons.append(f"{source.label}: {error.what}")
    if missing(files, directory):
        lines = "".join(f"\n  - {reason}" for reason in reasons)
        raise ModelUnavailable(
            f"No source could give the files of {name}:{lines or ' there is none'}",
            where=str(directory),
            fix="check the network, HF_ENDPOINT or pip's index settings and try again; what arrived is kept",
        )
    _sweep(staging)


def _sweep(staging: Path) -> None:
    """Remove what interrupted or rejected downloads left; the model is complete now."""
    for leftover in staging.iterdir():
        leftover.unlink(missing_ok=True)
    staging.rmdir()
