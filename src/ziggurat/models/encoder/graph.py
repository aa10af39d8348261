"""A BERT encoder as an OpenVINO graph: token ids in, one pooled vector a text or one score a pair out.

Takes shapes and weights, whatever file they came from, and says how they are joined. Knows no file format, no
tokenizer, no model name. The invariant: what a weight is stored as is hidden behind `Matrix`; the layers are
written once, whatever stands on top of them.

Letters in the shapes below: B texts, T tokens (padded), H hidden, N heads, D = H / N, F feed-forward, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ziggurat.optional import require

Floats = npt.NDArray[np.float32]
Node = Any
"""A node of an OpenVINO graph; the package has no type stubs."""

_MASKED = -30_000.0
"""Added to the attention score of padding; its exponential is zero, and it fits a 16-bit float."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a BERT encoder.

    Attributes:
        hidden: H.
        layers: How many.
        heads: N.
        eps: Added to a variance before its root.
        first_position: Row of the position table that the first token takes.
    """

    hidden: int
    layers: int
    heads: int
    eps: float
    first_position: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """A weight matrix quantised in groups along its columns: ``w = (code - zero) * scale``.

    Attributes:
        codes: (rows, groups, size) unsigned codes, one a byte also when ``bits`` is 4.
        scales: (rows, groups, 1), float16 or float32.
        zero: The code of zero.
        bits: 4 or 8, as stored in the graph.
    """

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[Any]
    zero: int
    bits: int

    @classmethod
    def quantised(cls, weights: Floats, *, group: int) -> Matrix:
        """8-bit codes for a float matrix (rows, columns), symmetric within groups of ``group`` columns."""
        rows = weights.shape[0]
        grouped = weights.reshape(rows, -1, group)
        scales = np.maximum(np.abs(grouped).max(axis=2, keepdims=True), np.finfo(np.float32).tiny) / np.float32(127)
        return cls((np.rint(grouped / scales) + 128).astype(np.uint8), scales, zero=128, bits=8)

    def node(self) -> Node:
        """The sub-graph that yields it as float32, (rows, groups x size).

        The pattern (convert, shift, scale, flatten) is the one the CPU plugin knows as a compressed weight:
        it multiplies with the codes and never unfolds the matrix.
        """
        ov, ops = _openvino()
        rows, groups, size = self.codes.shape
        kind = ov.Type.u4 if self.bits == 4 else ov.Type.u8  # noqa: PLR2004 (4 or 8)
        codes = _constant(_packed(self.codes, self.bits), (rows, groups, size), kind)
        zero = _constant(_packed(np.array([self.zero, 0], np.uint8), self.bits), (1, 1, 1), kind)
        real = self.scales.dtype
        shifted = ops.subtract(ops.convert(codes, real), ops.convert(zero, real))
        scaled = ops.multiply(shifted, ops.constant(np.ascontiguousarray(self.scales)))
        flat = ops.reshape(scaled, np.array([rows, groups * size], np.int64), special_zero=False)
        return flat if real == np.float32 else ops.convert(flat, np.float32)


class Weights(Protocol):
    """The weights of one encoder under BERT's own names, such as ``encoder.layer.0.output.dense``."""

    def matrix(self, name: str) -> Matrix:
        """The weight of a dense layer, (outputs, inputs), or an embedding table, (rows, H)."""

    def vector(self, name: str) -> Floats:
        """A bias, a scale, or a small table in full precision."""


def build(shape: Shape, weights: Weights) -> Any:
    """The whole model: ``ids`` (B, T) int32 and ``mask`` (B, T) float32 to ``pooled`` (B, H) float32.

    The pooled vector is the mean over the tokens with mask 1, not normalised, so that windows of a long
    text can still be averaged.
    """
    ov, ops = _openvino()
    ids = ops.parameter([-1, -1], np.int32, name="ids")
    mask = ops.parameter([-1, -1], np.float32, name="mask")
    return ov.Model([_mean(_encoded(shape, weights, ids, mask), mask)], [ids, mask], "encoder")


def build_scorer(shape: Shape, weights: Weights, head: Sequence[str]) -> Any:
    """The same encoder with a head: ``ids`` and ``segments`` (B, T) int32, ``mask`` (B, T) float32, to (B, 1) float32.

    Args:
        shape: The encoder's sizes.
        weights: Its weights, those of the head among them.
        head: Dense layers over the first token's vector, by name; a tanh stands between two.
    """
    ov, ops = _openvino()
    ids = ops.parameter([-1, -1], np.int32, name="ids")
    segments = ops.parameter([-1, -1], np.int32, name="segments")
    mask = ops.parameter([-1, -1], np.float32, name="mask")
    x = ops.gather(_encoded(shape, weights, ids, mask, segments), np.array(0), np.array(1))
    for number, name in enumerate(head):
        x = _dense(weights, name, ops.tanh(x) if number else x)
    return ov.Model([x], [ids, segments, mask], "scorer")


