"""What the model server can do: each method opens its engine at the first call and asks it in its worker's turn.

llama.cpp answers one request at a time, so its callers take turns, worker by worker. Encoders take several: each
worker has one call under way, and OpenVINO serves their batches in turn. Texts of different callers are never put into
one batch: quantised activations would let a vector depend on the company it is computed in.
Knows no sockets. Invariant: an answer is what the engine alone would have given to the one who asks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ziggurat.errors import ModelError
from ziggurat.models.shared.turns import Turns
from ziggurat.models.shared.wire import Message, packed
from ziggurat.progress import silent


class Caller(Protocol):
    """Who is answered."""

    @property
    def worker(self) -> str:
        """Its process."""

    def send(self, piece: Message) -> None:
        """Give it a piece of the answer; raises if it has gone."""

    def look(self) -> None:
        """Raises if it has gone."""


class Services:
    """The models of this process, by method."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, Turns] = {}
        self._sentences: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._methods: dict[str, Callable[[Message, Caller], None]] = {
            "chat.generate": self._chat,
            "chat.count": self._chat_count,
            "chat.tokens": self._chat_tokens,
            "encoder.embed": self._embed,
            "encoder.count": self._encoder_count,
            "scorer.score": self._score,
            "transformers.write": self._write,
            "transformers.count": self._transformers_count,
            "sentences.kind": self._sentences_kind,
            "sentences.embed": self._sentences_embed,
        }

    def answer(self, method: str, body: Message, caller: Caller) -> None:
        """Answer one call, in one piece or in several.

        Raises:
            ModelError: If there is no such method.
            Exception: Whatever the engine raises, and what ``caller`` raises when it has gone.
        """
        found = self._methods.get(method)
        if found is None:
            raise ModelError(f"The model server has no method {method!r}.")
        found(body, caller)

    # -- llama.cpp --------------------------------------------------------------------------------

    def _chat(self, body: Message, caller: Caller) -> None:
        engine = _chat_engine(body)

        def on_chunk(chunk: Message) -> bool:
            caller.send(chunk)
            return True

        with self._turn(("chat", engine.settings), caller, most=1):
            engine.generate(json.loads(body["request"]), on_chunk)

    def _chat_count(self, body: Message, caller: Caller) -> None:
        caller.send({"count": _chat_engine(body).count_request(json.loads(body["request"]))})

    def _chat_tokens(self, body: Message, caller: Caller) -> None:
        caller.send({"tokens": _chat_engine(body).tokens(json.loads(body["request"]))})

    # -- encoders ---------------------------------------------------------------------------------

    def _embed(self, body: Message, caller: Caller) -> None:
        from ziggurat.models.encoder.embeddings import encoder_in

        directory, threads = Path(body["directory"]), body["threads"]
        with self._turn(("encoder", directory, threads), caller, each=1), silent("", None) as counter:
            engine = encoder_in(directory, body["name"], threads)
            caller.send(packed(engine.embed(body["texts"], batch_tokens=body["batch_tokens"], counter=counter)))

    def _encoder_count(self, body: Message, caller: Caller) -> None:
        from ziggurat.models.encoder.embeddings import encoder_in

        engine = encoder_in(Path(body["directory"]), body["name"], body["threads"])
        caller.send({"counts": engine.count(body["texts"])})

    def _score(self, body: Message, caller: Caller) -> None:
        from ziggurat.models.encoder.reranker import scorer_in

        converted, window, threads = Path(body["converted"]), body["window"], body["threads"]
        with self._turn(("scorer", converted, window, threads), caller, each=1), silent("", None) as counter:
            scorer = scorer_in(Path(body["directory"]), converted, window, threads)
            scores = scorer.score(body["question"], body["texts"], batch_tokens=body["batch_tokens"], counter=counter)
            caller.send(packed(scores))

    # -- the transformers library -----------------------------------------------------------------

    def _write(self, body: Message, caller: Caller) -> None:
        from ziggurat.models.transformers.generation import Asked, Counted, written
        from ziggurat.models.transformers.loading import Which

        asked = Asked(which=Which(**body["which"]), **json.loads(body["asked"]))
        with self._turn(("transformers", asked.which), caller, most=1):
            for piece in written(asked):
                caller.send(
                    {"read": piece.read, "written": piece.written} if isinstance(piece, Counted) else {"text": piece}
                )

    def _transformers_count(self, body: Message, caller: Caller) -> None:
        from ziggurat.models.transformers.generation import count
        from ziggurat.models.transformers.loading import Which

        caller.send({"count": count(Which(**body["which"]), json.loads(body["text"]))})

    def _sentences_kind(self, body: Message, caller: Caller) -> None:
        kind = type(self._sentence_model(body))
        caller.send({"kind": f"{kind.__module__}.{kind.__qualname__}"})

    def _sentences_embed(self, body: Message, caller: Caller) -> None:
        model = self._sentence_model(body)
        with self._turn(("sentences", body["name"], body["options"]), caller, most=1):
            texts = body["texts"]
            vectors = model.embed_documents(texts) if body["kind"] == "documents" else [model.embed_query(texts[0])]
            caller.send(packed(np.array(vectors, np.float64)))

    def _sentence_model(self, body: Message) -> Any:
        """The open model; opened by the first who asks while the others wait."""
        from ziggurat.models.transformers import sentence_embeddings

        name, options = body["name"], body["options"]
        with self._lock:
            if (name, options) not in self._sentences:
                self._sentences[name, options] = sentence_embeddings(name, json.loads(options))
            return self._sentences[name, options]

    def _turn(
        self, model: Hashable, caller: Caller, *, most: int | None = None, each: int | None = None
    ) -> AbstractContextManager[None]:
        with self._lock:
            line = self._lines.setdefault(model, Turns(most=most, each=each))
        return line.turn(caller.worker, caller.look)


def _chat_engine(body: Message) -> Any:
    from ziggurat.models.llama.engine import EngineSettings, engine

    return engine(EngineSettings(Path(body["weights"]), body["context_tokens"], body["threads"]))
