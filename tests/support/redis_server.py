"""A real Redis server for tests: on 127.0.0.1, on a free port, with nothing on disk, gone with its block."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis


@contextmanager
def redis_server(directory) -> Iterator[str]:
    """Start a server and give its address."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail("redis-server is not installed: apt-get install redis-server", pytrace=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(directory)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port, retry=None)
        for _ in range(500):
            try:
                client.ping()
                break
            except redis.exceptions.RedisError:
                time.sleep(0.01)
        else:
            pytest.fail("redis-server did not start", pytrace=False)
        client.close()
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)
