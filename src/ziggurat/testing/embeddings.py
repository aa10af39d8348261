"""`FakeEmbeddings`: vectors from the words and letters of a text, with no model.

Texts that share words, or parts of words, get near vectors; nothing is understood. Deterministic across
processes and machines. Invariant: every vector has length 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from langchain_core.embeddings import Embeddings

from ziggurat.errors import InputError

_WORD = re.compile(r"[^\W_]+")
_GRAM = 3
_TOKEN = re.compile(r"\w+|[^\w\s]")


class FakeEmbeddings(Embeddings):
    """Hashed words and letter trigrams as unit vectors.

    Args:
        dimensions: Length of the vectors.

    Attributes:
        texts: How many texts were embedded so far.
    """

    def __init__(self, dimensions: int = 256) -> None:
        if dimensions < 1:
            raise InputError(f"{dimensions} is not a number of dimensions.", fix="use 1 or more")
        self.dimensions = dimensions
        self.texts = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text, in order."""
        self.texts += len(texts)
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text; the same as for a document."""
        return self.embed_documents([text])[0]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words and marks of each text."""
        return [len(_TOKEN.findall(text)) for text in texts]

    def _vector(self, text: str) -> list[float]:
        made = np.zeros(self.dimensions, dtype=np.float64)
        for word in _WORD.findall(text.casefold()):
            self._add(made, f"w{word}", 1.0)
            padded = f"<{word}>"
            for start in range(len(padded) - _GRAM + 1):
                self._add(made, f"g{padded[start : start + _GRAM]}", 0.3)
        length = float(np.linalg.norm(made))
        if length == 0.0:
            made[0] = length = 1.0
        values: list[float] = (made / length).tolist()
        return values

    def _add(self, made: np.ndarray, feature: str, weight: float) -> None:
        number = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "little")
        made[(number >> 1) % self.dimensions] += weight if number & 1 else -weight
