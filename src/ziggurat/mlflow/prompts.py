"""Prompt files in MLflow's prompt registry, and back: one version for each language, found by the language's alias.

MLflow knows a list of turns with ``{{name}}`` in them. What it cannot say (messages put in, examples, braces that it
would read as variables) is refused before anything is registered. Invariant: what is loaded equals what was registered.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ziggurat.errors import InputError, TrackingError
from ziggurat.mlflow.store import library, reach, refusals
from ziggurat.prompts import PromptFile, PromptFolder
from ziggurat.prompts.file import parse_prompt

_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_VARIABLE = re.compile(r"\{\{\s*([a-zA-Z_][a-zA-Z0-9_]*(?:\.[a-zA-Z_][a-zA-Z0-9_]*)*)\s*\}\}")
"""What MLflow reads as a variable (`mlflow.prompt.constants`)."""

_ALIAS = re.compile(r"^(?!latest$)(?!v\d+$)[A-Za-z0-9_\-]+$")
_LANGUAGE, _ABOUT, _FILE = "ziggurat.language", "ziggurat.languages", "ziggurat.file"
_FOR = "the prompt registry"


def register_prompts(
    source: PromptFile | PromptFolder | str | Path | Iterable[PromptFile],
    *,
    names: Sequence[str] | None = None,
    prefix: str = "",
    commit_message: str | None = None,
) -> dict[str, int]:
    """Register prompts, each language as a version with the language as its alias.

    A language whose words and settings are those of the version its alias names is not registered again.

    Args:
        source: A prompt file, several, or a prompt folder (the newest version of each).
        names: Of a folder: these prompts only.
        prefix: Put before each name, such as ``catalog.schema.`` in Unity Catalog, where dots in names become
            underscores.
        commit_message: Why; kept with the new versions.

    Returns:
        The version of each prompt in each language: ``{"qa@en": 1, "qa@zh": 2}``.

    Raises:
        InputError: If a prompt says what MLflow's form cannot; every such place is named and nothing was registered.
        TrackingError: If the registry cannot be reached, or refuses.
        MissingDependency: If MLflow is not installed.
    """
    files = _files(source, names)
    wrong: list[str] = []
    ready = [(file, language, _said(file, language, wrong)) for file in files for language in file.prompts]
    if wrong:
        raise InputError(
            "MLflow's prompts cannot say this:\n" + "\n".join(f"  {line}" for line in wrong),
            fix="leave these prompts out: names=[...]",
        )
    reach(registry=True)
    genai = library("mlflow.genai", for_=_FOR)
    found: dict[str, int] = {}
    for file, language, turns in ready:
        name = _name(file.name, prefix)
        tags = {_LANGUAGE: language, _ABOUT: ",".join(file.prompts), _FILE: _settings(file)}
        with refusals("register the prompt", f"{name}@{language}"):
            there = genai.load_prompt(f"prompts:/{name}@{language}", allow_missing=True, cache_ttl_seconds=0)
            if there is None or there.template != turns or any(there.tags.get(key) != tags[key] for key in tags):
                there = genai.register_prompt(name, turns, commit_message=commit_message, tags=tags)
                genai.set_prompt_alias(name, language, there.version)
            found[f"{file.name}@{language}"] = int(there.version)
    return found


def load_prompt(name: str, *, prefix: str = "") -> PromptFile:
    """A registered prompt in all its languages, as a prompt file.

    Args:
        name: Such as ``summarize.map``.
        prefix: As it was registered with.

    Raises:
        InputError: If there is no such prompt, or nobody registered it from a prompt file.
        TrackingError: If the registry cannot be reached, or refuses.
        MissingDependency: If MLflow is not installed.
    """
    reach(registry=True)
    genai = library("mlflow.genai", for_=_FOR)
    registered = _name(name, prefix)
    with refusals("load the prompt", registered):
        newest = genai.load_prompt(f"prompts:/{registered}@latest", allow_missing=True, cache_ttl_seconds=0)
        if newest is None:
            raise InputError(
                f"There is no prompt {registered!r} in the registry.", fix="register_prompts(...) makes it"
            )
        if _FILE not in newest.tags:
            raise InputError(
                f"The prompt {registered!r} was not registered from a prompt file.", fix="use MLflow's own"
            )
        told = {
            language: genai.load_prompt(f"prompts:/{registered}@{language}", cache_ttl_seconds=0).template
            for language in newest.tags[_ABOUT].split(",")
        }
    data = {**json.loads(newest.tags[_FILE]), "prompts": {one: _turns(turns) for one, turns in told.items()}}
    return parse_prompt(json.dumps(data), registered)  # JSON is YAML, and is checked as a file would be


def _files(
    source: PromptFile | PromptFolder | str | Path | Iterable[PromptFile], names: Sequence[str] | None
) -> list[PromptFile]:
    if isinstance(source, PromptFile):
        return [source]
    if isinstance(source, str | Path):
        source = PromptFolder(source)
    if isinstance(source, PromptFolder):
        found = [source.pull(name) for name in names or source]
        if not found:
            raise InputError("The folder holds no prompts.", where=str(source.path))
        return found
    return list(source)


def _name(name: str, prefix: str) -> str:
    return prefix + name.replace(".", "_") if prefix else name


def _settings(file: PromptFile) -> str:
    return json.dumps(file.model_dump(exclude_unset=True, exclude={"prompts"}), ensure_ascii=False)


def _said(file: PromptFile, language: str, wrong: list[str]) -> list[dict[str, str]]:
    """The turns in MLflow's form; what it cannot say is added to ``wrong``."""
    place, turns = f"{file.name}, {language}", []
    if not _ALIAS.match(language):
        wrong.append(f"{place}: the language {language!r} cannot be an alias")
    for number, turn in enumerate(file.prompts[language], 1):
        ((kind, text),) = turn.model_dump(exclude_unset=True).items()
        if kind not in _ROLES:
            wrong.append(f"{place}, turn {number}: {kind}, which are put in when it is used")
            continue
        said = _doubled(text)
        if said is None:
            wrong.append(f"{place}, turn {number}: braces that MLflow would read as a variable")
            continue
        turns.append({"role": _ROLES[kind], "content": said})
    return turns


def _doubled(text: str) -> str | None:
    """``{name}`` as ``{{name}}``, and doubled braces as single ones; None where MLflow would read something else."""
    made = ""
    for literal, name, form, conversion in string.Formatter().parse(text):
        if form or conversion:
            return None
        made += literal if name is None else f"{literal}{{{{{name}}}}}"
    is_jinja = "{%" in made and "%}" in made  # to MLflow
    return None if is_jinja or _single(made) != text else made


def _single(text: str) -> str:
    """MLflow's form as ours."""
    pieces = _VARIABLE.split(text)
    return "".join(
        f"{{{piece}}}" if position % 2 else piece.replace("{", "{{").replace("}", "}}")
        for position, piece in enumerate(pieces)
    )


def _turns(template: Any) -> list[dict[str, str]]:
    ours = {theirs: kind for kind, theirs in _ROLES.items()}
    if not isinstance(template, list):
        raise TrackingError("The registered prompt has no turns.", fix="register it again")
    return [{ours[one["role"]]: _single(one["content"])} for one in template]
