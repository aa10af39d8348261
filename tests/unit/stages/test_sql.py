"""A question to a database becomes a query, rows, and a sentence that is held to them."""

import contextlib
import sqlite3

import pytest

from ziggurat import MultiChain
from ziggurat.errors import InputError
from ziggurat.sql import Database, Rows
from ziggurat.stages.sql import SQL
from ziggurat.stages.text_to_sql.answer import SQLAnswer
from ziggurat.stages.text_to_sql.examples import examples
from ziggurat.stages.text_to_sql.saying import by_rule, holds
from ziggurat.testing import FakeChat


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE lamp (id INTEGER PRIMARY KEY, name TEXT, price REAL);"
            "INSERT INTO lamp VALUES (1, 'Sun', 20.5), (2, 'Moon', 12), (3, 'Star', 7);"
        )
    return path


def asked(shop, *script, question="How many lamps are there?", **options):
    model = FakeChat(script=list(script))
    options = {"samples": 0, "repairs": 0} | options
    return SQL(shop, model, **options).run(question), model


def test_an_answer_has_the_query_the_rows_and_a_sentence(shop):
    answer, model = asked(shop, "```sql\nSELECT COUNT(*) AS lamps FROM lamp;\n```", "There are 3 lamps.")
    assert answer.text == "There are 3 lamps."
    assert answer.query == "SELECT COUNT(*) AS lamps FROM lamp"
    assert answer.rows == ((3,),)
    assert answer.found
    assert answer.usage.calls == 2
    assert str(answer).splitlines()[-1] == "3"
    assert "CREATE TABLE lamp" in model.calls[0].messages[-1].text


@pytest.mark.parametrize("sentence", ["There are 4 lamps.", "There are lamps.", "", "There are 3 lamps for 999 euros."])
def test_a_sentence_with_other_figures_gives_way_to_the_rows(shop, sentence):
    answer, _ = asked(shop, "SELECT COUNT(*) AS lamps FROM lamp", sentence)
    assert answer.text == "lamps: 3."


def test_a_query_that_fails_is_written_again_with_what_is_wrong(shop):
    answer, model = asked(
        shop, "SELECT COUNT(*) FROM lamp WHERE weight > 1", "SELECT COUNT(*) FROM lamp", "There are 3.", repairs=2
    )
    assert answer.rows == ((3,),)
    assert [bool(one.error) for one in answer.attempts] == [True, False]
    told = model.calls[1].messages
    assert "no such column: weight" in told[-1].text
    assert told[: len(told) - 2] == model.calls[0].messages  # a model that keeps what it read reads it once


def test_without_a_query_that_runs_it_says_so_within_its_budget(shop):
    answer, model = asked(shop, *["DROP TABLE lamp"] * 10, samples=4, repairs=2)
    assert not answer.found
    assert answer.text == "No query could be run for this question."
    assert len(model.calls) == 7
    assert all("DROP" in one.error for one in answer.attempts)


def test_drafts_that_agree_end_the_drafting_and_others_are_outvoted(shop):
    count = "SELECT COUNT(*) FROM lamp"
    answer, model = asked(shop, count, count, "SELECT COUNT(id) FROM lamp", samples=4, sentence=False)
    assert len(model.calls) == 3
    wrong = "SELECT MAX(id) + 6 FROM lamp"
    answer, model = asked(shop, wrong, count, count, wrong, count, samples=4, sentence=False)
    assert len(model.calls) == 5
    assert answer.rows == ((3,),)


def test_an_answer_comes_in_pieces_that_add_up(shop):
    stage = SQL(shop, FakeChat(script=["SELECT name FROM lamp", "Sun, Moon and Star."]), samples=0)
    pieces = list(stage.stream("Which lamps are there?"))
    assert pieces[0].rows
    assert not pieces[0].text
    assert sum(pieces[1:], pieces[0]).text == "Sun, Moon and Star."


def test_many_rows_are_counted_not_spoken_of(shop):
    answer, model = asked(shop, "SELECT a.name FROM lamp a, lamp b", question="Which pairs are there?", repairs=0)
    assert answer.text == "9 rows."
    assert len(model.calls) == 1
    answer, _ = asked(shop, "SELECT a.name FROM lamp a, lamp b", rows=4)
    assert answer.truncated
    assert answer.text.startswith("More than 4 rows")


def test_nothing_found_is_said_in_the_questions_language(shop):
    answer, _ = asked(shop, "SELECT name FROM lamp WHERE price > 99", question="哪些灯的价格超过99？")
    assert answer.text == "数据库中没有符合的内容。"


@pytest.mark.parametrize(
    ("sentence", "good"),
    [
        ("The mean price is 1,234.5.", True),
        ("The mean price is 1234.50 euros.", True),
        ("O preço médio é 1.234,5.", True),
        ("The mean price is 1234.", False),
        ("In 2020 it was 1234.5.", False),
    ],
)
def test_figures_are_compared_as_numbers(sentence, good):
    assert holds(sentence, Rows(("mean",), ((1234.5,),)), "What is the mean price?") is good


def test_rows_are_told_by_rule_in_short():
    assert by_rule(Rows(("name", "n"), (("Sun", 1 / 3),)), "en") == "name: Sun; n: 0.3333."
    assert by_rule(Rows(("name",), (("Sun",), ("Moon",))), "en") == "name: Sun, Moon."


def test_it_is_wired_by_name_in_a_chain(shop):
    sql = SQL(shop, FakeChat(script=["SELECT COUNT(*) AS n FROM lamp"]), samples=0, sentence=False)
    ran = MultiChain(sql=sql, said=lambda sql: f"rows: {len(sql.rows)}").run(question="How many lamps?")
    assert ran["said"] == "rows: 1"
    assert isinstance(ran["sql"], SQLAnswer)


def test_settings_go_both_ways(shop):
    stage = SQL(shop, "fake:fixed ok", rows=5, samples=1, tables=["lamp"])
    again = SQL.from_settings(stage.settings())
    assert again.settings() == stage.settings()
    assert again.database.limits.rows == 5
    with pytest.raises(InputError, match="open"):
        SQL(Database.open(shop), "fake:fixed ok").settings()


def test_the_identity_follows_the_file(shop):
    stage = SQL(shop, "fake:fixed ok")
    before = stage.stage_identity
    assert before is not None
    with contextlib.closing(sqlite3.connect(shop)) as connection:
        connection.executescript("INSERT INTO lamp VALUES (4, 'Sky', 1);")
    assert stage.stage_identity != before


def test_its_bounds_count_every_call(shop):
    bounds = SQL(shop, "fake:fixed ok", samples=4, repairs=2).stage_bounds({"question": "How many lamps?"})
    assert sum(one.calls for one in bounds) == 8


def test_an_empty_question_is_refused(shop):
    with pytest.raises(InputError, match="not a question"):
        SQL(shop, FakeChat()).run("  ")


@pytest.mark.parametrize("language", ["en", "zh", "pt", "es"])
def test_the_examples_run_in_sqlite(language):
    turns = examples("sqlite", language)
    schema = turns[0].text.split("-- Joins")[0]
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema)
        for turn in turns[1::2]:
            connection.execute(turn.text.strip("`").removeprefix("sql"))


def test_the_examples_run_in_duckdb():
    import duckdb

    turns = examples("duckdb", "en")
    with duckdb.connect() as connection:
        connection.execute(turns[0].text.split("-- Joins")[0])
        for turn in turns[1::2]:
            connection.execute(turn.text.strip("`").removeprefix("sql"))
