"""`StagePrompt`: what a stage says to a model, shipped in several languages or given by a person.

A stage holds one for each thing it asks. Invariant: whatever was given asks for no variable that the
stage does not fill in, and has those it must have; so what is wrong with it is said before anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.prompts import BasePromptTemplate

from ziggurat.errors import InputError
from ziggurat.prompts import PromptFile, StoredPrompt, shipped
from ziggurat.prompts.shipped import original
from ziggurat.stages.prompt_settings import GivenPrompt, as_template, given_settings
from ziggurat.stages.settings import prompt_identity

if TYPE_CHECKING:
    from langchain_core.prompt_values import PromptValue

    from ziggurat.stages.language import Language
    from ziggurat.stages.prompt_settings import WrittenPrompt

__all__ = ["GivenPrompt", "StagePrompt"]


class StagePrompt:
    """A prompt of a stage.

    Args:
        name: Of the shipped prompt, such as ``qa``; it declares the variables.
        given: What takes its place: a text with variables in braces, a LangChain prompt, a prompt file,
            one of a folder (`PromptFolder.stored`).

    Raises:
        InputError: If the replacement asks for a variable that the stage does not give, or lacks one
            that it must have.
    """

    def __init__(self, name: str, given: GivenPrompt = None) -> None:
        self.name = name
        self.given = as_template(given) if isinstance(given, str) else given
        self._file: PromptFile | None = None
        self._language: str | None = None
        match self.given:
            case None:
                self._file = shipped(name)
            case PromptFile():
                self._file = self.given
            case StoredPrompt():
                self._file, self._language = self.given.file, self.given.language
        if self.given is not None:
            self._check()

    def _check(self) -> None:
        ours = original(self.name)
        given = [("the prompt", self.given)] if isinstance(self.given, BasePromptTemplate) else []
        if self._file is not None:
            given += [(language, self._file.template(language, exact=True)) for language in self._file.prompts]
        try:
            for where, template in given:
                ours.check(template.input_variables, where)
        except ValueError as error:
            said = f"ziggurat prompts show {self.name}"
            raise InputError(f"{error}.", where=f"the prompt {self.name}", fix=said) from error

    def template(self, language: Language = "en") -> BasePromptTemplate[Any]:
        """The prompt in a language; one that was given as it is serves for all."""
        if self._file is not None:
            return self._file.template(self._language or language, exact=self._language is not None)
        assert isinstance(self.given, BasePromptTemplate)  # noqa: S101 (there is a file or a template)
        return self.given

    def filled(self, language: Language = "en", /, **values: Any) -> PromptValue:
        """The prompt with its variables filled in; values it does not use are passed over.

        Raises:
            InputError: If a variable has no value.
        """
        template = self.template(language)
        used = {name: value for name, value in values.items() if name in template.input_variables}
        missing = [name for name in template.input_variables if name not in used]
        if missing:
            raise InputError(f"Nobody gave {', '.join(missing)}.", where=f"the prompt {self.name}")
        return template.format_prompt(**used)

    @property
    def identity(self) -> Any:
        """The prompt in plain values, the same in every process; None if something in it cannot be told."""
        if isinstance(self.given, BasePromptTemplate):
            return prompt_identity(self.given)
        assert self._file is not None  # noqa: S101 (there is a file or a template)
        told = self._file.model_dump(mode="json", include={"partial", "instead", "prompts"}, exclude_unset=True)
        return told if self._language is None else {**told, "language": self._language}

    def settings(self) -> WrittenPrompt | None:
        """What a chain file says of it; None for the shipped one.

        Raises:
            InputError: If it has no written form.
        """
        return None if self.given is None else given_settings(self.given)
