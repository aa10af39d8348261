"""What the kinds of things have in common: the verbs of each, and how a workspace is looked at again and again.

Knows no kind. Invariant: what is found is ours only if our state or our mark says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from typing import Any, Protocol

from ziggurat.databricks.calls import Calls
from ziggurat.databricks.lab.specs import TAG
from ziggurat.databricks.lab.state import Entry
from ziggurat.errors import ZigguratError

Tell = Callable[[str], None]
"""Who is told each step and state, a line each."""

WAIT_SECONDS = 1800.0
SAY_SECONDS = 30.0
OURS, OTHERS, ABSENT, ASLEEP = "ours", "others", "absent", "asleep"


@dataclass(frozen=True, slots=True)
class Found:
    """What is in the workspace: ``ours``, ``others``, ``asleep`` (ours, to be started) or ``absent``."""

    what: str
    id: str = ""


class Thing(Protocol):
    """One thing of a lab."""

    kind: str
    name: str

    @property
    def digest(self) -> str:
        """Of what is declared."""

    def find(self, entry: Entry | None) -> Found:
        """Look whether it is there."""

    def make(self) -> str:
        """Make it; returns what the workspace calls it."""

    def change(self, identity: str) -> None:
        """Make it what is declared now."""

    def wait(self, identity: str, tell: Tell) -> None:
        """Wait until it can be used."""


def pages(calls: Calls, path: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
    """All of a list that comes in pages."""
    token = ""
    while True:
        told = calls.get(path, **query, **({"page_token": token} if token else {}))
        yield from told.get(key) or ()
        token = str(told.get("next_page_token") or "")
        if not token:
            return


def tagged(told: Mapping[str, Any], mark: str) -> bool:
    """Whether an endpoint carries a mark."""
    return any(one.get("key") == TAG and one.get("value") == mark for one in told.get("tags") or ())


def patiently(seconds: float, what: str, tell: Tell | None = None) -> Iterator[None]:
    """Look again and again, more and more seldom.

    Args:
        seconds: How long.
        what: What is waited for.
        tell: Told every half minute that it is still waited for.

    Raises:
        ZigguratError: When the time is up.
    """
    began = time.monotonic()
    pause, said = 0.05, began
    while (now := time.monotonic()) < began + seconds:
        if tell is not None and now - said >= SAY_SECONDS:
            said = now
            tell(f"{what}: still waiting, for {now - began:.0f} s now")
        yield
        time.sleep(pause)
        pause = min(pause * 1.5, 5.0)
    raise ZigguratError(f"{what} was not ready within {seconds:g} s.", fix="see what the workspace says of it")


def digest_of(value: Any) -> str:
    """A short name for what is declared."""
    return sha256(dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
