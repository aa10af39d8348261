"""A compiled cross-encoder and its tokenizer: a question and texts in, one score a text out.

Pairs are put together as the model's own tokenizer says, sorted by length, and run in batches. A question is
kept whole as long as it leaves half of the window to the text; the text is cut at the window's end. Knows
nothing of stages or documents. The invariant: a text's score does not depend on the texts around it, but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ziggurat.models.encoder import cross
from ziggurat.models.encoder.compiled import open_compiled
from ziggurat.models.encoder.engine import SLICE, batches, encodable
from ziggurat.progress import Counter

Scores = npt.NDArray[np.float32]
_EXACT = 0
"""Activations are not quantised: it would halve the time and let a score depend on the company it is computed in."""
_AROUND = 4
"""Tokens around the two texts of a pair, at most."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A question and a text as tokens, and the text's place."""

    text: int
    ids: list[int]
    segments: list[int]


class PairScorer(Protocol):
    """What scores pairs: a `Scorer`, or what stands for one in another process."""

    def score(self, question: str, texts: Sequence[str], *, batch_tokens: int, counter: Counter) -> Scores:
        """One score a text, (n,), in order."""


class Scorer:
    """A cross-encoder ready to run.

    Args:
        directory: Where the model's files are.
        converted: Where their conversion is kept.
        window: Tokens of a pair that are read, at most.
        threads: For one inference; as many as OpenVINO finds right when none.

    Raises:
        MissingDependency: If OpenVINO or `tokenizers` is not installed.
        ModelUnavailable: If a model file is damaged.
    """

    def __init__(self, directory: Path, *, converted: Path, window: int, threads: int | None = None) -> None:
        self._model, self._tokenizer, self._side = open_compiled(
            converted,
            lambda: cross.convert(directory),
            group=_EXACT,
            threads=threads,
            meanwhile=lambda: cross.pair_side(directory),
        )
        self.window = min(window, self._side.longest)
        # Of a pair whose question has at most half of the window, this cuts the text alone.
        self._tokenizer.enable_truncation(self.window, strategy="longest_first")

    def score(self, question: str, texts: Sequence[str], *, batch_tokens: int, counter: Counter) -> Scores:
        """One score a text, (n,), in order.

        Args:
            question: What is asked.
            texts: Any number, of any lengths.
            batch_tokens: At most so many tokens, padding included, in one inference.
            counter: Told of every text that is done.
        """
        asked = self._fitting(encodable(question))
        scores: Scores = np.empty(len(texts), np.float32)
        for start in range(0, len(texts), SLICE):
            pairs = self._pairs(asked, texts[start : start + SLICE], start)
            for batch in batches(pairs, batch_tokens):
                scores[[pair.text for pair in batch]] = self._infer(batch)
                counter.advance(len(batch))
        return scores

    def _fitting(self, question: str) -> str:
        """The question, or as much of it as leaves half of the window to the text."""
        encoding = self._tokenizer.encode(question, add_special_tokens=False)
        most = (self.window - _AROUND) // 2
        return question if len(encoding.ids) <= most else question[: encoding.offsets[most - 1][1]]

    def _pairs(self, question: str, texts: Sequence[str], first: int) -> list[_Pair]:
        encoded = self._tokenizer.encode_batch([(question, encodable(text)) for text in texts])
        last = self._side.segments - 1
        pairs = [
            _Pair(number, encoding.ids, [min(kind, last) for kind in encoding.type_ids])
            for number, encoding in enumerate(encoded, first)
        ]
        return sorted(pairs, key=lambda pair: len(pair.ids))

    def _infer(self, batch: Sequence[_Pair]) -> Scores:
        length = max(len(pair.ids) for pair in batch)
        ids = np.full((len(batch), length), self._side.padding, np.int32)
        segments = np.zeros((len(batch), length), np.int32)
        mask = np.zeros((len(batch), length), np.float32)
        for row, pair in enumerate(batch):
            ids[row, : len(pair.ids)] = pair.ids
            segments[row, : len(pair.ids)] = pair.segments
            mask[row, : len(pair.ids)] = 1
        return self._model.infer([ids, segments, mask])[:, 0]
