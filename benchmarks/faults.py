"""A bad day at an endpoint: a thousand calls, many at a time, of which a fifth meet a fault.

    python benchmarks/faults.py [--calls 1000] [--concurrency 32]

The local workspace refuses 10 % of the calls (429), is unavailable for 5 % (503), cuts 5 % of the answers in the
middle and is silent for two seconds before another 5 %. Half of the calls are streamed. Beside `ChatDatabricks`
stands `ChatOpenAI`, the client that most people point at a serving endpoint, with its defaults. Every call ends
answered, with the very answer to its question, or failed with an error; what the workspace counts as completed,
that is, would bill, is compared with what the callers got.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage

from ziggurat.databricks import ChatDatabricks
from ziggurat.databricks.local import LocalWorkspace, Models
from ziggurat.databricks.local.faults import Faults
from ziggurat.testing import FakeChat

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

ENDPOINT = "databricks-meta-llama-3-3-70b-instruct"
LUCK = Faults(refuse=0.10, unavailable=0.05, cut=0.05, stall=(0.05, 2.0), retry_after=1, seed=7)


def answer_to(number: int) -> str:
    """What call ``number`` is answered."""
    return f"This is the answer to question {number}, in a few words more than it needs."


def thinking(messages: Sequence[BaseMessage]) -> str:
    """Answers each question with its own answer."""
    return answer_to(int(messages[-1].text.rpartition(" ")[2]))


@dataclass
class Outcome:
    """How the calls of one client ended.

    Attributes:
        client: Whose calls.
        answered: Calls with their own answer, whole.
        wrong: Calls that ended without an error and without their whole answer.
        failed: Calls that raised, by the error's name.
        seconds: For all of them.
        completed: Answers the workspace handed over whole.
        statuses: What the workspace answered, by status; those it cut are under ``cut``.
        slowest: Seconds of the longest call.
    """

    client: str
    answered: int = 0
    wrong: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    completed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0


async def bad_day(name: str, model: BaseChatModel, local: LocalWorkspace, calls: int, concurrency: int) -> Outcome:
    """Send the calls."""
    local.workspace.luck.set(LUCK)
    local.workspace.record.clear()
    made = Outcome(name)
    gate = asyncio.Semaphore(concurrency)

    async def one(number: int) -> None:
        async with gate:
            began = time.perf_counter()
            try:
                if number % 2:
                    pieces = [piece.text async for piece in model.astream(f"Question {number}")]
                    text = "".join(pieces)
                else:
                    text = (await model.ainvoke(f"Question {number}")).text
            except Exception as error:  # noqa: BLE001 (counted by its name)
                made.failed[type(error).__name__] += 1
            else:
                made.answered += text == answer_to(number)
                made.wrong += text != answer_to(number)
            made.slowest = max(made.slowest, time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(calls)))
    made.seconds = time.perf_counter() - began
    await asyncio.sleep(0.2)  # the last entries are written after their answers are read
    for entry in local.workspace.record.entries:
        if entry.metered:
            made.statuses[str(entry.status) if entry.completed else "cut"] += 1
    made.completed = local.workspace.record.completed()
    return made


def clients(local: LocalWorkspace) -> dict[str, BaseChatModel]:
    """Who is measured."""
    made: dict[str, BaseChatModel] = {
        "ChatDatabricks": ChatDatabricks(endpoint=ENDPOINT, host=local.url, token=local.token)
    }
    try:
        from langchain_openai import ChatOpenAI
    except ImportError:
        return made
    made["ChatOpenAI, defaults"] = ChatOpenAI(
        model=ENDPOINT, base_url=f"{local.url}/serving-endpoints", api_key=local.token
    )
    return made


def table(outcomes: Sequence[Outcome]) -> str:
    """The figures as Markdown."""
    titles = ("client", "answered", "failed", "silently wrong", "completed at the workspace", "429 / 503 / cut there")
    lines = [f"| {' | '.join(titles)} | seconds | slowest call |", "|---" * 8 + "|"]
    for one in outcomes:
        failed = ", ".join(f"{count} {name}" for name, count in one.failed.most_common()) or "0"
        trouble = " / ".join(str(one.statuses[kind]) for kind in ("429", "503", "cut"))
        lines.append(
            f"| {one.client} | {one.answered} | {failed} | {one.wrong} | {one.completed} | {trouble} "
            f"| {one.seconds:.1f} | {one.slowest:.1f} s |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "faults.md")
    given = parser.parse_args()
    outcomes = []
    with LocalWorkspace(models=Models(chat=FakeChat(script=thinking))) as local:
        for name, model in clients(local).items():
            outcomes.append(asyncio.run(bad_day(name, model, local, given.calls, given.concurrency)))
            print(table(outcomes[-1:]))
    text = (
        f"{given.calls} calls, {given.concurrency} at a time, half of them streamed; 10 % refused (429, Retry-After 1 s), "
        "5 % unavailable (503), 5 % cut in the middle, 5 % silent for 2 s. One machine, two cores.\n\n"
    )
    given.out.write_text(f"# A bad day at an endpoint\n\n{text}{table(outcomes)}\n", encoding="utf-8")
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
