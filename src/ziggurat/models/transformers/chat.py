"""`TransformersChat`: a LangChain chat model over the transformers library.

The model's own chat template makes the prompt; where a tokenizer has none, the texts of the messages
are joined. Stop words are cut out of the answer, also while it streams, and a stream that is left ends the
generation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import Queue
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from ziggurat.errors import ContextLengthError, InputError
from ziggurat.models.transformers.loading import Loaded, load

_END = None


class TransformersChat(BaseChatModel):
    """Chat with a model of the transformers library.

    Args:
        model: A folder, or a repository of the hub.
        max_tokens: The longest answer.
        temperature: 0 for the likeliest words every time.
        top_p: The share of probability drawn from.
        seed: Makes sampling repeatable.
        stop: Texts that end the answer.
        revision: Of the repository.
        device: Such as ``cpu`` or ``cuda``; ``auto`` takes a GPU where there is one.
        dtype: Such as ``bfloat16``; ``auto`` as the weights are stored.

    Raises:
        ModelUnavailable: With the first call, if the model cannot be read.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    max_tokens: int = Field(256, ge=1)
    temperature: float = Field(0.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    seed: int | None = None
    stop: list[str] | None = None
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    max_retries: int = 0

    @property
    def _llm_type(self) -> str:
        return "transformers"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self.model_dump(
            exclude={"cache", "callbacks", "metadata", "tags", "verbose", "rate_limiter"}, mode="json"
        )

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        told = super()._get_ls_params(stop=stop, **kwargs)
        return {**told, "ls_provider": "transformers", "ls_model_name": self.model}

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        """Tools as the model's chat template shows them; reading its calls is the caller's business."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def get_num_tokens(self, text: str) -> int:
        """Exact tokens of a text."""
        return len(self._loaded().tokenizer(text)["input_ids"])

    def _loaded(self) -> Loaded:
        return load(self.model, self.revision, self.device, self.dtype)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain's signature)
        **kwargs: Any,
    ) -> ChatResult:
        text, usage, reason = "", None, "stop"
        for chunk in self._stream(messages, stop, None, **kwargs):
            text += str(chunk.message.text)
            usage = getattr(chunk.message, "usage_metadata", None) or usage
            reason = chunk.message.response_metadata.get("finish_reason", reason)
        message = AIMessage(
            text, usage_metadata=usage, response_metadata={"model_name": self.model, "finish_reason": reason}
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        stops = [*(self.stop or []), *(stop or [])]
        if any(not one for one in stops):
            raise InputError("A stop word must not be empty.", where=f"transformers:{self.model}")
        options = self._options(kwargs)
        loaded = self._loaded()
        ids = _prompt(loaded, messages, kwargs.get("tools"))
        most = getattr(loaded.model.config, "max_position_embeddings", None)
        if not loaded.rewrites and most and ids.shape[1] + 1 > most:
            raise ContextLengthError(
                f"The prompt has {ids.shape[1]} tokens; the model holds {most}.",
                where=f"transformers:{self.model}",
                fix="give it less text",
                prompt_tokens=int(ids.shape[1]),
                context_tokens=int(most),
            )
        asked = _Generation(loaded, ids, options, stops)
        try:
            for text in asked.pieces():
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
                if run_manager is not None:
                    run_manager.on_llm_new_token(text, chunk=chunk)
                yield chunk
        finally:
            asked.end()
        read, written = int(ids.shape[1]), asked.written
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written),
                response_metadata={
                    "model_name": self.model,
                    "finish_reason": "length" if written >= options["max_new_tokens"] else "stop",
                },
            )
        )

    def _options(self, asked: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(
            set(asked) - {"max_tokens", "temperature", "top_p", "seed", "tools", "ls_structured_output_format"}
        )
        if unknown:
            raise InputError(f"{', '.join(unknown)} is no option of this model.", where=f"transformers:{self.model}")
        temperature = float(asked.get("temperature", self.temperature))
        sampled = {"temperature": temperature, "top_p": float(asked.get("top_p", self.top_p))} if temperature else {}
        seed = asked.get("seed", self.seed)
        return {
            "max_new_tokens": int(asked.get("max_tokens", self.max_tokens)),
            "do_sample": bool(temperature),
            "seed": seed,
            **sampled,
        }


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


def _prompt(loaded: Loaded, messages: list[BaseMessage], tools: Any) -> Any:
    tokenizer = loaded.tokenizer
    if getattr(tokenizer, "chat_template", None):
        turns = [{"role": _role(one), "content": str(one.text)} for one in messages]
        made = tokenizer.apply_chat_template(
            turns, tools=tools, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        return made["input_ids"]
    text = "\n\n".join(str(one.text) for one in messages)
    return tokenizer(text, return_tensors="pt")["input_ids"]


def _role(message: BaseMessage) -> str:
    if isinstance(message, ToolMessage):
        return "tool"
    return {"human": "user", "ai": "assistant"}.get(message.type, message.type)
