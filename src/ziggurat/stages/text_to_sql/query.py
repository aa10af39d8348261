"""From a question to a query that ran: tables chosen, drafts written, mended, run, and the one to trust picked.

The first draft is the model's likeliest; where the next ones give other rows, more are written and the rows
decide. Only when none runs is the model told what is wrong. Says nothing of the rows.
Invariant: whatever the model writes goes through `Database.run`, which checks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig

from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import DatabaseError, QueryRefused, gist
from ziggurat.sql import Database, Schema
from ziggurat.sql.judging import Candidate, agreed, best
from ziggurat.sql.linking import Link, folded, links, relevant
from ziggurat.sql.mending import fitted
from ziggurat.sql.writing import query_in
from ziggurat.stages.language import language_of
from ziggurat.stages.prompting import StagePrompt
from ziggurat.stages.text_to_sql.answer import Attempt
from ziggurat.stages.text_to_sql.examples import NAMES, examples

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.prompt_values import PromptValue

_TEMPERATURE = 0.6
_EARLY = 2
"""Drafts beside the first that must agree with it, so that no more are written."""
_SHOWN_LINKS = 6
_SHOWN_ERROR = 300


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a question.

    Attributes:
        candidate: The query to trust, with its rows; None if none ran.
        attempts: All that was tried.
        usage: What the model used.
    """

    candidate: Candidate | None
    attempts: tuple[Attempt, ...]
    usage: Usage


@dataclass(frozen=True)
class Writer:
    """Writes queries for one database.

    Args:
        database: The database.
        model: Who writes.
        query: The prompt ``sql.query``.
        repair: The prompt ``sql.repair``.
        samples: Drafts beside the first.
        repairs: How often the model is told what is wrong, at most.
        schema_characters: Of the schema that is shown, at most.
        max_tokens: The longest query, in the model's tokens.
    """

    database: Database
    model: BaseChatModel
    query: StagePrompt
    repair: StagePrompt
    samples: int
    repairs: int
    schema_characters: int
    max_tokens: int

    def prompt(self, question: str, notes: str = "") -> PromptValue:
        """What the model is asked; reads the database's values, which may take a moment."""
        return self._asked(question, notes, *self._about(question))

    async def written(self, question: str, notes: str, config: RunnableConfig) -> Written:
        """The query to trust for a question."""
        found, schema = await asyncio.to_thread(self._about, question)
        asked = self._asked(question, notes, found, schema)
        tried = await self._drafts(question, asked, range(1 + min(self.samples, _EARLY)), config)
        candidates = _ran(tried)
        if self.samples > _EARLY and not (len(candidates) > _EARLY and agreed(candidates)):
            tried += await self._drafts(question, asked, range(1 + _EARLY, 1 + self.samples), config)
        for _ in range(self.repairs):
            if _ran(tried):
                break
            tried.append(await self._again(question, asked, tried[-1].attempt, config))
        return Written(
            best(_ran(tried), question, found),
            tuple(one.attempt for one in tried),
            sum((one.usage for one in tried), NO_USAGE),
        )

    def _about(self, question: str) -> tuple[list[Link], Schema]:
        found = links(self.database, question)
        return found, relevant(self.database.schema(), question, found, self.schema_characters)

    def _asked(self, question: str, notes: str, found: Sequence[Link], schema: Schema) -> PromptValue:
        language = language_of(question)
        named = [f"-- {link.table}.{link.column} = {link.literal}" for link in found[:_SHOWN_LINKS]]
        return self.query.filled(
            language,
            dialect=NAMES.get(self.database.dialect, self.database.dialect or "SQL"),
            examples=examples(self.database.dialect, language),
            schema=schema.text(),
            values="\n".join(["-- Values in the question:", *named]) if named else "",
            question=question,
            notes=notes,
        )

    async def _drafts(self, question: str, asked: PromptValue, numbers: range, config: RunnableConfig) -> list[_Tried]:
        return list(await asyncio.gather(*(self._draft(question, asked, number, config) for number in numbers)))

    async def _draft(self, question: str, asked: PromptValue, number: int, config: RunnableConfig) -> _Tried:
        options: dict[str, Any] = {"max_tokens": self.max_tokens}
        if number:
            options["temperature"] = _TEMPERATURE
        if "seed" in type(self.model).model_fields:
            options["seed"] = number
        message = await self.model.ainvoke(asked, config, stop=[";"], **options)
        return await asyncio.to_thread(self._try, question, str(message.text), Usage.of_message(message))

    async def _again(self, question: str, asked: PromptValue, last: Attempt, config: RunnableConfig) -> _Tried:
        prompt = self.repair.filled(
            language_of(question), asked=asked.to_messages(), query=last.query, error=last.error[:_SHOWN_ERROR]
        )
        message = await self.model.ainvoke(prompt, config, max_tokens=self.max_tokens)
        return await asyncio.to_thread(self._try, question, str(message.text), Usage.of_message(message))

    def _try(self, question: str, reply: str, usage: Usage) -> _Tried:
        """Mend what the model wrote, and run it; as it stands where it cannot be mended."""
        raw = query_in(reply) or reply.strip()
        query = fitted(raw, self.database.schema(), self.database.values, question) or raw
        mended = folded(query) != folded(raw)
        try:
            rows = self.database.run(query)
        except QueryRefused as error:
            return _Tried(Attempt(raw, gist(error)), usage)
        except DatabaseError as error:
            return _Tried(Attempt(query, gist(error), mended=mended), usage)
        return _Tried(Attempt(rows.query, "", len(rows), mended), usage, Candidate(rows.query, rows, mended))


@dataclass(frozen=True, slots=True)
class _Tried:
    attempt: Attempt
    usage: Usage
    candidate: Candidate | None = None


def _ran(tried: Sequence[_Tried]) -> list[Candidate]:
    return [one.candidate for one in tried if one.candidate is not None]
