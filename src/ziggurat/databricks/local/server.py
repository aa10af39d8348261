"""`LocalWorkspace`: the stand-in as a server on 127.0.0.1, for a with block or until it is told to stop."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

from ziggurat.databricks.local.workspace import Workspace
from ziggurat.errors import ZigguratError
from ziggurat.optional import require

_STARTING_SECONDS = 30.0
_STOPPING_SECONDS = 10.0


class LocalWorkspace:
    """A Databricks workspace on this machine, for the length of a with block.

    Example:
        ``with LocalWorkspace(models=Models(chat=FakeChat(["Hello."]))) as local: WorkspaceClient(host=local.url,
        token=local.token)``

    Args:
        folder: Where its files live; a temporary one, removed at the end, if none is given.
        port: Where it listens; any free one by default.
        options: For the `Workspace`.

    Raises:
        MissingDependency: If ``starlette`` or ``uvicorn`` is not installed.
    """

    def __init__(self, folder: Path | None = None, *, port: int = 0, **options: Any) -> None:
        for package in ("starlette", "uvicorn"):
            require(package, for_="a workspace on this machine", extra="databricks")
        self._folder = folder
        self._port = port
        self._options = options
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._workspace: Workspace | None = None

    def __enter__(self) -> Self:
        import uvicorn

        from ziggurat.databricks.local.app import application

        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="ziggurat-workspace-", ignore_cleanup_errors=True)
        place = self._folder if self._folder is not None else Path(self._temporary.name)  # type: ignore[union-attr]  # made above
        door: socket.socket | None = None
        try:
            door = _listening(self._port)
            workspace = Workspace(place, **self._options)
        except BaseException as error:
            if door is not None:
                door.close()
            self.__exit__()
            if isinstance(error, OSError):
                raise ZigguratError(
                    f"The workspace's files cannot be kept there: {error.strerror or error}.",
                    where=str(place),
                    fix="choose another --folder, or none",
                ) from error
            raise
        workspace.url = f"http://127.0.0.1:{door.getsockname()[1]}"
        config = uvicorn.Config(
            application(workspace), log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        self._workspace = workspace
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [door]}, name="ziggurat-workspace", daemon=True
        )
        self._thread.start()
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOPPING_SECONDS)
        if self._workspace is not None:
            self._workspace.close()
        if self._temporary is not None:
            self._temporary.cleanup()
        self._server = self._thread = self._workspace = self._temporary = None

    @property
    def workspace(self) -> Workspace:
        """What it holds.

        Raises:
            RuntimeError: Outside its with block.
        """
        if self._workspace is None:
            raise RuntimeError("The workspace runs only inside its with block.")
        return self._workspace

    @property
    def url(self) -> str:
        """The host, as the clients are given it."""
        return self.workspace.url

    @property
    def token(self) -> str:
        """A token that opens it."""
        return self.workspace.token

    def _wait(self) -> None:
        until = time.monotonic() + _STARTING_SECONDS
        while not self._server.started:
            if self._thread is None or not self._thread.is_alive() or time.monotonic() > until:
                self.__exit__()
                raise ZigguratError("The local workspace did not start.")
            time.sleep(0.01)


def _listening(port: int) -> socket.socket:
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(("127.0.0.1", port))
    except OSError as error:
        door.close()
        raise ZigguratError(
            f"Port {port} is taken.", where="127.0.0.1", fix="choose another with --port, or 0 for any free one"
        ) from error
    return door
