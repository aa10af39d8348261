"""A folder of prompts as a local hub: the newest version of each, and the older ones beside it.

``qa.yaml`` is the newest version, ``qa@1.yaml`` the first. Pushing a prompt whose words changed makes
a new version; the one before is kept. Invariant: a version, once pushed, does not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ziggurat.errors import InputError
from ziggurat.prompts.file import PromptFile, read_prompt
from ziggurat.suggest import did_you_mean

_OLDER = re.compile(r"^(?P<name>.+)@(?P<version>[1-9][0-9]*)$")


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
        return isinstance(name, str) and self._newest(name).is_file()

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
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if prompt.name in self:
            newest = self.pull(prompt.name)
            if newest.model_copy(update={"version": prompt.version}) == prompt:
                return newest
            _write(self._kept(prompt.name, newest.version), newest)
            prompt = prompt.model_copy(update={"version": newest.version + 1})
            prompt.model_fields_set.add("version")
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
