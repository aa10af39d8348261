"""How stored vectors are searched: FAISS indexes, chosen by measured recall.

Up to `FLAT_ROWS` vectors an exact scan is fast enough. Beyond, 4-bit product codes are scanned in
registers (FAISS "fast scan") and the best candidates are scored again with the exact vectors. How
many candidates that takes depends on the vectors, so it is measured when the codes are built, on
the index's own vectors, and the smallest number that finds `RECALL` of the true ten nearest is kept;
if none does, the scan stays exact. Knows arrays and positions; nothing of files, rows or SQLite.

Measured on 20,000 clustered vectors of 384 dimensions, one thread, milliseconds a query: exact
float32 0.66, float16 0.36, RaBitQ fast scan with 200 candidates 0.25, these codes with 200
candidates 0.10 (recall@10 of all: 0.999 or more); building: 0.05 s training, 0.2 s encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ziggurat.index.inputs import Vectors

Positions = NDArray[np.int64]
Scores = NDArray[np.float32]

FLAT_ROWS = 4096
"""Up to here every vector is compared: 0.15 ms at 384 dimensions."""

RECALL = 0.997
"""The share of the true ten nearest that a coded search must find in the measurement."""

_NEAREST = 10
_PROBES = 128
_FACTORS = (5, 10, 15, 20, 30, 40, 60, 80, 120, 160)
_DIMENSIONS_A_CODE = 4
_TRAINING_ROWS = 2000
_TRAINING_ROUNDS = 4
_SEED = 20240


@dataclass(frozen=True, slots=True)
class Searcher:
    """A FAISS index with the exact vectors inside it.

    Attributes:
        index: ``IndexFlatIP``, or ``IndexRefineFlat`` over fast-scan codes.
        factor: Candidates scored exactly, as a multiple of the hits asked for; 0 for an exact scan.
        matrix: The exact vectors, a view into ``index``, shape (rows, dimensions). May be unaligned
            when the index is memory-mapped; take rows from it before computing with them.
        learnt: How many rows there were when the codes were trained and measured.
    """

    index: Any
    factor: int
    matrix: Vectors
    learnt: int

    @property
    def name(self) -> str:
        """How it searches, in a few words."""
        return "flat" if self.factor == 0 else f"pq, {self.factor} candidates a hit"

    def search(self, query: Vectors, k: int) -> tuple[Positions, Scores]:
        """Positions and inner products of the ``k`` nearest rows, best first.

        Args:
            query: A unit vector, shape (dimensions,).
            k: How many; fewer come back when there are fewer rows.
        """
        import faiss

        k = min(k, len(self.matrix))
        if k == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        # Fewer than ten hits deserve the candidates of ten: the factor was measured at ten.
        factor = self.factor * max(1.0, _NEAREST / k)
        asked = query.reshape(1, -1)
        with one_thread(faiss):
            if self.factor and factor * k < len(self.matrix) / 2:
                scores, positions = self.index.search(asked, k, params=_candidates(faiss, factor))
            else:
                scores, positions = exact_part(self.index).search(asked, k)
        found = positions[0] >= 0
        return positions[0][found], scores[0][found]


@contextmanager
def one_thread(faiss: Any) -> Iterator[None]:
    """Search on the calling thread alone.

    A single query is too small to share: starting FAISS's thread team costs more than it saves, and
    tens of milliseconds when another program keeps a core busy.
    """
    before = faiss.omp_get_max_threads()
    if before == 1:
        yield
        return
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def build(vectors: Vectors) -> Searcher:
    """A searcher over unit vectors, shape (rows, dimensions)."""
    import faiss

    rows, dimensions = vectors.shape
    exact = faiss.IndexFlatIP(dimensions)
    codes = _codes(faiss, dimensions) if rows > FLAT_ROWS else None
    if codes is None:
        exact.add(vectors)
        return opened(exact, 0, rows)
    draw = np.random.default_rng(_SEED)
    with one_thread(faiss):  # sixteen centres at a time: too little work to share
        codes.train(vectors[np.sort(draw.choice(rows, min(_TRAINING_ROWS, rows), replace=False))])
    refined = faiss.IndexRefineFlat(codes)
    refined.add(vectors)
    factor = _smallest_factor(faiss, refined, vectors, draw)
    if factor is None:
        exact.add(vectors)
        return opened(exact, 0, rows)
    return opened(refined, factor, rows)


def extended(searcher: Searcher, vectors: Vectors) -> Searcher:
    """A searcher over all that an earlier one holds and more behind it.

    The codes that were learnt are used for the new vectors too, until there are twice as many: then
    all is learnt and measured anew.

    Args:
        searcher: The earlier one; it stays as it is.
        vectors: All vectors, the earlier ones first, shape (rows, dimensions).
    """
    import faiss

    rows, before = len(vectors), len(searcher.matrix)
    if not searcher.factor or rows > 2 * searcher.learnt:
        return build(vectors)
    codes = faiss.clone_index(faiss.downcast_index(searcher.index.base_index))
    codes.add(np.ascontiguousarray(vectors[before:]))
    whole = np.ascontiguousarray(vectors)
    return opened(faiss.IndexRefineFlat(codes, faiss.swig_ptr(whole)), searcher.factor, searcher.learnt)


def opened(index: Any, factor: int, learnt: int) -> Searcher:
    """A searcher over an index that is there already, built or memory-mapped."""
    import faiss

    exact = exact_part(index)
    if exact.ntotal == 0:
        return Searcher(index, factor, np.empty((0, exact.d), dtype=np.float32), learnt)
    view = faiss.rev_swig_ptr(exact.get_xb(), exact.ntotal * exact.d)
    return Searcher(index, factor, cast("Vectors", view.reshape(exact.ntotal, exact.d)), learnt)


def exact_part(index: Any) -> Any:
    """The ``IndexFlatIP`` that holds the exact vectors."""
    import faiss

    return faiss.downcast_index(index.refine_index) if isinstance(index, faiss.IndexRefine) else index


def _candidates(faiss: Any, factor: float) -> Any:
    """FAISS's parameters for scoring ``factor`` candidates a hit exactly."""
    return faiss.IndexRefineSearchParameters(k_factor=factor)


