"""A stand-in for a remote model, as a process of its own: waits 50 ms, answers, and remembers who asked how often.

    python benchmarks/standin_server.py          says its port on stdout and serves until its stdin is closed

``POST /`` takes ``{"id": 7, "text": "..."}`` and gives ``{"answer": "..."}``; ``GET /calls`` gives the number of calls
for each id, those that were never read by their caller included. Plain asyncio, so that it is never what bounds a rate.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 0.05


def answer_to(number: int) -> str:
    """What row ``number`` is answered."""
    return f"the answer to row {number}"


class StandIn:
    """A stand-in that runs.

    Attributes:
        port: On 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def calls(self) -> dict[int, int]:
        """How often each row was asked for."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/calls", timeout=30) as answer:
            return {int(row): count for row, count in json.load(answer).items()}


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """A stand-in of its own for a ``with`` block."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None  # noqa: S101 (a pipe was asked for)
    assert process.stdout is not None  # noqa: S101 (the same)
    try:
        yield StandIn(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


async def serve() -> None:
    """Say the port and serve."""
    calls: Counter[int] = Counter()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
                )
                if head.startswith(b"GET"):
                    body = json.dumps(calls).encode()
                else:
                    asked = json.loads(await reader.readexactly(size))
                    calls[asked["id"]] += 1
                    await asyncio.sleep(SECONDS)
                    body = json.dumps({"answer": answer_to(asked["id"])}).encode()
                kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                writer.write(kind + str(len(body)).encode() + b"\r\n\r\n" + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked is gone
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # whoever is still connected has left


if __name__ == "__main__":
    asyncio.run(serve())
