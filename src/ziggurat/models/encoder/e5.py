"""The file ``e5-small-q4.bin``: multilingual-e5-small with 4-bit weights, tokenizer included.

Little-endian throughout. In order: the magic ``E5S1``; eight int32 (version, hidden, layers, heads, feed-forward,
vocabulary, positions, types); float32 epsilon; int32 group size (32). Then the tokenizer: int32 count and the ids
bos, eos, pad, unk; uint64 length of the text blob; count + 1 uint32 offsets into it; count float32 scores; the blob,
UTF-8. Then the characters to replace: int32 count, uint32 bytes, and for each uint32 code point, uint8 length,
that many uint32 code points. Then int32 tensors, and for each uint16 name length, name, uint8 type (0 float32,
1 four-bit), uint32 count, uint64 offset, uint64 bytes. A four-bit block is a float16 scale and 16 bytes for 32
weights: the low halves are the first 16, the high halves the others, and ``w = (q - 8) * scale``.

Reads it, checking every length against the file, and runs nothing.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ziggurat.models.encoder.files import Clean, EncoderFiles, Frame, damaged
from ziggurat.models.encoder.graph import Floats, Matrix, Shape
from ziggurat.optional import require

FILE = "e5-small-q4.bin"
_MAGIC, _VERSION, _GROUP = b"E5S1", 1, 32
_FLOAT32, _FOUR_BIT = 0, 1
_BLOCK = np.dtype([("scale", "<f2"), ("codes", "u1", 16)])
_SPACES = re.compile(" {2,}")

_TOP = {
    "embeddings.word_embeddings": "emb.word",
    "embeddings.position_embeddings": "emb.pos",
    "embeddings.token_type_embeddings": "emb.type",
    "embeddings.LayerNorm": "emb.ln",
}
_IN_LAYER = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}


@dataclass(frozen=True, slots=True)
class _Tensor:
    kind: int
    count: int
    offset: int


class E5File:
    """The file, opened and checked; its large parts are read when asked for.

    Args:
        path: Where it is.

    Raises:
        ModelUnavailable: If it is not such a file, or a piece of it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._bytes: npt.NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise damaged(path, str(error) or "it is empty") from error
        self._at = 0
        if bytes(self._take(4)) != _MAGIC:
            raise damaged(path, "it does not begin with E5S1")
        version, hidden, layers, heads, self.feed_forward, self.rows, self.positions, self.types = self._read("<8i")
        epsilon, group = self._read("<fi")
        if version != _VERSION or group != _GROUP or min(hidden, layers, heads) < 1 or hidden % heads:
            raise damaged(path, f"version {version}, group size {group} and hidden size {hidden} are not known here")
        self.shape = Shape(hidden, layers, heads, epsilon)
        count, first, last, padding, self.unknown = self._read("<5i")
        self.frame = Frame(first, last, padding)
        (text_bytes,) = self._read("<Q")
        self._offsets = self._array("<u4", count + 1)
        self._scores = self._array("<f4", count)
        self._text = self._take(text_bytes)
        self._characters, character_bytes = self._read("<iI")
        self._character_table = bytes(self._take(character_bytes))
        (tensors,) = self._read("<i")
        self._tensors = dict(self._tensor_entry() for _ in range(tensors))

    def pieces(self) -> list[tuple[str, float]]:
        """The tokenizer's pieces with their log probabilities, by id."""
        text, ends = bytes(self._text), self._offsets.tolist()
        try:
            words = [text[start:end].decode() for start, end in pairwise(ends)]
        except UnicodeDecodeError as error:
            raise damaged(self.path, "its vocabulary is not text") from error
        return list(zip(words, self._scores.tolist(), strict=True))

    @cached_property
    def characters(self) -> dict[int, str]:
        """What replaces a code point before tokenizing."""
        table: dict[int, str] = {}
        at = 0
        try:
            for _ in range(self._characters):
                point, length = struct.unpack_from("<IB", self._character_table, at)
                new = struct.unpack_from(f"<{length}I", self._character_table, at + 5)
                table[point] = "".join(map(chr, new))
                at += 5 + 4 * length
        except (struct.error, ValueError, OverflowError) as error:
            raise damaged(self.path, "its table of characters is cut short") from error
        return table

    def matrix(self, name: str) -> Matrix:
        """See `ziggurat.models.encoder.graph.Weights`."""
        tensor = self._find(f"{name}.weight", _FOUR_BIT)
        columns = self.feed_forward if name.endswith("output.dense") and "attention" not in name else self.shape.hidden
        blocks = self._slice(tensor.offset, tensor.count // _GROUP * _BLOCK.itemsize).view(_BLOCK)
        codes = np.concatenate([blocks["codes"] & 15, blocks["codes"] >> 4], axis=1)
        rows = tensor.count // columns
        groups = columns // _GROUP
        if rows * columns != tensor.count or groups * _GROUP != columns:
            raise damaged(self.path, f"{name} has another size than its header says")
        scales = np.ascontiguousarray(blocks["scale"]).reshape(rows, groups, 1)
        return Matrix(codes.reshape(rows, groups, _GROUP), scales, zero=8, bits=4)

    def vector(self, name: str) -> Floats:
        """See `ziggurat.models.encoder.graph.Weights`."""
        tensor = self._find(name, _FLOAT32)
        values = self._slice(tensor.offset, tensor.count * 4).view("<f4").astype(np.float32)
        if "_embeddings" not in name:
            return values
        if len(values) % self.shape.hidden:
            raise damaged(self.path, f"{name} has another size than its header says")
        return values.reshape(-1, self.shape.hidden)

    def _find(self, name: str, kind: int) -> _Tensor:
        own = _own_name(name)
        tensor = self._tensors.get(own)
        if tensor is None or tensor.kind != kind:
            raise damaged(self.path, f"it has no tensor {own} of the expected type")
        return tensor

    def _tensor_entry(self) -> tuple[str, _Tensor]:
        (length,) = self._read("<H")
        name = bytes(self._take(length)).decode("ascii", "replace")
        kind, count, offset, size = self._read("<BIQQ")
        expected = {_FLOAT32: 4 * count, _FOUR_BIT: count // _GROUP * _BLOCK.itemsize}.get(kind)
        if size != expected or offset + size > len(self._bytes):
            raise damaged(self.path, f"the tensor {name} does not fit into it")
        return name, _Tensor(kind, count, offset)

    def _read(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self._take(struct.calcsize(form)).tobytes())

    def _array(self, kind: str, count: int) -> npt.NDArray[Any]:
        return self._take(count * np.dtype(kind).itemsize).view(kind)

    def _take(self, size: int) -> npt.NDArray[np.uint8]:
        taken = self._slice(self._at, size)
        self._at += size
        return taken

    def _slice(self, start: int, size: int) -> npt.NDArray[np.uint8]:
        if size < 0 or start + size > len(self._bytes):
            raise damaged(self.path, f"it ends at byte {len(self._bytes):,}, in the middle of something")
        return np.frombuffer(self._bytes, np.uint8, size, start)


def read(directory: Path) -> EncoderFiles:
    """Shapes, weights and tokenizer.

    Raises:
        ModelUnavailable: If the file is damaged.
    """
    file = E5File(directory / FILE)
    return EncoderFiles(file.shape, file, _tokenizer(file))


def text_side(directory: Path) -> tuple[Frame, Clean]:
    """What of the tokenizer is not in a `tokenizers` file: the ids around a text, and the cleaning before."""
    file = E5File(directory / FILE)
    characters = file.characters

    def clean(text: str) -> str:
        return _SPACES.sub(" ", text.translate(characters))

    return file.frame, clean


def _tokenizer(file: E5File) -> Any:
    library = require("tokenizers", for_="local embeddings", extra="local")
    tokenizer = library.Tokenizer(library.models.Unigram(file.pieces(), file.unknown, byte_fallback=False))
    tokenizer.pre_tokenizer = library.pre_tokenizers.Metaspace()
    return tokenizer


def _own_name(name: str) -> str:
    """BERT's name of a tensor to the file's: ``encoder.layer.3.output.dense.bias`` to ``l3.fo.b``."""
    stem, _, last = name.rpartition(".")
    if stem in _TOP:
        own = _TOP[stem]
        return f"{own}.{last[0]}" if own == "emb.ln" else own
    number, _, part = stem.removeprefix("encoder.layer.").partition(".")
    return f"l{number}.{_IN_LAYER[part]}.{last[0]}"
