"""Which files of a folder are wanted: globs, and the ignore files found on the way down.

Patterns mean what they mean to git: the last one that matches decides, ``!`` takes back, and a folder
that is left out is not looked into. Knows paths relative to the root, with slashes; opens nothing but
the ignore files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ziggurat.errors import InputError
from ziggurat.optional import require

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@dataclass(frozen=True)
class Rules:
    """What somebody asked for.

    Args:
        include: Globs of the files wanted; none wants all.
        exclude: Globs of files and folders to leave out.
        ignore_files: Names of files that list what to leave out.

    Raises:
        InputError: If a glob is none.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    ignore_files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("include", "exclude"):
            globs = getattr(self, name)
            object.__setattr__(self, name, (globs,) if isinstance(globs, str) else tuple(globs))
            _spec(getattr(self, name), f"{name}=")

    def of_root(self) -> Ignored:
        """The rules at the root of a folder."""
        return Ignored(_spec(self.include, "include="), _spec(self.exclude, "exclude="), self.ignore_files)


@dataclass(frozen=True)
class Ignored:
    """What is left out at one place of a walk.

    Attributes:
        include: The files wanted, None for all.
        exclude: The files and folders not wanted, None for none.
        ignore_files: Names of files to look for further down.
        found: What those found so far say, each with its folder, the outermost first.
    """

    include: GitIgnoreSpec | None
    exclude: GitIgnoreSpec | None
    ignore_files: tuple[str, ...]
    found: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def within(self, folder: str, inside: str, names: AbstractSet[str]) -> Ignored:
        """The rules inside a folder.

        Args:
            folder: Its path.
            inside: Its path from the root, empty or with a slash at the end.
            names: What is in it.
        """
        here = []
        for name in self.ignore_files:
            if name in names:
                spec = _spec(_lines(os.path.join(folder, name)), name)  # noqa: PTH118 (a path as the listing has it)
                if spec is not None:
                    here.append((inside, spec))
        return replace(self, found=(*self.found, *here)) if here else self

    def leaves_out(self, path: str) -> bool:
        """Whether a file, or a folder (with a slash at the end), is left out."""
        if self.exclude is not None and self.exclude.match_file(path):
            return True
        for inside, spec in reversed(self.found):
            said: Any = spec.check_file(path[len(inside) :]).include
            if said is not None:
                return bool(said)
        return False

    def wants(self, path: str) -> bool:
        """Whether a file is wanted."""
        return not self.leaves_out(path) and (self.include is None or self.include.match_file(path))


def _spec(globs: Sequence[str], where: str) -> GitIgnoreSpec | None:
    if not globs:
        return None
    pathspec = require("pathspec", for_="globs and ignore files", extra="documents")
    try:
        spec: GitIgnoreSpec = pathspec.GitIgnoreSpec.from_lines(globs)
    except ValueError as error:
        raise InputError(f"This is no glob: {error}.", where=where) from error
    return spec


def _lines(path: str) -> list[str]:
    """The lines of an ignore file; one that cannot be read says nothing, as git has it."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a path as the listing has it)
            return file.read().decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
