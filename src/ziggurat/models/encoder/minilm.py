"""A BERT encoder as sentence-transformers publishes it: ``config.json``, ``model.safetensors``, ``tokenizer.json``.

The float weights are quantised here to 8 bits in groups, which with activations quantised on the fly costs less
than a thousandth in cosine. Reads the files, checks that they fit together, and runs nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ziggurat.models.encoder.files import Clean, EncoderFiles, Frame, damaged
from ziggurat.models.encoder.graph import Floats, Matrix, Shape
from ziggurat.optional import require

GROUP = 64
"""Columns that share a scale; measured fastest with activations in groups of 64 (cosine 0.9992 and more)."""


class SafetensorsWeights:
    """The weights of a BERT model by their own names.

    Args:
        path: A ``.safetensors`` file.
        prefix: What the names of the encoder begin with there, where a head is stored beside it.

    Raises:
        ModelUnavailable: If it cannot be read.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        numpy_reader = require("safetensors.numpy", for_="local embeddings", extra="local")
        safetensors = require("safetensors", for_="local embeddings", extra="local")
        self._path, self._prefix = path, prefix
        try:
            self._tensors: dict[str, Any] = numpy_reader.load_file(path)
        except (OSError, safetensors.SafetensorError) as error:
            raise damaged(path, str(error)) from error

    def matrix(self, name: str) -> Matrix:
        """See `ziggurat.models.encoder.graph.Weights`."""
        return Matrix.quantised(self.vector(f"{name}.weight"), group=GROUP)

    def vector(self, name: str) -> Floats:
        """See `ziggurat.models.encoder.graph.Weights`."""
        tensor = self._tensors.get(self._prefix + name, self._tensors.get(name))
        if tensor is None:
            raise damaged(self._path, f"it has no tensor {self._prefix}{name}")
        values: Floats = tensor.astype(np.float32)
        return values


def read(directory: Path) -> EncoderFiles:
    """Shapes, weights and tokenizer.

    Raises:
        ModelUnavailable: If a file is damaged or describes another kind of model.
    """
    _, shape = read_config(directory)
    return EncoderFiles(shape, SafetensorsWeights(directory / "model.safetensors"), read_tokenizer(directory))


def read_config(directory: Path) -> tuple[dict[str, Any], Shape]:
    """What ``config.json`` says, and the sizes among it.

    Raises:
        ModelUnavailable: If it is damaged or describes another kind of model.
    """
    path = directory / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
        shape = Shape(
            hidden=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            eps=float(config["layer_norm_eps"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    if config.get("hidden_act") != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
        raise damaged(path, "it describes an encoder that is not built here")
    return config, shape


def text_side(directory: Path) -> tuple[Frame, Clean]:
    """The ids around a text; the tokenizer does its own cleaning."""
    tokenizer = read_tokenizer(directory)
    ids = [tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]", "[PAD]")]
    if None in ids:
        raise damaged(directory / "tokenizer.json", "it lacks BERT's special tokens")
    return Frame(*ids), str


def read_tokenizer(directory: Path) -> Any:
    """The `tokenizers.Tokenizer` of ``tokenizer.json``, without truncation or padding.

    Raises:
        ModelUnavailable: If it is damaged.
    """
    library = require("tokenizers", for_="local encoders", extra="local")
    path = directory / "tokenizer.json"
    try:
        tokenizer = library.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower for a bad file
        raise damaged(path, str(error)) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
