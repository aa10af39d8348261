"""`StagePrompt`: what a stage says to a model, shipped in several languages or given by a person.

A stage holds one for each thing it asks; a replacement is checked against the variables that the
stage fills in before anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.prompts import BasePromptTemplate, ChatPromptTemplate

from ziggurat.errors import InputError
from ziggurat.prompts import PromptFile, shipped
from ziggurat.stages.settings import prompt_identity, prompt_settings

if TYPE_CHECKING:
    from langchain_core.prompt_values import PromptValue

    from ziggurat.stages.language import Language

GivenPrompt = str | BasePromptTemplate[Any] | PromptFile | None
"""How a prompt can be given: a text with variables in braces, a LangChain prompt, a file, or not at all."""


class StagePrompt:
    """A prompt of a stage.

    Args:
        name: Of the shipped prompt, such as ``qa``; it declares the variables.
        given: What takes its place.

    Raises:
        InputError: If the replacement asks for a variable that the stage does not give, or lacks one
            that it must have.
    """

    def __init__(self, name: str, given: GivenPrompt = None) -> None:
        self.name = name
        self.given = ChatPromptTemplate.from_template(given) if isinstance(given, str) else given
        self._file = self.given if isinstance(self.given, PromptFile) else shipped(name)
        ours = shipped(name)
        try:
            if isinstance(self.given, PromptFile):
                for language in self.given.prompts:
                    ours.check(self.given.template(language).input_variables, language)
            elif self.given is not None:
                ours.check(self.given.input_variables, "the prompt")
        except ValueError as error:
            raise InputError(str(error), where=f"the prompt {name}", fix=f"ziggurat prompts show {name}") from error

    def template(self, language: Language = "en") -> BasePromptTemplate[Any]:
        """The prompt in a language; one that was given as it is serves for all."""
        return self.given if isinstance(self.given, BasePromptTemplate) else self._file.template(language)

    def filled(self, language: Language = "en", /, **values: Any) -> PromptValue:
        """The prompt with its variables filled in; values it does not use are passed over."""
        template = self.template(language)
        used = {name: value for name, value in values.items() if name in template.input_variables}
        return template.format_prompt(**used)

    @property
    def identity(self) -> Any:
        """The prompt in plain values; None if something in it cannot be told."""
        if isinstance(self.given, BasePromptTemplate):
            return prompt_identity(self.given)
        return self._file.model_dump(mode="json", include={"partial", "prompts"}, exclude_unset=True)

    def settings(self) -> Any:
        """What a chain file says of it; None for the shipped one.

        Raises:
            InputError: If it has no written form.
        """
        if self.given is None:
            return None
        return prompt_settings(self.template())
