"""Histories in a SQLite file, through LangChain's interface.

One row for a message; the turns of one call are stored together or not at all. Several processes may
use a file at once. Invariant: a history shows and removes the rows of its own user and session only.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from ziggurat.errors import InputError

_TABLE = """
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user TEXT NOT NULL,
  session TEXT NOT NULL,
  message TEXT NOT NULL,
  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX IF NOT EXISTS messages_session ON messages (user, session, id);
"""
_BUSY_SECONDS = 30.0


class SessionInfo(NamedTuple):
    """A session of a user.

    Attributes:
        session: Its name.
        messages: How many it holds.
        last: When the last was stored, ISO 8601, UTC.
    """

    session: str
    messages: int
    last: str


class SQLiteFile:
    """An open file of histories; threads may share it.

    Args:
        path: The file; made if there is none.

    Raises:
        InputError: If it cannot be opened, or is no SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"The file of histories cannot be opened: {error}.", where=str(path)) from error
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(_TABLE)
        except sqlite3.Error as error:
            self._db.close()
            raise InputError(
                f"The file of histories cannot be used: {error}.", where=str(path), fix="name another file"
            ) from error

    def read(self, user: str, session: str) -> list[BaseMessage]:
        """The messages of a session, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT message FROM messages WHERE user = ? AND session = ? ORDER BY id", (user, session)
            ).fetchall()
        return messages_from_dict([json.loads(text) for (text,) in rows])

    def add(self, user: str, session: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages, all of them or none."""
        rows = [(user, session, json.dumps(message_to_dict(one), ensure_ascii=False)) for one in messages]
        with self._lock, self._db:
            self._db.executemany("INSERT INTO messages (user, session, message) VALUES (?, ?, ?)", rows)

    def clear(self, user: str, session: str) -> None:
        """Remove a session."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM messages WHERE user = ? AND session = ?", (user, session))

    def sessions(self, user: str) -> list[SessionInfo]:
        """The sessions of a user, the last used first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT session, count(*), max(at) FROM messages WHERE user = ? GROUP BY session ORDER BY max(id) DESC",
                (user,),
            ).fetchall()
        return [SessionInfo(*row) for row in rows]

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        with self._lock:
            self._db.close()


class SQLiteHistory(BaseChatMessageHistory):
    """The history of one session of one user in a SQLite file.

    Args:
        file: The open file, or its path.
        session: The session's name.
        user: Whose it is.
    """

    def __init__(self, file: SQLiteFile | str | Path, session: str = "default", user: str = "") -> None:
        self._file = file if isinstance(file, SQLiteFile) else SQLiteFile(Path(file))
        self.session = session
        self.user = user

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain declares a field, and means either
        """All messages, oldest first."""
        return self._file.read(self.user, self.session)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store messages, all of them or none."""
        self._file.add(self.user, self.session, messages)

    def clear(self) -> None:
        """Remove all of them."""
        self._file.clear(self.user, self.session)