def _encoded(shape: Shape, weights: Weights, ids: Node, mask: Node, segments: Node | None = None) -> Node:
    """Every token's last hidden state: ids (B, T) to (B, T, H)."""
    _, ops = _openvino()
    x = _embedded(shape, weights, ids, segments)
    shut = ops.multiply(ops.subtract(np.float32(1), ops.unsqueeze(mask, np.array([1, 2]))), np.float32(_MASKED))
    for number in range(shape.layers):
        x = _layer(shape, weights, f"encoder.layer.{number}.", x, shut)
    return x


def _embedded(shape: Shape, weights: Weights, ids: Node, segments: Node | None) -> Node:
    """Word + position + segment, the first where none are told: ids (B, T) to (B, T, H)."""
    _, ops = _openvino()
    length = ops.gather(ops.shape_of(ids), np.array([1]), np.array(0))
    start, step, axis = (np.array([n], np.int64) for n in (0, 1, 0))
    table = weights.vector("embeddings.position_embeddings.weight")[shape.first_position :]
    positions = ops.slice(np.ascontiguousarray(table), start, length, step, axis)
    words = ops.gather(weights.matrix("embeddings.word_embeddings").node(), ids, np.array(0))
    kinds = weights.vector("embeddings.token_type_embeddings.weight")
    segment = kinds[:1].reshape(1, 1, shape.hidden) if segments is None else ops.gather(kinds, segments, np.array(0))
    return _normed(shape, weights, "embeddings.LayerNorm", ops.add(ops.add(words, positions), segment))


def _layer(shape: Shape, weights: Weights, prefix: str, x: Node, shut: Node) -> Node:
    """Attention and feed-forward, each added to its input and then normalised: (B, T, H) to (B, T, H)."""
    _, ops = _openvino()
    attended = _dense(weights, prefix + "attention.output.dense", _attention(shape, weights, prefix, x, shut))
    x = _normed(shape, weights, prefix + "attention.output.LayerNorm", ops.add(x, attended))
    middle = ops.gelu(_dense(weights, prefix + "intermediate.dense", x), "erf")
    final = _dense(weights, prefix + "output.dense", middle)
    return _normed(shape, weights, prefix + "output.LayerNorm", ops.add(x, final))


def _attention(shape: Shape, weights: Weights, prefix: str, x: Node, shut: Node) -> Node:
    """All heads at once: (B, T, H) and the mask's penalty (B, 1, 1, T) to (B, T, H)."""
    _, ops = _openvino()
    width = shape.hidden // shape.heads

    def heads(part: str) -> Node:
        flat = _dense(weights, f"{prefix}attention.self.{part}", x)
        split = ops.reshape(flat, np.array([0, 0, shape.heads, width]), special_zero=True)
        return ops.transpose(split, np.array([0, 2, 1, 3]))

    scale = np.float32(1 / math.sqrt(width))
    mixed = ops.scaled_dot_product_attention(heads("query"), heads("key"), heads("value"), shut, scale)
    merged = ops.transpose(mixed, np.array([0, 2, 1, 3]))
    return ops.reshape(merged, np.array([0, 0, shape.hidden]), special_zero=True)


def _dense(weights: Weights, name: str, x: Node) -> Node:
    """``x W^T + b``: (B, T, inputs) to (B, T, outputs)."""
    _, ops = _openvino()
    product = ops.matmul(x, weights.matrix(name).node(), transpose_a=False, transpose_b=True)
    return ops.add(product, weights.vector(f"{name}.bias"))


def _normed(shape: Shape, weights: Weights, name: str, x: Node) -> Node:
    """Layer normalisation over the last axis."""
    _, ops = _openvino()
    centred = ops.mvn(x, np.array([-1]), normalize_variance=True, eps=shape.eps, eps_mode="inside_sqrt")
    return ops.add(ops.multiply(centred, weights.vector(f"{name}.weight")), weights.vector(f"{name}.bias"))


def _mean(x: Node, mask: Node) -> Node:
    """The mean over real tokens: (B, T, H) and (B, T) to (B, H)."""
    _, ops = _openvino()
    real = ops.unsqueeze(mask, np.array([2]))
    total = ops.reduce_sum(ops.multiply(x, real), np.array([1]), keep_dims=False)
    return ops.divide(total, ops.reduce_sum(real, np.array([1]), keep_dims=False))


def _packed(codes: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint8]:
    """Codes as the graph stores them: two a byte, the earlier one low, when they have 4 bits."""
    flat = codes.reshape(-1)
    if bits == 8:  # noqa: PLR2004 (4 or 8)
        return flat
    packed: npt.NDArray[np.uint8] = flat[0::2] | (flat[1::2] * np.uint8(16))
    return packed


def _constant(data: npt.NDArray[np.uint8], shape: tuple[int, ...], kind: Any) -> Node:
    ov, ops = _openvino()
    tensor = ov.Tensor(np.ascontiguousarray(data), ov.Shape(shape), kind)
    return ops.constant(tensor, shared_memory=False)  # copied, so the array need not outlive this call


def _openvino() -> tuple[Any, Any]:
    return (
        require("openvino", for_="local embeddings", extra="local"),
        require("openvino.opset13", for_="local embeddings", extra="local"),
    )
