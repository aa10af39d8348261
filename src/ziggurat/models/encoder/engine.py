"""A compiled encoder and its tokenizer: texts in, vectors out.

Converts a model's files once, into a directory beside them, and opens that afterwards. One compiled model serves a
process; any number of threads may call it. Knows nothing of LangChain, prefixes or queries. The invariant: a
text's vector does not depend on the texts around it, but for the rounding of activations to 8 bits (between alone and
in company, cosines were 0.9999 and more).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ziggurat.errors import ModelUnavailable, ZigguratError
from ziggurat.models.encoder import graph
from ziggurat.models.encoder.files import Clean, EncoderFiles, Frame
from ziggurat.optional import require
from ziggurat.progress import Counter

Vectors = npt.NDArray[np.float32]
FORMAT = 1
"""Raised when the graph or its weights come out differently, so that old conversions are not used."""
_SLICE = 2048
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


@dataclass(frozen=True, slots=True)
class _Window:
    """A piece of a text: which one, and its token ids."""

    text: int
    ids: list[int]


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
        tokenizers = require("tokenizers", for_="local embeddings", extra="local")
        openvino = require("openvino", for_="local embeddings", extra="local")
        converted = _converted(directory, reader, openvino)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": limits.group,
        } | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        self._limits = limits
        try:
            with ThreadPoolExecutor(1) as beside:  # the two halves of opening take about as long
                compiling = beside.submit(openvino.Core().compile_model, str(converted / "model.xml"), "CPU", settings)
                self._frame, self._clean = reader.text_side(directory)
                self._tokenizer = tokenizers.Tokenizer.from_file(str(converted / "tokenizer.json"))
                self._model = compiling.result()
        except ZigguratError:
            raise
        except Exception as error:  # neither library raises anything narrower
            reason = str(error).strip().rpartition("\n")[2]
            raise ModelUnavailable(
                f"The converted model cannot be opened: {reason}",
                where=str(converted),
                fix="delete that directory; it is made again at the next use",
            ) from error
        self._idle: list[Any] = []  # requests waiting for work; append and pop are atomic

    def embed(self, texts: Sequence[str], *, batch_tokens: int, counter: Counter) -> Vectors:
        """One unit vector a text, (n, H), in order.

        Args:
            texts: Not empty.
            batch_tokens: At most so many tokens, padding included, in one inference.
            counter: Told of every text that is done.
        """
        parts = [
            self._embed_slice(texts[start : start + _SLICE], batch_tokens, counter)
            for start in range(0, len(texts), _SLICE)
        ]
        return np.concatenate(parts)

    def _embed_slice(self, texts: Sequence[str], batch_tokens: int, counter: Counter) -> Vectors:
        windows = sorted(self._windows(texts), key=lambda window: len(window.ids))
        left = np.bincount([window.text for window in windows], minlength=len(texts))
        sums: Vectors | None = None
        for batch in _batches(windows, batch_tokens):
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
        cleaned = [self._clean(_encodable(text)) for text in texts]
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
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        try:
            pooled: Vectors = np.array(request.infer([ids, mask])[0])
        finally:
            self._idle.append(request)
        return pooled


def _batches(windows: Sequence[_Window], batch_tokens: int) -> Iterator[Sequence[_Window]]:
    """Runs of windows sorted by length, each at most ``batch_tokens`` when padded to its longest."""
    start = 0
    for end in range(1, len(windows) + 1):
        if end == len(windows) or (end + 1 - start) * len(windows[end].ids) > batch_tokens:
            yield windows[start:end]
            start = end


def _encodable(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 has and extracted PDFs sometimes do."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _converted(directory: Path, reader: Reader, openvino: ModuleType) -> Path:
    """The directory with ``model.xml``, ``model.bin`` and ``tokenizer.json``, made if it is not there yet.

    It is written under another name and renamed when complete, so a killed conversion leaves nothing half.
    """
    target = directory / f"openvino-{FORMAT}"
    if target.is_dir():
        return target
    filelock = require("filelock", for_="local embeddings", extra="local")
    try:
        with filelock.FileLock(directory / "openvino.lock"):
            if not target.is_dir():
                _convert(reader.read(directory), target, openvino)
    except OSError as error:
        raise ModelUnavailable(
            f"The model cannot be converted: {error.strerror or error}.",
            where=str(error.filename or directory),
            fix="set ZIGGURAT_HOME to a directory that can be written and has room",
        ) from error
    return target


def _convert(files: EncoderFiles, target: Path, openvino: ModuleType) -> None:
    draft = target.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)  # of a conversion that was killed
    draft.mkdir()
    try:
        openvino.save_model(graph.build(files.shape, files.weights), draft / "model.xml", compress_to_fp16=False)
        files.tokenizer.save(str(draft / "tokenizer.json"), pretty=False)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
