"""A million chunks on one machine: ingest, opening, latency, recall, and the memory each of them takes.

    python benchmarks/million.py [--n 1000000] [--d 384] [--q 300]

The vectors are drawn around centres, as in `index.py`; the questions lie between them. Ingest and search run in
processes of their own, so that each has its own peak. The truth is an exact scan. Writes `results/million.md`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fresh import Peak, alone
from index import clustered
from report import RESULTS, machine
from ziggurat.index import VectorIndex

PART = 50_000
_K = 10


def vectors(n: int, d: int, q: int, folder: Path) -> None:
    """Draw them once, into files that the processes share."""
    centres_of, _ = clustered(PART, d, q)
    stored = np.lib.format.open_memmap(folder / "stored.npy", "w+", np.float32, (n, d))
    for at in range(0, n, PART):
        stored[at : at + PART] = clustered(min(PART, n - at), d, 1, seed=at)[0]
    draw = np.random.default_rng(1)
    asked = stored[draw.integers(0, n, q)] + 0.5 * stored[draw.integers(0, n, q)]
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    np.save(folder / "asked.npy", asked)
    best = np.full((q, _K), -np.inf, np.float32)
    rows = np.zeros((q, _K), np.int64)
    for at in range(0, n, PART):
        scores = np.concatenate((best, asked @ stored[at : at + PART].T), axis=1)
        where = np.concatenate((rows, np.arange(at, at + len(stored[at : at + PART]))[None].repeat(q, 0)), axis=1)
        keep = np.argpartition(-scores, _K, axis=1)[:, :_K]
        best, rows = np.take_along_axis(scores, keep, 1), np.take_along_axis(where, keep, 1)
    np.save(folder / "truth.npy", rows)
    del centres_of


def ingest(folder: Path) -> dict[str, Any]:
    """Store all of them with their texts, a part a commit, and see that a snapshot is written."""
    stored = np.load(folder / "stored.npy", mmap_mode="r")
    peak, began = Peak(), time.perf_counter()
    with VectorIndex.create(folder / "index") as index:
        for at in range(0, len(stored), PART):
            count = len(stored[at : at + PART])
            texts = [f"Document number {row}. " + "lorem ipsum dolor sit amet " * 12 for row in range(at, at + count)]
            index.add_vectors(texts, stored[at : at + count], [{"row": row} for row in range(at, at + count)])
        index.condense()
        seconds = time.perf_counter() - began
        stats = index.stats()
    return {
        "seconds": round(seconds, 1),
        "peak_mb": peak.megabytes(),
        "disk_mb": round(stats.disk_bytes / 1e6),
        "searcher": stats.searcher,
    }


def search(folder: Path) -> dict[str, Any]:
    """Open, ask, and compare with the truth."""
    asked, truth = np.load(folder / "asked.npy"), np.load(folder / "truth.npy")
    peak, began = Peak(), time.perf_counter()
    index = VectorIndex.open(folder / "index")
    opened = time.perf_counter() - began
    opened_mb = peak.megabytes()
    index.similarity_search_by_vector(asked[0], _K)
    first = time.perf_counter() - began
    times, found = [], 0
    for query, wanted in zip(asked, truth, strict=True):
        began = time.perf_counter()
        hits = index.similarity_search_by_vector(query, _K)
        times.append(time.perf_counter() - began)
        found += len({document.metadata["row"] for document in hits} & set(wanted.tolist()))
    index.close()
    return {
        "open_ms": round(opened * 1e3, 1),
        "opened_mb": opened_mb,
        "first_ms": round(first * 1e3, 1),
        "p50_ms": round(statistics.median(times) * 1e3, 2),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1] * 1e3, 2),
        "recall": round(found / truth.size, 4),
        "peak_mb": peak.megabytes(),
    }


def main() -> None:
    """Run it, or one side of it in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--d", type=int, default=384)
    parser.add_argument("--q", type=int, default=300)
    parser.add_argument("--side", choices=("ingest", "search"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(json.dumps({"ingest": ingest, "search": search}[given.side](given.folder)))
        return
    folder = Path(tempfile.mkdtemp(prefix="ziggurat-million-"))
    try:
        vectors(given.n, given.d, given.q, folder)
        told = {side: alone(__file__, "--side", side, "--folder", str(folder)) for side in ("ingest", "search")}
    finally:
        shutil.rmtree(folder)
    lines = [
        f"# {given.n:,} chunks of {given.d} dimensions, with texts and words",
        "",
        "| what | figure |",
        "| --- | --- |",
        f"| ingest, {PART:,} a commit | {told['ingest']['seconds']} s |",
        f"| its memory, at its highest | {told['ingest']['peak_mb'] / 1024:.2f} GiB |",
        f"| on disk | {told['ingest']['disk_mb'] / 1000:.2f} GB |",
        f"| searched by | {told['ingest']['searcher']} |",
        f"| opening | {told['search']['open_ms']} ms, {told['search']['opened_mb']} MB |",
        f"| opening and the first query | {told['search']['first_ms']} ms |",
        f"| query with documents, p50 / p95 | {told['search']['p50_ms']} / {told['search']['p95_ms']} ms |",
        f"| recall@{_K} | {told['search']['recall']} |",
        f"| memory of searching, at its highest | {told['search']['peak_mb'] / 1024:.2f} GiB |",
        "",
        machine(),
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "million.md").write_text("\n".join(lines), "utf-8")
    (RESULTS / "million.json").write_text(json.dumps({"n": given.n, "d": given.d, **told}, indent=2) + "\n", "utf-8")
    sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
