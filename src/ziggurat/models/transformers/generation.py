"""An answer of a model of the transformers library: from turns to pieces of text, in plain values.

The model's own chat template makes the prompt; where a tokenizer has none, the texts of the turns
are joined. Knows nothing of LangChain. Invariant: who leaves the pieces unread ends the computation.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from queue import Queue
from typing import Any

from ziggurat.errors import ContextLengthError
from ziggurat.models.transformers.loading import Loaded, Which, load

_END = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked.

    Attributes:
        which: The model.
        turns: Role and text of each message.
        tools: Tool definitions in OpenAI's form, for the chat template.
        options: Of ``generate``, and ``seed``.
        stops: Texts that end the answer.
    """

    which: Which
    turns: Sequence[Sequence[str]]
    tools: Any
    options: dict[str, Any]
    stops: Sequence[str]


@dataclass(frozen=True, slots=True)
class Counted:
    """The end of an answer.

    Attributes:
        read: Tokens of the prompt.
        written: Tokens of the answer.
    """

    read: int
    written: int


def count(which: Which, text: str) -> int:
    """Exact tokens of a text."""
    return len(load(which).tokenizer(text)["input_ids"])


def written(asked: Asked) -> Generator[str | Counted]:
    """The answer in pieces, then what it took; closing the generator ends the computation.

    Raises:
        ModelUnavailable: If the model cannot be read.
        ContextLengthError: If the prompt does not fit; nothing was computed.
    """
    loaded = load(asked.which)
    ids = _prompt(loaded, asked.turns, asked.tools)
    most = getattr(loaded.model.config, "max_position_embeddings", None)
    if not loaded.rewrites and most and ids.shape[1] + 1 > most:
        raise ContextLengthError(
            f"The prompt has {ids.shape[1]} tokens; the model holds {most}.",
            where=f"transformers:{asked.which.name}",
            fix="give it less text",
            prompt_tokens=int(ids.shape[1]),
            context_tokens=int(most),
        )
    generation = _Generation(loaded, ids, asked.options, list(asked.stops))
    try:
        yield from generation.pieces()
    finally:
        generation.end()
    yield Counted(int(ids.shape[1]), generation.written)


class _Generation:
    """One answer, made in a thread of its own and read piece by piece."""

    def __init__(self, loaded: Loaded, ids: Any, options: dict[str, Any], stops: list[str]) -> None:
        self._loaded, self._ids, self._options, self._stops = loaded, ids, dict(options), stops
        self._left = threading.Event()
        self._texts: Queue[str | BaseException | None] = Queue()
        self.written = 0
        self._thread = threading.Thread(target=self._run, name="ziggurat-transformers", daemon=True)
        self._thread.start()

    def pieces(self) -> Iterator[str]:
        """The text without stop words; what may be the beginning of one is held back."""
        held = ""
        while (text := self._texts.get()) is not _END:
            if isinstance(text, BaseException):
                raise text
            held += text
            at = min((found for one in self._stops if (found := held.find(one)) >= 0), default=-1)
            if at >= 0:
                if held[:at]:
                    yield held[:at]
                return
            keep = max((_overlap(held, one) for one in self._stops), default=0)
            if out := held[: len(held) - keep]:
                held = held[len(out) :]
                yield out
        if held:
            yield held

    def end(self) -> None:
        """Stop generating, and wait until it has stopped."""
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        import torch
        import transformers

        pieces, left = self._texts, self._left

        class Streamer(transformers.TextStreamer):
            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:  # noqa: ARG002 (its signature)
                if text:
                    pieces.put(text)

        def stopped(ids: Any, scores: Any, **kwargs: Any) -> Any:  # noqa: ARG001 (their signature)
            return torch.full((ids.shape[0],), left.is_set(), device=ids.device, dtype=torch.bool)

        model, tokenizer = self._loaded.model, self._loaded.tokenizer
        seed = self._options.pop("seed")
        try:
            with self._loaded.lock, torch.inference_mode(), torch.random.fork_rng(enabled=seed is not None):
                if seed is not None:
                    torch.manual_seed(seed)
                ids = self._ids.to(model.device)
                made = model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    streamer=Streamer(tokenizer, skip_prompt=not self._loaded.rewrites, skip_special_tokens=True),
                    stopping_criteria=[stopped],
                    pad_token_id=tokenizer.pad_token_id
                    if tokenizer.pad_token_id is not None
                    else tokenizer.eos_token_id,
                    **({"stop_strings": self._stops, "tokenizer": tokenizer} if self._stops else {}),
                    **self._options,
                )
                self.written = int(made.shape[1]) - (1 if self._loaded.rewrites else int(ids.shape[1]))
        except BaseException as error:  # noqa: BLE001 (handed to the reader)
            pieces.put(error)
        finally:
            pieces.put(_END)


def _overlap(text: str, stop: str) -> int:
    """How many of a text's last characters may be the beginning of a stop word."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if stop.startswith(text[-size:])), 0)


def _prompt(loaded: Loaded, turns: Sequence[Sequence[str]], tools: Any) -> Any:
    tokenizer = loaded.tokenizer
    if getattr(tokenizer, "chat_template", None):
        made = tokenizer.apply_chat_template(
            [{"role": role, "content": text} for role, text in turns],
            tools=tools,
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        return made["input_ids"]
    text = "\n\n".join(text for _, text in turns)
    return tokenizer(text, return_tensors="pt")["input_ids"]
