"""What a conversation asks of a model about its past: a summary of older turns, a question that stands alone.

Works on any LangChain history; which part of it is shown is `ziggurat.memory`'s business. A rewritten
question is trusted only as far as its words come from the conversation; else the question stays as it
was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from ziggurat.chain.stage import CallBound
from ziggurat.chain.usage import NO_USAGE, Usage, estimated_tokens
from ziggurat.memory import Window, summary_message, window_of
from ziggurat.stages.evidence import content
from ziggurat.stages.language import Language, language_of
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.settings import call_bound

if TYPE_CHECKING:
    from langchain_core.chat_history import BaseChatMessageHistory
    from langchain_core.language_models import BaseChatModel

_SAID_BY: dict[Language, tuple[str, str]] = {
    "en": ("Person: ", "Assistant: "),
    "zh": ("用户：", "助手："),
    "pt": ("Pessoa: ", "Assistente: "),
    "es": ("Persona: ", "Asistente: "),
}
_CONDENSED_TOKENS, _SUMMARY_TOKENS, _LONGEST_QUESTION = 80, 250, 400
_TURNS_FOR_A_QUESTION = 6
_LONGEST_TURN = 600
_FROM_THE_CONVERSATION = 0.7
"""The share of a rewritten question's words that must have been said."""


class Remembering:
    """The past of conversations, as a model is shown it.

    Args:
        model: Writes summaries and rewrites questions.
        tokens: Room for earlier turns as they were said.
        condense: Replaces the prompt ``conversation.condense``.
        summary: Replaces the prompt ``conversation.summary``.
    """

    def __init__(
        self, model: BaseChatModel, tokens: int, *, condense: GivenPrompt = None, summary: GivenPrompt = None
    ) -> None:
        self.model = model
        self.tokens = tokens
        self.condense = StagePrompt("conversation.condense", condense)
        self.summary = StagePrompt("conversation.summary", summary)

    async def shown(self, history: BaseChatMessageHistory, config: RunnableConfig) -> tuple[Window, Usage]:
        """What of a history is shown now; turns there is no more room for are summarised first."""
        window = window_of(await history.aget_messages(), self.tokens, estimated_tokens)
        if not window.overdue:
            return window, NO_USAGE
        language = language_of(str(window.overdue[-1].text))
        prompt = self.summary.filled(language, summary=window.summary, history=_lines(window.overdue, language))
        message = await self.model.ainvoke(prompt, config, max_tokens=_SUMMARY_TOKENS)
        text, covered = str(message.text).strip(), window.covered + len(window.overdue)
        if text:  # a model that says nothing is asked again with the next turn
            await history.aadd_messages([summary_message(text, covered)])
            window = Window(text, (), window.recent, covered)
        return window, Usage.of_message(message)

    async def alone(self, question: str, window: Window, config: RunnableConfig) -> tuple[str, Usage]:
        """The question so that it can be understood without what was said before."""
        if not window.messages:
            return question, NO_USAGE
        language = language_of(question)
        turns = _lines(window.recent[-_TURNS_FOR_A_QUESTION:], language)
        known = "\n".join(part for part in (window.summary, turns) if part)
        prompt = self.condense.filled(language, history=known, question=question)
        message = await self.model.ainvoke(prompt, config, max_tokens=_CONDENSED_TOKENS)
        usage = Usage.of_message(message)
        lines = [line.strip().strip('"“”') for line in str(message.text).splitlines() if line.strip()]
        if not lines or len(lines[0]) > _LONGEST_QUESTION or language_of(lines[0]) != language:
            return question, usage
        words, asked, there = (set(content(text)) for text in (lines[0], question, f"{known} {question}"))
        about_it = bool(words & asked) if asked else bool(words)
        said = len(words & there) >= _FROM_THE_CONVERSATION * len(words)
        return lines[0] if about_it and said else question, usage

    def bounds(self, *, condensed: bool) -> list[CallBound]:
        """The calls of a turn at most: a summary, and a question if ``condensed``."""
        most = "x" * (6 * self.tokens)
        summary = call_bound(self.model, most, _SUMMARY_TOKENS)
        return [summary, call_bound(self.model, most, _CONDENSED_TOKENS)] if condensed else [summary]


def _lines(messages: Sequence[BaseMessage], language: Language) -> str:
    person, assistant = _SAID_BY[language]
    return "\n".join(
        (assistant if isinstance(one, AIMessage) else person) + " ".join(str(one.text).split())[:_LONGEST_TURN]
        for one in messages
    )
