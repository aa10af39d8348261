"""A sync killed with SIGKILL a hundred times at random moments ends equal to an uninterrupted one.

Run as a script this file is the syncing side: a zygote that imports everything once and forks a fresh
process for every round.
"""

import os
import random
import signal
import subprocess
import sys
import time

from ziggurat.index import StructureSplitter, VectorIndex
from ziggurat.testing import FakeEmbeddings

KILLS = 100
FILES = 40
SPLITTER = StructureSplitter(size=160, overlap=0)


class Slow(FakeEmbeddings):
    """Takes a moment for every batch, so that a kill falls into the work."""

    fingerprint = "slow"

    def embed_documents(self, texts):
        time.sleep(0.002)
        return super().embed_documents(texts)


def _zygote():
    import faiss  # noqa: F401 (imported once for all forks)

    from ziggurat.index import dense, ingest, searcher

    # Small commits and snapshots every few of them, so that many kills fall between two writes.
    ingest.BATCH, dense.LARGEST_TAIL, searcher.FLAT_ROWS = 8, 40, 400
    os.write(1, b"UP\n")
    for line in sys.stdin:
        kb, folder = line.split()
        child = os.fork()
        if child == 0:
            with VectorIndex.open_or_create(kb, Slow(16), splitter=SPLITTER) as index:
                os.write(1, b"READY\n")
                index.sync(folder)
            os.write(1, b"DONE\n")
            signal.pause()
        os.write(1, f"PID {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"DEAD\n")


def _change(folder, draw, version):
    """Write some files anew, remove some, add some."""
    for number in draw.sample(range(FILES), 12):
        path = folder / f"{number:02}.md"
        if path.exists() and draw.random() < 0.3:
            path.unlink()
            continue
        parts = [f"Part {at} of {number}, written {version if draw.random() < 0.5 else 0}. " * 4 for at in range(6)]
        path.write_text(f"# File {number}\n\n" + "\n\n".join(parts))
        os.utime(path, ns=(version * 10**9, version * 10**9))


def _content(kb):
    """Everything an index holds, but for row numbers and what only history explains."""
    with VectorIndex.open(kb, Slow(16), splitter=SPLITTER) as index:
        assert index.verify().ok
        with index._engine.store.reading() as connection:
            documents = connection.execute(
                "SELECT id, text, kind, chunks, metadata FROM documents ORDER BY id"
            ).fetchall()
            chunks = connection.execute(
                "SELECT chunks.id, text, first_char, headings, vector FROM chunks JOIN vectors USING (row) ORDER BY 1"
            ).fetchall()
            names = connection.execute(
                "SELECT name, kind, chunks.id FROM names JOIN chunks USING (row) ORDER BY 1, 2, 3"
            ).fetchall()
            items = connection.execute("SELECT key, stamp, digest, problem FROM items ORDER BY key").fetchall()
    return documents, chunks, names, items


def test_a_sync_killed_a_hundred_times_ends_equal_to_an_uninterrupted_one(tmp_path):
    draw = random.Random(20260)
    folder, kb = tmp_path / "docs", tmp_path / "kb"
    folder.mkdir()
    _change(folder, draw, 1)
    process = subprocess.Popen([sys.executable, __file__, "--zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def line():
        said = process.stdout.readline().decode().strip()
        assert said, "the zygote died"
        return said

    killed_at_work = rounds = 0
    try:
        assert line() == "UP"
        while killed_at_work < KILLS:
            rounds += 1
            assert rounds < 4 * KILLS, "too few kills fell into the work"
            if rounds % 2:
                _change(folder, draw, rounds + 1)
            process.stdin.write(f"{kb} {folder}\n".encode())
            process.stdin.flush()
            said = [line(), line()]  # its id and that it is ready, in either order
            pid = next(int(one.split()[1]) for one in said if one.startswith("PID"))
            time.sleep(draw.uniform(0, 0.05))
            os.kill(pid, signal.SIGKILL)
            while (last := line()) != "DEAD":
                said.append(last)
            killed_at_work += "DONE" not in said
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    with VectorIndex.open(kb, Slow(16), splitter=SPLITTER) as index:
        index.sync(folder)
        assert index.sync(folder).unchanged == len(list(folder.iterdir()))
    with VectorIndex.create(tmp_path / "fresh", Slow(16), splitter=SPLITTER) as index:
        index.sync(folder)
    assert _content(kb) == _content(tmp_path / "fresh")


if __name__ == "__main__" and "--zygote" in sys.argv:
    _zygote()
