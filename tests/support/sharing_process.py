"""A process that shares the machine's local models: it asks what it is told on stdin, a line of JSON each, and answers so.

And for the tests that start such processes: how they are started, and which model servers run.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from ziggurat import models
from ziggurat.models.shared import share_local_models


def memory():
    """Kilobytes of this process's own memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def answer(asked):
    match asked:
        case {"chat": spec, "question": question, **options}:
            return models.chat(spec, **options).invoke(question).text
        case {"vectors": texts}:
            return models.embeddings().embed_array(texts).tobytes().hex()
        case {"memory": True}:
            return memory()
    raise AssertionError(asked)


def servers(home):
    """The model servers of a home that run."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            alive = process.name.isdigit() and "State:\tZ" not in (process / "status").read_text()
        except OSError:
            continue
        if alive and b"ziggurat.models.shared.server" in words and str(home).encode() in words:
            found.append(int(process.name))
    return found


def until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Process:
    """A Python process that asks for local models."""

    def __init__(self, home, idle_seconds=30):
        support = str(Path(__file__).parent)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sharing_process", str(home), str(idle_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": support},
        )

    def ask(self, **asked):
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def processes(*homes):
    made = [Process(home) for home in homes]
    try:
        yield made
    finally:
        for one in made:
            one.end()


if __name__ == "__main__":
    if sys.argv[1] != "alone":
        share_local_models(Path(sys.argv[1]), idle_seconds=float(sys.argv[2]))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
