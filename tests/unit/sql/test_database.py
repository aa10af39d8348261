"""A database is opened, told, and asked within limits."""

import contextlib
import sqlite3
import time

import pytest
import sqlalchemy

from ziggurat.errors import DatabaseUnavailable, InputError, QueryFailed, QueryRefused, QueryTimeout
from ziggurat.sql import Database

FOREVER = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r"


def test_rows_come_with_their_names_and_as_a_table(shop):
    rows = shop.run("SELECT title, price FROM product ORDER BY price")
    assert rows.records()[0] == {"title": "Lamp", "price": 20.5}
    assert rows.table().splitlines() == [
        "title | price",
        "----- | -----",
        "Lamp  | 20.5",
        "Chair | 120.0",
        "Desk  | 300.0",
    ]
    assert not rows.truncated


def test_the_schema_tells_keys_comments_values_and_joins(shop):
    text = shop.schema().text()
    assert "city_name TEXT, -- e.g. 'New York', 'Los Angeles', 'São Paulo'" in text
    assert "status TEXT -- active or closed" in text
    assert "-- customer JOIN city ON customer.city_id = city.city_id" in text
    assert "purchase" not in shop.schema().text(["city", "customer"])


def test_a_view_is_read_like_a_table(shop):
    assert shop.run("SELECT COUNT(*) FROM dear").rows == ((2,),)


def test_only_the_chosen_tables_can_be_read(shop_file):
    database = Database.open(shop_file, tables=["city"])
    assert [table.name for table in database.schema().tables] == ["city"]
    with pytest.raises(QueryRefused):
        database.run("SELECT * FROM customer")
    with pytest.raises(InputError, match="did you mean"):
        Database.open(shop_file, tables=["citty"])


def test_rows_beyond_the_limit_are_not_fetched(shop_file):
    rows = Database.open(shop_file, rows=2).run("SELECT * FROM purchase")
    assert len(rows) == 2
    assert rows.truncated


def test_a_long_value_is_cut(shop):
    rows = shop.run(
        "WITH RECURSIVE r(s) AS (SELECT 'xxxx' UNION ALL SELECT s || s FROM r LIMIT 15) SELECT MAX(s) FROM r"
    )
    assert len(rows.rows[0][0]) == 10_001
    assert rows.truncated


def test_a_query_that_runs_too_long_is_stopped(shop_file):
    began = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"0\.2 seconds") as stopped:
        Database.open(shop_file, seconds=0.2).run(FOREVER)
    assert time.monotonic() - began < 5
    assert isinstance(stopped.value, TimeoutError)


def test_a_failure_names_what_the_database_said(shop):
    with pytest.raises(QueryFailed, match="no such column: colour"):
        shop.run("SELECT colour FROM product")


def test_an_engine_in_memory_is_read_through_and_left_writable():
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
        connection.exec_driver_sql("INSERT INTO t VALUES (7)")
    assert Database.open(engine).run("SELECT a FROM t").rows == ((7,),)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (8)")
    engine.dispose()


def test_an_engine_and_an_address_of_a_file_read_that_file(shop_file):
    engine = sqlalchemy.create_engine(f"sqlite:///{shop_file}")
    for given in (engine, f"sqlite:///{shop_file}", str(shop_file)):
        assert Database.open(given).run("SELECT COUNT(*) FROM city").rows == ((3,),)
    engine.dispose()


@pytest.mark.parametrize("given", ["nowhere.db", "sqlite://", "nosuch://user:hush@host/x"])
def test_what_is_no_database_is_said_without_secrets(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseUnavailable) as missing:
        Database.open(given)
    assert "hush" not in str(missing.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no database")
    with pytest.raises(DatabaseUnavailable, match="no SQLite or DuckDB"):
        Database.open(tmp_path / "notes.txt")


def test_a_stamp_changes_with_the_file(shop_file):
    before = Database.open(shop_file).stamp
    assert Database.open(shop_file).stamp == before
    with contextlib.closing(sqlite3.connect(shop_file)) as connection:
        connection.executescript("CREATE TABLE more (a TEXT); INSERT INTO more VALUES ('x')")
    assert Database.open(shop_file).stamp != before


def test_duckdb_tells_its_schema_and_answers(tmp_path):
    import duckdb

    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE city (id INTEGER PRIMARY KEY, name VARCHAR)")
        connection.execute("CREATE TABLE person (id INTEGER, city_id INTEGER REFERENCES city(id), born DATE)")
        connection.execute("INSERT INTO city VALUES (1, 'Porto')")
        connection.execute("INSERT INTO person VALUES (1, 1, '2000-01-02')")
        connection.execute("COMMENT ON COLUMN person.born IS 'day of birth'")
    database = Database.open(path, seconds=0.5)
    text = database.schema().text()
    assert "born DATE -- day of birth" in text
    assert "-- person JOIN city ON person.city_id = city.id" in text
    assert database.run("SELECT name, born FROM person JOIN city ON city.id = city_id").rows == (
        ("Porto", "2000-01-02"),
    )
    with pytest.raises(QueryTimeout):
        database.run("SELECT COUNT(*) FROM range(10000000000) a, range(10000000000) b")
