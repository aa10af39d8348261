"""The prompts that come with the package, and a person's folder before them.

``ZIGGURAT_PROMPTS`` may name a folder: what it holds under a shipped prompt's name takes its place in
every stage. A replacement is held to the variables of what it replaces.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path

from ziggurat.errors import InputError
from ziggurat.prompts.file import PromptFile, parse_prompt
from ziggurat.prompts.folder import PromptFolder
from ziggurat.suggest import did_you_mean

FOLDER_VARIABLE = "ZIGGURAT_PROMPTS"

_TEXTS = files("ziggurat.prompts") / "texts"


@cache
def shipped_names() -> tuple[str, ...]:
    """The names of all prompts of our stages, sorted."""
    return tuple(sorted(one.name.removesuffix(".yaml") for one in _TEXTS.iterdir() if one.name.endswith(".yaml")))


@cache
def original(name: str) -> PromptFile:
    """A prompt as it was shipped.

    Raises:
        InputError: If there is none of that name.
    """
    if name not in shipped_names():
        raise InputError(
            f"No stage has a prompt {name!r}{did_you_mean(name, shipped_names())}.", fix="ziggurat prompts lists them"
        )
    return parse_prompt((_TEXTS / f"{name}.yaml").read_text(encoding="utf-8"), f"the prompt {name}")


def shipped(name: str) -> PromptFile:
    """A prompt of our stages, or what the person put in its place.

    Raises:
        InputError: If there is none of that name, or the replacement does not fit.
    """
    ours = original(name)
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or name not in (own := PromptFolder(Path(folder))):
        return ours
    return fits(own.pull(name), folder)


def fits(theirs: PromptFile, where: str) -> PromptFile:
    """A person's own prompt, if it can take the place of the shipped one of its name; one without such always can.

    Raises:
        InputError: If it uses other variables, or lacks one.
    """
    if theirs.name not in shipped_names():
        return theirs
    for language in theirs.prompts:
        try:
            original(theirs.name).check(theirs.template(language, exact=True).input_variables, language)
        except ValueError as error:
            raise InputError(
                f"{error}.", where=f"{where}: {theirs.name}", fix=f"ziggurat prompts diff {theirs.name}"
            ) from error
    return theirs
