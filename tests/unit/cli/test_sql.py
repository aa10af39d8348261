"""``ziggurat sql``: what it prints."""

import contextlib
import sqlite3

import pytest


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE lamp (name TEXT); INSERT INTO lamp VALUES ('Sun'), ('Moon');")
    return str(path)


def test_it_shows_the_query_the_rows_and_the_answer(front_door, shop):
    code, out, _ = front_door("sql", shop, "Which lamps are there?", "--model", "fake:fixed SELECT name FROM lamp")
    assert code == 0
    assert out.splitlines()[0] == "SELECT name FROM lamp"
    assert "Sun" in out
    assert "name: Sun, Moon." in out


def test_a_dry_run_prints_only_the_query(front_door, shop):
    code, out, _ = front_door("sql", shop, "Which lamps?", "--model", "fake:fixed SELECT name FROM lamp", "--dry-run")
    assert (code, out) == (0, "SELECT name FROM lamp\n")


def test_the_schema_is_what_the_model_sees(front_door, shop):
    code, out, _ = front_door("sql", shop, "--schema")
    assert (code, out) == (0, "CREATE TABLE lamp (\n  name TEXT -- e.g. 'Sun', 'Moon'\n);\n")


def test_a_query_that_would_write_is_shown_as_refused(front_door, shop):
    code, out, _ = front_door("sql", shop, "Clean up", "--model", "fake:fixed DROP TABLE lamp")
    assert code == 0
    assert "No query could be run" in out
    assert "DROP" in out


def test_what_is_no_database_is_one_clear_line(front_door, tmp_path):
    code, _, err = front_door("sql", str(tmp_path / "none.db"), "How many?")
    assert code == 1
    assert "no database file" in err


def test_without_a_question_it_asks_for_several(front_door, shop, monkeypatch):
    asked = iter(["Which lamps?", "And again?", ""])
    monkeypatch.setattr("click.prompt", lambda *_, **__: next(asked))
    code, out, _ = front_door("sql", shop, "--model", "fake:fixed SELECT name FROM lamp")
    assert code == 0
    assert out.count("SELECT name FROM lamp\n") == 2
