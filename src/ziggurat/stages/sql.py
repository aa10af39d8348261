"""`SQL`: a question answered from a database, with the query and the rows it rests on.

How a query comes about is `sql_query`'s; that it can only read, `ziggurat.sql`'s; what is said of its rows,
`sql_saying`'s. What stands in the rows is data: it reaches a model quoted, and no figure reaches the answer that
is not in them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from langchain_core.runnables import RunnableConfig
from pydantic import Field, model_validator

from ziggurat import models
from ziggurat.chain.spec.registry import FolderPath, ModelName, StageSettings
from ziggurat.chain.stage import CallBound, Param
from ziggurat.chain.usage import Usage
from ziggurat.errors import InputError
from ziggurat.sql import Database, Rows
from ziggurat.stages import prompts
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.language import language_of
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.settings import call_bound, model_identity, spec_setting
from ziggurat.stages.text_to_sql import saying
from ziggurat.stages.text_to_sql.answer import SQLAnswer
from ziggurat.stages.text_to_sql.query import Writer

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from sqlalchemy import Engine

_SENTENCE_TOKENS = 120


class SQLSettings(StageSettings):
    """A database and how it is asked: its file or its address, and one of them only."""

    file: FolderPath | None = Field(None, description="A SQLite or DuckDB file.")
    address: str | None = Field(None, description="A SQLAlchemy address without a password in it.")
    tables: list[str] | None = Field(None, description="The only tables that may be read; left out, all.")
    model: ModelName | None = Field(None, description="The model's spec; left out, the local one.")
    rows: Annotated[int, Field(ge=1)] = Field(1000, description="Rows of an answer at most.")
    seconds: Annotated[float, Field(gt=0)] = Field(10.0, description="A query is stopped after this long.")
    samples: Annotated[int, Field(ge=0, le=20)] = Field(4, description="Drafts of a query beside the first.")
    repairs: Annotated[int, Field(ge=0, le=10)] = Field(2, description="How often a failed query is written again.")
    schema_characters: Annotated[int, Field(ge=200)] = Field(3000, description="Of the schema shown, at most.")
    max_tokens: Annotated[int, Field(ge=1)] = Field(300, description="Tokens of a query at most.")
    sentence: bool = Field(default=True, description="Whether a model says the answer; else the rows say it.")
    name: str | None = Field(None, description="What it is called in traces.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.address is None):
            raise ValueError("give the database's file or its address")
        return self


class SQL(StageRunnable[SQLAnswer]):
    """Answer a question from a database.

    Args:
        database: A SQLite or DuckDB file, a SQLAlchemy address or engine, or an open `Database`.
        model: A model spec or a LangChain chat model; the local model when none is named.
        tables: The only tables that may be read.
        rows: Of an answer at most.
        seconds: After which a query is stopped.
        samples: Drafts of a query beside the first; their rows vote.
        repairs: How often the model is told what is wrong, when no draft ran.
        schema_characters: Of the schema that is shown, at most; of a larger one the tables the
            question is about.
        max_tokens: The longest query, in the model's tokens.
        sentence: Whether the model says the answer in a sentence, which is checked; else the rows do.
        query_prompt: Replaces the prompt ``sql.query``.
        repair_prompt: Replaces ``sql.repair``.
        answer_prompt: Replaces ``sql.answer``.
        name: What to call it in traces.

    Inputs: ``question`` (str), and optionally ``notes`` (str): what else is to be observed.
    Output: `SQLAnswer`; ``found`` is False where no query ran.

    Raises:
        InputError: For an empty question, or limits of a database that is open already.
        DatabaseUnavailable: If there is no database, or it cannot be reached.
    """

    def __init__(
        self,
        database: str | Path | Engine | Database,
        model: str | BaseChatModel | None = None,
        *,
        tables: Iterable[str] | None = None,
        rows: int = 1000,
        seconds: float = 10.0,
        samples: int = 4,
        repairs: int = 2,
        schema_characters: int = 3000,
        max_tokens: int = 300,
        sentence: bool = True,
        query_prompt: GivenPrompt = None,
        repair_prompt: GivenPrompt = None,
        answer_prompt: GivenPrompt = None,
        name: str | None = None,
    ) -> None:
        self.tables = None if tables is None else list(tables)
        self.database = (
            database
            if isinstance(database, Database)
            else Database.open(database, rows=rows, seconds=seconds, tables=self.tables)
        )
        self.model = models.chat(model)
        self.writer = Writer(
            self.database,
            self.model,
            StagePrompt("sql.query", query_prompt),
            StagePrompt("sql.repair", repair_prompt),
            samples,
            repairs,
            schema_characters,
            max_tokens,
        )
        self._answer = StagePrompt("sql.answer", answer_prompt)
        self.sentence = sentence
        self._given = (database, model)
        self.name = name or "SQL"

    Settings = SQLSettings

    @classmethod
    def from_settings(cls, settings: SQLSettings) -> Self:
        """The stage that settings describe; its database is opened for reading."""
        given = settings.model_dump(exclude={"file", "address", "model"})
        return cls(settings.file or str(settings.address), settings.model, **given)

    def settings(self) -> SQLSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its database or model was given open, its address holds a password, or a
                prompt was replaced.
        """
        database, model = self._given
        if not isinstance(database, str | Path):
            raise InputError("SQL was given its database open.", fix="give its file or its address")
        if any(one.given is not None for one in (self.writer.query, self.writer.repair, self._answer)):
            raise InputError("SQL was given a prompt of its own, which a file cannot hold.")
        address = isinstance(database, str) and "://" in database
        if address and "@" in str(database) and ":" in str(database).partition("://")[2].rpartition("@")[0]:
            raise InputError("The database's address holds a password.", fix="keep it in the driver's own settings")
        return SQLSettings(
            file=None if address else Path(database),
            address=str(database) if address else None,
            tables=self.tables,
            model=spec_setting(model, "model", "SQL"),
            rows=self.database.limits.rows,
            seconds=self.database.limits.seconds,
            samples=self.writer.samples,
            repairs=self.writer.repairs,
            schema_characters=self.writer.schema_characters,
            max_tokens=self.writer.max_tokens,
            sentence=self.sentence,
            name=None if self.name == "SQL" else self.name,
        )

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The database's file as it is now, its limits, the model and the prompts; None for a server."""
        return self._identity(
            database=self.database.stamp,
            limits=[self.database.limits.rows, self.database.limits.seconds, self.tables or "all"],
            model=model_identity(self._given[1], {}, self.model),
            prompts=[one.identity for one in (self.writer.query, self.writer.repair, self._answer)],
            written=[self.writer.samples, self.writer.repairs, self.writer.schema_characters, self.writer.max_tokens],
            sentence=self.sentence,
        )

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """The drafts, the repairs and the sentence, at most."""
        asked = (
            None if inputs is None else self.writer.prompt(inputs["question"], inputs.get("notes") or "").to_string()
        )
        query = call_bound(self.model, asked, self.writer.max_tokens)
        spoken = call_bound(self.model, "x" * 4000, _SENTENCE_TOKENS)
        return [query] * (1 + self.writer.samples + self.writer.repairs) + [spoken] * self.sentence

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The question, and what else is to be observed."""
        return (Param("question", str), Param("notes", str, required=False))

    @property
    def stage_output(self) -> Any:
        """A `SQLAnswer`."""
        return SQLAnswer

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> SQLAnswer:
        whole = SQLAnswer()
        async for piece in self._pieces(inputs, config):
            whole += piece
        return whole

    async def _pieces(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AsyncIterator[SQLAnswer]:
        question = inputs["question"]
        if not isinstance(question, str) or not question.strip():
            raise InputError(f"{question!r} is not a question.", where=self.get_name(), fix="ask in words")
        written = await self.writer.written(question.strip(), inputs.get("notes") or "", config)
        if written.candidate is None:
            said = saying.no_query(language_of(question))
            yield SQLAnswer(said, found=False, attempts=written.attempts, usage=written.usage)
            return
        rows = written.candidate.rows
        yield SQLAnswer(
            "", rows.query, rows.columns, rows.rows, rows.truncated, attempts=written.attempts, usage=written.usage
        )
        yield await self._said(question, rows, config)

    async def _said(self, question: str, rows: Rows, config: RunnableConfig) -> SQLAnswer:
        """The model's sentence if it holds; else what the rows say by rule."""
        language = language_of(question)
        if not (self.sentence and saying.speakable(rows)):
            return SQLAnswer(saying.by_rule(rows, language))
        prompt = self._answer.filled(
            language,
            language=prompts.ANSWER_LANGUAGE[language],
            question=question,
            rows=saying.as_data(saying.rounded(rows)),
        )
        message = await self.model.ainvoke(prompt, config, max_tokens=_SENTENCE_TOKENS)
        sentence = str(message.text).strip()
        holds = saying.holds(sentence, rows, question)
        return SQLAnswer(sentence if holds else saying.by_rule(rows, language), usage=Usage.of_message(message))
