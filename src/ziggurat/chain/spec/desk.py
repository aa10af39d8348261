"""What every part of the reader works with: one document, where names lead, and what was found wrong.

A refusal of any kind (of pydantic, of ours, of a stage's own code) becomes a finding with its file
and line here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ziggurat.chain.spec.folder import Folder
from ziggurat.chain.spec.keys import RetryKeys, StageKeys, problems, unknown
from ziggurat.chain.spec.registry import Here
from ziggurat.chain.spec.text import Document, Findings, KeyPath, said
from ziggurat.errors import WiringError, ZigguratError

_Model = TypeVar("_Model", bound=BaseModel)
_Made = TypeVar("_Made")


@dataclass(slots=True)
class Budget:
    """What may still be read, over all files of a chain.

    Attributes:
        nodes: Values in them.
        files: Files beside the first.
    """

    nodes: int
    files: int


@dataclass(frozen=True, slots=True)
class Desk:
    """One document that is being read.

    Attributes:
        document: The document.
        folder: Where the names of files in it lead.
        given: What the caller handed over by name.
        findings: What is wrong, over all files.
        opened: The files that led here, this one last.
        budget: What may still be read.
    """

    document: Document
    folder: Folder
    given: Mapping[str, Any]
    findings: Findings
    opened: tuple[Path, ...]
    budget: Budget

    def add(self, path: KeyPath, what: str) -> None:
        """Note a finding."""
        self.findings.add(self.document.file, self.document.line(path), path, what)

    def attempt(self, path: KeyPath, make: Callable[[], _Made]) -> _Made | None:
        """What is made, or None and a finding: a stage's own code may refuse its settings in any way."""
        try:
            return make()
        except Exception as error:  # noqa: BLE001 (it becomes a finding with its line)
            texts = error.findings if isinstance(error, WiringError) else (said(error),)
            for text in texts:
                self.add(path, text)
            return None

    def validated(self, form: type[_Model], data: Any, path: KeyPath) -> _Model | None:
        """The data as a model, or None and a finding for each place that is wrong."""
        try:
            return form.model_validate(data, context=Here(self.folder))
        except ValidationError as error:
            known = RetryKeys.model_fields if form is StageKeys else form.model_fields
            for place, what in problems(error, data, known):
                self.add((*path, *place), what)
        except ZigguratError as error:
            self.add(path, said(error))
        return None

    def refuse_unknown(self, data: Mapping[Any, Any], path: KeyPath, known: Iterable[str]) -> None:
        """Note every key that is not known."""
        names = list(known)
        for key in data:
            if key not in names:
                self.add((*path, key), unknown(key, names))
