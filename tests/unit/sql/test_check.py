"""What may be sent to a database, and what may not."""

import pytest

from ziggurat.errors import InputError, QueryRefused, ZigguratError
from ziggurat.sql.check import check

KNOWN = ["customer", "purchase", "sales.item"]


def passed(query, dialect="sqlite"):
    return check(query, dialect, KNOWN, "here")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT name FROM customer",
        "select c.name, count(*) from customer c join purchase p on p.customer_id = c.id group by c.name having count(*) > 1",
        "WITH big AS (SELECT * FROM purchase WHERE amount > 10) SELECT COUNT(*) FROM big",
        "SELECT 1 UNION ALL SELECT id FROM customer ORDER BY 1 LIMIT 3;",
        "SELECT STRFTIME('%Y', day), SUM(amount) OVER (PARTITION BY name ORDER BY day) FROM purchase",
        "SELECT * FROM (SELECT id FROM customer) AS x(a) WHERE a IN (1, 2) AND EXISTS (SELECT 1 FROM purchase)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
        "SELECT CASE WHEN (a > 1) THEN 'DROP TABLE customer; --' ELSE x END FROM customer -- a remark",
        "EXPLAIN QUERY PLAN SELECT * FROM customer",
        "SELECT name FROM sales.item",
        "SELECT CAST(amount AS DECIMAL(10, 2)) FROM purchase WHERE LOWER(name) LIKE LOWER('%a;b%')",
    ],
)
def test_a_query_that_reads_passes(query):
    assert passed(query).text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DROP TABLE customer", "DROP"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("SELECT FROM WHERE", "not SQL"),
        ("SELECT * FROM secret", "no table secret"),
        ("SELECT * FROM custmer", "did you mean 'customer'"),
        ("SELECT load_extension('x')", "LOAD_EXTENSION"),
        ("SELECT * INTO copy FROM customer", "INTO"),
        ("WITH gone AS (DELETE FROM customer RETURNING *) SELECT * FROM gone", "DELETE"),
        ("SELECT * FROM pragma_table_info('customer')", "PRAGMA_TABLE_INFO"),
        ("SELECT * FROM sqlite_master", "no table"),
        ("SELECT name FROM customer WHERE id = ?", "PLACEHOLDER"),
        ("SELECT 1\0", "NUL"),
        ("SELECT " + "(" * 300 + "1" + ")" * 300, "deeply"),
        ("SELECT '" + "x" * 30_000 + "'", "characters"),
        ("ATTACH 'x' AS y", "ATTACH"),
        ("SELECT lpad(name, 100000000, 'x') FROM customer", "may not be called"),
        ("VALUES (1)", "VALUES"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(query, said):
    with pytest.raises(QueryRefused) as refused:
        passed(query)
    assert said in str(refused.value)
    assert "here" in str(refused.value)
    assert isinstance(refused.value, ZigguratError)
    assert isinstance(refused.value, ValueError)
    assert not isinstance(refused.value, InputError)


@pytest.mark.parametrize(
    ("dialect", "query"),
    [
        ("postgres", "SELECT pg_sleep(1)"),
        ("postgres", "SELECT pg_catalog.lower(name) FROM customer"),
        ("postgres", "SELECT \"pg_read_file\"('/etc/passwd')"),
        ("postgres", "SELECT * FROM customer FOR UPDATE"),
        ("postgres", "SELECT nextval('s')"),
        ("postgres", "COPY customer TO '/tmp/x'"),
        ("postgres", "SELECT lpad(name, 100000000) FROM customer"),
        ("mysql", "SELECT SLEEP(5)"),
        ("mysql", "SELECT * FROM customer LOCK IN SHARE MODE"),
        ("mysql", "SELECT @a := 1"),
        ("mysql", "SELECT LOAD_FILE('/etc/passwd')"),
        ("duckdb", "SELECT * FROM read_csv('/etc/passwd')"),
        ("duckdb", "SELECT * FROM '/etc/passwd'"),
        ("duckdb", "INSTALL httpfs"),
        ("duckdb", "PIVOT customer ON name USING COUNT(*)"),
    ],
)
def test_each_dialects_ways_out_are_closed(dialect, query):
    with pytest.raises(QueryRefused):
        passed(query, dialect)


def test_what_a_server_would_run_out_of_a_comment_is_never_sent():
    sent = passed("SELECT name FROM customer /*!50000 , SLEEP(5) */", "mysql").text
    assert "SLEEP" not in sent


def test_a_common_table_hides_a_table_only_where_it_is_seen():
    passed("SELECT * FROM (WITH secret AS (SELECT 1 AS a) SELECT a FROM secret) AS x")
    for query in (
        "SELECT * FROM (WITH secret AS (SELECT 1) SELECT * FROM secret) AS x, secret",
        "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret",
        "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a",
    ):
        with pytest.raises(QueryRefused):
            passed(query)


def test_the_tables_that_a_query_reads_are_told():
    assert set(passed("SELECT * FROM Customer, purchase").tables) == {"customer", "purchase"}
