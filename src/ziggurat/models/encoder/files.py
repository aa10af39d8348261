"""What every model file of an encoder gives us, whatever its format.

Three things: shapes, weights, and a tokenizer with its few particular ids. The readers (`e5`, `minilm`) return
them; `engine` turns them into something that runs. A file that is not what it should be raises
`ModelUnavailable` here and nowhere later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ziggurat.errors import ModelUnavailable
from ziggurat.models.encoder.graph import Shape, Weights


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """An encoder as read from disk.

    Attributes:
        shape: Its sizes.
        weights: Its weights under BERT's names.
        tokenizer: A `tokenizers.Tokenizer`, without truncation or padding.
    """

    shape: Shape
    weights: Weights
    tokenizer: Any


@dataclass(frozen=True, slots=True)
class Frame:
    """How token ids are put around a text.

    Attributes:
        first: Id before the text.
        last: Id after it.
        padding: Id that fills a batch.
    """

    first: int
    last: int
    padding: int


Clean = Callable[[str], str]
"""What is done to a text before it is cut into tokens."""


def damaged(path: Path, reason: str) -> ModelUnavailable:
    """The error for a model file that cannot be what its name says."""
    return ModelUnavailable(
        f"The model file {path.name} is damaged: {reason}.",
        where=str(path),
        fix="delete it; it is downloaded again at the next use",
    )
