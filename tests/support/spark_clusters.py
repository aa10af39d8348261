"""Real Spark for tests: a Connect server over a local cluster as a process, and the executors, to kill.

The classic local cluster is `open_spark("local-cluster[2,1,1024]")` itself. Everything binds to 127.0.0.1 and
writes to temporary folders; a server is ended by its process id, and its executors end with it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ziggurat.batch.spark.address import parse_address
from ziggurat.batch.spark.home import environment

LOCAL_CLUSTER = "local-cluster[2,1,1024]"
_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
_EXECUTOR = "CoarseGrainedExecutorBackend"
_START_SECS = 120.0


@dataclass(frozen=True, slots=True)
class ConnectServer:
    """A running server: its ``sc://`` address, its process id and where it logs."""

    url: str
    pid: int
    log: Path

    def executors(self) -> list[int]:
        """The process ids of its executors' JVMs."""
        return executors_of(self.pid)


def children_of(pid: int) -> list[int]:
    """The process ids below ``pid``, at any depth."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                # the name in brackets may hold spaces: the parent is the second field after it
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def executors_of(pid: int | None = None) -> list[int]:
    """The process ids of the executors' JVMs below a process: this one, if none is named."""
    found = []
    for child in children_of(pid or os.getpid()):
        with suppress(OSError):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if any(word.decode(errors="replace").endswith(_EXECUTOR) for word in words):
                found.append(child)
    return sorted(found)


def kill_executor(pid: int | None = None, *, wait_secs: float = 60.0) -> int:
    """``kill -9`` one executor below a process, once there is one; its process id."""
    until = time.monotonic() + wait_secs
    while time.monotonic() < until:
        if found := executors_of(pid):
            os.kill(found[0], signal.SIGKILL)
            return found[0]
        time.sleep(0.1)
    raise TimeoutError("no executor was started")


@contextmanager
def connect_server(
    master: str = LOCAL_CLUSTER, *, conf: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None
) -> Iterator[ConnectServer]:
    """Run a Spark Connect server for a ``with`` block.

    Args:
        master: What it runs its tasks on.
        conf: Further Spark settings.
        env: Further environment variables, such as ``PYSPARK_PYTHON``.
    """
    with tempfile.TemporaryDirectory(prefix="spark-connect-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        port = _free_port()
        settings = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(port),
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.local.dir": str(folder / "local"),
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.sql.catalogImplementation": "in-memory",
            **(conf or {}),
        }
        with environment(parse_address(master)):
            variables = os.environ | {"SPARK_CONNECT_MODE": "0"} | dict(env or {})
        options = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
        submit = Path(variables["SPARK_HOME"]) / "bin" / "spark-submit"
        log = folder / "server.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [str(submit), "--master", master, "--class", _SERVER, *options, "spark-internal"],
                env=variables,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait_for(port, process, log)
            yield ConnectServer(f"sc://127.0.0.1:{port}", process.pid, log)
        finally:
            _end(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return
        time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise RuntimeError(f"the Connect server did not start:\n{tail}")


def _end(process: subprocess.Popen[bytes]) -> None:
    below = children_of(process.pid)
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)
    for pid in below:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    with connect_server() as server:
        print(server.url, server.pid, flush=True)  # noqa: T201 (run by hand, it says where it is)
        sys.stdin.read()
