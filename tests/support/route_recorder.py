"""Which route of the local workspace was exercised by which test, with which client: written down for the docs.

A pytest plugin that is there only where ``ZIGGURAT_ROUTES=FILE`` is set; then every call that a workspace of this
process answers goes to the file with the test that was running, a line of JSON for each route, client and test.
Appends, so several runs make one table: `routes_table`. Workspaces in processes of their own are not seen.
"""

import json
import os
from pathlib import Path

import pytest

from ziggurat.databricks.local.record import Record

VARIABLE = "ZIGGURAT_ROUTES"
_REFUSED = 400


class RouteRecorder:
    """Notes what is asked of every workspace while tests run.

    Args:
        file: Where it is written, a line for each route, client and test.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._node = ""
        self._seen: set[tuple[str, str, str, str]] = set()
        self._add = Record.add

    def pytest_configure(self) -> None:
        recorder, add = self, self._add

        def noted(record: Record, entry) -> None:
            add(record, entry)
            if entry.route and entry.status < _REFUSED:
                recorder._seen.add((entry.method, entry.route, entry.agent, recorder._node))

        Record.add = noted

    def pytest_unconfigure(self) -> None:
        Record.add = self._add

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self._node = item.nodeid
        found = yield
        self._write()
        return found

    def pytest_sessionfinish(self) -> None:
        self._write()

    def _write(self) -> None:
        seen, self._seen = sorted(self._seen), set()
        if not seen:
            return
        with self._file.open("a", encoding="utf-8") as file:
            for method, route, agent, test in seen:
                file.write(json.dumps({"method": method, "route": route, "agent": agent, "test": test}) + "\n")


def hook(config: pytest.Config) -> None:
    """Record, if asked to; call it from ``pytest_configure``."""
    if (named := os.environ.get(VARIABLE)) and not config.pluginmanager.has_plugin("route-recorder"):
        recorder = RouteRecorder(Path(named).absolute())
        config.pluginmanager.register(recorder, "route-recorder")
