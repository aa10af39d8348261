"""A worker of a batch as a process of its own: claims cells, asks its purse, and makes calls that a file counts.

    python batch_worker.py FOLDER ADDRESS TOKEN NAME CELLS [SECONDS A CALL]

A call is a line in ``FOLDER/calls``, written by one system call; the file and nothing else says what was sent.
"""

import asyncio
import hashlib
import os
import random
import sys
import time
from pathlib import Path

from ziggurat.batch.coordination import Place, Tally
from ziggurat.batch.remote import RemoteCoordination
from ziggurat.chain.budget import Ask
from ziggurat.chain.usage import ModelUsage, Usage
from ziggurat.errors import BudgetExceeded, ClusterError

AT_ONCE = 8


def key_of(number):
    return hashlib.blake2b(str(number).encode(), digest_size=16).digest()


def calls_in(folder):
    """Who called for which cell, and when, in order."""
    path = Path(folder) / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, int(cell), float(at)) for name, cell, at in (line.split() for line in lines)]


class Worker:
    def __init__(self, folder, lead, name, seconds):
        self.folder, self.lead, self.name, self.seconds = Path(folder), lead, name, seconds
        self.refused = self.computed = 0

    def call(self, cell):
        handle = os.open(self.folder / "calls", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(handle, f"{self.name} {cell} {time.monotonic()}\n".encode())
        os.close(handle)

    async def cell(self, cell):
        key = key_of(cell)
        if await self.lead.claim(key) is not None:
            return
        await self.lead.pace(1)
        if self.lead.purse is not None:
            try:
                self.lead.purse.reserve((self.name, cell), Ask("m"))
            except BudgetExceeded:
                self.refused += 1
                self.lead.release(key)
                return
        self.call(cell)
        await asyncio.sleep(self.seconds)
        if self.lead.purse is not None:
            self.lead.purse.settle((self.name, cell), Usage((ModelUsage("m", calls=1),)))
        self.lead.publish(key, Place(f"{self.name}.cells", cell))
        self.lead.tell(Tally(rows=1, computed=1))
        self.computed += 1

    async def work(self, cells):
        left = iter(cells)

        async def one_after_another():
            for cell in left:
                if self.lead.stopped or self.refused:
                    return
                await self.cell(cell)

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


async def main(folder, address, token, name, cells, seconds="0.005"):
    order = list(range(int(cells)))
    random.Random(name).shuffle(order)
    async with RemoteCoordination(address, token, name) as lead:
        worker = Worker(folder, lead, name, float(seconds))
        try:
            await worker.work(order)
        except ClusterError as error:
            sys.stdout.write(f"{error.what}\n")
        sys.stdout.write(f"computed {worker.computed} refused {worker.refused} stopped {lead.stopped}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
