"""A book of 3 MB summarised by the default local model within a bound on calls: time, memory, and pointers that hold.

    python benchmarks/summaries.py [--data ../shared/data] [--sizes 1 3] [--calls 40]

The book is made of the passages of 2WikiMultihopQA's and HotpotQA's corpora under ``--data``, an article a section, in
chapters; twenty sentences that state a fact each are put into it at even distances. It is asked when each
lighthouse was built. Each size runs in a process of its own, so that its peak memory is its own; the text and the
model's weights are part of it. A pointer holds if the words it quotes stand at its place, and
a stated fact is found if a sentence of the summary says town and year and one of its pointers is the planted sentence.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ziggurat.progress import default_progress
from ziggurat.stages.summarize import Summarize
from ziggurat.testing import FakeChat

QUESTION = "When was each lighthouse built?"
TOWNS = (
    "Varn Osk Brell Tamsin Quill Dorrow Hest Ilmar Jorvane Kestle Lorn Mardle Nivek Orlay Pell Rusk Sarn Thule Ulver Wick"
).split()


def articles(data: Path) -> Iterator[str]:
    """Real text, an article a section."""
    for name in ("multihop-2wiki/corpus_6119.json", "hotpot-distractor/corpus_1000.json"):
        for one in json.loads((data / name).read_text("utf-8")):
            yield f"## {one['title']}\n\n{one['text']}\n\n"


def book(data: Path, characters: int) -> tuple[str, list[str]]:
    """About so many characters of a book, and the twenty sentences put into it, in order."""
    years = random.Random(7).sample(range(1610, 1930), len(TOWNS))
    facts = [f"The lighthouse at {town} was built in {year}." for town, year in zip(TOWNS, years, strict=True)]
    parts: list[str] = []
    length, chapter, stated = 0, 0, 0
    for section in articles(data):
        if length >= characters:
            break
        if length >= chapter * 60_000:
            chapter += 1
            parts.append(f"# Chapter {chapter}\n\n")
        text = section
        if stated < len(facts) and length > (stated + 0.5) * characters / len(facts):
            text, stated = f"{section.rstrip()} {facts[stated]}\n\n", stated + 1
        parts.append(text)
        length += len(text)
    return "".join(parts), facts


def one(data: Path, characters: int, calls: int, *, scripted: bool) -> dict[str, Any]:
    """The figures of one size, measured in this process."""
    text, facts = book(data, characters)
    model = FakeChat(script=lambda messages: messages[-1].text[:400]) if scripted else None
    stage = Summarize(
        model, question=QUESTION, sentences=20, max_calls=calls, context_tokens=4096, progress=default_progress()
    )
    began = time.perf_counter()
    summary = stage.run(text)
    seconds = time.perf_counter() - began
    held = [all(place.holds(text) for place in point.citations) for point in summary.points]
    found = 0
    for fact in facts:
        town, year = fact.split()[3], fact.split()[-1].rstrip(".")
        said = [point for point in summary.points if town in point.text and year in point.text]
        found += any(fact in place.quote for point in said for place in point.citations)
    return {
        "size": f"{len(text.encode()) / 1e6:.2f} MB",
        "seconds": round(seconds, 1),
        "calls": summary.usage.calls,
        "read": f"{summary.share:.1%}",
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "sentences": len(summary.points),
        "pointers hold": f"{sum(held)}/{len(held)}",
        "facts found": f"{found}/{len(facts)}",
        "word for word": sum(point.quoted for point in summary.points),
        "text": summary.text,
    }


def main() -> None:
    """Every size in a process of its own; prints a line for each."""
    reading = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    reading.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "../shared/data")
    reading.add_argument("--sizes", type=float, nargs="+", default=[1, 3], help="in megabytes")
    reading.add_argument("--calls", type=int, default=40)
    reading.add_argument("--scripted", action="store_true", help="no model: what is left is our own time and memory")
    reading.add_argument("--here", action="store_true", help="in this process, as JSON")
    given = reading.parse_args()
    if given.here:
        print(json.dumps(one(given.data, int(given.sizes[0] * 1e6), given.calls, scripted=given.scripted)))
        return
    for size in given.sizes:
        options = ["--data", str(given.data), "--calls", str(given.calls), "--sizes", str(size), "--here"]
        options += ["--scripted"] * given.scripted
        done = subprocess.run([sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        text = found.pop("text")
        print("  ".join(f"{name}: {value}" for name, value in found.items()))
        print(f"  {text}\n", flush=True)


if __name__ == "__main__":
    main()
