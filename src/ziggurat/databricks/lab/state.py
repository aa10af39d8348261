"""What a lab has made in a workspace, written down before and after each creation.

A file beside the declaration, replaced whole each time. Invariant: whatever is in the workspace because of us is
either in this file or carries its mark; no secret, token or host's credential is ever written.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

from ziggurat.errors import InputError, ZigguratError

_VERSION = 1

KINDS = frozenset({"cluster", "libraries", "endpoint", "secret", "scope", "files", "folder", "run"})
"""What a lab makes."""


@dataclass(slots=True)
class Entry:
    """One thing.

    Attributes:
        kind: ``cluster``, ``endpoint``, …
        name: What it is called.
        id: What the workspace calls it; empty until that is known.
        digest: Of what was declared when it was made; empty until it was.
    """

    kind: str
    name: str
    id: str = ""
    digest: str = ""


@dataclass(slots=True)
class State:
    """Everything a lab has made.

    Attributes:
        path: The file.
        host: The workspace it was made in.
        mark: What everything it makes carries.
        began: When the lab was begun, in milliseconds.
        entries: In the order they were made.
    """

    path: Path
    host: str
    mark: str = field(default_factory=lambda: f"zl{token_hex(6)}")
    entries: list[Entry] = field(default_factory=list)
    began: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    @classmethod
    def read(cls, path: Path, host: str) -> State | None:
        """The state of a lab; None if it has made nothing.

        Raises:
            InputError: If it was made in another workspace.
            ZigguratError: If the file is damaged.
        """
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["version"] != _VERSION:
                raise ZigguratError(f"Another Ziggurat wrote this state (version {told['version']}).", where=str(path))
            entries = [_entry(one) for one in told["entries"]]
            state = cls(path, told["host"], told["mark"], entries, told.get("began", 0))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ZigguratError(f"The lab's state cannot be read: {error}.", where=str(path)) from error
        if state.host != host:
            raise InputError(
                "This lab was made in another workspace.",
                where=f"{path}: {state.host}",
                fix="go to that workspace, or take it down there first",
            )
        return state

    def find(self, kind: str, name: str) -> Entry | None:
        """What is known of a thing."""
        return next((one for one in self.entries if (one.kind, one.name) == (kind, name)), None)

    def intend(self, kind: str, name: str) -> Entry:
        """Write down that a thing is about to be made, or changed."""
        entry = self.find(kind, name)
        if entry is None:
            entry = Entry(kind, name)
            self.entries.append(entry)
        entry.digest = ""
        self.write()
        return entry

    def made(self, entry: Entry, identity: str, digest: str) -> None:
        """Write down that it was."""
        entry.id, entry.digest = identity, digest
        self.write()

    def forget(self, entry: Entry) -> None:
        """Write down that it is gone."""
        self.entries.remove(entry)
        self.write()

    def write(self) -> None:
        """Replace the file, whole.

        Raises:
            InputError: If it cannot be written.
        """
        told: dict[str, Any] = {
            "version": _VERSION,
            "host": self.host,
            "mark": self.mark,
            "began": self.began,
            "entries": [asdict(one) for one in self.entries],
        }
        half = self.path.with_suffix(".half")
        with _writable(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with half.open("w", encoding="utf-8") as file:
                json.dump(told, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self.path)

    def remove(self) -> None:
        """Nothing is left: the file goes too."""
        with _writable(self.path):
            self.path.unlink(missing_ok=True)
            self.path.with_suffix(".half").unlink(missing_ok=True)


def _entry(told: dict[str, Any]) -> Entry:
    entry = Entry(**told)
    if entry.kind not in KINDS:
        raise ValueError(f"it has a thing of kind {entry.kind!r}, which a lab never makes")
    return entry


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep others from the same lab, for as long as the block runs; a killed process lets go by itself.

    Raises:
        InputError: If another process works on it, or nothing can be written down there.
    """
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
    with lock as file:
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError("Another process works on this lab.", where=str(path), fix="wait for it") from error
        yield


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The lab's state cannot be written: {error.strerror or error}.",
            where=str(path),
            fix="put the lab file where you may write; without a state nothing could be found again",
        ) from error