def _codes(faiss: Any, dimensions: int) -> Any | None:
    """Untrained 4-bit codes, one for four dimensions; None where the dimensions do not divide."""
    for width in (_DIMENSIONS_A_CODE, 3, 2):
        if dimensions % width == 0:
            codes = faiss.IndexPQFastScan(dimensions, dimensions // width, 4, faiss.METRIC_INNER_PRODUCT)
            codes.pq.cp.niter = _TRAINING_ROUNDS
            codes.pq.cp.min_points_per_centroid = 1
            codes.pq.cp.max_points_per_centroid = _TRAINING_ROWS
            return codes
    return None


def _smallest_factor(faiss: Any, refined: Any, vectors: Vectors, draw: np.random.Generator) -> int | None:
    """The smallest factor with the recall we want, or None.

    The probes lie between stored vectors: a stored vector itself would find its own row too easily,
    and a random one is like no question.
    """
    rows = len(vectors)
    probes = vectors[draw.integers(0, rows, _PROBES)] + 0.5 * vectors[draw.integers(0, rows, _PROBES)]
    probes /= np.maximum(np.linalg.norm(probes, axis=1, keepdims=True), 1e-12)
    truth = exact_part(refined).search(probes, _NEAREST)[1]
    for factor in _FACTORS:
        if factor * _NEAREST > rows / 8:
            return None
        found = refined.search(probes, _NEAREST, params=_candidates(faiss, factor))[1]
        hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True))
        if hits >= RECALL * truth.size:
            return factor
    return None
