"""How sure a figure is: percentile bootstrap over questions.

Questions are drawn with replacement, as often as there are, and the mean taken; the interval holds the middle 95 %
of 2,000 such means. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13. Seeded:
the same values give the same interval on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ziggurat.errors import InputError

RESAMPLES = 2000
CONFIDENCE = 0.95
SEED = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over questions with its interval.

    Attributes:
        value: The mean.
        low: The interval's lower end.
        high: Its upper end.
        questions: How many the mean is of.
    """

    value: float
    low: float
    high: float
    questions: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def figure(values: Sequence[float], *, seed: int = SEED, resamples: int = RESAMPLES) -> Figure:
    """The mean of some values, one a question, with its bootstrap interval.

    Raises:
        InputError: If there are none.
    """
    if not len(values):
        raise InputError("A figure needs at least one question.")
    given = np.asarray(values, dtype=np.float64)
    means = _means(given, seed, resamples)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(float(given.mean()), float(low), float(high), len(given))


def paired(before: Sequence[float], after: Sequence[float], *, seed: int = SEED, resamples: int = RESAMPLES) -> Figure:
    """The mean difference of two settings over the same questions, with its interval.

    Each resample draws questions and takes both settings' values of them, so that what makes a question hard
    for both does not widen the interval.

    Raises:
        InputError: If the two are not of the same questions.
    """
    if len(before) != len(after):
        raise InputError(f"{len(before)} and {len(after)} values are not of the same questions.")
    return figure(
        [later - earlier for earlier, later in zip(before, after, strict=True)], seed=seed, resamples=resamples
    )


def _means(values: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    drawing = np.random.default_rng(seed)
    means = np.empty(resamples)
    for at in range(resamples):  # one draw at a time: all at once would need resamples x questions of memory
        means[at] = values[drawing.integers(0, len(values), len(values))].mean()
    return means
