"""The processes under one, found in /proc: whom a benchmark kills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> Iterator[int]:
    """A process's children, and theirs."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text("utf-8", "replace").rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(status.parent.name))
    line = [pid]
    while line:
        for child in parents.get(line.pop(), ()):
            yield child
            line.append(child)


def descendants_with(pid: int, fits: Callable[[str], bool]) -> list[int]:
    """Those of them that have a fitting word in their command line."""
    found = []
    for child in descendants(pid):
        with suppress(OSError):
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            if any(map(fits, words)):
                found.append(child)
    return found
