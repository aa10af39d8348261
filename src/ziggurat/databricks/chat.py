"""`ChatDatabricks`: a chat endpoint of a workspace as a LangChain chat model.

Thin: messages and answers are translated in `messages` and `responses`, sending and patience are `calls`'.
Takes the arguments that people know from the classes of the same name in ``langchain_community`` and
``databricks_langchain``. Invariant: nothing is sent, and no credentials are read, before the first call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, model_validator

from ziggurat.databricks import messages as chat
from ziggurat.databricks import responses
from ziggurat.databricks.endpoint import Endpoint, InWorkspace, called
from ziggurat.errors import InputError

if TYPE_CHECKING:
    from ziggurat.databricks.calls import Calls

_OURS = {"ls_structured_output_format", "stream_usage", "strict", "stream", "model"}


class ChatDatabricks(BaseChatModel, InWorkspace):
    """A chat, agent or external-model endpoint.

    Example:
        ``ChatDatabricks(endpoint="my-chat", temperature=0.1).invoke("hello")``

    Attributes:
        endpoint: The serving endpoint's name; ``model`` is another name for it.
        target_uri: ``databricks``, or ``databricks://PROFILE`` for a profile of ``~/.databrickscfg``.
        temperature: 0 for the likeliest words; None for the endpoint's own.
        n: Answers to each question.
        stop: Texts at which an answer ends.
        max_tokens: The longest answer.
        extra_params: Goes into every request as it is; ``model_kwargs`` is another name for it.
        streaming: Whether ``invoke`` reads a stream too, so that its pieces are told to callbacks.
        stream_usage: Whether a stream tells the tokens it used.
        use_responses_api: Whether to speak the Responses API, as agents deployed on Databricks do.
        host: The workspace; ``DATABRICKS_HOST`` if left out.
        token: A personal access token; ``DATABRICKS_TOKEN`` if left out. ``api_token`` and ``api_key`` are other names for it.
        credentials: Other ways in, as `ziggurat.workspace.access` takes them.
        workspace_client: A ``WorkspaceClient`` that is there already, instead of all these.
        timeout: Seconds of silence before a call is given up.
        max_retries: How often a call is repeated while the endpoint is too busy.
        patience: Seconds within which it is repeated.
    """

    endpoint: str = Field(min_length=1)
    temperature: float | None = None
    n: int = Field(default=1, ge=1)
    stop: list[str] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    extra_params: dict[str, Any] = Field(default_factory=dict)
    streaming: bool = False
    stream_usage: bool = True
    use_responses_api: bool = False

    @model_validator(mode="before")
    @classmethod
    def _known_by_other_names(cls, values: Any) -> Any:
        return called(
            values, {"model": "endpoint", "api_token": "token", "api_key": "token", "model_kwargs": "extra_params"}
        )

    def __call__(self, messages: LanguageModelInput, stop: list[str] | None = None, **kwargs: Any) -> AIMessage:
        """The same as ``invoke``, as LangChain's models were once called."""
        return self.invoke(messages, stop=stop, **kwargs)

    @property
    def model(self) -> str:
        """The endpoint's name."""
        return self.endpoint

    @property
    def _llm_type(self) -> str:
        return "databricks-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"endpoint": self.endpoint, **self._defaults(), "responses": self.use_responses_api}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        told = super()._get_ls_params(stop=stop, **kwargs)
        told["ls_provider"] = chat.PROVIDER
        told["ls_model_name"] = kwargs.get("model") or self.endpoint
        return told

    @cached_property
    def _calls(self) -> Calls:
        return self._opened()

    def _endpoint(self, options: Mapping[str, Any]) -> Endpoint:
        """The endpoint, or another one that a call names as its ``model``."""
        return Endpoint(self._calls, str(options.get("model") or self.endpoint))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain's signature)
        **kwargs: Any,
    ) -> ChatResult:
        return self._result(self._endpoint(kwargs).post(self._request(messages, stop, kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain's signature)
        **kwargs: Any,
    ) -> ChatResult:
        return self._result(await self._endpoint(kwargs).apost(self._request(messages, stop, kwargs)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        read = self._reader()
        for event in self._endpoint(kwargs).events(self._request(messages, stop, kwargs, stream=True)):
            piece = read(event)
            if piece is None:
                continue
            made = ChatGenerationChunk(message=piece)
            if run_manager is not None:
                run_manager.on_llm_new_token(made.text, chunk=made)
            yield made

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        read = self._reader()
        async for event in self._endpoint(kwargs).aevents(self._request(messages, stop, kwargs, stream=True)):
            piece = read(event)
            if piece is None:
                continue
            made = ChatGenerationChunk(message=piece)
            if run_manager is not None:
                await run_manager.on_llm_new_token(made.text, chunk=made)
            yield made

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the model.

        Args:
            tools: Functions, pydantic classes, LangChain tools, or OpenAI tool definitions.
            tool_choice: ``auto`` or None, ``none``; ``any``, ``required`` or True: it must call; a tool's name.
            kwargs: Further options of every call.

        Raises:
            InputError: If ``tool_choice`` names a tool that is not among ``tools``.
        """
        made = [convert_to_openai_tool(tool) for tool in tools]
        options = {} if tool_choice in (None, False) else {"tool_choice": _choice(tool_choice, made)}
        return self.bind(tools=made, **options, **kwargs)

    def with_structured_output(
        self,
        schema: Any = None,
        *,
        method: Literal["function_calling", "json_schema", "json_mode"] = "function_calling",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects of a schema.

        Args:
            schema: A pydantic class, a TypedDict, a JSON schema, or an OpenAI function; may be left out only
                for ``json_mode``.
            method: ``function_calling`` (every endpoint with tools), ``json_schema``, or ``json_mode``.
            include_raw: Return ``{"raw", "parsed", "parsing_error"}`` and raise nothing.
            strict: Whether the endpoint is to keep a ``json_schema`` to the letter.
            kwargs: Further options of every call.

        Raises:
            InputError: If the schema or the method is not one of these.
        """
        from ziggurat.models.structured import structured

        return structured(self, schema, method, include_raw=include_raw, strict=strict, json_mode_holds=False, **kwargs)

    def _defaults(self) -> dict[str, Any]:
        told = {
            "temperature": self.temperature,
            "n": self.n if self.n > 1 else None,
            "stop": self.stop,
            "max_tokens": self.max_tokens,
        }
        return {**{name: value for name, value in told.items() if value is not None}, **self.extra_params}

    def _request(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        options: Mapping[str, Any],
        *,
        stream: bool = False,
    ) -> dict[str, Any]:
        made = {**self._defaults(), **{name: value for name, value in options.items() if name not in _OURS}}
        if stop is not None:
            made["stop"] = stop
        if stream:
            made["stream"] = True
            if options.get("stream_usage", self.stream_usage):
                made.setdefault("stream_options", {"include_usage": True})
        if self.use_responses_api:
            return responses.as_request(messages, made)
        return {**made, "messages": chat.as_sent(messages)}

    def _reader(self) -> Callable[[Mapping[str, Any]], AIMessageChunk | None]:
        return responses.Pieces().read if self.use_responses_api else chat.piece

    def _result(self, reply: Mapping[str, Any]) -> ChatResult:
        where = f"databricks:{self.endpoint}"
        made = [responses.answer(reply, where)] if self.use_responses_api else chat.answers(reply, where)
        return ChatResult(
            generations=[
                ChatGeneration(
                    message=one, generation_info={"finish_reason": one.response_metadata.get("finish_reason")}
                )
                for one in made
            ],
            llm_output={"model_name": self.endpoint},
        )


def _choice(asked: Any, tools: Sequence[Mapping[str, Any]]) -> Any:
    if asked in ("auto", "none", "required"):
        return asked
    if asked is True or asked == "any":
        return "required"
    name = asked.get("function", {}).get("name") if isinstance(asked, Mapping) else asked
    names = [one["function"]["name"] for one in tools if "function" in one]
    if name not in names:
        raise InputError(f"There is no tool {name!r} to choose.", fix=f"one of {', '.join(names)}, auto, any or none")
    return {"type": "function", "function": {"name": name}}
