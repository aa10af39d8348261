"""One prompt as a file: what it is for, its version, its variables, and its turns in each language.

    name: greeting
    version: 1
    about: Greet somebody.
    variables: {person: Who is greeted., tone: How.}
    partial: {tone: warmly}
    prompts:
      en:
        - system: Greet people {tone}.
        - human: "{person}"

A value is checked whole when it is read: every language uses declared variables only, and the ones in
``needs`` in each. Reads and writes YAML; where files lie is `folder`'s and `shipped`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    MessagesPlaceholder,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ziggurat.errors import InputError
from ziggurat.suggest import did_you_mean

NAME = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$"
"""Words with dots between them, such as ``summarize.map``."""

LONGEST = 1_000_000
"""Bytes of a prompt file at most."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FewShot(_Part):
    """Examples that are shown to a model as turns of a conversation."""

    turns: list[PromptTurn] = Field(min_length=1, description="One example, with {variables}.")
    values: list[dict[str, str]] = Field(min_length=1, description="The variables of each example.")

    def template(self) -> FewShotChatMessagePromptTemplate:
        """As LangChain has it."""
        one = ChatPromptTemplate.from_messages([turn.message() for turn in self.turns])
        missing = sorted({name for name in one.input_variables for given in self.values if name not in given})
        if missing:
            raise ValueError(f"an example lacks {', '.join(missing)}")
        return FewShotChatMessagePromptTemplate(example_prompt=one, examples=list(self.values))


class PromptTurn(_Part):
    """One turn of a prompt: exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    system: str | None = Field(None, description="What the model is told to be; {variables} in braces.")
    human: str | None = Field(None, description="What a person says.")
    ai: str | None = Field(None, description="What the model said, as an example.")
    messages: str | None = Field(None, description="The input that holds messages to put here.")
    examples: FewShot | None = Field(None, description="Examples to put here.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("one of system, human, ai, messages and examples")
        return self

    def message(self) -> Any:
        """As LangChain has it."""
        if self.examples is not None:
            return self.examples.template()
        if self.messages is not None:
            return MessagesPlaceholder(self.messages)
        ((role, text),) = self.model_dump(exclude_unset=True).items()
        return role, text


FewShot.model_rebuild()


class PromptFile(_Part):
    """A prompt with all that belongs to it.

    Attributes:
        name: Words with dots between them, such as ``summarize.map``.
        version: From 1; a change of words is a new version.
        about: One sentence.
        variables: What each stands for.
        needs: Variables that every wording of this prompt must use, a person's replacement too.
        partial: Values of variables that need not be given.
        instead: Languages that the words of another one serve better, where that was measured: ``{zh: en}``.
        prompts: The turns by language, such as ``en``; the first language serves where one is missing.
    """

    name: str = Field(pattern=NAME)
    version: int = Field(1, ge=1)
    about: str = ""
    variables: dict[str, str] = Field(default_factory=dict)
    needs: list[str] = Field(default_factory=list)
    partial: dict[str, str] = Field(default_factory=dict)
    instead: dict[str, str] = Field(default_factory=dict)
    prompts: dict[str, list[PromptTurn]] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for language in self.prompts:
            try:
                used = self._template(language).input_variables
            except ValueError as error:
                raise ValueError(f"{language}: {error}") from error
            self.check(used, language)
        for language in self.instead.values():
            if language not in self.prompts:
                raise ValueError(f"instead: there is no {language!r}")
        for name in (*self.needs, *self.partial):
            if name not in self.variables:
                raise ValueError(f"{name!r} is not among the variables")
        return self

    def check(self, used: Sequence[str], where: str) -> None:
        """Refuse variables that nobody would fill in, and the lack of one that must be there.

        Raises:
            ValueError: Naming them.
        """
        for name in used:
            if name not in self.variables:
                known = ", ".join(self.variables) or "no variables"
                raise ValueError(
                    f"{where}: nobody gives {{{name}}}{did_you_mean(name, self.variables)}; there is {known}"
                )
        missing = [name for name in self.needs if name not in used and name not in self.partial]
        if missing:
            raise ValueError(f"{where}: {', '.join(f'{{{name}}}' for name in missing)} must be in it")

    def _template(self, language: str) -> ChatPromptTemplate:
        return ChatPromptTemplate.from_messages([turn.message() for turn in self.prompts[language]])

    def language(self, wanted: str) -> str:
        """The language that serves for one: itself, the one that serves better, or the first of the file."""
        wanted = self.instead.get(wanted, wanted)
        return wanted if wanted in self.prompts else next(iter(self.prompts))

    def template(self, language: str = "en", *, exact: bool = False) -> ChatPromptTemplate:
        """The LangChain prompt in a language, its partial variables filled in.

        Args:
            language: Of the question.
            exact: These very words, whichever serve better; they must be there.
        """
        made = self._template(language if exact else self.language(language))
        given = {name: value for name, value in self.partial.items() if name in made.input_variables}
        filled: ChatPromptTemplate = made.partial(**given) if given else made
        return filled

    def with_partial(self, values: Mapping[str, str]) -> PromptFile:
        """The same with further values filled in.

        Raises:
            InputError: If there is no such variable.
        """
        for name in values:
            if name not in self.variables:
                raise InputError(
                    f"The prompt {self.name} has no variable {name!r}{did_you_mean(name, self.variables)}."
                )
        return self.model_copy(update={"partial": {**self.partial, **values}}) if values else self

    def yaml(self) -> str:
        """The file's text."""
        data = self.model_dump(exclude_unset=True)
        return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


class _Loader(yaml.SafeLoader):
    """Plain data only: no aliases, which could unfold without end, and no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's own lack
            raise yaml.MarkedYAMLError(problem="aliases are not read", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} stands twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


def read_prompt(path: Path) -> PromptFile:
    """Read a prompt file.

    Raises:
        InputError: If there is none, or it is no prompt; says where and what.
    """
    try:
        if path.stat().st_size > LONGEST:
            raise InputError(f"A prompt file has {LONGEST:,} bytes at most.", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("The prompt file cannot be read.", where=str(path), fix="name a YAML file in UTF-8") from error
    return parse_prompt(text, str(path))


def parse_prompt(text: str, where: str) -> PromptFile:
    """`read_prompt` of a text.

    Raises:
        InputError: If it is no prompt.
    """
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader that is stricter still)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InputError(f"The prompt file is no YAML: {problem}.", where=where + line) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"The prompt file is no YAML: {error}.", where=where) from error
    if not isinstance(data, Mapping):
        raise InputError("A prompt file holds name, version, variables and prompts.", where=where)
    try:
        return PromptFile.model_validate(dict(data))
    except ValidationError as error:
        said = "; ".join(dict.fromkeys(_said(one) for one in error.errors()))
        raise InputError(said, where=where, fix="mend the prompt file") from error


def _said(one: Any) -> str:
    at = ".".join(map(str, one["loc"]))
    what = "there is no such key" if one["type"] == "extra_forbidden" else one["msg"].removeprefix("Value error, ")
    return f"{at}: {what}" if at else str(what)
