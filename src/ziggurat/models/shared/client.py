"""The way from this process to the machine's model server: connections kept for the next call, calls, pieces.

Blocking and safe from any thread; each call under way has a connection to itself. One connection stays open as long as
the process uses models, which is what keeps the server. Knows no model. Invariant: a connection
on which a call did not end is never used again, and a forked child never uses one of its parent's.
"""

from __future__ import annotations

import os
import secrets
import threading
import weakref
from collections.abc import Generator
from pathlib import Path

from ziggurat.errors import ModelUnavailable
from ziggurat.models.shared import address
from ziggurat.models.shared.wire import Connection, ConnectionLost, Message, raised

_KEPT = 8
"""Connections that are kept open for later calls."""

_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class Client:
    """Calls to one server.

    Args:
        home: Where the server's files are.
        idle_seconds: For the server, if it is to be started.

    Attributes:
        home: As given.
    """

    def __init__(self, home: Path, *, idle_seconds: float) -> None:
        self.home = home
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._kept: list[Connection] = []
        self._worker = _name()
        _clients.add(self)

    def call(self, method: str, body: Message) -> Message:
        """One answer.

        Raises:
            ModelUnavailable: If the server cannot be started, or dies before it has answered.
            ZigguratError: Whatever the model raises.
        """
        answer: Message = {}
        for piece in self.pieces(method, body):
            answer = piece
        return answer

    def pieces(self, method: str, body: Message) -> Generator[Message]:
        """An answer in pieces, as they are made; closing the generator ends the computation.

        While others have their turn an empty piece comes now and then, so that who reads can look at the clock.

        Raises:
            ModelUnavailable: If the server cannot be started, or dies before it has answered.
            ZigguratError: Whatever the model raises.
        """
        connection = self._taken()
        ended = False
        try:
            connection.send({"method": method, "body": body})
            while True:
                message = connection.receive()
                if "piece" in message:
                    yield message["piece"]
                    continue
                ended = True
                if "error" in message:
                    raise raised(message["error"])
                return
        except ConnectionLost as error:
            raise ModelUnavailable(
                "The model server of this machine ended before it had answered.",
                where=str(self.home),
                fix="ask again, for example by the stage's retry: it is started anew",
            ) from error
        finally:
            self._given_back(connection) if ended else connection.close()

    def close(self) -> None:
        """Close what is kept; calls under way go on."""
        with self._lock:
            kept, self._kept = self._kept, []
        for connection in kept:
            connection.close()

    def forget(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._lock = threading.Lock()  # another thread of the parent may have held the old one
        self.close()  # of the copies; the parent's own stay open
        self._worker = _name()

    def _taken(self) -> Connection:
        while True:
            with self._lock:
                connection = self._kept.pop() if self._kept else None
            if connection is None:
                return address.connect(self.home, self._worker, self._idle_seconds)
            if connection.quiet():
                return connection
            connection.close()  # of a server that is gone

    def _given_back(self, connection: Connection) -> None:
        with self._lock:
            if len(self._kept) < _KEPT:
                self._kept.append(connection)
                return
        connection.close()


def _name() -> str:
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def _forget_in_child() -> None:
    for client in list(_clients):
        client.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
