"""One generation of an index as files of parts, and as the manifest that describes them.

Taken by SQLite's own backup, so the index may be written to meanwhile. Knows no home. Invariant: what `copied` leaves
in a folder is one generation, whole, and what it returns describes just that.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ziggurat.errors import InputError
from ziggurat.index.schema import DATABASE, open_reading, translated
from ziggurat.index.snapshot import FILE as VECTORS
from ziggurat.index.store import read_manifest, read_version

PART_BYTES = 4 * 1024 * 1024
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Copy:
    """One generation as a manifest describes it.

    Attributes:
        generation: Which.
        stamp: That generation's, in hexadecimal.
        created: When the index was made: what tells it from another index.
        commits: The stamps of the generations it remembers, by generation.
        files: The parts of each file, in order, by name: digest and size of each.
        format: Of the manifest.
    """

    generation: int
    stamp: str
    created: str
    commits: dict[str, str]
    files: dict[str, list[list[Any]]]
    format: int = FORMAT

    @property
    def name(self) -> str:
        """The manifest's place."""
        return f"manifests/{self.generation:012}-{self.stamp}.json"

    @property
    def parts(self) -> dict[str, int]:
        """Sizes of all parts by digest."""
        return {str(digest): int(size) for parts in self.files.values() for digest, size in parts}


def copied(path: Path, folder: Path) -> Copy:
    """One generation of an index as files in a folder."""
    with (
        translated(path),
        closing(open_reading(path)) as reading,
        closing(sqlite3.connect(folder / DATABASE)) as target,
    ):
        reading.backup(target)
    vectors = path / VECTORS
    if vectors.is_file():  # of whatever generation: an index does without one that does not fit
        shutil.copyfile(vectors, folder / VECTORS)
    told = described(folder)
    files = {
        name: [list(part) for part in parts(folder / name)] for name in (DATABASE, VECTORS) if (folder / name).is_file()
    }
    return Copy(told.generation, told.stamp, told.created, told.commits, files)


def described(path: Path) -> Copy:
    """An index without its files."""
    with translated(path), closing(open_reading(path)) as reading:
        version = read_version(reading)
        rows = reading.execute("SELECT generation, stamp FROM commits ORDER BY generation").fetchall()
        created = read_manifest(reading, path).created
    return Copy(version.generation, version.stamp.hex(), created, {str(at): stamp.hex() for at, stamp in rows}, {})


def parts(file: Path) -> Iterator[tuple[str, int]]:
    """Digest and size of each part of a file."""
    with file.open("rb") as opened:
        while content := opened.read(PART_BYTES):
            yield hashlib.sha256(content).hexdigest(), len(content)


def check_ahead(new: Copy, old: Copy, where: str) -> None:
    """See that nothing is lost if the new takes the place of the old.

    Raises:
        InputError: If something would be.
    """
    common = sorted(new.commits.keys() & old.commits.keys(), key=int)
    if new.created != old.created or (common and new.commits[common[0]] != old.commits[common[0]]):
        raise InputError("There is another index already.", where=where, fix="choose another place, or force it")
    if new.generation < old.generation:
        raise InputError(
            f"The generation {old.generation} is there already, and this is {new.generation}.",
            where=where,
            fix="bring that one here first, or force it",
        )
    known = new.commits.get(str(old.generation))
    if known is not None and known != old.stamp:
        raise InputError(
            f"Both have changed since generation {old.generation}: commits are there that are not here.",
            where=where,
            fix="sync one of them from its sources again, or force it",
        )
