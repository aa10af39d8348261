"""`LLM`: a prompt filled in and sent to a chat model; the text comes back.

Knows prompts and models, nothing of documents.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import RunnableConfig
from pydantic import Field

from ziggurat import models
from ziggurat.chain.spec.registry import ModelName, StageSettings
from ziggurat.chain.stage import CallBound, Param
from ziggurat.errors import InputError
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.prompt_settings import Prompt, as_template, given_settings, open_prompt
from ziggurat.stages.settings import call_bound, model_identity, prompt_identity, spec_setting

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ziggurat.prompts import PromptFile, StoredPrompt


class LLMSettings(StageSettings):
    """A prompt, a model, and how it writes.

    Options that lead elsewhere (an address, a key) belong into the environment and are not settings.
    """

    prompt: Prompt = Field("{prompt}", description="A text with variables in braces, or a list of messages.")
    model: ModelName | None = Field(
        None, description="The model's spec, such as openai:gpt-4.1; left out, the local one."
    )
    name: str | None = Field(None, description="What it is called in traces.")
    temperature: Annotated[float, Field(ge=0)] | None = Field(None, description="0 for the likeliest words every time.")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="The share of probability drawn from.")
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(None, description="Tokens of an answer at most.")
    stop: list[str] | None = Field(None, description="Texts that end the answer.")
    seed: int | None = Field(None, description="Makes sampling repeatable, where the model can.")
    reasoning_effort: str | None = Field(None, description="How much a reasoning model thinks, such as low.")
    context_tokens: Annotated[int, Field(ge=1)] | None = Field(None, description="Of a local model: what it can hold.")
    max_retries: Annotated[int, Field(ge=0)] | None = Field(None, description="Of the provider's client.")

    @property
    def options(self) -> dict[str, Any]:
        """What goes to the model."""
        beside = {"prompt", "model", "name"}
        return {name: getattr(self, name) for name in self.model_fields_set - beside if getattr(self, name) is not None}


class LLM(StageRunnable[str]):
    """Prompt to text.

    Args:
        prompt: A template such as ``"Summarise: {text}"`` (its variables are the stage's inputs),
            or any LangChain prompt, or one of a prompt folder (`PromptFolder.stored`).
        model: A model spec or a LangChain chat model; the local model when none is named.
        name: What to call it in traces.
        options: Further options of the model, such as ``temperature`` or ``max_tokens``.

    Raises:
        InputError: For options beside a model that is open already: it has its own.
    """

    def __init__(
        self,
        prompt: str | BasePromptTemplate[Any] | PromptFile | StoredPrompt = "{prompt}",
        model: str | BaseChatModel | None = None,
        *,
        name: str | None = None,
        **options: Any,
    ) -> None:
        self.prompt = as_template(prompt)
        self._given_prompt = self.prompt if isinstance(prompt, str) else prompt
        if options and not isinstance(model, str | None):
            raise InputError(
                f"{', '.join(options)} cannot be set on a model that is open already.",
                fix="set it where the model is made, or name the model by its spec",
            )
        self.model = models.chat(model, **options)
        self._given = model
        self._options = options
        self.name = name or "LLM"

    Settings = LLMSettings

    @classmethod
    def from_settings(cls, settings: LLMSettings) -> Self:
        """The stage that settings describe."""
        return cls(open_prompt(settings.prompt) or "", settings.model, name=settings.name, **settings.options)

    def settings(self) -> LLMSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model was given open, or its prompt or an option has no written form.
        """
        unnamed = sorted(set(self._options) - set(LLMSettings.model_fields))
        if unnamed:
            raise InputError(
                f"its options {', '.join(unnamed)} are not written into files", fix="set them in the environment"
            )
        return LLMSettings(
            prompt=given_settings(self._given_prompt),
            model=spec_setting(self._given, "model", "LLM"),
            name=None if self.name == "LLM" else self.name,
            **self._options,
        )

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """Prompt, model and options."""
        model = model_identity(self._given, self._options, self.model)
        return self._identity(prompt=prompt_identity(self.prompt), model=model)

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """One call; how much it reads is known with the inputs."""
        prompt = None if inputs is None else self.prompt.format_prompt(**inputs).to_string()
        return [call_bound(self.model, prompt, self._options.get("max_tokens"))]

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The prompt's variables."""
        return tuple(Param(name) for name in self.prompt.input_variables)

    @property
    def stage_output(self) -> Any:
        """Text."""
        return str

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> str:
        message = await self.model.ainvoke(self.prompt.format_prompt(**inputs), config)
        return str(message.text)

    async def _pieces(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AsyncIterator[str]:
        async for chunk in self.model.astream(self.prompt.format_prompt(**inputs), config):
            if text := str(chunk.text):
                yield text
