"""Processes that index and are killed with SIGKILL at any moment: nothing acknowledged is lost, nothing is half there.

Run as a script this file is the indexing side: a zygote that imports everything once and forks a
fresh writer for every round, so that a hundred rounds take seconds.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROUNDS = 100
CHUNKS_A_DOCUMENT = 7


def _text(number: int, version: int) -> str:
    paragraphs = [
        f"Document {number}, version {version}, paragraph {at} tells of tower {number * 31 + at}. " * 2
        for at in range(CHUNKS_A_DOCUMENT)
    ]
    return "\n\n".join(paragraphs)


def _write_until_killed(path: str, seed: int) -> None:
    from ziggurat.index import StructureSplitter, VectorIndex
    from ziggurat.loaders import SourceDocument
    from ziggurat.testing import FakeEmbeddings

    draw = random.Random(seed)
    splitter = StructureSplitter(size=140, overlap=0)
    index = VectorIndex.open_or_create(path, FakeEmbeddings(16), splitter=splitter)
    _say("READY")
    number = seed * 1000
    mine: list[str] = []
    while True:
        action = draw.random()
        if mine and action < 0.15:
            gone = mine.pop(draw.randrange(len(mine)))
            _say(f"DELETING {gone}")
            index.delete([gone])
            _say(f"DELETED {gone}")
        elif mine and action < 0.3:
            source = draw.choice(mine)
            index.add_source(SourceDocument(source, _text(int(source[1:]), version=2)))
            _say(f"ADDED {source}")
        else:
            number += 1
            source = f"d{number}"
            index.add_source(SourceDocument(source, _text(number, version=1)))
            _say(f"ADDED {source}")
            mine.append(source)


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # one write: whole lines, and out before the next step


def _zygote() -> None:
    import faiss  # noqa: F401 (imported once for all forks)

    import ziggurat.index.vector_index  # noqa: F401 (the same)
    from ziggurat.index import dense, searcher
    from ziggurat.testing import FakeEmbeddings

    FakeEmbeddings(16)
    # Snapshots are rewritten every few commits, so that many kills fall into one.
    dense.LARGEST_TAIL = 40
    searcher.FLAT_ROWS = 400
    _say("UP")
    for line in sys.stdin:
        path, seed = line.rsplit(maxsplit=1)
        child = os.fork()
        if child == 0:
            _write_until_killed(path, int(seed))
        _say(f"PID {child}")
        os.waitpid(child, 0)
        _say("DEAD")


class Writers:
    """The zygote, from the test's side."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "UP"

    def _line(self) -> str:
        line = self.process.stdout.readline()
        assert line.endswith("\n"), "the zygote died"
        return line.strip()

    def write_and_kill(self, path: Path, seed: int, seconds: float, *, opened_first: bool) -> list[str]:
        """Index for some time, kill, and return what was acknowledged."""
        self.process.stdin.write(f"{path} {seed}\n")
        self.process.stdin.flush()
        said: list[str] = []
        pid = None
        ready = not opened_first
        while pid is None or not ready:
            line = self._line()
            if line.startswith("PID"):
                pid = int(line.split()[1])
            elif line == "DEAD":
                raise AssertionError("the writer died of itself")
            elif line == "READY":
                ready = True
            else:
                said.append(line)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        while (line := self._line()) != "DEAD":
            if line != "READY":
                said.append(line)
        return said

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing_acknowledged_and_leave_no_half_document(tmp_path: Path):
    from ziggurat.index import VectorIndex
    from ziggurat.testing import FakeEmbeddings

    draw = random.Random(11)
    writers = Writers()
    present: set[str] = set()
    uncertain: set[str] = set()
    documents = snapshots = 0
    try:
        for seed in range(1, ROUNDS + 1):
            path = tmp_path / f"index-{seed // 10}"  # ten killed writers one after another on each index
            if seed % 10 == 0:
                present, uncertain = set(), set()
            # Every third kill may fall into the opening, or the very making, of the index.
            for line in writers.write_and_kill(path, seed, draw.uniform(0.0, 0.15), opened_first=seed % 3 > 0):
                word, source = line.split()
                if word == "ADDED":
                    present.add(source)
                    documents += 1
                else:
                    present.discard(source)
                    (uncertain.add if word == "DELETING" else uncertain.discard)(source)
            with VectorIndex.open_or_create(path, FakeEmbeddings(16)) as index:
                health = index.verify()
                assert health.ok, str(health)
                held = set(index.document_ids())
                assert present <= held, f"lost: {sorted(present - held)}"
                # What was never acknowledged may be there, at most one document for each kill, but whole.
                assert len(held - present - uncertain) <= seed % 10 + 1
                assert len(index) == CHUNKS_A_DOCUMENT * len(held)
                present |= held
                uncertain.clear()
                snapshots += (path / "vectors.faiss").exists()
    finally:
        writers.close()
    assert documents > ROUNDS, "the writers had no time to write"
    assert snapshots > ROUNDS // 4, "too few kills could fall into a snapshot"


if __name__ == "__main__" and sys.argv[1:] == ["--zygote"]:
    _zygote()
