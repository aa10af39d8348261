"""The loop behind synchronous calls ends with the program, and with it what clients keep in it."""

import subprocess
import sys

# What is registered first is called last: it looks when the loop has had its turn.
CODE = """
import asyncio, atexit

kept = []
atexit.register(lambda: print("closed" if kept[0][1].is_closing() else "open"))

from ziggurat.chain.run.portal import run_sync

async def connected(port):
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield writer
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    owner = connected(server.sockets[0].getsockname()[1])
    kept.append((owner, await anext(owner)))
    server.close()

run_sync(main())
"""


def test_what_a_client_keeps_in_the_loop_is_closed_when_the_program_ends():
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "closed\n"
