"""Where the machine's model server listens, and how it comes to listen: found, or started, under a file lock.

Only processes of one Ziggurat and one Python share a server: their tag is part of every file name, so two
installations never speak to one another. The server's address is a file of this user's alone with a token
in it, written when the server is ready. Invariant: at most one server of a tag is started for a home.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ziggurat.errors import ModelUnavailable
from ziggurat.models.shared.wire import HELLO_BYTES, Connection, ConnectionLost
from ziggurat.optional import require

_PROTOCOL = 1
"""Raised when the messages change, so that an upgraded process does not speak to a server from before."""
_ATTEMPTS = 3
_START_PATIENCE_S = 60.0
_HELLO_PATIENCE_S = 10.0
_LOG_LINES = 5

_LONGEST_SOCKET_PATH = 100
"""Bytes of a Unix socket's path that every system takes (108 with its end on Linux, 104 on others)."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one server in its home."""

    home: Path
    tag: str

    @classmethod
    def of(cls, home: Path) -> Files:
        """Those of this installation and this Python."""
        told = "|".join((str(_PROTOCOL), __file__, sys.executable, sys.version))
        return cls(home, hashlib.sha256(told.encode()).hexdigest()[:8])

    @property
    def address(self) -> Path:
        """Where it says how it is reached."""
        return self.home / f"models-{self.tag}.json"

    @property
    def socket(self) -> Path | None:
        """Its Unix socket; None where there are none, or the path is too long for one."""
        path = self.home / f"models-{self.tag}.sock"
        fits = hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH
        return path if fits else None

    @property
    def log(self) -> Path:
        """What it says to nobody."""
        return self.home / f"models-{self.tag}.log"

    def lock(self) -> Any:
        """Held by who starts it, and by itself while it leaves."""
        filelock = require("filelock", for_="local models that processes share", extra="local")
        return filelock.FileLock(self.home / f"models-{self.tag}.lock")


@dataclass(frozen=True, slots=True)
class Address:
    """How a server is reached.

    Attributes:
        path: Of its Unix socket; empty if it has none.
        port: On 127.0.0.1, where it has no Unix socket.
        token: What lets one in.
        pid: Its process.
    """

    path: str
    port: int
    token: str
    pid: int

    def write(self, files: Files) -> None:
        """Say it, all at once, to this user."""
        draft = files.address.with_suffix(".part")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(self), file)
        draft.replace(files.address)

    @classmethod
    def read(cls, files: Files) -> Address | None:
        """What the last server said; None if nothing that can be read."""
        try:
            return cls(**json.loads(files.address.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def connect(home: Path, worker: str, idle_seconds: float) -> Connection:
    """A connection to the home's server, which is started if it is not there.

    Args:
        home: Where its files are.
        worker: Who connects; calls of one worker take turns with those of others.
        idle_seconds: For the server, if it is to be started.

    Raises:
        ModelUnavailable: If it cannot be started; the end of its log is told.
        MissingDependency: If `filelock` is not installed.
    """
    files = Files.of(home)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ModelUnavailable(
            f"The home of shared models cannot be made: {error.strerror}.", where=str(home)
        ) from error
    for _ in range(_ATTEMPTS):
        found = _welcomed(files, worker)
        if found is not None:
            return found
        with files.lock():
            found = _welcomed(files, worker)
            if found is not None:
                return found
            _start(files, idle_seconds)
    raise _unavailable(files, "The model server was started and is gone again.")


def _welcomed(files: Files, worker: str) -> Connection | None:
    """A connection to the server that said its address last; None if it does not answer."""
    address = Address.read(files)
    if address is None:
        return None
    sock = socket.socket(socket.AF_UNIX if address.path else socket.AF_INET, socket.SOCK_STREAM)
    connection = Connection(sock)
    connection.patience(_HELLO_PATIENCE_S)
    try:
        sock.connect(address.path or ("127.0.0.1", address.port))
        connection.send({"token": address.token, "worker": worker})
        connection.receive(HELLO_BYTES)
    except (OSError, ConnectionLost):
        connection.close()
        return None
    connection.patience(None)
    return connection


def _start(files: Files, idle_seconds: float) -> None:
    """Start a server and wait until it listens. Never a fork: llama.cpp does not survive one."""
    files.address.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    environment.pop("OMP_NUM_THREADS", None)  # Spark tells each of its workers to use one; the server is for them all
    command = [sys.executable, "-m", "ziggurat.models.shared.server", str(files.home), str(idle_seconds)]
    with os.fdopen(os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
        process = subprocess.Popen(  # noqa: S603 (our own module, in our own Python)
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # what ends its worker's group of processes does not end it
        )
    threading.Thread(target=process.wait, name="ziggurat-model-server", daemon=True).start()  # buries it
    deadline = time.monotonic() + _START_PATIENCE_S
    while time.monotonic() < deadline:
        said = Address.read(files)
        if said is not None and said.pid == process.pid:
            return
        if process.poll() is not None:
            raise _unavailable(files, "The model server ended before it was ready.")
        time.sleep(0.01)
    process.kill()
    raise _unavailable(files, f"The model server was not ready after {_START_PATIENCE_S:g} seconds.")


def _unavailable(files: Files, what: str) -> ModelUnavailable:
    try:
        said = files.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
    except OSError:
        said = []
    return ModelUnavailable(" ".join([what, *said]), where=str(files.log))


def new_token() -> str:
    """A token nobody guesses."""
    return secrets.token_urlsafe(32)
