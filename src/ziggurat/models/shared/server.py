"""The machine's model server: a process that runs local models for those that share them.

``python -m ziggurat.models.shared.server HOME IDLE_SECONDS``; started by `address`, by nobody else. Listens on a Unix socket
(127.0.0.1 where there is none) and lets in who knows the token; a thread for each connection, which has one
call at a time. Invariants: it ends when nobody has been connected for so long, when its home is gone, or on
a signal, and leaves neither a socket nor an address behind; a caller that has gone costs at most a token more.
"""

from __future__ import annotations

import hmac
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path

from ziggurat.models.shared.address import Address, Files, new_token
from ziggurat.models.shared.services import Services
from ziggurat.models.shared.wire import HELLO_BYTES, Connection, ConnectionLost, Message, told

_TICK_S = 0.5
_HELLO_PATIENCE_S = 10.0
_SEND_PATIENCE_S = 30.0
"""A caller that takes nothing for so long is stopped or stuck, and must not hold up the others."""

_BACKLOG = 1024


class _Caller:
    """A call under way, as `Services` sees it."""

    def __init__(self, connection: Connection, worker: str) -> None:
        self._connection = connection
        self.worker = worker

    def send(self, piece: Message) -> None:
        if not self._connection.quiet():  # it says nothing during a call: this is its end
            raise ConnectionLost("the caller left")
        self._connection.send({"piece": piece})

    def look(self) -> None:
        self.send({})


class Server:
    """Takes connections until nobody needs it.

    Args:
        home: Where its files are.
        idle_seconds: How long it stays with nobody connected.
    """

    def __init__(self, home: Path, idle_seconds: float) -> None:
        self._files = Files.of(home)
        self._idle_seconds = idle_seconds
        self._services = Services()
        self._token = new_token()
        self._lock = threading.Lock()
        self._connected = 0
        self._alone_since = time.monotonic()
        self._stopping = False

    def run(self) -> None:
        """Listen, say where, and serve until the end."""
        listener = self._listening()
        try:
            while not (self._stopping or self._homeless() or self._left_alone(listener)):
                if select.select([listener], [], [], _TICK_S)[0]:
                    self._accept(listener)
        finally:
            listener.close()
            self._tidied()

    def stop(self, *_: object) -> None:
        """End at the next tick."""
        self._stopping = True

    # -- coming and going -------------------------------------------------------------------------

    def _listening(self) -> socket.socket:
        path = self._files.socket
        if path is None:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.bind(("127.0.0.1", 0))
        else:
            path.unlink(missing_ok=True)  # of a server that was killed: who starts one holds the lock
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(path))
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 (the standard library's signature)
        port = listener.getsockname()[1] if path is None else 0
        Address(str(path or ""), port, self._token, os.getpid()).write(self._files)
        return listener

    def _homeless(self) -> bool:
        """Whether its address is gone, or another server's."""
        said = Address.read(self._files)
        return said is None or said.pid != os.getpid()

    def _left_alone(self, listener: socket.socket) -> bool:
        """Whether nobody has been connected for long enough, and nobody is about to be."""
        with self._lock:
            if self._connected or time.monotonic() - self._alone_since < self._idle_seconds:
                return False
        lock = self._files.lock()
        try:
            lock.acquire(blocking=False)
        except TimeoutError:
            return False  # who holds it is about to connect, and must not wait for us
        try:
            if select.select([listener], [], [], 0)[0]:
                return False
            self._tidied()
            return True
        finally:
            lock.release()

    def _tidied(self) -> None:
        if not self._homeless():
            self._files.address.unlink(missing_ok=True)
            if self._files.socket is not None:
                self._files.socket.unlink(missing_ok=True)

    # -- callers ----------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return  # it left before it was in
        sock.setblocking(True)  # noqa: FBT003 (the standard library's signature)
        with self._lock:
            self._connected += 1
        threading.Thread(target=self._serve, args=(Connection(sock),), name="ziggurat-caller", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        try:
            worker = self._admitted(connection)
            while worker is not None:
                connection.patience(None)
                request = connection.receive()
                connection.patience(_SEND_PATIENCE_S)
                connection.send(self._answered(request, _Caller(connection, worker)))
        except ConnectionLost:
            pass  # it has what it wanted, or will never have it
        finally:
            connection.close()
            with self._lock:
                self._connected -= 1
                self._alone_since = time.monotonic()

    def _admitted(self, connection: Connection) -> str | None:
        """Who it is; None if it does not know the token."""
        connection.patience(_HELLO_PATIENCE_S)
        hello = connection.receive(HELLO_BYTES)
        if not hmac.compare_digest(str(hello.get("token")).encode(), self._token.encode()):
            return None
        connection.send({"pid": os.getpid()})
        return str(hello.get("worker"))

    def _answered(self, request: Message, caller: _Caller) -> Message:
        """The last message of a call."""
        try:
            self._services.answer(request["method"], request["body"], caller)
        except ConnectionLost:
            raise
        except Exception as error:  # noqa: BLE001 (raised again where it was asked)
            traceback.print_exc()
            return {"error": told(error)}
        return {"done": True}


def main(arguments: list[str]) -> None:
    """Serve until nobody needs it. Ends without the interpreter's farewell: engines' threads do not survive one."""
    os.umask(0o077)
    server = Server(Path(arguments[0]), float(arguments[1]))
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, server.stop)
    try:
        server.run()
    except BaseException:  # noqa: BLE001 (told in the log, and by the exit status)
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
