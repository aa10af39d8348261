"""A small chain the calls of which are counted in this process, and tables for it."""

import asyncio

import counting
import pyarrow as pa

from ziggurat import MultiChain


def table(rows, of=None):
    """Questions told apart by their number; ``of`` different ones if not all are."""
    return pa.table({"id": list(range(rows)), "question": [f"q{number % (of or rows)}" for number in range(rows)]})


def errors(found):
    """The type of each row's error, or None."""
    return [row["error"] and row["error"]["type"] for row in found.to_pylist()]


async def answer(question: str) -> str:
    counting.called(question)
    await asyncio.sleep(0)
    return f"a {question}"


async def length(answer: str) -> int:
    counting.called("length")
    return len(answer)


CHAIN = MultiChain(answer=answer, length=length, name="c", outputs=["length"])


def failing(questions):
    """The chain, which now fails for some."""
    counting.FAILING.update(questions)
    return CHAIN
