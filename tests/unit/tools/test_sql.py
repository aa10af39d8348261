"""A database as tools: what can be seen, and that nothing can be changed."""

import hashlib
import sqlite3

import pytest

from ziggurat.errors import DatabaseUnavailable, InputError
from ziggurat.stages.agent import Agent
from ziggurat.testing import FakeChat, tool_call
from ziggurat.tools import acts, sql_tools


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT, price REAL);"
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, good INTEGER REFERENCES goods (id), count INTEGER);"
            "INSERT INTO goods (name, price) VALUES ('chair', 40), ('table', 120);"
            "INSERT INTO orders (good, count) VALUES (1, 4), (2, 1);"
        )
    database.close()
    return path


@pytest.fixture
def call(shop):
    tools = {one.name: one for one in sql_tools(shop)}
    return lambda name, **given: tools[name].invoke(given)


def test_tables_schema_and_rows_can_be_seen(call):
    assert call("sql_tables") == "goods: id, name, price\norders: id, good, count"
    said = call("sql_schema", tables=["goods"])
    assert "chair" in said
    assert "orders" not in said.partition("-- Joins")[0]
    assert call("sql_query", query="SELECT name FROM goods WHERE price > 100").splitlines()[-1].strip() == "table"
    assert call("sql_query", query="SELECT * FROM goods WHERE price > 1000") == "The query gave no rows."


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM goods",
        "UPDATE goods SET price = 0",
        "DROP TABLE goods",
        "SELECT 1; DROP TABLE goods",
        "INSERT INTO goods (name) VALUES ('x')",
        "PRAGMA writable_schema = 1",
        "ATTACH DATABASE 'x.db' AS x",
        "SELECT * FROM sqlite_master",
        "SELECT FROM WHERE",
    ],
)
def test_nothing_can_be_changed(call, shop, query):
    before = hashlib.sha256(shop.read_bytes()).digest()
    said = call("sql_query", query=query)
    assert hashlib.sha256(shop.read_bytes()).digest() == before
    assert "rows" not in said.splitlines()[0].partition("Try:")[0] or "only" in said
    assert len(said.splitlines()) == 1


def test_mistakes_are_said_with_the_closest_name(call):
    assert "did you mean 'goods'" in call("sql_schema", tables=["good"])


def test_only_some_tables_may_be_read(shop):
    tables, _, query = sql_tools(shop, tables=["goods"])
    assert tables.invoke({}) == "goods: id, name, price"
    assert "4" not in query.invoke({"query": "SELECT count FROM orders"})


def test_no_tool_of_a_database_acts(shop):
    assert not any(acts(one) for one in sql_tools(shop))


def test_an_agent_answers_from_a_database(shop):
    script = [
        tool_call("sql_query", query="SELECT SUM(price * count) AS total FROM goods JOIN orders ON good = goods.id"),
        "280",
    ]
    answer = Agent([{"sql": {"file": str(shop)}}], FakeChat(script=script)).run("What are the orders worth?")
    assert answer.steps[0].result.splitlines()[-1].strip() == "280.0"


def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "x.db").write_text("no database")
    with pytest.raises(DatabaseUnavailable):
        sql_tools(tmp_path / "x.db")
    with pytest.raises(InputError):
        Agent([{"sql": {}}], FakeChat())
