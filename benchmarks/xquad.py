"""Retrieval quality on XQuAD through `VectorIndex` with its defaults.

    python benchmarks/xquad.py [--data ../shared/data] [--embedding SPEC]

Expects ``xquad/{en,zh,es}.json`` under ``--data``: {"passages": [text], "questions": [{"question",
"passage"}]}. Prints recall@1 and MRR@10 of each leg and of both together, per language.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from ziggurat.index import SearchMode, VectorIndex

LANGUAGES = ("en", "zh", "es")
MODES: tuple[SearchMode, ...] = ("dense", "words", "hybrid")


def ranks(index: VectorIndex, questions: list[dict[str, object]], mode: SearchMode) -> list[int | None]:
    """For each question the rank of its passage among the first ten, or None."""
    found: list[int | None] = []
    for question in questions:
        ids = [hit.chunk_id for hit in index.search(str(question["question"]), k=10, mode=mode)]
        gold = str(question["passage"])
        found.append(ids.index(gold) + 1 if gold in ids else None)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--embedding", default=None)
    given = parser.parse_args()
    if not (given.data / "xquad").is_dir():
        print(f"no XQuAD below {given.data}; nothing is measured")
        return
    print(f"{'':4s}" + "".join(f"{mode + ' R@1':>14s}{'MRR@10':>9s}" for mode in MODES) + f"{'embed':>10s}")
    for language in LANGUAGES:
        data = json.loads((given.data / "xquad" / f"{language}.json").read_text("utf-8"))
        passages, questions = data["passages"], data["questions"]
        began = time.perf_counter()
        with VectorIndex.from_texts(passages, given.embedding, ids=[str(at) for at in range(len(passages))]) as index:
            took = time.perf_counter() - began
            line = f"{language:4s}"
            for mode in MODES:
                places = ranks(index, questions, mode)
                first = sum(place == 1 for place in places) / len(places)
                reciprocal = sum(1 / place for place in places if place) / len(places)
                line += f"{first:14.4f}{reciprocal:9.4f}"
        print(f"{line}{took:8.1f} s")


if __name__ == "__main__":
    main()
