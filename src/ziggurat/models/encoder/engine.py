"""A compiled encoder and its tokenizer: texts in, vectors out.

One compiled model serves a process; any number of threads may call it. How it comes to be compiled is
`compiled`'s; LangChain, prefixes and queries are nothing it knows. The invariant: a text's vector does not depend
on the texts around it, but for the rounding of activations to 8 bits (between alone and in company, cosines were
0.9999 and more).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ziggurat.models.encoder import graph
from ziggurat.models.encoder.compiled import open_compiled
from ziggurat.models.encoder.files import Clean, EncoderFiles, Frame
from ziggurat.progress import Counter

Vectors = npt.NDArray[np.float32]
SLICE = 2048
"""Texts tokenized at a time; bounds memory, and is plenty to sort by length."""


class Reader(Protocol):
    """A module that reads one format of model files."""

    def read(self, directory: Path) -> EncoderFiles:
        """Shapes, weights and tokenizer."""

    def text_side(self, directory: Path) -> tuple[Frame, Clean]:
        """The ids around a text, and the cleaning before."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long texts are treated.

    Attributes:
        window: Tokens of a text that the model reads at once, without the two around them.
        windows: Read on in further windows and average them by their tokens; else ignore the rest.
        group: Columns whose activations share a scale when they are quantised.
    """

    window: int
    windows: bool
    group: int


class Tokens(Protocol):
    """Something with token ids."""

    @property
    def ids(self) -> list[int]:
        """The ids, those around the text included."""


_Tokens = TypeVar("_Tokens", bound=Tokens)


@dataclass(frozen=True, slots=True)
class _Window:
    """A piece of a text: which one, and its token ids."""

    text: int
    ids: list[int]


class Encoder(Protocol):
    """What embeds: an `Engine`, or what stands for one in another process."""

    def embed(self, texts: Sequence[str], *, batch_tokens: int, counter: Counter) -> Vectors:
        """One unit vector a text, (n, H), in order."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without those around it."""


class Engine:
    """An encoder ready to run.

    Args:
        directory: Where the model's verified files are.
        reader: The module that reads them.
        limits: How long texts are treated.
        threads: For one inference; as many as OpenVINO finds right when none.

    Raises:
        MissingDependency: If OpenVINO or `tokenizers` is not installed.
        ModelUnavailable: If a model file is damaged.
    """

    def __init__(self, directory: Path, reader: Reader, limits: Limits, *, threads: int | None = None) -> None:
        def convert() -> tuple[Any, Any]:
            files = reader.read(directory)
            return graph.build(files.shape, files.weights), files.tokenizer

        self._limits = limits
        self._model, self._tokenizer, (self._frame, self._clean) = open_compiled(
            directory, convert, group=limits.group, threads=threads, meanwhile=lambda: reader.text_side(directory)
        )

    def embed(self, texts: Sequence[str], *, batch_tokens: int, counter: Counter) -> Vectors:
        """One unit vector a text, (n, H), in order.

        Args:
            texts: Not empty.
            batch_tokens: At most so many tokens, padding included, in one inference.
            counter: Told of every text that is done.
        """
        parts = [
            self._embed_slice(texts[start : start + SLICE], batch_tokens, counter)
            for start in range(0, len(texts), SLICE)
        ]
        return np.concatenate(parts)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without those around it."""
        counts: list[int] = []
        for start in range(0, len(texts), SLICE):
            cleaned = [self._clean(encodable(text)) for text in texts[start : start + SLICE]]
            encodings = self._tokenizer.encode_batch_fast(cleaned, add_special_tokens=False)
            counts += [len(encoding.ids) for encoding in encodings]
        return counts

    def _embed_slice(self, texts: Sequence[str], batch_tokens: int, counter: Counter) -> Vectors:
        windows = sorted(self._windows(texts), key=lambda window: len(window.ids))
        left = np.bincount([window.text for window in windows], minlength=len(texts))
        sums: Vectors | None = None
        for batch in batches(windows, batch_tokens):
            pooled = self._infer(batch)
            if sums is None:
                sums = np.zeros((len(texts), pooled.shape[1]), np.float32)
            for window, vector in zip(batch, pooled, strict=True):
                sums[window.text] += max(len(window.ids) - 2, 1) * vector
                left[window.text] -= 1
                if not left[window.text]:
                    counter.advance()
        assert sums is not None  # noqa: S101 (there is at least one text, and every text has a window)
        norms: Vectors = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12).astype(np.float32)
        return np.divide(sums, norms, dtype=np.float32)

    def _windows(self, texts: Sequence[str]) -> Iterator[_Window]:
        size = self._limits.window
        cleaned = [self._clean(encodable(text)) for text in texts]
        for number, encoding in enumerate(self._tokenizer.encode_batch_fast(cleaned, add_special_tokens=False)):
            ids = encoding.ids
            last = len(ids) if self._limits.windows else size
            for start in range(0, max(min(last, len(ids)), 1), size):
                yield _Window(number, [self._frame.first, *ids[start : start + size], self._frame.last])

    def _infer(self, batch: Sequence[_Window]) -> Vectors:
        """Pooled vectors of windows, (B, H)."""
        length = max(len(window.ids) for window in batch)
        ids = np.full((len(batch), length), self._frame.padding, np.int32)
        mask = np.zeros((len(batch), length), np.float32)
        for row, window in enumerate(batch):
            ids[row, : len(window.ids)] = window.ids
            mask[row, : len(window.ids)] = 1
        return self._model.infer([ids, mask])


def batches(sorted_: Sequence[_Tokens], batch_tokens: int) -> Iterator[Sequence[_Tokens]]:
    """Runs of what is sorted by length, each at most ``batch_tokens`` when padded to its longest."""
    start = 0
    for end in range(1, len(sorted_) + 1):
        if end == len(sorted_) or (end + 1 - start) * len(sorted_[end].ids) > batch_tokens:
            yield sorted_[start:end]
            start = end


def encodable(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 has and extracted PDFs sometimes do."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
