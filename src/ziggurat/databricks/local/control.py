"""What only the stand-in has: its faults, set while it runs, and its record, read.

Under ``/_local``, where no real workspace answers. Changes nothing but the faults and the record.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from ziggurat.databricks.local.call import Body, Call, Route
from ziggurat.databricks.local.faults import Faults
from ziggurat.databricks.local.record import Entry

if TYPE_CHECKING:
    from ziggurat.databricks.local.workspace import Workspace


class Control:
    """The faults and the record of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", "/_local/faults", self._faults, "which faults are set"),
            Route("PUT", "/_local/faults", self._set, "set faults: refuse, unavailable, cut, stall, retry_after, seed"),
            Route("GET", "/_local/record", self._record, "what was asked, by route, and what was answered whole"),
            Route("DELETE", "/_local/record", self._clear, "begin the record anew"),
        ]

    def close(self) -> None:
        """End what it started."""

    def _faults(self, _: Call) -> Body:
        return self._workspace.luck.faults.written()

    def _set(self, call: Call) -> Body:
        self._workspace.luck.set(Faults.read(call.body))
        return self._workspace.luck.faults.written()

    def _record(self, _: Call) -> Body:
        entries = self._workspace.record.entries
        by_route: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in entries:
            by_route[entry.method, entry.route].append(entry)
        return {
            "calls": len(entries),
            "completed": self._workspace.record.completed(),
            "routes": [_counted(*key, found) for key, found in sorted(by_route.items())],
        }

    def _clear(self, _: Call) -> None:
        self._workspace.record.clear()


def _counted(method: str, route: str, entries: list[Entry]) -> Body:
    return {
        "method": method,
        "route": route,
        "calls": len(entries),
        "completed": sum(entry.completed for entry in entries),
        "metered": any(entry.metered for entry in entries),
        "statuses": {str(status): count for status, count in sorted(Counter(e.status for e in entries).items())},
        "clients": sorted({entry.client for entry in entries if entry.client}),
    }
