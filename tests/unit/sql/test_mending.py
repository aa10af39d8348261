"""Queries that nearly fit are made to fit, and those that fit are left alone."""

import pytest

from ziggurat.sql import Rows
from ziggurat.sql.judging import Candidate, agreed, best
from ziggurat.sql.linking import links, relevant
from ziggurat.sql.mending import fitted
from ziggurat.sql.writing import query_in


def mended(shop, query, question=""):
    return fitted(query, shop.schema(), shop.values, question)


CASES = {
    "a misspelt table": ("SELECT title FROM products", "SELECT title FROM product"),
    "a misspelt column": ("SELECT fullname FROM customer", "SELECT customer.full_name FROM customer"),
    "a column of a joined table": (
        "SELECT c.city_name FROM customer AS c JOIN city AS t ON c.city_id = t.city_id WHERE c.full_name <> ''",
        "SELECT t.city_name FROM customer AS c JOIN city AS t ON c.city_id = t.city_id WHERE c.full_name <> ''",
    ),
    "a column two joins away": (
        "SELECT SUM(amount) FROM purchase WHERE region = 'East'",
        "SELECT SUM(purchase.amount) FROM purchase JOIN customer ON purchase.customer_id = customer.customer_id JOIN city ON customer.city_id = city.city_id WHERE city.region = 'East'",
    ),
    "a table that was not meant": (
        "SELECT title FROM purchase WHERE price > 5",
        "SELECT title FROM product WHERE price > 5",
    ),
    "a text in another case": (
        "SELECT full_name FROM customer WHERE status = 'Active'",
        "SELECT full_name FROM customer WHERE status = 'active'",
    ),
    "a text slightly misspelt": (
        "SELECT city_id FROM city WHERE city_name = 'Los Angelos'",
        "SELECT city_id FROM city WHERE city_name = 'Los Angeles'",
    ),
    "a share of whole numbers": (
        "SELECT COUNT(CASE WHEN price > 100 THEN 1 END) / COUNT(*) FROM product",
        "SELECT CAST(COUNT(CASE WHEN price > 100 THEN 1 END) AS REAL) / COUNT(*) FROM product",
    ),
    "a missing group": (
        "SELECT kind, COUNT(*) FROM product",
        "SELECT kind, COUNT(*) FROM product GROUP BY kind",
    ),
    "a year of a year": (
        "SELECT COUNT(*) FROM purchase WHERE STRFTIME('%Y', year) = 2024",
        "SELECT COUNT(*) FROM purchase WHERE year = 2024",
    ),
    "another dialect's dates": (
        "SELECT COUNT(*) FROM purchase WHERE bought_on >= CURRENT_DATE - INTERVAL '30 days' AND EXTRACT(YEAR FROM bought_on) > 2",
        "SELECT COUNT(*) FROM purchase WHERE bought_on >= DATE('now', '-30 days') AND CAST(STRFTIME('%Y', bought_on) AS INTEGER) > 2",
    ),
    "a join on a column that is not there": (
        "SELECT city_name, COUNT(*) FROM purchase JOIN city ON purchase.city_id = city.city_id GROUP BY city_name",
        "SELECT city_name, COUNT(*) FROM purchase JOIN customer ON purchase.customer_id = customer.customer_id JOIN city ON customer.city_id = city.city_id GROUP BY city_name",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_slip_is_mended(shop, name):
    given, wanted = CASES[name]
    made = mended(shop, given)
    assert made == wanted
    shop.run(made)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT c.full_name, SUM(p.amount) AS n FROM customer AS c LEFT JOIN purchase AS p ON p.customer_id = c.customer_id GROUP BY c.full_name ORDER BY n DESC",
        "SELECT full_name FROM customer WHERE NOT EXISTS(SELECT 1 FROM purchase WHERE purchase.customer_id = customer.customer_id)",
        "WITH spent AS (SELECT customer_id, SUM(amount) AS n FROM purchase GROUP BY customer_id) SELECT AVG(n) FROM spent",
        "SELECT a.title FROM product AS a JOIN product AS b ON a.kind = b.kind WHERE a.price > b.price",
    ],
)
def test_a_query_that_fits_is_left_as_it_is(shop, query):
    assert mended(shop, query) == query


def test_what_is_no_query_stays_unmended(shop):
    assert mended(shop, "DROP TABLE city") == ""
    assert mended(shop, "SELECT " + "(" * 400) == ""


@pytest.mark.parametrize(
    ("reply", "query"),
    [
        ("```sql\nSELECT 1;\n```", "SELECT 1"),
        ("Sure: SELECT a FROM b; and more", "SELECT a FROM b"),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "WITH x AS (SELECT 1) SELECT * FROM x"),
        ("I cannot.", ""),
    ],
)
def test_the_query_is_taken_out_of_a_reply(reply, query):
    assert query_in(reply) == query


def test_values_that_a_question_names_are_found_also_misspelt(shop):
    found = {
        (one.table, one.column, one.value) for one in links(shop, "Who in new york bought a lamp, or in Los Angelos?")
    }
    assert ("city", "city_name", "New York") in found
    assert ("product", "title", "Lamp") in found
    assert ("city", "city_name", "Los Angeles") in found


def test_of_a_schema_too_large_the_tables_asked_about_remain(shop):
    question = "How many customers are there in each region?"
    small = relevant(shop.schema(), question, links(shop, question), 420)
    assert {table.name for table in small.tables} >= {"customer", "city"}
    assert len(small.tables) < len(shop.schema().tables)
    assert relevant(shop.schema(), question, [], 10_000) == shop.schema()


def ran(query, *rows):
    return Candidate(query, Rows(("a",), tuple((row,) for row in rows), query=query))


def test_queries_that_give_the_same_rows_outvote_another():
    candidates = [ran("SELECT 1", 1), ran("SELECT 2", 2), ran("SELECT 1+1", 2)]
    assert best(candidates, "What is it?", []).rows.rows == ((2,),)
    assert not agreed(candidates)
    assert agreed(candidates[1:])
    assert best([], "What is it?", []) is None


def test_a_query_without_the_questions_number_or_share_counts_less():
    candidates = [ran("SELECT COUNT(*) FROM t", 9), ran("SELECT COUNT(*) FROM t WHERE year = 2020", 3)]
    assert best(candidates, "How many in 2020?", []).rows.rows == ((3,),)
    candidates = [ran("SELECT COUNT(*) FROM t", 9), ran("SELECT 1.0 * COUNT(a) / COUNT(*) FROM t", 0.5)]
    assert best(candidates, "What is the ratio of a to all?", []).rows.rows == ((0.5,),)
