"""What stands for an engine in a process that shares its models: the same calls, answered by the server.

One class for each kind of engine. Each does here what must happen in the caller's process (progress, slices of
the same size as the engine's own) and sends the rest. Invariant: the server is given exactly what an engine
in this process would have been given, so its results are the same, vectors bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

from ziggurat.models.shared.client import Client
from ziggurat.models.shared.wire import Message, unpacked
from ziggurat.progress import Counter

if TYPE_CHECKING:
    from ziggurat.models.transformers.generation import Asked, Counted
    from ziggurat.models.transformers.loading import Which

_LOOK: dict[str, Any] = {"choices": [{"delta": {}}]}
"""A chunk with nothing in it: it asks whether anybody still wants the answer, and whether there is still time."""


class SharedChatEngine:
    """A llama.cpp engine elsewhere.

    Args:
        client: The way to it.
        weights: The .gguf file.
        context_tokens: Tokens of prompt and answer together.
        threads: CPU threads of the computation.
    """

    def __init__(self, client: Client, *, weights: Path, context_tokens: int, threads: int) -> None:
        self._client = client
        self._which: Message = {"weights": str(weights), "context_tokens": context_tokens, "threads": threads}

    def generate(self, request: dict[str, Any], on_chunk: Callable[[dict[str, Any]], bool]) -> None:
        """One chat completion, chunk by chunk, until ``on_chunk`` returns False."""
        body = {**self._which, "request": json.dumps(request)}  # JSON takes the lone surrogates msgpack refuses
        with closing(self._client.pieces("chat.generate", body)) as pieces:
            for piece in pieces:
                if not on_chunk(piece or _LOOK):
                    return

    def count_text(self, text: str) -> int:
        """Tokens in a plain text."""
        return len(self.tokens(text))

    def count_request(self, request: dict[str, Any]) -> int:
        """Tokens of the prompt a chat request becomes."""
        answer = self._client.call("chat.count", {**self._which, "request": json.dumps(request)})
        return int(answer["count"])

    def tokens(self, text: str) -> list[int]:
        """The token ids of a plain text."""
        return list(self._client.call("chat.tokens", {**self._which, "request": json.dumps(text)})["tokens"])


class SharedEncoder:
    """A local encoder of texts elsewhere.

    Args:
        client: The way to it.
        name: Its name in the catalogue.
        directory: Where its verified files are.
        threads: For one inference; None for what fits the machine.
    """

    def __init__(self, client: Client, name: str, directory: Path, threads: int | None) -> None:
        self._client = client
        self._which: Message = {"name": name, "directory": str(directory), "threads": threads}

    def embed(self, texts: Sequence[str], *, batch_tokens: int, counter: Counter) -> npt.NDArray[np.float32]:
        """One unit vector a text, in order."""
        parts: list[npt.NDArray[np.float32]] = []
        for slice_ in _slices(texts):
            answer = self._client.call("encoder.embed", {**self._which, "texts": slice_, "batch_tokens": batch_tokens})
            parts.append(unpacked(answer))
            counter.advance(len(slice_))
        return np.concatenate(parts)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        counts: list[int] = []
        for slice_ in _slices(texts):
            counts += self._client.call("encoder.count", {**self._which, "texts": slice_})["counts"]
        return counts


class SharedScorer:
    """A cross-encoder elsewhere.

    Args:
        client: The way to it.
        directory: Where the model's files are.
        converted: Where their conversion is kept.
        window: Tokens of a pair that are read.
        threads: For one inference; None for what fits the machine.
    """

    def __init__(self, client: Client, directory: Path, *, converted: Path, window: int, threads: int | None) -> None:
        self._client = client
        self._which: Message = {
            "directory": str(directory),
            "converted": str(converted),
            "window": window,
            "threads": threads,
        }

    def score(
        self, question: str, texts: Sequence[str], *, batch_tokens: int, counter: Counter
    ) -> npt.NDArray[np.float32]:
        """One score a text, in order."""
        from ziggurat.models.encoder.engine import encodable

        parts: list[npt.NDArray[np.float32]] = []
        for slice_ in _slices(texts):
            asked = {"question": encodable(question), "texts": slice_, "batch_tokens": batch_tokens}
            parts.append(unpacked(self._client.call("scorer.score", {**self._which, **asked})))
            counter.advance(len(slice_))
        return np.concatenate(parts)


class SharedSentenceEmbeddings(Embeddings):
    """A sentence-transformers model elsewhere: what LangChain's ``HuggingFaceEmbeddings`` answers.

    Args:
        client: The way to it.
        name: A folder, or a repository of the hub.
        options: Of ``HuggingFaceEmbeddings``; plain values.

    Attributes:
        model_name: As given.
        fingerprint: What an index knows ``HuggingFaceEmbeddings`` of that name by.

    Raises:
        ModelUnavailable: If there is no such model.
        MissingDependency: If a package is missing.
    """

    def __init__(self, client: Client, name: str, options: dict[str, Any]) -> None:
        self._client = client
        self._which: Message = {"name": name, "options": json.dumps(options, sort_keys=True)}
        self.model_name = name
        kind = client.call("sentences.kind", self._which)["kind"]
        self.fingerprint = f"{kind}(model_name={name})"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed passages."""
        return self._vectors("documents", texts)

    def embed_query(self, text: str) -> list[float]:
        """Embed a question."""
        return self._vectors("query", [text])[0]

    def _vectors(self, kind: str, texts: list[str]) -> list[list[float]]:
        if not texts:
            return []
        answer = self._client.call("sentences.embed", {**self._which, "kind": kind, "texts": list(texts)})
        vectors: list[list[float]] = unpacked(answer).tolist()
        return vectors


def shared_writing(client: Client, asked: Asked) -> Generator[str | Counted]:
    """An answer of a model of the transformers library elsewhere; as `generation.written`."""
    from ziggurat.models.transformers.generation import Counted

    asking = {name: getattr(asked, name) for name in ("turns", "tools", "options", "stops")}
    body = {"which": asdict(asked.which), "asked": json.dumps(asking)}
    with closing(client.pieces("transformers.write", body)) as pieces:
        for piece in pieces:
            if "text" in piece:
                yield piece["text"]
            elif piece:
                yield Counted(piece["read"], piece["written"])


def shared_count(client: Client, which: Which, text: str) -> int:
    """Tokens of a text, as that model counts them."""
    return int(client.call("transformers.count", {"which": asdict(which), "text": json.dumps(text)})["count"])


def _slices(texts: Sequence[str]) -> Iterator[list[str]]:
    """What an encoder itself takes at a time, without what no UTF-8 has."""
    from ziggurat.models.encoder.engine import SLICE, encodable

    for start in range(0, len(texts), SLICE):
        yield [encodable(text) for text in texts[start : start + SLICE]]
