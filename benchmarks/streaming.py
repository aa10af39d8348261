"""How fast pieces of output come through, and what happens when nobody takes them.

    python benchmarks/streaming.py [--tokens 100000] [--peers-python PATH]

Three streams: one stage that yields many short texts; a hundred such stages side by side; a LangChain chat model behind a
prompt, whose tokens LangGraph's ``messages`` mode and ours are made for. Then a slow reader, each contender in a process of
its own: pieces of 1 kB that cannot be added, so nothing needs to keep them; how far the makers run ahead of the
reader, and what memory that takes. Contenders that would need minutes get fewer pieces, named beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial

import fresh
import report
import streams

_ROUNDS, _SECONDS = 7, 1.5
_SLOW_PIECES, _AT_ONCE, _PAUSE = 20_000, 64, 0.001

STREAMS: dict[str, tuple[report.Role, streams.Make, int]] = {
    "a bare async generator": ("floor", streams.bare, sys.maxsize),
    "an asyncio.Queue": ("floor", streams.queue, sys.maxsize),
    "Ziggurat, aevents": ("ours", streams.ours("events"), sys.maxsize),
    "Ziggurat, astream": ("ours", streams.ours("pieces"), sys.maxsize),
    "Ziggurat, astream messages": ("ours", streams.ours("messages"), sys.maxsize),
    "LCEL astream": ("peer", streams.lcel, sys.maxsize),
    "LCEL astream_events": ("peer", streams.lcel_events, 5_000),
    "LangGraph custom": ("peer", streams.langgraph, sys.maxsize),
}
MODELS: dict[str, tuple[report.Role, Callable[[int], streams.Reader]]] = {
    "the model's own astream": ("floor", streams.model_alone),
    "Ziggurat, aevents": ("ours", streams.model_ours("events")),
    "Ziggurat, astream messages": ("ours", streams.model_ours("messages")),
    "LCEL astream": ("peer", streams.model_lcel),
    "LCEL astream_events": ("peer", streams.model_lcel_events),
    "LangGraph messages": ("peer", streams.model_langgraph),
}


def texts(count: int) -> streams.Source:
    """A stage that yields so many short texts."""

    async def source() -> AsyncIterator[str]:
        for _ in range(count):
            yield "tok "

    return source


async def _drained(read: streams.Reader) -> int:
    count = 0
    async for _ in read():
        count += 1
    return count


async def _rates(
    readers: dict[str, tuple[report.Role, streams.Reader, int]], notes: list[str], title: str
) -> report.Table:
    """Time readers that must each see so many pieces."""
    for name, (_, read, count) in readers.items():
        seen = await _drained(read)
        if seen not in (count, count + 1):  # LangChain tells the end of a message as an empty piece
            sys.exit(f"{name} gave {seen} pieces instead of {count}")
    times = await report.in_turn(
        {name: partial(_drained, read) for name, (_, read, _) in readers.items()}, _ROUNDS, _SECONDS
    )
    rows = [
        report.row(name, readers[name][0], [readers[name][2] / one for one in taken]) for name, taken in times.items()
    ]
    return report.Table(title, "pieces a second", rows, better="more", notes=notes)


def side_by_side(tokens: int, stages: int) -> report.Table:
    """Short texts from one stage or from many."""
    readers: dict[str, tuple[report.Role, streams.Reader, int]] = {}
    notes: list[str] = []
    for name, (role, make, most) in STREAMS.items():
        if make is streams.bare and stages > 1:
            continue
        each = min(tokens, most) // stages
        read = report.installed(partial(make, texts(each), stages), name, notes)
        if read is not None:
            shown = name if each * stages == tokens else f"{name}, {each * stages:,} pieces"
            readers[shown] = (role, read, each * stages)
    what = "One stage" if stages == 1 else f"{stages} stages side by side"
    return asyncio.run(_rates(readers, notes, f"{what}, {tokens:,} short texts"))


def chat(count: int) -> report.Table:
    """A chat model's tokens."""
    readers: dict[str, tuple[report.Role, streams.Reader, int]] = {}
    notes: list[str] = []
    for name, (role, make) in MODELS.items():
        read = report.installed(partial(make, count), name, notes)
        if read is not None:
            readers[name] = (role, read, count)
    return asyncio.run(_rates(readers, notes, f"A chat model's {count:,} tokens"))


async def slowly(name: str) -> dict[str, float]:
    """One contender with a slow reader: the most that it was ahead, and the memory that took."""
    made = seen = ahead = 0

    async def source() -> AsyncIterator[dict[str, str]]:
        nonlocal made
        for at in range(_SLOW_PIECES):
            made += 1
            yield {"text": f"{at:1000}"}
            await asyncio.sleep(0)  # as a socket does between pieces

    read = STREAMS[name][1](source, 1)
    peak = fresh.Peak()
    async for _ in read():
        seen += 1
        ahead = max(ahead, made - seen)
        if not seen % _AT_ONCE:
            await asyncio.sleep(_PAUSE)
    return {"ahead": ahead, "megabytes": peak.megabytes()}


def backpressure() -> list[report.Table]:
    """Everybody with a slow reader."""
    ahead, memory, notes = [], [], []
    for name, (role, _, _) in STREAMS.items():
        try:
            found = fresh.alone(__file__, "--only", name)
        except ImportError as error:
            notes.append(f"Left out: {name} ({error}).")
            continue
        ahead.append(report.row(name, role, [found["ahead"]]))
        memory.append(report.row(name, role, [found["megabytes"]]))
    what = f"A slow reader of {_SLOW_PIECES:,} pieces of 1 kB"
    return [
        report.Table(f"{what}: how far ahead of it pieces are made", "pieces", ahead, notes=notes),
        report.Table(f"{what}: memory at its peak, above the start", "MB", memory),
    ]


def tables(given: argparse.Namespace) -> list[report.Table]:
    """All streams."""
    return [
        side_by_side(given.tokens, 1),
        side_by_side(given.tokens, 100),
        chat(given.tokens // 20),
        *backpressure(),
    ]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tokens", type=int, default=100_000)
    arguments.add_argument("--only", choices=STREAMS, help="a slow reader of one contender; prints figures as JSON")
    only, _ = arguments.parse_known_args()
    if only.only:
        print(json.dumps(asyncio.run(slowly(only.only))))
    else:
        report.main(__file__, "What streaming costs", tables, arguments)
