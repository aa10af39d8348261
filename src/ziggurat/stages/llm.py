"""`LLM`: a prompt filled in and sent to a chat model; the text comes back.

Knows prompts and models, nothing of documents.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.prompts import BasePromptTemplate, ChatPromptTemplate
from langchain_core.runnables import RunnableConfig

from ziggurat import models
from ziggurat.chain.stage import Param
from ziggurat.errors import InputError
from ziggurat.stages.base import StageRunnable

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class LLM(StageRunnable[str]):
    """Prompt to text.

    Args:
        prompt: A template such as ``"Summarise: {text}"`` (its variables are the stage's inputs),
            or any LangChain prompt.
        model: A model spec or a LangChain chat model; the local model when none is named.
        name: What to call it in traces.
        options: Further options of the model, such as ``temperature`` or ``max_tokens``.

    Raises:
        InputError: For options beside a model that is open already: it has its own.
    """

    def __init__(
        self,
        prompt: str | BasePromptTemplate[Any] = "{prompt}",
        model: str | BaseChatModel | None = None,
        *,
        name: str | None = None,
        **options: Any,
    ) -> None:
        self.prompt = ChatPromptTemplate.from_template(prompt) if isinstance(prompt, str) else prompt
        if options and not isinstance(model, str | None):
            raise InputError(
                f"{', '.join(options)} cannot be set on a model that is open already.",
                fix="set it where the model is made, or name the model by its spec",
            )
        self.model = models.chat(model, **options)
        self.name = name or "LLM"

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
