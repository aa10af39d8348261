"""Chains for tests of batches: written to files, so that every process builds its own; calls are counted in a file.

A call is a line in a file, appended by one system call when the call *begins*; no ledger of ours has a part in it.
"""

import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

COUNTED = """
import asyncio
import os
from ziggurat import MultiChain

CALLS = {calls!r}

def called(what):
    handle = os.open(CALLS, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    try:
        os.write(handle, f"{{what}}\\n".encode())
    finally:
        os.close(handle)

async def answer(question: str) -> str:
    called(question)
    await asyncio.sleep({seconds})
    return f"answer to {{question}}"

async def length(answer: str) -> int:
    return len(answer)

chain = MultiChain(answer=answer, length=length, name="counted")
"""


def counted(folder: Path, seconds: float = 0.02) -> str:
    """A chain file in a folder: a call that takes a while, and what follows of it. Its calls go to `calls_of`."""
    path = folder / "counted.py"
    path.write_text(COUNTED.format(calls=str(folder / "calls"), seconds=seconds))
    return f"{path}:chain"


def calls_of(folder: Path) -> Counter[str]:
    """How often each row was asked for."""
    path = folder / "calls"
    return Counter(path.read_text().split("\n")[:-1]) if path.exists() else Counter()


def questions(folder: Path, rows: int, *, of: int | None = None) -> Path:
    """A table of questions, told apart by their number; ``of`` different ones if not all are."""
    path = folder / "questions.parquet"
    numbers = range(rows)
    texts = [f"question {number % (of or rows)}" for number in numbers]
    pq.write_table(pa.table({"id": list(numbers), "question": texts}), path, row_group_size=256)
    return path


def expected(rows: int) -> list[dict[str, object]]:
    """What the counted chain makes of `questions`."""
    answers = [f"answer to question {number}" for number in range(rows)]
    return [
        {"id": number, "question": f"question {number}", "answer": answer, "length": len(answer), "error": None}
        for number, answer in enumerate(answers)
    ]


def wait_for(condition, seconds: float = 60.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError("it did not come to that")
        time.sleep(0.01)
