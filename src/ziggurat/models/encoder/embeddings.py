"""Embeddings on this machine, with no key: LangChain's `Embeddings` over the catalogue's encoders.

Decides what a model family needs around its texts (prefixes, window) and what identifies its vectors. How files
become a running encoder is `engine`'s. The invariant: two instances with one fingerprint give the same
vectors, to within rounding.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

from ziggurat.errors import InputError, UnknownModel
from ziggurat.models.encoder import e5, minilm
from ziggurat.models.encoder.compiled import FORMAT
from ziggurat.models.encoder.engine import Encoder, Engine, Limits, Reader
from ziggurat.models.shared import sharing
from ziggurat.models.weights import catalogue
from ziggurat.progress import Progress, default_progress, silent
from ziggurat.specs import DEFAULTS, ModelSpec

Kind = Literal["passage", "query"]
MANY = 64
"""From so many texts on, progress is shown to a person who watches."""


@dataclass(frozen=True, slots=True)
class _Family:
    """What an encoder expects of its caller."""

    reader: Reader
    dimensions: int
    prefixes: dict[Kind, str]
    limits: Limits
    recipe: str


_FAMILIES = {
    "multilingual-e5-small": _Family(
        reader=cast("Reader", e5),
        dimensions=384,
        prefixes={"passage": "passage: ", "query": "query: "},
        limits=Limits(window=510, windows=True, group=32),
        recipe="mean,windows of 510,prefixed,u4g32",
    ),
    "all-minilm-l6-v2": _Family(
        reader=cast("Reader", minilm),
        dimensions=384,
        prefixes={"passage": "", "query": ""},
        limits=Limits(window=254, windows=False, group=64),
        recipe="mean,first 254,u8g64",
    ),
}

_engines: dict[tuple[Path, int | None], Engine] = {}
_opening = threading.Lock()
_fetching = threading.Lock()


class LocalEmbeddings(Embeddings):
    """A local embedding model; weights are fetched and opened at the first text.

    Texts longer than the model reads are embedded whole, in windows averaged by their tokens
    (multilingual-e5-small), or by their first 254 tokens, as its authors do (all-minilm-l6-v2).

    Args:
        name: A name of the catalogue.
        threads: For one inference; as many as fit the machine when none.
        batch_tokens: At most so many tokens in one inference. Larger is not faster on a CPU.
        progress: Where to show the work on many texts; a bar when a person watches stderr, by default.

    Attributes:
        spec: ``local:`` and the name.
        dimensions: Length of a vector.
        fingerprint: Identifies the vectors: the spec, the weights' hash, and how a text becomes a vector.

    Raises:
        UnknownModel: If the catalogue has no embedding model of that name.
        InputError: If a number is not positive.
    """

    def __init__(
        self,
        name: str = ModelSpec.parse(DEFAULTS["embeddings"]).name,
        *,
        threads: int | None = None,
        batch_tokens: int = 1024,
        progress: Progress | None = None,
    ) -> None:
        known = catalogue.entry(name)
        if name not in _FAMILIES:
            raise UnknownModel(
                f"The local model {name!r} does not embed texts.",
                where=f"local:{name}",
                fix=f"choose from: {', '.join(sorted(_FAMILIES))}",
            )
        for label, value in (("threads", threads), ("batch_tokens", batch_tokens)):
            if value is not None and value < 1:
                raise InputError(f"{label} must be at least 1, not {value}.")
        self._name, self._family = name, _FAMILIES[name]
        self._threads, self._batch_tokens, self._progress = threads, batch_tokens, progress
        self.spec = f"local:{name}"
        self.dimensions = self._family.dimensions
        self.fingerprint = f"{self.spec}@{known.files[0].sha256[:12]};{self._family.recipe};{FORMAT}"

    def __repr__(self) -> str:
        return f"LocalEmbeddings({self._name!r})"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed passages.

        Raises:
            InputError: If a text is empty; nothing was computed.
            ModelUnavailable: If the weights cannot be had.
        """
        vectors: list[list[float]] = self.embed_array(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question.

        Raises:
            InputError: If it is empty.
            ModelUnavailable: If the weights cannot be had.
        """
        vector: list[float] = self.embed_array([text], kind="query")[0].tolist()
        return vector

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model reads it, without prefix and ends; at most 500 or so are read at once.

        Raises:
            InputError: If something is no text.
            ModelUnavailable: If the weights cannot be had.
        """
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"Text {number} is {type(text).__name__}, not a string.", where=f"texts[{number}]")
        return _engine(self._name, self._threads, self._progress).count(texts) if texts else []

    def embed_array(self, texts: Sequence[str], kind: Kind = "passage") -> npt.NDArray[np.float32]:
        """Embed without making lists: one row a text, (n, dimensions), of length 1.

        Args:
            texts: Any number, of any lengths.
            kind: What they are to the model: passages to be found, or queries.

        Raises:
            InputError: If a text is empty or no text; nothing was computed.
            ModelUnavailable: If the weights cannot be had.
        """
        if isinstance(texts, str):
            raise InputError("embed_array takes a sequence of texts, not one text.", fix="pass [text]")
        _check(texts)
        if kind not in self._family.prefixes:
            raise InputError(f"There is no kind of text {kind!r}.", fix="choose from: passage, query")
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        engine = _engine(self._name, self._threads, self._progress)
        prefix = self._family.prefixes[kind]
        shown = self._progress or (default_progress() if len(texts) >= MANY else silent)
        with shown(f"embedding with {self._name}", len(texts), "items") as counter:
            return engine.embed([prefix + text for text in texts], batch_tokens=self._batch_tokens, counter=counter)


def _engine(name: str, threads: int | None, progress: Progress | None) -> Encoder:
    """What embeds for this process: its own compiled model, or the one it shares with others."""
    client = sharing()
    opened = _engines.get((catalogue.directory(name), threads))
    if client is None and opened is not None:
        return opened
    with _fetching:
        directory = catalogue.fetch(name, progress=progress)
    if client is None:
        return encoder_in(directory, name, threads)
    from ziggurat.models.shared.engines import SharedEncoder

    return SharedEncoder(client, name, directory, threads)


def encoder_in(directory: Path, name: str, threads: int | None) -> Engine:
    """This process's compiled model for the weights in a directory; opened by the first who asks."""
    with _opening:
        if (directory, threads) not in _engines:
            family = _FAMILIES[name]
            _engines[directory, threads] = Engine(directory, family.reader, family.limits, threads=threads)
        return _engines[directory, threads]


def _check(texts: Sequence[str]) -> None:
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"Text {number} is {type(text).__name__}, not a string.", where=f"texts[{number}]")
        if not text or text.isspace():
            raise InputError(
                f"Text {number} is empty; an empty text has no meaning to embed.",
                where=f"texts[{number}]",
                fix="leave empty texts out",
            )
