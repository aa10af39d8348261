"""A real MariaDB server for tests: on a socket and a free port of 127.0.0.1, in a folder of its own, gone with its block."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

_INSTALLED = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/libexec")


def _program(name: str) -> str | None:
    return shutil.which(name) or next((f"{one}/{name}" for one in _INSTALLED if Path(one, name).exists()), None)


@contextmanager
def mariadb_server(directory: Path) -> Iterator[tuple[int, Path]]:
    """Start a server with a database ``shop``; gives its port (user root, no password) and its general log."""
    server, install = _program("mariadbd"), _program("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    data, log = directory / "data", directory / "general.log"
    common = ["--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}"]
    subprocess.run(
        [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        *common, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={directory}/s", f"--pid-file={directory}/pid",
        "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--general-log=1", f"--general-log-file={log}",
        "--skip-log-bin",
    ]  # fmt: skip
    process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                with pymysql.connect(host="127.0.0.1", port=port, user="root") as connection:
                    connection.cursor().execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
                break
            except pymysql.err.OperationalError:
                time.sleep(0.05)
        else:
            pytest.fail("MariaDB did not start", pytrace=False)
        yield port, log
    finally:
        process.terminate()
        process.wait(30)
