"""Opening histories by what a person writes: nothing, a file's path, the address of a Postgres.

A `Memory` is where the histories of many sessions are kept; a session belongs to a user, and nobody
reaches another user's by its name.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage

from ziggurat.errors import InputError
from ziggurat.memory.sqlite import SessionInfo, SQLiteFile, SQLiteHistory
from ziggurat.optional import require

_POSTGRES = ("postgresql://", "postgres://")
_TABLE = "ziggurat_messages"
_SESSIONS = uuid.UUID("6a1f0c64-3e0e-4b52-9a43-5a1d53b0a7ce")

History = Callable[[str, str], BaseChatMessageHistory]


class Memory:
    """Where histories are kept.

    Args:
        history: From a user and a session to the history.
        sessions: From a user to the sessions there are; None where that is not known.
        close: Lets go of what is open.
        where: What a person calls it; empty for this process.
    """

    def __init__(
        self,
        history: History,
        *,
        sessions: Callable[[str], list[SessionInfo]] | None = None,
        close: Callable[[], None] | None = None,
        where: str = "",
    ) -> None:
        self._history = history
        self._sessions = sessions
        self._close = close
        self.where = where

    def history(self, session: str = "default", user: str = "") -> BaseChatMessageHistory:
        """The history of a user's session; an empty one where there is none yet.

        Raises:
            InputError: If a name is no text, or empty for a session.
        """
        given: tuple[object, object] = (session, user)
        if not all(isinstance(one, str) for one in given) or not session.strip():
            raise InputError(f"{session!r} of {user!r} is no session.", fix="name sessions and users by texts")
        return self._history(user, session)

    def sessions(self, user: str = "") -> list[SessionInfo]:
        """The sessions of a user, the last used first.

        Raises:
            InputError: If this kind of memory cannot tell.
        """
        if self._sessions is None:
            raise InputError("This memory cannot list its sessions.", where=self.where, fix="keep it in a SQLite file")
        return self._sessions(user)

    def close(self) -> None:
        """Let go of what is open."""
        if self._close is not None:
            self._close()


def open_memory(where: str | Path | Memory | BaseChatMessageHistory | Callable[[str], Any] | None = None) -> Memory:
    """Open a memory.

    Args:
        where: None keeps it in this process; a path names a SQLite file; ``postgresql://`` a database
            (the ``postgres`` and ``pgvector`` extras); a LangChain history serves one session, and a
            function from a session's name to a history (as `RunnableWithMessageHistory` takes it) many.

    Raises:
        InputError: If it cannot be opened.
    """
    match where:
        case Memory():
            return where
        case None:
            return _in_process()
        case BaseChatMessageHistory():
            return Memory(lambda user, session: _only(where, user, session), where=type(where).__name__)
        case str() if where.startswith(_POSTGRES):
            return _postgres(where)
        case str() | Path():
            path = Path(str(where).removeprefix("sqlite:///"))
            file = SQLiteFile(path)
            return Memory(
                lambda user, session: SQLiteHistory(file, session, user),
                sessions=file.sessions,
                close=file.close,
                where=str(path),
            )
        case _ if callable(where):
            return Memory(lambda user, session: _given(where, user, session), where="a function")
    raise InputError(
        f"A {type(where).__name__} keeps no history.", fix="give a path, an address or a LangChain history"
    )


def open_history(
    where: str | Path | Memory | BaseChatMessageHistory | None = None, *, session: str = "default", user: str = ""
) -> BaseChatMessageHistory:
    """The history of one session, see `open_memory`.

    Raises:
        InputError: If it cannot be opened.
    """
    return open_memory(where).history(session, user)


class ProcessHistory(BaseChatMessageHistory):
    """A history for as long as the process lasts; each call is whole, also between threads."""

    def __init__(self) -> None:
        self._messages: tuple[BaseMessage, ...] = ()
        self._lock = threading.Lock()

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain declares a field, and means either
        """All messages, oldest first."""
        return list(self._messages)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Keep messages."""
        with self._lock:
            self._messages += tuple(messages)

    def clear(self) -> None:
        """Forget all of them."""
        self._messages = ()


class _InThreads(BaseChatMessageHistory):
    """A history whose asynchronous forms run its synchronous ones in a thread: one connection serves both."""

    def __init__(self, history: BaseChatMessageHistory) -> None:
        self._history = history

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain declares a field, and means either
        return self._history.messages

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        self._history.add_messages(messages)

    def clear(self) -> None:
        self._history.clear()


def _in_process() -> Memory:
    histories: dict[tuple[str, str], BaseChatMessageHistory] = {}
    lock = threading.Lock()

    def history(user: str, session: str) -> BaseChatMessageHistory:
        with lock:
            return histories.setdefault((user, session), ProcessHistory())

    return Memory(history)


def _only(given: BaseChatMessageHistory, user: str, session: str) -> BaseChatMessageHistory:
    if user or session != "default":
        raise InputError(
            "One history was given, and it is for one session.",
            fix="give a path, or a function from a session to its history",
        )
    return given


def _given(find: Callable[[str], Any], user: str, session: str) -> BaseChatMessageHistory:
    if user:
        raise InputError(
            "Histories that a function finds are told apart by session alone.",
            fix="put the user into the session's name",
        )
    found = find(session)
    if not isinstance(found, BaseChatMessageHistory):
        raise InputError(f"The function gave a {type(found).__name__} for {session!r}, which is no LangChain history.")
    return found


def _postgres(url: str) -> Memory:
    psycopg = require("psycopg", for_="histories in Postgres", extra="postgres")
    histories = require("langchain_postgres", for_="histories in Postgres", extra="pgvector").PostgresChatMessageHistory
    host = url.rpartition("@")[2]
    try:
        connection = psycopg.connect(url)
        histories.create_tables(connection, _TABLE)
    except psycopg.Error as error:
        raise InputError(
            f"The database of histories cannot be used: {str(error).splitlines()[0].replace(url, host)}.", where=host
        ) from error

    def history(user: str, session: str) -> BaseChatMessageHistory:
        # That class tells sessions apart by a UUID; lengths keep ("a", "bc") and ("ab", "c") apart.
        key = uuid.uuid5(_SESSIONS, f"{len(user)}:{user}:{session}")
        return _InThreads(histories(_TABLE, str(key), sync_connection=connection))

    return Memory(history, close=connection.close, where=host)
