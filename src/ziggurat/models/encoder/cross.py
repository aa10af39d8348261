"""A cross-encoder as sentence-transformers publishes it: a BERT or XLM-RoBERTa encoder with a head of one score.

Reads ``config.json``, ``model.safetensors`` and ``tokenizer.json``, checks that they describe a model that is
built here, and runs nothing. The encoder's files are `minilm`'s; what is here is the head, and how the
families differ: names, first position, segments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ziggurat.models.encoder import graph, minilm
from ziggurat.models.encoder.files import damaged

FILES = ("model.safetensors", "tokenizer.json", "config.json")


@dataclass(frozen=True, slots=True)
class _Family:
    """What tells one kind of encoder from another."""

    prefix: str
    head: tuple[str, ...]
    skipped: bool  # positions begin after the padding's row


_FAMILIES = {
    "BertForSequenceClassification": _Family("bert.", ("pooler.dense", "classifier"), skipped=False),
    "RobertaForSequenceClassification": _Family("roberta.", ("classifier.dense", "classifier.out_proj"), skipped=True),
}
_FAMILIES["XLMRobertaForSequenceClassification"] = _FAMILIES["RobertaForSequenceClassification"]


@dataclass(frozen=True, slots=True)
class PairSide:
    """What of the files is about tokens.

    Attributes:
        padding: Id that fills a batch.
        segments: How many kinds of segments the model tells apart.
        longest: Tokens of a pair, those around the two texts included, that it has positions for.
    """

    padding: int
    segments: int
    longest: int


def convert(directory: Path) -> tuple[Any, Any]:
    """The OpenVINO model and the tokenizer.

    Raises:
        ModelUnavailable: If a file is damaged or describes another kind of model.
    """
    config, shape, family = _read(directory)
    if family.skipped:
        shape = replace(shape, first_position=_number(config, "pad_token_id", directory) + 1)
    weights = minilm.SafetensorsWeights(directory / "model.safetensors", family.prefix)
    outputs = weights.matrix(family.head[-1]).codes.shape[0]
    if outputs != 1:
        raise damaged(directory / "model.safetensors", f"it gives {outputs} scores a pair, and a reranker gives one")
    return graph.build_scorer(shape, weights, family.head), minilm.read_tokenizer(directory)


def pair_side(directory: Path) -> PairSide:
    """What is said of tokens.

    Raises:
        ModelUnavailable: If a file is damaged or describes another kind of model.
    """
    config, _, family = _read(directory)
    padding = _number(config, "pad_token_id", directory)
    rows = _number(config, "max_position_embeddings", directory)
    return PairSide(
        padding, _number(config, "type_vocab_size", directory), rows - (padding + 1 if family.skipped else 0)
    )


def _read(directory: Path) -> tuple[dict[str, Any], graph.Shape, _Family]:
    config, shape = minilm.read_config(directory)
    named = config.get("architectures") or ["nothing"]
    family = _FAMILIES.get(named[0])
    if family is None:
        raise damaged(directory / "config.json", f"it describes {named[0]}, which is no cross-encoder known here")
    return config, shape, family


def _number(config: dict[str, Any], key: str, directory: Path) -> int:
    value = config.get(key)
    if not isinstance(value, int):
        raise damaged(directory / "config.json", f"it has no {key}")
    return value
