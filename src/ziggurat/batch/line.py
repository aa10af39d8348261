"""A worker's blocking connection to whoever leads its batch: one question, one answer, from any thread.

Knows frames and a socket, not what is said. Invariant: answers are never mixed up; after the first fault every question
fails, since it is not known any more whose answer comes next.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

from ziggurat.batch import wire
from ziggurat.errors import ClusterError

_CHUNK = 1 << 16


def dialled(address: str, timeout: float) -> socket.socket:
    """A socket connected to ``host:port``.

    Raises:
        ClusterError: If nobody answers there.
    """
    host, _, port = address.rpartition(":")
    try:
        made = socket.create_connection((host.strip("[]"), int(port)), timeout)
    except (OSError, ValueError, OverflowError) as error:
        raise ClusterError(
            f"The batch's coordinator cannot be reached: {error}.",
            where=address,
            fix="check that the driver still runs and that this machine reaches its address",
        ) from error
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def gone(address: str) -> ClusterError:
    """What a worker says when its leader does not answer any more."""
    return ClusterError(
        "The batch's coordinator is gone.",
        where=address,
        fix="run the batch again: it goes on where this one ended",
    )


def welcomed(message: list[Any], address: str) -> dict[str, Any]:
    """What a greeting was answered.

    Raises:
        ClusterError: If it was refused.
    """
    kind, told = message[0], message[1] if len(message) > 1 else None
    if kind == "welcome" and isinstance(told, dict):
        return told
    reason = str(told) if kind == "refused" else "It does not speak as one."
    raise ClusterError(f"The batch's coordinator refuses this worker. {reason}", where=address)


class Line:
    """Questions and answers over a socket.

    Args:
        connected: The socket; closed with the line.
        address: Where it leads, for messages.

    Attributes:
        patience: Seconds to wait for an answer.
    """

    def __init__(self, connected: socket.socket, address: str) -> None:
        self._socket = connected
        self._address = address
        self._frames = wire.Frames()
        self._lock = threading.Lock()
        self.patience = 10.0

    def greet(self, token: str, role: str, name: str, session: int = 0) -> dict[str, Any]:
        """Say the token.

        Raises:
            ClusterError: If it is refused, or nobody answers.
        """
        try:
            return welcomed(self.ask("hello", token, role, name, session), self._address)
        except ClusterError:
            self.close()
            raise

    def ask(self, *message: Any) -> list[Any]:
        """Send a message and wait for its answer.

        Raises:
            ClusterError: If none comes.
        """
        with self._lock:
            try:
                self._socket.settimeout(self.patience)
                self._socket.sendall(wire.frame(*message))
                while data := self._socket.recv(_CHUNK):
                    for answer in self._frames.feed(data):
                        return answer
            except (OSError, wire.Garbled) as error:
                raise gone(self._address) from error
            except BaseException:  # the answer may still come, and would be taken for the next one's
                self._socket.close()
                raise
            raise gone(self._address)

    def close(self) -> None:
        """End it."""
        self._socket.close()
