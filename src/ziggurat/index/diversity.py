"""Maximal marginal relevance: hits that are near the question and far from one another.

Pure arithmetic over vectors; Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking",
1998. Knows nothing of rows or documents.
"""

from __future__ import annotations

import numpy as np

from ziggurat.index.inputs import Vectors


def most_marginal(query: Vectors, candidates: Vectors, k: int, relevance: float) -> list[int]:
    """Positions of ``k`` candidates, in the order they were chosen.

    Args:
        query: A unit vector, shape (dimensions,).
        candidates: Unit vectors, shape (n, dimensions).
        k: How many; all of them when there are fewer.
        relevance: From 0, only diversity, to 1, only nearness to the question.
    """
    near = candidates @ query
    among = candidates @ candidates.T
    chosen: list[int] = []
    nearest_chosen = np.full(len(candidates), -np.inf, dtype=np.float32)
    open_ = np.ones(len(candidates), dtype=bool)
    while open_.any() and len(chosen) < k:
        value = near if not chosen else relevance * near - (1 - relevance) * nearest_chosen
        best = int(np.argmax(np.where(open_, value, -np.inf)))
        chosen.append(best)
        open_[best] = False
        nearest_chosen = np.maximum(nearest_chosen, among[best])
    return chosen
