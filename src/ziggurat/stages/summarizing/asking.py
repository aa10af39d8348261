"""Asking the model: a prompt filled in, an answer whole or piece by piece, what it used, several calls at a time.

Knows prompts and models, nothing of passages and claims.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.stages.language import Language
from ziggurat.stages.prompts import ANSWER_LANGUAGE

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.prompt_values import PromptValue
    from langchain_core.runnables import RunnableConfig

    from ziggurat.stages.prompting import StagePrompt

_In = TypeVar("_In")
_Out = TypeVar("_Out")

FOCUS: dict[Language, str] = {
    "en": "Write only what helps to answer this: {question}",
    "zh": "只写有助于回答下面这个问题的内容：{question}",
    "pt": "Escreva somente o que ajuda a responder a isto: {question}",
}
"""What a prompt's ``focus`` is where there is a question."""


_CONTEXT = 8192
"""What a model is taken to hold that does not say."""


@dataclass(slots=True)
class Writer:
    """One model, asked for one summary.

    Attributes:
        model: Who is asked.
        prompts: What it is told, by the part of the work.
        language: Of the summary.
        question: What the summary is to answer; empty for everything.
        sentences: How many it is to have.
        config: LangChain's configuration of the run.
        streaming: Whether the last call is streamed.
        usage: What was used so far.
        said: Whether the model wrote anything at all.
    """

    model: BaseChatModel
    prompts: Mapping[str, StagePrompt]
    language: Language
    question: str
    sentences: int
    config: RunnableConfig
    streaming: bool
    usage: Usage = field(default=NO_USAGE)
    said: bool = False

    def prompt(self, part: str, **values: Any) -> PromptValue:
        """A prompt in the summary's language."""
        focus = FOCUS.get(self.language, FOCUS["en"]).format(question=self.question) if self.question else ""
        given = {
            "language": ANSWER_LANGUAGE[self.language],
            "sentences": self.sentences,
            "focus": focus,
            "question": self.question,
        }
        return self.prompts[part].filled(self.language, **{**given, **values})

    async def ask(self, part: str, max_tokens: int, **values: Any) -> str:
        """The whole answer to a prompt."""
        message = await self.model.ainvoke(self.prompt(part, **values), self.config, max_tokens=max_tokens)
        self.usage += Usage.of_message(message)
        text = str(message.text)
        self.said = self.said or bool(text.strip())
        return text

    async def stream(self, part: str, max_tokens: int, **values: Any) -> AsyncIterator[str]:
        """The answer piece by piece; in one piece where nothing is streamed."""
        if not self.streaming:
            yield await self.ask(part, max_tokens, **values)
            return
        used = NO_USAGE  # a service may tell it in several pieces
        async for chunk in self.model.astream(self.prompt(part, **values), self.config, max_tokens=max_tokens):
            used += Usage.of_message(chunk)
            text = str(chunk.text)
            self.said = self.said or bool(text.strip())
            yield text
        self.usage += used.as_one_call()


async def several(items: Iterable[_In], work: Callable[[_In], Awaitable[_Out]], at_once: int) -> AsyncIterator[_Out]:
    """Results in the order of the items, so many of them at work at a time.

    Items are taken as they are needed, in a worker thread, since making one may take a moment.
    """
    waiting: deque[asyncio.Future[_Out]] = deque()
    coming = iter(items)
    try:
        while not isinstance(item := await in_thread(lambda: next(coming, _END)), _End):
            waiting.append(asyncio.ensure_future(work(item)))
            if len(waiting) >= at_once:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


class _End:
    pass


_END = _End()


def context_of(model: BaseChatModel) -> int:
    """What a model can hold, in tokens, as far as it says so."""
    told = getattr(model, "context_tokens", None) or (getattr(model, "profile", None) or {}).get("max_input_tokens")
    return told if isinstance(told, int) and told > 0 else _CONTEXT
