"""`LocalChat`: a chat model of LangChain that runs on this machine, with no key and no network.

Brings together the room's other files: messages become turns (`messages`), a reply is computed
(`reply`) on a shared engine (`engine`) in a worker thread (`relay`). Decides nothing itself
but names and options. Invariant: making one is free; weights are fetched and loaded at the first answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from functools import cache
from pathlib import Path
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from ziggurat.errors import InputError
from ziggurat.models.llama.engine import ChatEngine, EngineSettings, engine, physical_cores
from ziggurat.models.llama.messages import turns
from ziggurat.models.llama.relay import aiterate, iterate
from ziggurat.models.llama.reply import Ask, reply
from ziggurat.models.llama.tools import Choice, signature
from ziggurat.models.shared import sharing
from ziggurat.models.structured import structured
from ziggurat.models.weights import catalogue
from ziggurat.specs import DEFAULTS

_SAMPLING = {"temperature", "top_p", "seed", "max_tokens"}
_NOT_FOR_US = {"stream", "strict", "ls_structured_output_format", "stream_usage"}
"""Options other readers of a call's keywords use; they change nothing here."""


class LocalChat(BaseChatModel):
    """A chat model on llama.cpp, in process (or, after `share_local_models`, in one that processes share).

    All objects with the same weights, context and threads share one loaded model, which answers
    one request at a time. Closing a stream early, or cancelling the task that reads it, stops the
    computation at the next token, or within 256 tokens of a prompt being read.

    A prompt that does not fit raises `ContextLengthError` before anything is computed. An answer
    never outgrows the context: when ``max_tokens`` asks for more than what the prompt leaves, the
    answer ends there with the finish reason ``length``.

    Tools and structured output hold the model to a JSON schema while it writes, so a call always
    parses and names a tool that was bound; whether a small model calls *wisely* is another matter.

    Args:
        model: A chat model of the catalogue, with or without ``local:``, or the path of a .gguf file.
        context_tokens: Tokens of prompt and answer together that the model can hold.
        threads: CPU threads; the physical cores this process may use by default.
        temperature: 0 picks the likeliest token every time.
        top_p: Share of probability that sampling draws from.
        max_tokens: Tokens of an answer at most; None for as many as the context holds.
        seed: Makes sampling repeatable.
        stop: Texts that end the answer; they are not part of it.
        timeout: Seconds an answer may take in all; `ModelUnavailable` after that.
        prompt_cache: Whether what earlier prompts computed is used again. Without it an answer depends on its own
            prompt alone, to the last word, and each prompt is read whole; with it rounding may differ with
            what was asked before, and now and then a word.
        max_retries: Accepted as LangChain's standard parameter; nothing here fails for a moment only.
    """

    model: str = DEFAULTS["chat"]
    context_tokens: int = Field(default=4096, ge=64)
    threads: int = Field(default_factory=physical_cores, ge=1)
    temperature: float = Field(default=0.0, ge=0.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: int | None = Field(default=1024, ge=1)
    seed: int | None = None
    stop: list[str] | None = None
    timeout: float | None = Field(default=None, gt=0.0)
    prompt_cache: bool = True
    max_retries: int = 0
    streaming: bool = False

    @property
    def spec(self) -> str:
        """The model spec that opens this model."""
        return f"local:{self.model.removeprefix('local:')}"

    @property
    def _llm_type(self) -> str:
        return "ziggurat-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """What an answer depends on; the threads do not change it."""
        names = ("model", "context_tokens", "temperature", "top_p", "max_tokens", "seed", "stop")
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider="ziggurat-local",
            ls_model_name=kwargs.get("model", self.model),
            ls_model_type="chat",
            ls_temperature=kwargs.get("temperature", self.temperature),
        )
        max_tokens = kwargs.get("max_tokens", self.max_tokens)
        if max_tokens is not None:
            params["ls_max_tokens"] = max_tokens
        if stop or self.stop:
            params["ls_stop"] = stop or self.stop
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 (tokens are told only when streaming)
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(map(_generation, iterate(self._produce(messages, stop, kwargs))))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 (the same)
        **kwargs: Any,
    ) -> ChatResult:
        chunks = aiterate(self._produce(messages, stop, kwargs))
        return await agenerate_from_stream(_generation(chunk) async for chunk in chunks)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with closing(iterate(self._produce(messages, stop, kwargs))) as chunks:
            for chunk in chunks:
                made = _generation(chunk)
                if run_manager:
                    run_manager.on_llm_new_token(made.text, chunk=made)
                yield made

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(aiterate(self._produce(messages, stop, kwargs))) as chunks:
            async for chunk in chunks:
                made = _generation(chunk)
                if run_manager:
                    await run_manager.on_llm_new_token(made.text, chunk=made)
                yield made

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        parallel_tool_calls: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the model.

        Args:
            tools: Functions, pydantic classes, LangChain tools, or OpenAI tool definitions.
            tool_choice: ``auto`` or None: the model decides; ``any``, ``required`` or True: it must
                call; a tool's name: it must call that one; ``none``: it must not.
            parallel_tool_calls: Whether one answer may hold several calls. Off by default: a
                small model that may repeat itself does.
            kwargs: Further options of every call.

        Raises:
            InputError: If ``tool_choice`` names a tool that is not among ``tools``.
        """
        made = [convert_to_openai_tool(tool) for tool in tools]
        Choice.parse(tool_choice, made)
        return self.bind(tools=made, tool_choice=tool_choice, parallel_tool_calls=parallel_tool_calls, **kwargs)

    def with_structured_output(
        self,
        schema: Any = None,
        *,
        method: Literal["json_schema", "json_mode", "function_calling"] = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects of a schema.

        Args:
            schema: A pydantic class (v1 or v2), a TypedDict, a JSON schema, or an OpenAI function.
                May be left out only for ``json_mode``.
            method: ``json_schema`` holds the text of the answer to the schema, ``function_calling``
                the arguments of a call; ``json_mode`` is ``json_schema`` when a schema is given, and
                any JSON object when not.
            include_raw: Return ``{"raw", "parsed", "parsing_error"}`` and raise nothing.
            strict: Accepted for LangChain's sake; the schema is always kept strictly.
            kwargs: Further options of every call.

        Raises:
            InputError: If the schema or the method is not one of these.
        """
        return structured(self, schema, method, include_raw=include_raw, strict=strict, json_mode_holds=True, **kwargs)

    def get_token_ids(self, text: str) -> list[int]:
        """The model's own token ids of a text."""
        return self._engine(self.model).tokens(text)

    def get_num_tokens(self, text: str) -> int:
        """Exact tokens of a text, without the chat form around it."""
        return self._engine(self.model).count_text(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Exact tokens of the prompt these messages become, tools and chat form included; nothing is computed."""
        made = [convert_to_openai_tool(tool) for tool in tools or ()]
        return self._engine(self.model).count_request({"messages": turns(messages, tools=made)})

    def _engine(self, model: str) -> ChatEngine:
        """This process's engine, or the one it shares with others."""
        weights, client = _weights(_bare(model)), sharing()
        if client is None:
            return engine(EngineSettings(weights, self.context_tokens, self.threads))
        from ziggurat.models.shared.engines import SharedChatEngine

        return SharedChatEngine(client, weights=weights, context_tokens=self.context_tokens, threads=self.threads)

    def _produce(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Callable[[Callable[[AIMessageChunk | None], bool]], None]:
        """The blocking work of one answer; what can be refused is refused now."""
        model = str(options.get("model") or self.model)
        ask = self._ask(model, messages, stop, options)
        return lambda emit: reply(self._engine(model), ask, emit)

    def _ask(self, model: str, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> Ask:
        known = _SAMPLING | _NOT_FOR_US | {"model", "tools", "tool_choice", "parallel_tool_calls", "response_format"}
        unknown = sorted(options.keys() - known)
        if unknown:
            raise InputError(
                f"The local chat model has no option {unknown[0]!r}.",
                fix=f"its options for a call: {', '.join(sorted(known - _NOT_FOR_US))}, stop",
            )
        tools = list(options.get("tools") or ())
        parallel = bool(options.get("parallel_tool_calls"))
        choice = Choice.parse(options.get("tool_choice"), tools, parallel=parallel)
        response_format = options.get("response_format")
        schema = (response_format or {}).get("json_schema", {}).get("schema")
        sampling = {name: options.get(name, getattr(self, name)) for name in _SAMPLING}
        request: dict[str, Any] = {name: value for name, value in sampling.items() if value is not None}
        request["messages"] = turns(messages, tools=tools if choice.kind != "none" else (), schema=schema)
        if not self.prompt_cache:
            request["cache_prompt"] = False
        if response_format is not None:
            request["response_format"] = response_format
            choice = Choice("none", ()) if choice.kind == "auto" else choice
        if stop or self.stop:
            request["stop"] = stop or self.stop
        return Ask(
            request=request,
            model_name=f"local:{_bare(model)}",
            tools=tools,
            choice=choice,
            answered=_answered(messages),
            timeout=self.timeout,
        )


def _generation(chunk: AIMessageChunk) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=chunk)


def _bare(model: str) -> str:
    return model.removeprefix("local:")


def _answered(messages: Sequence[BaseMessage]) -> frozenset[str]:
    """Calls since the last human message that succeeded; making one again would bring nothing new."""
    results = [message for message in messages if isinstance(message, ToolMessage)]
    succeeded = {result.tool_call_id for result in results if result.status != "error"}
    made: set[str] = set()
    for message in messages:
        if message.type == "human":
            made.clear()
        elif isinstance(message, AIMessage):
            made |= {signature(call["name"], call["args"]) for call in message.tool_calls if call["id"] in succeeded}
    return frozenset(made)


@cache
def _weights(name: str) -> Path:
    """The file of weights behind a name; fetched if the catalogue's copy is not here yet."""
    if name.endswith(".gguf"):
        return Path(name).expanduser().resolve()
    entry = catalogue.entry(name)
    if entry.kind != "chat":
        raise InputError(f"local:{name} is no chat model but makes {entry.kind}.", fix="see the catalogue for names")
    return catalogue.fetch(name) / "model.gguf"
