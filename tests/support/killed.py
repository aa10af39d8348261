"""A chain with maps and effects to be killed at any moment, and what it must come to in the end.

An effect is a line in a file, written by one system call; what happened is in the file and nowhere else.
"""

import os
import time
from pathlib import Path

from ziggurat import MultiChain, given, ref, stage, value
from ziggurat.chain.composite import Map
from ziggurat.chain.journal import Journal
from ziggurat.errors import RunNotFound

ROWS = 12
PAUSE = 0.0005


def chain_of(folder):
    """A chain of plain stages, a map of plain items, a map of chains that act on the world, and one act at the end."""
    outbox = folder / "outbox"

    def act(line):
        handle = os.open(outbox, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)

    def rows(count):
        return [{"number": number} for number in range(count)]

    async def double(number):
        return number * 2

    def word(row):
        time.sleep(PAUSE)
        return f"w{row['number']}"

    @stage(effect=True)
    def send(double):
        act(f"send {double}")
        time.sleep(PAUSE)
        return f"sent {double}"

    @stage(effect=True)
    def publish(sent, words):
        act("publish")
        return f"{len(sent)} sent, {len(words)} words"

    letter = MultiChain(double=double, send=send)
    return MultiChain(
        rows=rows,
        words=given(Map(word, each="row", limit=3), row=ref("rows")),
        letters=given(Map(given(letter, number=ref("row.number")), each="row", limit=4), row=ref("rows")),
        publish=given(publish, sent=ref("letters.*.send"), words=ref("words")),
        name="killed",
    )


def happened(folder):
    """The effects that took place, in order."""
    outbox = folder / "outbox"
    return outbox.read_text().splitlines() if outbox.exists() else []


def decide(folder):
    """Says of an uncertain effect whether it took place, by looking."""

    def say(path):
        number = path.removeprefix("letters[").partition("]")[0]
        line = "publish" if path == "publish" else f"send {int(number) * 2}"
        if line not in happened(folder):
            return "repeat"
        return value(f"{ROWS} sent, {ROWS} words" if path == "publish" else f"sent {int(number) * 2}")

    return say


def begin(folder: Path):
    """Run the chain."""
    chain_of(folder).using(journal=folder / "runs.sqlite3", run_id="r").run(count=ROWS)


def go_on(folder: Path):
    """Run it to its end, whatever became of it before; leaves the outputs in a file."""
    chain = chain_of(folder).using(journal=Journal(folder / "runs.sqlite3"), run_id="r", on_effect=decide(folder))
    try:
        outputs = chain.resume("r")
    except RunNotFound:
        outputs = chain.run(count=ROWS)
    (folder / "outputs").write_text(repr(outputs))


def announced(ready, work, folder: Path):
    """Some work, and that it begins now. Here, because a child process finds this module and no test's."""
    ready.set()
    work(folder)
