"""An index's home in a volume: `push` puts a copy of it there, `pull` brings the newest copy back.

An index needs a real file system; a volume is none. So one generation is copied out by SQLite's own backup, cut into
parts that are named by their content, and described by a manifest that is written last, under a name that begins
with its generation; the newest manifest is what readers see. Parts that are there already are not sent, parts that
are here already are not fetched. What the index's files hold is `ziggurat.index`'s, where the parts lie `shelf`'s.
Invariant: whatever is killed when, the newest manifest names parts that are there, and the index here is one
generation, whole; and no generation is lost under an older or a strange one unless that was asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ziggurat.databricks.index_copy import FORMAT, PART_BYTES, Copy, check_ahead, copied, described
from ziggurat.databricks.shelf import Shelf, shelf_at
from ziggurat.errors import IndexCorrupt, IndexFault, IndexNotFound, InputError
from ziggurat.index.schema import is_index, open_new, open_reading, open_writing, translated
from ziggurat.index.snapshot import FILE as VECTORS

_AT_ONCE = 4
_SPARE_SECONDS = 24 * 3600.0
"""How long a part is kept that no manifest names any more: somebody may be about to name it."""

_KEPT = 2
"""Manifests that are kept, so that who reads the last but one can go on."""

_NAME = re.compile(r"(\d{12})-([0-9a-f]{32})\.json")


@dataclass(frozen=True, slots=True)
class Moved:
    """What a push or a pull did.

    Attributes:
        home: Where the copies are.
        generation: Which generation both sides hold now.
        parts: How many parts that is.
        moved: How many of them were sent or fetched.
        moved_bytes: The size of these.
        bytes: The size of all.
        seconds: How long it took.
    """

    home: str
    generation: int
    parts: int
    moved: int
    moved_bytes: int
    bytes: int
    seconds: float


def push(
    index: str | os.PathLike[str], home: str | os.PathLike[str] | Shelf, *, force: bool = False, **way_in: Any
) -> Moved:
    """Put a copy of an index into its home; the index may be read and written meanwhile.

    Args:
        index: Its directory.
        home: ``/Volumes/catalog/schema/volume/folder``, or a folder.
        force: Whether a newer generation there, or another index, may be put behind this one; all parts
            are sent then.
        **way_in: ``host``, ``token``, ``profile`` or ``client``, as for `ziggurat.databricks.shelf.shelf_at`.

    Raises:
        IndexNotFound: If there is no index.
        InputError: If the home holds a newer generation, another index, or commits that this one has not.
        WorkspaceDenied: If the volume may not be written to.
        WorkspaceUnavailable: If the workspace cannot be reached.
    """
    began = time.perf_counter()
    shelf, path = _shelf(home, way_in), Path(index)
    there = _newest(shelf)
    with tempfile.TemporaryDirectory(prefix="ziggurat-push-") as folder:
        copy = copied(path, Path(folder))
        if there is not None and not force:
            check_ahead(copy, there, shelf.where)
        sent = _send(copy, Path(folder), shelf, anew=force)
    shelf.write(copy.name, json.dumps(asdict(copy)).encode())
    _tidy(copy, shelf, force=force)
    return _moved(copy, sent, shelf, began)


def pull(
    home: str | os.PathLike[str] | Shelf, index: str | os.PathLike[str], *, force: bool = False, **way_in: Any
) -> Moved:
    """Bring the newest copy of an index here; an index that is open here goes on, and sees the new generation.

    Args:
        home: As in `push`.
        index: Its directory; made if it is not there.
        force: Whether a newer generation here, or another index, may be replaced.
        **way_in: As in `push`.

    Raises:
        IndexNotFound: If the home holds no index.
        IndexCorrupt: If a part is missing there, or is not what its name says.
        InputError: If the index here is newer, another one, or has commits that the copy has not.
        WorkspaceDenied: If the volume may not be read.
        WorkspaceUnavailable: If the workspace cannot be reached.
    """
    began = time.perf_counter()
    shelf, path = _shelf(home, way_in), Path(index)
    copy = _newest(shelf)
    if copy is None:
        raise IndexNotFound("There is no index in this home.", where=shelf.where, fix="ziggurat databricks index push")
    here = described(path) if is_index(path) else None
    if here is not None and (here.generation, here.stamp) == (copy.generation, copy.stamp):
        return _moved(copy, [], shelf, began)
    if here is not None and not force:
        check_ahead(copy, here, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.parent / f".{path.name}.pulling"
    fetched = _fetch(copy, path, waiting, shelf)
    _put_in_place(copy, path, waiting, here)
    shutil.rmtree(waiting, ignore_errors=True)
    return _moved(copy, fetched, shelf, began)


def _shelf(home: str | os.PathLike[str] | Shelf, way_in: dict[str, Any]) -> Shelf:
    return shelf_at(home, **way_in) if isinstance(home, (str, os.PathLike)) else home


def _moved(copy: Copy, moved: Sequence[int], shelf: Shelf, began: float) -> Moved:
    parts = copy.parts
    total, seconds = sum(parts.values()), time.perf_counter() - began
    return Moved(shelf.where, copy.generation, len(parts), len(moved), sum(moved), total, seconds)


def _newest(shelf: Shelf) -> Copy | None:
    """The newest manifest.

    Raises:
        IndexCorrupt: If it cannot be read.
        IndexFault: If a newer Ziggurat wrote it.
        InputError: If two copies of one generation differ.
    """
    names = sorted(name for name in shelf.listed("manifests") if _NAME.fullmatch(name))
    if not names:
        return None
    if len(names) > 1 and names[-1][:12] == names[-2][:12]:
        raise InputError(
            f"Two copies of the generation {int(names[-1][:12])} are there, which differ.",
            where=shelf.where,
            fix="push the index that is right with force",
        )
    content = shelf.read(f"manifests/{names[-1]}")
    try:
        told = json.loads(content or b"")
        if told["format"] != FORMAT:
            raise IndexFault("A newer Ziggurat wrote this copy.", where=shelf.where, fix="upgrade ziggurat")
        return Copy(**told)
    except (ValueError, TypeError, KeyError) as error:
        raise IndexCorrupt(f"The manifest {names[-1]} cannot be read.", where=shelf.where, fix="push again") from error


# Parts


def _send(copy: Copy, folder: Path, shelf: Shelf, *, anew: bool) -> list[int]:
    """Put the parts there that are not, or all of them anew; their sizes."""
    wanted, there = copy.parts, {} if anew else shelf.listed("parts")
    missing = {one for one, size in wanted.items() if one not in there or there[one].size != size}

    def send(piece: tuple[Path, int, str]) -> int:
        file, at, digest = piece
        with file.open("rb") as opened:
            opened.seek(at)
            content = opened.read(PART_BYTES)
        shelf.write(f"parts/{digest}", content)
        return len(content)

    pieces: dict[str, tuple[Path, int, str]] = {}
    for name, parts in copy.files.items():
        for number, (digest, _) in enumerate(parts):
            if digest in missing:
                pieces.setdefault(digest, (folder / name, number * PART_BYTES, digest))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        sent = list(pool.map(send, pieces.values()))
    there = shelf.listed("parts")
    if lost := [one for one, size in wanted.items() if one not in there or there[one].size != size]:
        raise IndexFault(f"{len(lost)} parts are not there after they were sent.", where=shelf.where, fix="push again")
    return sent


def _tidy(copy: Copy, shelf: Shelf, *, force: bool) -> None:
    """Remove manifests that this one replaces, and parts that none has named for a day."""
    names = sorted(name for name in shelf.listed("manifests") if _NAME.fullmatch(name))
    own = copy.name.rpartition("/")[2]
    older = [name for name in names if name < own]
    gone = older[: max(0, len(older) + 1 - _KEPT)] + ([name for name in names if name > own] if force else [])
    if force:
        gone += [name for name in older if name[:12] == own[:12] and name not in gone]
    for name in gone:
        shelf.remove(f"manifests/{name}")
    named = set(copy.parts)
    for name in set(names) - set(gone) - {own}:
        told = json.loads(shelf.read(f"manifests/{name}") or b"{}")
        named |= {str(digest) for parts in told.get("files", {}).values() for digest, _ in parts}
    for digest, held in shelf.listed("parts").items():
        if digest not in named and held.changed < time.time() - _SPARE_SECONDS:
            shelf.remove(f"parts/{digest}")


def _fetch(copy: Copy, path: Path, waiting: Path, shelf: Shelf) -> list[int]:
    """Have every part in the waiting folder, from here or from there; the sizes of those from there."""
    waiting.mkdir(exist_ok=True)
    wanted = copy.parts
    for name in copy.files:
        if (path / name).is_file():
            _keep_known(path / name, wanted, waiting)
    missing = [one for one, size in wanted.items() if not _is_whole(waiting / one, size)]

    def fetch(digest: str) -> int:
        content = shelf.read(f"parts/{digest}")
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            what = "is missing" if content is None else "is damaged"
            raise IndexCorrupt(
                f"The part {digest[:12]}… {what}.", where=shelf.where, fix="push the index again, with force"
            )
        _write_whole(waiting / digest, content)
        return len(content)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(fetch, missing))


def _keep_known(file: Path, wanted: dict[str, int], waiting: Path) -> None:
    with file.open("rb") as opened:
        while content := opened.read(PART_BYTES):
            digest = hashlib.sha256(content).hexdigest()
            if digest in wanted and not _is_whole(waiting / digest, len(content)):
                _write_whole(waiting / digest, content)


def _is_whole(part: Path, size: int) -> bool:
    return part.is_file() and part.stat().st_size == size


def _write_whole(part: Path, content: bytes) -> None:
    half = part.with_suffix(".half")
    half.write_bytes(content)
    half.replace(part)


# Into place


def _put_in_place(copy: Copy, path: Path, waiting: Path, here: Copy | None) -> None:
    """Make the files of their parts; an index that is there takes the new generation in one transaction of its own."""
    made = waiting / "index"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    for name, parts in copy.files.items():
        with (made / name).open("wb") as file:
            for digest, _ in parts:
                content = (waiting / digest).read_bytes()
                if hashlib.sha256(content).hexdigest() != digest:
                    (waiting / digest).unlink()
                    raise IndexCorrupt(
                        f"The part {digest[:12]}… was damaged here.", where=str(waiting), fix="pull again"
                    )
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
    if not path.exists():
        made.rename(path)
        return
    if here is not None and described(path) != here:
        raise InputError("The index here was changed while its copy was fetched.", where=str(path), fix="pull again")
    with (
        translated(path),
        closing(open_reading(made)) as source,
        closing(open_writing(path) if is_index(path) else open_new(path)) as target,
    ):
        source.backup(target)
    if (made / VECTORS).is_file():
        (made / VECTORS).replace(path / VECTORS)
