"""`TransformersChat`: a LangChain chat model over the transformers library.

Names, options and LangChain's chunks; how an answer is written is `generation`'s, in this process or in one that
processes share. Stop words are cut out of the answer, also while it streams, and a stream that is left ends the
generation.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from ziggurat.errors import InputError
from ziggurat.models.shared import sharing
from ziggurat.models.transformers.generation import Asked, Counted, count, written
from ziggurat.models.transformers.loading import Which


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
        client = sharing()
        if client is None:
            return count(self._which(), text)
        from ziggurat.models.shared.engines import shared_count

        return shared_count(client, self._which(), text)

    def _which(self) -> Which:
        return Which(self.model, self.revision, self.device, self.dtype)

    def _written(self, asked: Asked) -> Generator[str | Counted]:
        """The answer of this process's model, or of the one it shares with others."""
        client = sharing()
        if client is None:
            return written(asked)
        from ziggurat.models.shared.engines import shared_writing

        return shared_writing(client, asked)

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
        turns = tuple((_role(one), str(one.text)) for one in messages)
        asked = Asked(self._which(), turns, kwargs.get("tools"), options, tuple(stops))
        with closing(self._written(asked)) as pieces:
            for piece in pieces:
                if isinstance(piece, Counted):
                    yield self._last(piece, options["max_new_tokens"])
                    return
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager is not None:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk

    def _last(self, counted: Counted, most: int) -> ChatGenerationChunk:
        """The chunk that ends an answer."""
        read, wrote = counted.read, counted.written
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=UsageMetadata(input_tokens=read, output_tokens=wrote, total_tokens=read + wrote),
                response_metadata={"model_name": self.model, "finish_reason": "length" if wrote >= most else "stop"},
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


def _role(message: BaseMessage) -> str:
    if isinstance(message, ToolMessage):
        return "tool"
    return {"human": "user", "ai": "assistant"}.get(message.type, message.type)
