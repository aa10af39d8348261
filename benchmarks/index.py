"""The index beside raw FAISS on the same vectors: ingest, open and first query, latency, recall.

    python benchmarks/index.py [--n 20000] [--d 384] [--q 200] [--rounds 3]

Alone it prints both in one run, since only ratios of one run compare. `factory` is the hook of the
peers' benchmark: ``--engine index:factory`` with this folder on ``PYTHONPATH``.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from ziggurat.index import VectorIndex

Matrix = NDArray[np.float32]


class Engine(Protocol):
    """One side of the comparison."""

    def ingest(self, path: str, texts: list[str], metas: list[dict[str, Any]], vecs: Matrix) -> None:
        """Build and save."""

    def open(self, path: str) -> None:
        """Open what was saved."""

    def query(self, vec: Matrix, k: int) -> list[int]:
        """Rows of the ``k`` nearest."""


class Ziggurat:
    """Ours: vectors, texts, metadata and words, committed; answers are whole documents."""

    def ingest(self, path: str, texts: list[str], metas: list[dict[str, Any]], vecs: Matrix) -> None:
        """One commit, then the snapshot."""
        with VectorIndex.create(path) as index:
            index.add_vectors(texts, vecs, metas)

    def open(self, path: str) -> None:
        """Open for reading and writing, as a user does."""
        self._index = VectorIndex.open(path)

    def query(self, vec: Matrix, k: int) -> list[int]:
        """Through LangChain's interface, documents and all."""
        return [document.metadata["row"] for document in self._index.similarity_search_by_vector(vec, k)]

    def close(self) -> None:
        """Let go of the files."""
        self._index.close()


class RawFaiss:
    """The floor: vectors in a flat FAISS file, row numbers out."""

    def ingest(self, path: str, texts: list[str], metas: list[dict[str, Any]], vecs: Matrix) -> None:  # noqa: ARG002 (an Engine takes them)
        """Vectors only."""
        index = faiss.IndexFlatIP(vecs.shape[1])
        index.add(vecs)
        Path(path).mkdir()
        faiss.write_index(index, f"{path}/index.faiss")

    def open(self, path: str) -> None:
        """Read all of it."""
        self._index = faiss.read_index(f"{path}/index.faiss")

    def query(self, vec: Matrix, k: int) -> list[int]:
        """Row numbers only."""
        rows: list[int] = self._index.search(vec[None], k)[1][0].tolist()
        return rows


def factory() -> Ziggurat:
    """The peers' benchmark calls this."""
    return Ziggurat()


def clustered(n: int, d: int, q: int, seed: int = 7) -> tuple[Matrix, Matrix]:
    """Unit vectors around centres, as the peers' benchmark draws them: (n, d) stored, (q, d) asked."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(max(8, n // 200), d)).astype(np.float32)
    stored = centres[draw.integers(0, len(centres), n)] + 0.7 * draw.normal(size=(n, d)).astype(np.float32)
    asked = centres[draw.integers(0, len(centres), q)] + 0.7 * draw.normal(size=(q, d)).astype(np.float32)
    stored /= np.linalg.norm(stored, axis=1, keepdims=True)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    return stored.astype(np.float32), asked.astype(np.float32)


def measure(name: str, engine: Engine, stored: Matrix, asked: Matrix, truth: Sequence[set[int]]) -> None:
    """Run one side and print its line."""
    n = len(stored)
    texts = [f"Document number {i}. " + "lorem ipsum dolor sit amet " * 12 for i in range(n)]
    metas = [{"row": i} for i in range(n)]
    folder = tempfile.mkdtemp()
    path = f"{folder}/index"
    began = time.perf_counter()
    engine.ingest(path, texts, metas, stored)
    ingest = time.perf_counter() - began
    size = sum(file.stat().st_size for file in Path(path).iterdir())
    began = time.perf_counter()
    engine.open(path)
    engine.query(asked[0], 10)
    opened = time.perf_counter() - began
    times, found = [], 0
    for query, nearest in zip(asked, truth, strict=True):
        began = time.perf_counter()
        rows = engine.query(query, 10)
        times.append(time.perf_counter() - began)
        found += len(nearest & set(rows))
    times.sort()
    print(
        f"{name:24s} ingest {ingest:6.2f} s  disk {size / 1e6:6.1f} MB  open+first {opened * 1e3:6.1f} ms  "
        f"p50 {statistics.median(times) * 1e3:6.3f} ms  p99 {times[int(0.99 * len(times))] * 1e3:6.3f} ms  "
        f"recall@10 {found / 10 / len(asked):.4f}"
    )
    if isinstance(engine, Ziggurat):
        engine.close()
    shutil.rmtree(folder)


def main() -> None:
    """Print both sides, in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--d", type=int, default=384)
    parser.add_argument("--q", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    stored, asked = clustered(given.n, given.d, given.q)
    truth = [set(row.tolist()) for row in np.argsort(-(asked @ stored.T), axis=1)[:, :10]]
    print(f"n={given.n} d={given.d} q={given.q}")
    threads = faiss.omp_get_max_threads()
    for _ in range(given.rounds):
        measure(f"raw FAISS flat, {threads} thr", RawFaiss(), stored, asked, truth)
        faiss.omp_set_num_threads(1)
        measure("raw FAISS flat, 1 thr", RawFaiss(), stored, asked, truth)
        faiss.omp_set_num_threads(threads)
        measure("ziggurat", Ziggurat(), stored, asked, truth)


if __name__ == "__main__":
    main()
