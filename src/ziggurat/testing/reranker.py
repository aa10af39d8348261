"""`FakeReranker`: scores by the words that a text shares with a question, with no model.

Deterministic across processes and machines; nothing is understood. Invariant: scores lie between 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_WORD = re.compile(r"[^\W_]+")


class FakeReranker:
    """The share of the question's words that stand in a text.

    Of two texts with as many of them, the one with fewer other words scores a little higher.

    Attributes:
        spec: ``fake:overlap``.
        fingerprint: The same.
        questions: Every question so far, oldest first.
    """

    spec = "fake:overlap"
    fingerprint = "fake:overlap"

    def __init__(self) -> None:
        self.questions: list[str] = []

    def score(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """A score for each text, (n,)."""
        self.questions.append(question)
        asked = _words(question)
        return np.array([_overlap(asked, _words(text)) for text in texts], np.float32)

    async def ascore(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """The same."""
        return self.score(question, texts)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _overlap(asked: set[str], there: set[str]) -> float:
    shared = len(asked & there)
    return shared / max(len(asked), 1) * (0.9 + 0.1 / (1 + len(there) - shared))
