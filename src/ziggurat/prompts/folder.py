"""A folder of prompts as a local hub: the newest version of each, and the older ones beside it.

``qa.yaml`` is the newest version, ``qa@1.yaml`` the first. Pushing a prompt whose words changed makes
a new version; the one before is kept. Invariant: a version, once pushed, does not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ziggurat.errors import InputError
from ziggurat.prompts.file import NAME, PromptFile, read_prompt
from ziggurat.suggest import did_you_mean

_OLDER = re.compile(r"^(?P<name>.+)@(?P<version>[1-9][0-9]*)$")


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A prompt with where it lies, so that who uses it can say so.

    Attributes:
        folder: The prompt folder.
        version: The version that was asked for; None for the newest.
        language: The one language that is used; None for the language of the question.
        partial: The values that were filled in beside the file's own.
        file: The prompt, with these values.
    """

    folder: Path
    version: int | None
    language: str | None
    partial: Mapping[str, str] = field(hash=False)
    file: PromptFile = field(hash=False)


class PromptFolder:
    """Prompts in a folder.

    Args:
        path: The folder; made when the first prompt is pushed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(sorted(one.stem for one in self.path.glob("*.yaml") if not _OLDER.match(one.stem)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(re.match(NAME, name)) and self._newest(name).is_file()

    def pull(self, name: str, version: int | None = None) -> PromptFile:
        """A prompt by its name.

        Args:
            name: Such as ``qa``; ``qa@1`` names a version.
            version: The newest by default.

        Raises:
            InputError: If there is no such prompt or version, or its file is broken.
        """
        if (older := _OLDER.match(name)) and version is None:
            name, version = older["name"], int(older["version"])
        if name not in self:
            raise InputError(f"There is no prompt {name!r} here{did_you_mean(name, list(self))}.", where=str(self.path))
        newest = self._read(self._newest(name), name)
        if version is None or newest.version == version:
            return newest
        kept = self._kept(name, version)
        if not kept.is_file():
            raise InputError(
                f"There is no version {version} of {name}; there are {', '.join(map(str, self.versions(name)))}.",
                where=str(self.path),
            )
        return self._read(kept, name)

    def stored(
        self,
        name: str,
        version: int | None = None,
        *,
        language: str | None = None,
        partial: Mapping[str, str] | None = None,
    ) -> StoredPrompt:
        """A prompt for a stage, which can be written into a chain file.

        Args:
            name: See `pull`.
            version: See `pull`.
            language: Use this language whatever the question is in.
            partial: Values of variables that nobody is to give.

        Raises:
            InputError: If there is no such prompt, version, language or variable.
        """
        file = self.pull(name, version)
        if language is not None and language not in file.prompts:
            raise InputError(
                f"The prompt {name} is not in {language!r}; it is in {', '.join(file.prompts)}.", where=str(self.path)
            )
        given = dict(partial or {})
        return StoredPrompt(self.path, version, language, given, file.with_partial(given))

    def versions(self, name: str) -> list[int]:
        """All versions of a prompt, ascending.

        Raises:
            InputError: If there is no such prompt.
        """
        newest = self.pull(name).version
        older = [_OLDER.match(one.stem) for one in self.path.glob(f"{name}@*.yaml")]
        return sorted({newest, *(int(match["version"]) for match in older if match)})

    def push(self, prompt: PromptFile) -> PromptFile:
        """Put a prompt in, as a new version if another of its name is there.

        Returns:
            The prompt as it is stored; the one that was there if nothing changed.

        Raises:
            InputError: If the folder holds another prompt under the number of the version that is to be kept.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if prompt.name in self:
            newest = self.pull(prompt.name)
            if newest.model_copy(update={"version": prompt.version}) == prompt:
                return newest
            kept = self._kept(prompt.name, newest.version)
            if kept.exists() and self._read(kept, prompt.name) != newest:
                raise InputError(
                    f"Version {newest.version} of {prompt.name} was changed after it was pushed.",
                    where=str(self._newest(prompt.name)),
                    fix=f"give it the version {max(self.versions(prompt.name)) + 1}",
                )
            _write(kept, newest)
            prompt = prompt.model_copy(update={"version": max(self.versions(prompt.name)) + 1})
        _write(self._newest(prompt.name), prompt)
        return prompt

    def _newest(self, name: str) -> Path:
        return self.path / f"{name}.yaml"

    def _kept(self, name: str, version: int) -> Path:
        return self.path / f"{name}@{version}.yaml"

    @staticmethod
    def _read(path: Path, name: str) -> PromptFile:
        found = read_prompt(path)
        if found.name != name:
            raise InputError(f"The file holds the prompt {found.name!r}, not {name!r}.", where=str(path))
        return found


def _write(path: Path, prompt: PromptFile) -> None:
    beside = path.with_suffix(".yaml.tmp")
    beside.write_text(prompt.yaml(), encoding="utf-8")
    beside.replace(path)
