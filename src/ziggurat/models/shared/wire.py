"""Messages between a process and the machine's model server: msgpack in frames with a length, over a socket.

A connection carries one call at a time: the request goes out, pieces come back, and a last message ends the call. Who
has no use for the rest closes the connection; that is how a call is cancelled, and how the death of either side is seen.
Vectors travel as their bytes, errors as their parts. Knows no model. Invariant: a frame is read whole or not at all.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import ormsgpack

from ziggurat import errors
from ziggurat.errors import ModelError, ZigguratError

Message = dict[str, Any]

MOST_BYTES = 1 << 30
"""Of one frame, between processes that know one another."""
HELLO_BYTES = 4096
"""Of the first frame, from whoever connects."""

_LENGTH = struct.Struct(">I")


class ConnectionLost(Exception):
    """The other side is gone, or does not speak this language."""


class Connection:
    """One end of a connection. Used by one thread at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def send(self, message: Message) -> None:
        """Send one message.

        Raises:
            ConnectionLost: If nobody takes it, or it is longer than any frame.
        """
        body = ormsgpack.packb(message)
        if len(body) > MOST_BYTES:
            raise ConnectionLost(f"a message of {len(body)} bytes")
        try:
            self._socket.sendall(_LENGTH.pack(len(body)))
            self._socket.sendall(body)
        except OSError as error:  # a timeout is one
            raise ConnectionLost(str(error)) from error

    def receive(self, most: int = MOST_BYTES) -> Message:
        """Wait for one message.

        Raises:
            ConnectionLost: If the other side ends before it is whole, or it is no message.
        """
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > most:
            raise ConnectionLost(f"a frame of {length} bytes")
        try:
            message = ormsgpack.unpackb(self._exactly(length))
        except ormsgpack.MsgpackDecodeError as error:
            raise ConnectionLost("no message") from error
        if not isinstance(message, dict):
            raise ConnectionLost("no message")
        return message

    def quiet(self) -> bool:
        """Whether the other side is there and says nothing, as it should between two messages."""
        try:
            return not select_readable(self._socket)
        except (OSError, ValueError):
            return False

    def patience(self, seconds: float | None) -> None:
        """How long to wait for the other side at most; None for ever."""
        self._socket.settimeout(seconds)

    def close(self) -> None:
        """Leave; harmless when repeated."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        parts = bytearray(size)
        view = memoryview(parts)
        read = 0
        while read < size:
            try:
                count = self._socket.recv_into(view[read:])
            except OSError as error:
                raise ConnectionLost(str(error)) from error
            if not count:
                raise ConnectionLost("the other side left")
            read += count
        return bytes(parts)


def select_readable(sock: socket.socket) -> bool:
    """Whether something, or the end, can be read from a socket now."""
    if hasattr(select, "poll"):  # unlike select.select it has no highest descriptor
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])


# -- vectors --------------------------------------------------------------------------------------


def packed(array: npt.NDArray[Any]) -> Message:
    """An array of numbers as a message."""
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": np.ascontiguousarray(array).tobytes()}


def unpacked(message: Message) -> npt.NDArray[Any]:
    """The array that was packed, bit for bit."""
    return np.frombuffer(message["data"], np.dtype(message["dtype"])).reshape(message["shape"]).copy()


# -- errors ---------------------------------------------------------------------------------------

_PARTS = ("what", "where", "fix")


def told(error: BaseException) -> Message:
    """An error as its parts; one that is not ours as its text."""
    if not isinstance(error, ZigguratError):
        return {"type": "", "what": f"{type(error).__name__}: {error}"}
    more = {name: value for name, value in vars(error).items() if name not in _PARTS and isinstance(value, str | int)}
    return {"type": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix, "more": more}


def raised(message: Message) -> ZigguratError:
    """The error that was told, to be raised here."""
    kind = getattr(errors, str(message["type"]), None)
    if not (isinstance(kind, type) and issubclass(kind, ZigguratError)):
        return ModelError(f"The model server failed: {message['what']}")
    made: ZigguratError = kind(message["what"], where=message["where"], fix=message["fix"], **message["more"])
    return made
