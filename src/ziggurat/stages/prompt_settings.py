"""A prompt in a chain file: a text, turns, either with variables filled in, or the name of one in a folder.

    prompt: "Summarise {text} in {language}."
    prompt: [{system: Be brief.}, {human: "{text}"}]
    prompt: {text: "Summarise {text} {tone}.", partial: {tone: warmly}}
    prompt: {name: greeting, version: 2, folder: prompts}

Both ways: `open_prompt` reads what a file says, `prompt_settings` writes what a stage was given. What
cannot be written (a template of another kind, a function as a variable) is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from langchain_core.messages import BaseMessage
from langchain_core.prompts import (
    AIMessagePromptTemplate,
    BasePromptTemplate,
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)
from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from ziggurat.chain.spec.registry import FolderPath, StageSettings, Text
from ziggurat.errors import InputError
from ziggurat.prompts import FewShot, PromptFile, PromptFolder, PromptTurn, StoredPrompt
from ziggurat.prompts.file import NAME

GivenPrompt = str | BasePromptTemplate[Any] | PromptFile | StoredPrompt | None
"""How a prompt can be given: a text with variables in braces, a LangChain prompt, a prompt file, or not at all."""

_ROLES: dict[type, str] = {
    SystemMessagePromptTemplate: "system",
    HumanMessagePromptTemplate: "human",
    AIMessagePromptTemplate: "ai",
}
_LITERAL_ROLES = frozenset(_ROLES.values())


class Turn(PromptTurn):
    """One message of a prompt: exactly one of these. A text may stand in a file of its own."""

    system: Text | None = Field(None, description="What the model is told to be; {variables} in braces.")
    human: Text | None = Field(None, description="What a person says.")
    ai: Text | None = Field(None, description="What the model said, as an example.")


class FilledPrompt(StageSettings):
    """A text or turns, with values of some of the variables."""

    text: Text | None = Field(None, description="A text with variables in braces.")
    turns: list[Turn] | None = Field(None, min_length=1, description="Messages, instead of one text.")
    partial: dict[str, str] = Field(description="Values of variables that nobody gives.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.text is None) == (self.turns is None):
            raise ValueError("a prompt with partial: has a text: or turns:")
        return self


class NamedPrompt(StageSettings):
    """A prompt of a folder."""

    name: str = Field(pattern=NAME, description="The prompt's name.")
    version: Annotated[int, Field(ge=1)] | None = Field(None, description="Its version; left out, the newest.")
    folder: FolderPath = Field(description="The prompt folder.")
    language: str | None = Field(None, description="Always this language; left out, the one of the question.")
    partial: dict[str, str] = Field(default_factory=dict, description="Values of variables that nobody gives.")


def _form(given: Any) -> str | None:
    match given:
        case str():
            return "text"
        case list():
            return "turns"
        case NamedPrompt():
            return "name"
        case FilledPrompt():
            return "partial"
        case Mapping():
            return "text" if set(given) == {"file"} else "name" if "name" in given else "partial"
        case _:
            return None


Prompt = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[list[Turn], Field(min_length=1), Tag("turns")]
    | Annotated[FilledPrompt, Tag("partial")]
    | Annotated[NamedPrompt, Tag("name")],
    Discriminator(
        _form,
        custom_error_type="prompt_form",
        custom_error_message="a prompt is a text, a list of turns, or the name of one in a folder",
    ),
]
"""A prompt in settings: a text with variables in braces, turns, either filled in in part, or one of a folder."""

WrittenPrompt = str | list[Turn] | FilledPrompt | NamedPrompt
"""What `Prompt` reads."""


def open_prompt(written: WrittenPrompt | None) -> GivenPrompt:
    """The prompt that settings describe.

    Raises:
        InputError: If the folder has no such prompt, or a variable that is filled in is not in it.
    """
    match written:
        case None | str():
            return written
        case list():
            return _template(written)
        case FilledPrompt():
            turns = [Turn(human=written.text)] if written.turns is None else written.turns
            return _filled(_template(turns), written.partial)
        case NamedPrompt():
            return PromptFolder(written.folder).stored(
                written.name, written.version, language=written.language, partial=written.partial
            )


def _template(turns: list[Turn]) -> ChatPromptTemplate:
    try:
        return ChatPromptTemplate.from_messages([turn.message() for turn in turns])
    except ValueError as error:
        raise InputError(f"The prompt cannot be read: {error}.", fix="write {{ and }} for braces that stay") from error


def _filled(template: ChatPromptTemplate, partial: Mapping[str, str]) -> ChatPromptTemplate:
    unknown = sorted(set(partial) - set(template.input_variables))
    if unknown:
        raise InputError(f"The prompt has no variable {', '.join(unknown)} to fill in.")
    made: ChatPromptTemplate = template.partial(**partial)
    return made


def as_template(given: str | BasePromptTemplate[Any] | PromptFile | StoredPrompt) -> BasePromptTemplate[Any]:
    """A given prompt as LangChain's, a file in its first language, or in the one that was named.

    Raises:
        InputError: If a text is no template.
    """
    match given:
        case str():
            return _template([Turn(human=given)])
        case PromptFile():
            return given.template(next(iter(given.prompts)), exact=True)
        case StoredPrompt():
            return given.file.template(given.language or next(iter(given.file.prompts)), exact=True)
        case _:
            return given


def given_settings(given: str | BasePromptTemplate[Any] | PromptFile | StoredPrompt) -> WrittenPrompt:
    """The settings that describe a prompt, however it was given.

    Raises:
        InputError: If it has no written form.
    """
    match given:
        case StoredPrompt():
            return NamedPrompt(
                name=given.file.name,
                version=given.version,
                folder=given.folder,
                language=given.language,
                partial=dict(given.partial),
            )
        case PromptFile() if len(given.prompts) > 1:
            raise InputError(
                f"its prompt {given.name} was given as an open file in several languages",
                fix="push it into a prompt folder and give it by its name",
            )
        case _:
            return prompt_settings(as_template(given))


def prompt_settings(prompt: BasePromptTemplate[Any]) -> str | list[Turn] | FilledPrompt:
    """The settings that describe a LangChain prompt.

    Raises:
        InputError: If it holds something that has no written form.
    """
    partial = _partial(prompt)
    if isinstance(prompt, PromptTemplate) and _is_plain(prompt):
        return FilledPrompt(text=prompt.template, partial=partial) if partial else prompt.template
    if not isinstance(prompt, ChatPromptTemplate):
        raise InputError(f"its prompt is a {type(prompt).__name__} with more in it than texts and variables")
    turns = [_turn(one) for one in prompt.messages]
    lone = turns[0].human if len(turns) == 1 else None
    if partial:
        given: dict[str, Any] = {"turns": turns} if lone is None else {"text": lone}
        return FilledPrompt(**given, partial=partial)
    return turns if lone is None else lone


def _partial(prompt: BasePromptTemplate[Any]) -> dict[str, str]:
    for value in prompt.partial_variables.values():
        if not isinstance(value, str):
            raise InputError(f"its prompt is a {type(prompt).__name__} with more in it than texts and variables")
    return dict(prompt.partial_variables)


def _turn(message: Any) -> Turn:
    role = _ROLES.get(type(message))
    if role is not None and isinstance(message.prompt, PromptTemplate):
        if _is_plain(message.prompt) and not message.prompt.partial_variables and not message.additional_kwargs:
            return Turn.model_validate({role: message.prompt.template})
    elif isinstance(message, MessagesPlaceholder) and not message.optional and message.n_messages is None:
        return Turn(messages=message.variable_name)
    elif isinstance(message, BaseMessage) and message.type in _LITERAL_ROLES and isinstance(message.content, str):
        return Turn.model_validate({message.type: message.content.replace("{", "{{").replace("}", "}}")})
    elif isinstance(message, FewShotChatMessagePromptTemplate) and message.examples:
        return _examples(message)
    raise InputError(f"its prompt holds a {type(message).__name__} that has no written form")


def _examples(few: FewShotChatMessagePromptTemplate) -> Turn:
    one = few.example_prompt
    turns = [_turn(part) for part in (one.messages if isinstance(one, ChatPromptTemplate) else [one])]
    try:
        shown = [turn.model_dump(exclude_unset=True) for turn in turns]
        return Turn(examples=FewShot.model_validate({"turns": shown, "values": few.examples}))
    except ValidationError as error:
        raise InputError("its prompt holds examples that are no texts") from error


def _is_plain(prompt: PromptTemplate) -> bool:
    return prompt.template_format == "f-string" and prompt.output_parser is None
