"""The table of REST routes in the docs lists exactly what the local workspace answers, with tests that exist."""

import json
import re
from pathlib import Path

import pytest
import routes_table
from routes_table import DOCUMENT, NOBODY, Seen, client_of, observed, registered, table

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(\w+) (\S+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
REMADE = f"ZIGGURAT_ROUTES=FILE python -m pytest …; python -m {routes_table.__name__} FILE"


@pytest.fixture(scope="module")
def rows():
    return ROW.findall(DOCUMENT.read_text(encoding="utf-8"))


def test_the_table_lists_exactly_the_registered_routes(rows):
    routes = [(one.method, one.path, one.does) for _, found in registered() for one in found]
    assert [row[:3] for row in rows] == routes, f"make the table anew: {REMADE}"


def test_every_named_test_exists(rows):
    named = {row[4].strip("`") for row in rows if row[4] != NOBODY}
    assert len(named) > 20
    for test in named:
        file, _, inside = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        *classes, function = inside.split("::")
        if classes:  # of a suite, whose own tests are inherited
            assert all(re.search(rf"^\s*class {one}\b", text, re.MULTILINE) for one in classes), test
        else:
            assert f"def {function}(" in text, test


def test_a_route_is_told_to_be_untested_only_where_no_test_is_named(rows):
    assert all((row[3] == NOBODY) <= (row[4] == NOBODY) for row in rows)


@pytest.mark.parametrize(
    ("agent", "client"),
    [
        ("ziggurat/0.1.0", "ziggurat"),
        ("ziggurat/0.1.0 databricks-sdk-py/0.156.0 python/3.11.7 os/linux auth/pat", "ziggurat"),
        ("unknown/0.0.0 databricks-sdk-py/0.156.0 python/3.11.7 os/linux auth/pat", "databricks-sdk"),
        ("DatabricksOpenAI/Python 2.54.0", "databricks-langchain"),
        ("OpenAI/Python 2.8.0", "openai"),
        ("AsyncOpenAI/Python 2.8.0", "openai"),
        ("python-httpx/0.28.1", "plain HTTP"),
        ("", "plain HTTP"),
    ],
)
def test_a_client_is_told_by_its_user_agent(agent, client):
    assert client_of(agent) == client


def test_a_client_that_bears_anothers_name_is_told_by_what_it_asks():
    sdk, requests = "unknown/0.0.0 databricks-sdk-py/0.156.0", "python-requests/2.34.2"
    assert client_of(sdk, "/api/2.0/serving-endpoints/{name}", "tests/x.py::test_mlflow_streams") == "mlflow"
    assert client_of(sdk, "/api/2.0/secrets/put", "tests/x.py::test_mlflow_streams") == "databricks-sdk"
    search = "/api/2.0/vector-search/indexes/{index}/query"
    assert client_of(requests, search, "tests/contract/databricks/test_clients.py::test_x") == "databricks-ai-search"
    assert client_of(requests, "/oidc/v1/token", "tests/x.py::test_y") == "databricks-sdk"
    assert client_of(requests, "/api/2.0/serving-endpoints/{name}", "tests/x.py::test_y") == "plain HTTP"


def test_the_table_names_the_test_that_asks_least_besides_and_shows_what_nobody_asks():
    def line(test, agent, route="/a"):
        return json.dumps({"method": "GET", "route": route, "agent": agent, "test": test})

    seen = observed(
        [
            line("tests/unit/test_x.py::test_one[a]", "python-httpx/1"),
            line("tests/contract/test_y.py::test_two", "OpenAI/Python 2"),
            line("tests/contract/test_a.py::test_three", "OpenAI/Python 2"),
            line("tests/contract/test_a.py::test_three", "OpenAI/Python 2", "/b"),
            line("tests/unit/test_x.py::test_one", "python-httpx/1", "/c"),
        ]
    )
    assert seen == {
        ("GET", "/a"): Seen(("openai",), "tests/contract/test_y.py::test_two"),
        ("GET", "/b"): Seen(("openai",), "tests/contract/test_a.py::test_three"),
        ("GET", "/c"): Seen(("plain HTTP",), "tests/unit/test_x.py::test_one"),
    }
    _, routes = registered()[0]
    made = ROW.findall(table([("Area", routes)], {}))
    assert {row[3:] for row in made} == {(NOBODY, NOBODY)}
