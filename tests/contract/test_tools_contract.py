"""Our tools pass LangChain's own suites for tools."""

import sqlite3
import sys
from pathlib import Path

import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from worlds import over

from ziggurat import MultiChain
from ziggurat.testing import SearchServer
from ziggurat.tools import (
    as_tool,
    calculator,
    docstore,
    files,
    index_search,
    mcp_tools,
    python_sandbox,
    sql_tools,
    web_page,
    web_search,
)

MAILBOX = Path(__file__).parents[2] / "examples" / "mcp_mailbox.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("tools")
    (root / "a.txt").write_text("words")
    with sqlite3.connect(root / "shop.db") as database:
        database.execute("CREATE TABLE goods (name TEXT)")
    database.close()
    return root


@pytest.fixture(scope="module")
def server():
    with SearchServer({"Lisbon": "Lisbon is the capital of Portugal."}) as running:
        yield running


@pytest.fixture(scope="module")
def mailbox(place):
    return {one.name: one for one in mcp_tools([sys.executable, str(MAILBOX), "--folder", str(place / "mail")])}


CASES = {
    "calculator": {"expression": "1 + 1"},
    "index_search": {"question": "words"},
    "Search": {"topic": "words"},
    "Lookup": {"term": "words"},
    "duckduckgo": {"query": "Lisbon"},
    "serpapi": {"query": "Lisbon"},
    "wikipedia": {"query": "Lisbon"},
    "web_page": {"address": "http://127.0.0.1:9/"},
    "python": {"code": "1 + 1"},
    "list_files": {"folder": "."},
    "read_file": {"path": "a.txt"},
    "search_files": {"words": "words"},
    "write_file": {"path": "b.txt", "text": "x"},
    "sql_tables": {},
    "sql_schema": {"tables": ["goods"]},
    "sql_query": {"query": "SELECT name FROM goods"},
    "chain": {"number": 2},
    "list_emails": {},
    "read_email": {"number": "1"},
    "send_email": {"to": "a@example.org", "subject": "s", "text": "t"},
}


class _Ours:
    @pytest.fixture(autouse=True, params=CASES)
    def _case(self, request, place, server, mailbox):
        self.case = request.param
        docs = {one.name: one for one in docstore(over("words"))}
        made = {
            "calculator": calculator,
            "index_search": lambda: index_search(over("words")),
            "duckduckgo": lambda: web_search("duckduckgo", address=server.duckduckgo),
            "serpapi": lambda: web_search("serpapi", address=server.serpapi, key="k"),
            "wikipedia": lambda: web_search("wikipedia", address=server.wikipedia),
            "web_page": web_page,
            "python": python_sandbox,
            "chain": lambda: as_tool(
                MultiChain(double=lambda number: number * 2), name="twice", description="Doubles."
            ),
        }
        others = {
            **docs,
            **mailbox,
            **{one.name: one for one in files(place, write=True)},
            **{one.name: one for one in sql_tools(place / "shop.db")},
        }
        self.made = made[self.case]() if self.case in made else others[self.case]

    @property
    def tool_constructor(self) -> BaseTool:
        return self.made

    @property
    def tool_invoke_params_example(self) -> dict:
        return CASES[self.case]

    @pytest.fixture
    def tool(self, _case) -> BaseTool:
        return self.made


class TestToolsAlone(_Ours, ToolsUnitTests):
    """Names, schemas, arguments."""


class TestToolsCalled(_Ours, ToolsIntegrationTests):
    """Calls, with and without a tool call's frame, blocking and not."""
