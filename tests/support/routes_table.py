"""`docs/databricks-routes.md` from what the tests were seen to do: each route, its clients, one of its tests.

    ZIGGURAT_ROUTES=routes.jsonl python -m pytest tests -k databricks
    PYTHONPATH=tests/support python -m routes_table routes.jsonl

Reads what `route_recorder` wrote and the list of routes that the stand-in itself is served by, so the table
cannot name a route that is not there. A route that no test asked is in it all the same, and says so.
"""

import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ziggurat.databricks.local.call import Route
from ziggurat.databricks.local.workspace import Workspace

DOCUMENT = Path(__file__).parents[2] / "docs" / "databricks-routes.md"
NOBODY = "**none**"
PLAIN = "plain HTTP"

CLIENTS = (
    (r"^ziggurat/", "", "", "ziggurat"),
    (r"databricks-sdk-py", r"/serving-endpoints", r"mlflow", "mlflow"),
    (r"databricks-sdk-py", "", "", "databricks-sdk"),
    (r"^(Async)?DatabricksOpenAI/", "", "", "databricks-langchain"),
    (r"^(Async)?OpenAI/", "", "", "openai"),
    (r"^python-requests/", r"/vector-search/|/serving-endpoints/", r"/test_clients\.py", "databricks-ai-search"),
    (r"^python-requests/", r"^/(oidc|aad|\{tenant\}|local-storage)/", "", "databricks-sdk"),
)
"""Who asks: what is found in the ``User-Agent``, in the route and in the test; the first of which all three are.

MLflow's deployments ask through databricks-sdk and bear its name; the search client, and the SDK where it signs in
or moves large files, bear the name of the package requests.
"""

HEAD = """# What the local workspace answers

Every REST route of `ziggurat databricks local`, the clients that were answered by it while the tests ran, and the test
that asks least besides. *plain HTTP* stands where no client of Databricks' asked. Refusals do not count.
Clients are told by their `User-Agent`, and those that bear another's name also by what they ask: MLflow's deployments
speak through databricks-sdk, Databricks' search client through the package requests. What is not in this table is
answered 501, with its name.

This file is made by `tests/support/routes_table.py` from what a run of the tests was seen to ask; a test compares it
with the routes that are registered.
"""


class Seen(NamedTuple):
    """What was seen of one route."""

    clients: tuple[str, ...]
    test: str


def client_of(agent: str, route: str = "", test: str = "") -> str:
    """A client's short name."""
    seen = (agent, route, test)
    fits = (name for *patterns, name in CLIENTS if all(map(re.search, patterns, seen)))
    return next(fits, PLAIN)


def registered() -> list[tuple[str, list[Route]]]:
    """The routes by area, as the stand-in has them."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        try:
            return [(re.sub(r"(?<!^)(?=[A-Z])", " ", type(area).__name__), area.routes()) for area in workspace.areas]
        finally:
            workspace.close()


def observed(lines: Iterable[str]) -> dict[tuple[str, str], Seen]:
    """Clients and a test for each route, from the recorder's lines."""
    clients: dict[tuple[str, str], set[str]] = defaultdict(set)
    tests: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    touched: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for line in lines:
        told = json.loads(line)
        route, client = (told["method"], told["route"]), client_of(told["agent"], told["route"], told["test"])
        clients[route].add(client)
        if test := told["test"].partition("[")[0]:
            tests[route][test].add(client)
            touched[test].add(route)

    def rank(route: tuple[str, str], test: str) -> tuple[object, ...]:
        """A test by a real client first, then the one that asks least besides."""
        return tests[route][test] == {PLAIN}, len(touched[test]), test

    return {
        route: Seen(
            tuple(sorted(found - {PLAIN})) or (PLAIN,),
            min(tests[route], key=lambda test: rank(route, test), default=""),
        )
        for route, found in clients.items()
    }


def table(areas: Iterable[tuple[str, list[Route]]], seen: dict[tuple[str, str], Seen]) -> str:
    """The document."""
    parts = [HEAD]
    for name, routes in areas:
        rows = ["| Route | What it does | Clients | Test |", "| --- | --- | --- | --- |"]
        for one in routes:
            found = seen.get((one.method, one.path), Seen((), ""))
            told = f"`{found.test}`" if found.test else NOBODY
            rows.append(f"| `{one.method} {one.path}` | {one.does} | {', '.join(found.clients) or NOBODY} | {told} |")
        parts.append(f"## {name}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def main(files: list[str]) -> None:
    """Write the document, and say which routes no test asked."""
    lines = [line for file in files for line in Path(file).read_text(encoding="utf-8").splitlines()]
    areas, seen = registered(), observed(lines)
    DOCUMENT.write_text(table(areas, seen), encoding="utf-8")
    routes = [one for _, found in areas for one in found]
    unasked = [f"{one.method} {one.path}" for one in routes if not seen.get((one.method, one.path), Seen((), "")).test]
    sys.stdout.write(
        f"{len(routes)} routes, {len(unasked)} that no test asks\n" + "".join(f"  {one}\n" for one in unasked)
    )


if __name__ == "__main__":
    main(sys.argv[1:])
