"""`Extract`: data of a given form out of a text, a document or a web page, each value with its place.

The model is held to the schema and told what is wrong (`structured`); every value is looked up in the
text (`grounding`). What stands nowhere is asked for once more, from the lines that speak of it; what
then still stands nowhere is left out where the schema allows that, and else marked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig
from pydantic import Field

from ziggurat import models
from ziggurat.chain.spec.registry import ModelName, StageSettings
from ziggurat.chain.stage import CallBound, Param
from ziggurat.chain.usage import Usage
from ziggurat.errors import InputError
from ziggurat.loaders.document import SourceDocument
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.extracted import Extracted, Grounds, Part, grounded, grounds_of, merged
from ziggurat.stages.grounding import Ground
from ziggurat.stages.language import language_of
from ziggurat.stages.prompting import GivenPrompt, StagePrompt
from ziggurat.stages.reading import lines_about, parts_of
from ziggurat.stages.settings import call_bound, model_identity, spec_setting
from ziggurat.stages.shapes import AnyShape, Shape
from ziggurat.stages.structured import ask

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_FIELD_TOKENS = 60
_AT_ONCE = 4
_NOTHING = frozenset({"null", "none", "n/a", "nothing"})


class ExtractSettings(StageSettings):
    """What to extract, and with which model."""

    fields: dict[str, Any] = Field(
        description="Names of fields with their descriptions, or a JSON Schema of an object."
    )
    reads: Literal["text", "source"] = Field(
        "text", description="Whether the input is a text, or names a file or a page."
    )
    instructions: str = Field("", description="What else the model should know.")
    model: ModelName | None = Field(None, description="The model's spec; left out, the local one.")
    attempts: Annotated[int, Field(ge=1, le=10)] = Field(
        3, description="Calls for the data at most, where it does not fit."
    )
    part_characters: Annotated[int, Field(ge=200)] = Field(6000, description="Characters the model reads at once.")
    verbatim: bool = Field(default=True, description="Whether values are words of the text.")
    name: str | None = Field(None, description="What it is called in traces.")


class Extract(StageRunnable[Extracted]):
    """Take data out of a text.

    Args:
        schema: What to extract: a pydantic class, a JSON Schema, `ResponseSchema` fields, or names of
            fields with their descriptions.
        model: A model spec or a LangChain chat model; the local model when none is named.
        reads: ``"text"``: the input is ``text``, a text or documents. ``"source"``: it is ``source``,
            whatever `ziggurat.loaders.load` takes: a path, the address of a page.
        instructions: What else the model should know.
        attempts: Calls for the data at most, where an answer does not fit the schema.
        part_characters: Characters the model reads at once; longer texts are read in parts.
        verbatim: Whether values are words of the text, so that one that stands nowhere is asked for once
            more, and left out where the schema allows that; False where the model may put it in its own words.
        prompt: Replaces the prompt ``extract``.
        load: Options for the loader, such as ``{"allow": ["intranet.example"]}``.
        name: What to call it in traces.

    Output: `Extracted`.

    Raises:
        InputError: For no schema, or an empty text.
        StructureError: If no answer of the model fits the schema.
    """

    def __init__(
        self,
        schema: AnyShape,
        model: str | BaseChatModel | None = None,
        *,
        reads: Literal["text", "source"] = "text",
        instructions: str = "",
        attempts: int = 3,
        part_characters: int = 6000,
        verbatim: bool = True,
        prompt: GivenPrompt = None,
        load: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.shape = Shape(schema)
        self.model = models.chat(model)
        self._given = model
        self.reads = reads
        self.instructions = instructions
        self.attempts = attempts
        self.part_characters = part_characters
        self.verbatim = verbatim
        self._load = dict(load or {})
        self._prompt = StagePrompt("extract", prompt)
        self._field = StagePrompt("extract.field")
        self.name = name or "Extract"

    Settings = ExtractSettings

    @classmethod
    def from_settings(cls, settings: ExtractSettings) -> Self:
        """The stage that settings describe."""
        return cls(
            settings.fields,
            settings.model,
            reads=settings.reads,
            instructions=settings.instructions,
            attempts=settings.attempts,
            part_characters=settings.part_characters,
            verbatim=settings.verbatim,
            name=settings.name,
        )

    def settings(self) -> ExtractSettings:
        """The settings that describe this stage.

        Raises:
            InputError: If its model was given open, or it has a prompt of its own.
        """
        if self._prompt.given is not None or self._load:
            raise InputError("Extract was given a prompt or a loader's options, which a file does not hold.")
        return ExtractSettings(
            fields=self.shape.schema,
            reads=self.reads,
            instructions=self.instructions,
            model=spec_setting(self._given, "model", "Extract"),
            attempts=self.attempts,
            part_characters=self.part_characters,
            verbatim=self.verbatim,
            name=None if self.name == "Extract" else self.name,
        )

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """The schema, the model and the prompts; None where pages are fetched, which change."""
        if self.reads == "source":
            return None
        return self._identity(
            schema=self.shape.schema,
            model=model_identity(self._given, {}, self.model),
            prompts=[self._prompt.identity, self._field.identity],
            how=[self.instructions, self.attempts, self.part_characters, self.verbatim],
        )

    def stage_bounds(self, inputs: Mapping[str, Any] | None) -> list[CallBound]:
        """A call for each part, as often as it may be tried."""
        given = inputs["text"] if inputs and self.reads == "text" else ""
        parts = parts_of(given, self.part_characters) if given else [Part("x" * self.part_characters)]
        return [call_bound(self.model, one.text + self.shape.text) for one in parts] * self.attempts

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The text, or what names it."""
        return (Param("source", Any),) if self.reads == "source" else (Param("text", str | Document | list[Document]),)

    @property
    def stage_output(self) -> Any:
        """`Extracted`."""
        return Extracted

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Extracted:
        parts = await self._parts(inputs)
        limit = asyncio.Semaphore(_AT_ONCE)

        async def read(part: Part) -> Any:
            async with limit:
                language = language_of(part.text[:2000])
                asked = self._prompt.filled(
                    language, schema=self.shape.text, instructions=self.instructions, text=part.text
                )
                return await ask(
                    self.model, asked.to_messages(), self.shape, config, attempts=self.attempts, language=language
                )

        found = await asyncio.gather(*map(read, parts))
        grounds = grounds_of(parts)
        data = merged([one.value for one in found], grounds) if len(found) > 1 else dict(found[0].value)
        usage = sum((one.usage for one in found[1:]), found[0].usage)
        if self.verbatim:
            usage += await self._mend(data, grounds, config)
        places, nowhere = grounded(data, grounds)
        return Extracted(
            self.shape.made(data), tuple(places), tuple(nowhere), max(one.attempts for one in found), usage
        )

    async def _parts(self, inputs: Mapping[str, Any]) -> list[Part]:
        if self.reads == "text":
            parts = parts_of(inputs["text"], self.part_characters)
        else:
            from ziggurat.loaders import load

            source = inputs["source"]
            documents: list[SourceDocument] = await asyncio.to_thread(lambda: list(load(source, **self._load)))
            parts = [part for one in documents for part in parts_of(one, self.part_characters)]
        if not parts:
            raise InputError("There is no text to extract from.", where=self.get_name())
        return parts

    async def _mend(self, data: dict[str, Any], grounds: Grounds, config: RunnableConfig) -> Usage:
        """Ask once more for each text that stands nowhere; leave it out if it still does not and may be left out."""
        usage = Usage()
        abouts = self.shape.fields()
        for name in grounded(data, grounds)[1]:
            if name not in abouts or not isinstance(data[name], str):
                continue  # inside a list or an object: it is marked
            lines = lines_about(f"{name.replace('_', ' ')} {abouts[name]}", [part for part, _ in grounds])
            asked = self._field.filled(language_of(lines), name=name.replace("_", " "), about=abouts[name], text=lines)
            message = await self.model.ainvoke(asked, config, max_tokens=_FIELD_TOKENS)
            usage += Usage.of_message(message)
            for said in _candidates(str(message.text)):
                changed = {**data, name: said}
                if Ground(lines).find(said) and not self.shape.problems(changed):
                    data[name] = said
                    break
            else:
                if self.shape.nullable(name) and not self.shape.problems({**data, name: None}):
                    data[name] = None
        return usage


def _candidates(said: str) -> list[str]:
    """What of a reply may be the value: its first line, without what stands before a colon, and without quotes."""
    line = said.strip().splitlines()[0].strip() if said.strip() else ""
    after = re.split(r"[:：]\s*", line, maxsplit=1)[-1]
    stripped = (one.strip(" \"'“”`.。") for one in (line, after))
    return list(dict.fromkeys(one for one in stripped if one and one.casefold() not in _NOTHING))
