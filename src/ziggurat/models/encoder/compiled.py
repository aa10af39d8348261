"""A model's files made into an OpenVINO model once, compiled, and asked from any number of threads.

What every local encoder shares, whether it embeds or scores. Knows no texts, no tokens and no file format: it
is told how to convert. The invariant: a conversion is whole or not there, and the one compiled
model is only ever read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ziggurat.errors import ModelUnavailable, ZigguratError
from ziggurat.optional import require

FORMAT = 1
"""Raised when the graph or its weights come out differently, so that old conversions are not used."""

Convert = Callable[[], tuple[Any, Any]]
"""Makes the OpenVINO model and the `tokenizers.Tokenizer` out of a model's files."""

_T = TypeVar("_T")


class Compiled:
    """A compiled model.

    Args:
        model: Compiled by OpenVINO.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._idle: list[Any] = []  # requests waiting for work; append and pop are atomic

    def infer(self, inputs: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """The model's one output for its inputs, in their order; a copy."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        try:
            return np.array(request.infer(list(inputs))[0])
        finally:
            self._idle.append(request)


def open_compiled(
    directory: Path, convert: Convert, *, group: int, threads: int | None, meanwhile: Callable[[], _T]
) -> tuple[Compiled, Any, _T]:
    """The model, its tokenizer, and what was done while it was compiled.

    Args:
        directory: Where the model's verified files are; the conversion is kept beside them.
        convert: How they become a model, where they have not yet.
        group: Columns whose activations share a scale when they are quantised; 0 leaves them as they are.
        threads: For one inference; as many as OpenVINO finds right when none.
        meanwhile: What else opening takes.

    Raises:
        MissingDependency: If OpenVINO or `tokenizers` is not installed.
        ModelUnavailable: If a file is damaged, or the conversion cannot be written.
    """
    tokenizers = require("tokenizers", for_="local encoders", extra="local")
    openvino = require("openvino", for_="local encoders", extra="local")
    converted = _converted(directory, convert, openvino)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": group,
    } | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
    try:
        with ThreadPoolExecutor(1) as beside:  # the two halves of opening take about as long
            compiling = beside.submit(openvino.Core().compile_model, str(converted / "model.xml"), "CPU", settings)
            other = meanwhile()
            tokenizer = tokenizers.Tokenizer.from_file(str(converted / "tokenizer.json"))
            return Compiled(compiling.result()), tokenizer, other
    except ZigguratError:
        raise
    except Exception as error:  # neither library raises anything narrower
        reason = str(error).strip().rpartition("\n")[2]
        raise ModelUnavailable(
            f"The converted model cannot be opened: {reason}",
            where=str(converted),
            fix="delete that directory; it is made again at the next use",
        ) from error


def _converted(directory: Path, convert: Convert, openvino: ModuleType) -> Path:
    """The directory with ``model.xml``, ``model.bin`` and ``tokenizer.json``, made if it is not there yet.

    It is written under another name and renamed when complete, so a killed conversion leaves nothing half.
    """
    target = directory / f"openvino-{FORMAT}"
    if target.is_dir():
        return target
    filelock = require("filelock", for_="local encoders", extra="local")
    try:
        with filelock.FileLock(directory / "openvino.lock"):
            if not target.is_dir():
                _write(convert, target, openvino)
    except OSError as error:
        raise ModelUnavailable(
            f"The model cannot be converted: {error.strerror or error}.",
            where=str(error.filename or directory),
            fix="set ZIGGURAT_HOME to a directory that can be written and has room",
        ) from error
    return target


def _write(convert: Convert, target: Path, openvino: ModuleType) -> None:
    model, tokenizer = convert()
    draft = target.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)  # of a conversion that was killed
    draft.mkdir()
    try:
        openvino.save_model(model, draft / "model.xml", compress_to_fp16=False)
        tokenizer.save(str(draft / "tokenizer.json"), pretty=False)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
