"""`LocalReranker`: a cross-encoder on this machine, from the catalogue or from a folder of one's own.

Decides which weights are opened, how much of a pair is read, and what identifies the scores. How files become
something that runs is `scorer`'s. The invariant: two instances with one fingerprint give the same scores, to
within rounding.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ziggurat.errors import InputError, ModelUnavailable, UnknownModel
from ziggurat.models.encoder.compiled import FORMAT
from ziggurat.models.encoder.cross import FILES
from ziggurat.models.encoder.scorer import PairScorer, Scorer, Scores
from ziggurat.models.shared import sharing
from ziggurat.models.weights import catalogue
from ziggurat.models.weights.file import digest
from ziggurat.progress import Progress, default_progress, silent

WINDOWS = {"mmarco-minilm-l12": 512, "bge-reranker-v2-m3": 1024}
"""Tokens of a pair that a model was trained to read."""
WINDOW = 512
"""The same for a model of one's own, unless told otherwise; less where it has fewer positions."""
MANY = 64
"""From so many texts on, progress is shown to a person who watches."""

_scorers: dict[tuple[Path, int, int | None], Scorer] = {}
_opening = threading.Lock()
_fetching = threading.Lock()


class LocalReranker:
    """A local cross-encoder; weights are fetched and opened at the first question.

    It reads a question and a text together. Of a pair that is longer than its window, the end of the text is
    left out; a question is cut only if it would take more than half of the window.

    Args:
        name: A name of the catalogue, or the path of a folder with a cross-encoder as sentence-transformers
            saves it: ``config.json``, ``model.safetensors``, ``tokenizer.json``; of BERT, RoBERTa or
            XLM-RoBERTa, with one score.
        window: Tokens of a pair that are read at most; what the model was trained for when none.
        threads: For one inference; as many as fit the machine when none.
        batch_tokens: At most so many tokens in one inference.
        progress: Where to show the work on many texts; a bar when a person watches stderr, by default.

    Attributes:
        spec: ``local:`` and the name.

    Raises:
        UnknownModel: If the catalogue has no reranker of that name.
        ModelUnavailable: If a file of the folder is missing.
        InputError: If a number is not positive.
    """

    def __init__(
        self,
        name: str,
        *,
        window: int | None = None,
        threads: int | None = None,
        batch_tokens: int = 1024,
        progress: Progress | None = None,
    ) -> None:
        self._folder = _own_folder(name)
        if self._folder is None and catalogue.entry(name).kind != "reranker":
            known = [entry.name for entry in catalogue.entries() if entry.kind == "reranker"]
            raise UnknownModel(
                f"The local model {name!r} does not rerank.",
                where=f"local:{name}",
                fix=f"choose from: {', '.join(known)}",
            )
        for label, value, least in (("window", window, 16), ("threads", threads, 1), ("batch_tokens", batch_tokens, 1)):
            if value is not None and value < least:
                raise InputError(f"{label} must be at least {least}, not {value}.")
        self._name, self._threads, self._batch_tokens, self._progress = name, threads, batch_tokens, progress
        self._window = window or WINDOWS.get(name, WINDOW)
        self.spec = f"local:{name}"

    def __repr__(self) -> str:
        return f"LocalReranker({self._name!r})"

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the scores: the weights' hash, how much is read, and how it is computed.

        A folder's files are read for it once.

        Raises:
            ModelUnavailable: If a file of the folder cannot be read any more.
        """
        if self._folder is None:
            named = f"{self.spec}@{catalogue.entry(self._name).files[0].sha256[:12]}"
        else:
            named = f"local:{self._content}"
        return f"{named};cross-encoder,first {self._window},u8g64;{FORMAT}"

    def score(self, question: str, texts: Sequence[str]) -> Scores:
        """A score for each text, (n,) float32, in order: the model's own number, not squeezed into 0 to 1.

        Args:
            question: What is asked.
            texts: Any number, of any lengths.

        Raises:
            InputError: If the question is blank, or something is no text; nothing was computed.
            ModelUnavailable: If the weights cannot be had.
        """
        _check(question, texts)
        if not texts:
            return np.empty(0, np.float32)
        scorer = self._scorer()
        shown = self._progress or (default_progress() if len(texts) >= MANY else silent)
        with shown(f"reranking with {self._name}", len(texts), "items") as counter:
            return scorer.score(question, texts, batch_tokens=self._batch_tokens, counter=counter)

    async def ascore(self, question: str, texts: Sequence[str]) -> Scores:
        """`score` in a worker thread."""
        return await asyncio.to_thread(self.score, question, texts)

    @cached_property
    def _content(self) -> str:
        """What tells a folder's files from others."""
        whole = hashlib.sha256()
        folder = self._folder
        assert folder is not None  # noqa: S101 (only asked for a folder of one's own)
        try:
            for file in FILES:
                whole.update(digest(folder / file).encode())
        except OSError as error:
            raise ModelUnavailable(f"{error.strerror or error}.", where=str(error.filename)) from error
        return whole.hexdigest()[:24]

    def _scorer(self) -> PairScorer:
        """What scores for this process: its own compiled model, or the one it shares with others."""
        converted = (
            catalogue.home() / "models" / f"own-{self._content}" if self._folder else catalogue.directory(self._name)
        )
        client = sharing()
        opened = _scorers.get((converted, self._window, self._threads))
        if client is None and opened is not None:
            return opened
        with _fetching:
            directory = self._folder or catalogue.fetch(self._name, progress=self._progress)
            _made(converted)
        if client is None:
            return scorer_in(directory, converted, self._window, self._threads)
        from ziggurat.models.shared.engines import SharedScorer

        return SharedScorer(client, directory, converted=converted, window=self._window, threads=self._threads)


def scorer_in(directory: Path, converted: Path, window: int, threads: int | None) -> Scorer:
    """This process's compiled model for the weights in a directory; opened by the first who asks."""
    with _opening:
        key = (converted, window, threads)
        if key not in _scorers:
            _scorers[key] = Scorer(directory, converted=converted, window=window, threads=threads)
        return _scorers[key]


def _own_folder(name: str) -> Path | None:
    """The folder a name is the path of; None for a name of the catalogue.

    Raises:
        ModelUnavailable: If a file is missing in it.
    """
    path = Path(name).expanduser()
    if os.sep not in name and not name.startswith("~"):
        return None
    for file in FILES:
        if not (path / file).is_file():
            raise ModelUnavailable(f"There is no {file} in the folder of the reranker.", where=str(path))
    return path.absolute()


def _check(question: object, texts: Sequence[object]) -> None:
    if isinstance(texts, str):
        raise InputError("score takes a sequence of texts, not one text.", fix="pass [text]")
    if not isinstance(question, str) or not question.strip():
        raise InputError(f"{question!r} is not a question.", fix="ask in words")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"Text {number} is {type(text).__name__}, not a string.", where=f"texts[{number}]")


def _made(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelUnavailable(
            f"The model cannot be converted: {error.strerror or error}.",
            where=str(home),
            fix="set ZIGGURAT_HOME to a directory that can be written and has room",
        ) from error
