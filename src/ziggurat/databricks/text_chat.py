"""A text model as a chat model: for custom models and driver applications, which read one text.

A conversation becomes a text: a single question as it is, more than that with who said it. Knows nothing of
Databricks. Invariant: no message is left out.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LLM, BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, get_buffer_string
from langchain_core.outputs import ChatGeneration, ChatResult


class TextChat(BaseChatModel):
    """Asks a text model.

    Attributes:
        llm: Who reads the text and goes on.
    """

    llm: LLM

    @property
    def _llm_type(self) -> str:
        return f"chat-of-{self.llm._llm_type}"  # noqa: SLF001 (LangChain's name for it)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"llm": dict(self.llm._identifying_params)}  # noqa: SLF001 (LangChain's name for it)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain's signature)
        **kwargs: Any,
    ) -> ChatResult:
        return _result(self.llm._call(_text(messages), stop, **kwargs))  # noqa: SLF001

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 (LangChain's signature)
        **kwargs: Any,
    ) -> ChatResult:
        return _result(await self.llm._acall(_text(messages), stop, **kwargs))  # noqa: SLF001


def _text(messages: list[BaseMessage]) -> str:
    if len(messages) == 1:
        return messages[0].text
    return get_buffer_string(messages, human_prefix="User", ai_prefix="Assistant") + "\nAssistant:"


def _result(text: str) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])
