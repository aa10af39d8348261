"""The list of a sharded index's shards: a small file beside them, written once.

Which shard a document is in follows from its name and the number of shards, so that number never changes.
Knows nothing of what the shards hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from ziggurat.errors import IndexCorrupt, IndexNotFound, InputError

SHARDS_FILE = "shards.json"
_FORMAT = 1


def shard_names(path: Path) -> list[str]:
    """The folders of a sharded index's shards, in order.

    Raises:
        IndexNotFound: If there is no sharded index at that path.
        IndexCorrupt: If its list cannot be read.
    """
    try:
        told = json.loads((path / SHARDS_FILE).read_text(encoding="utf-8"))
        if told["format"] != _FORMAT:
            raise IndexCorrupt(
                f"The sharded index has format {told['format']}.", where=str(path), fix="upgrade ziggurat"
            )
        return [str(name) for name in told["shards"]]
    except OSError as error:
        raise IndexNotFound(
            "There is no sharded index in this directory.", where=str(path), fix="build one with build_index(shards=N)"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise IndexCorrupt(f"{SHARDS_FILE} cannot be read: {error}.", where=str(path)) from error


def write_shard_names(path: Path, count: int) -> list[str]:
    """Make the list of a new sharded index, or see that the one that is there has as many shards.

    Raises:
        InputError: If it has another number: a document's shard follows from its name and that number.
    """
    names = [f"shard-{number:05d}" for number in range(count)]
    if is_sharded(path):
        found = shard_names(path)
        if found != names:
            raise InputError(
                f"The sharded index has {len(found)} shards, not {count}.",
                where=str(path),
                fix=f"build it with shards={len(found)}, or a new one elsewhere",
            )
        return names
    path.mkdir(parents=True, exist_ok=True)
    half = path / f"{SHARDS_FILE}.{os.getpid()}"
    half.write_text(json.dumps({"format": _FORMAT, "shards": names}, indent=1), encoding="utf-8")
    half.replace(path / SHARDS_FILE)
    return names


def is_sharded(path: Path) -> bool:
    """Whether the directory holds a sharded index."""
    return (path / SHARDS_FILE).is_file()


def shard_of(key: str, count: int) -> int:
    """The number of the shard an item is in, from its key alone."""
    number = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(number, "little") % count
