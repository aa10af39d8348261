"""YAML text to plain data with line numbers: the part that meets a stranger's bytes.

Reads the parser's events itself, so there is nothing in it that could construct an object: no tags,
no anchors or aliases, no merging, one document, bounded size, depth and number of nodes. A plain
word means what YAML 1.2 says: ``on`` and ``no`` are texts, ``true`` is not. Knows nothing of chains.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ziggurat.errors import ZigguratError

KeyPath = tuple[Hashable, ...]
"""Keys and list positions, outermost first."""

MAX_CHARACTERS = 2_000_000
MAX_NODES = 200_000
MAX_DEPTH = 200
_MAX_FINDINGS = 100

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def plain_scalar(text: str) -> Any:
    """What an unquoted word means in YAML 1.2's core schema: null, a truth, a number, or itself.

    Raises:
        ValueError: If it is a number too long to be one.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[1:2] in ("x", "o") else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


@dataclass(slots=True)
class Findings:
    """Everything that was found wrong, each with its file and line; no more than can be read are kept."""

    _found: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, file: str, line: int, path: KeyPath, what: str) -> None:
        """Note one finding, once."""
        one = (file, line, f"{shown(path)}: {what}" if path else what)
        if one not in self._found and len(self._found) < _MAX_FINDINGS:
            self._found.append(one)

    def __len__(self) -> int:
        return len(self._found)

    def lines(self) -> tuple[str, ...]:
        """One line each: by file, in the order they were met, and by line."""
        files = list(dict.fromkeys(file for file, _, _ in self._found))
        ordered = sorted(self._found, key=lambda one: (files.index(one[0]), one[1]))
        return tuple(f"{file}:{line}: {what}" for file, line, what in ordered)


def shown(path: KeyPath) -> str:
    """A path as people write it: ``stages.answer.stop.0``."""
    return ".".join(str(part) for part in path)


def said(error: Exception) -> str:
    """An error in one line, with what can be done."""
    if isinstance(error, ZigguratError):
        what = error.what.rstrip(".")
        return f"{what} ({error.fix})" if error.fix else what
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


@dataclass(slots=True)
class Document:
    """A text that was read.

    Attributes:
        file: What findings call it.
        data: Its content: mappings, lists, texts, numbers, truths and None.
        lines: Where the key or item of each path stands, from 1.
        nodes: How many values it holds.
    """

    file: str
    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    nodes: int = 0

    def line(self, path: KeyPath) -> int:
        """The line of a path, or of the closest one around it that has a line."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Refused(Exception):
    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def read(text: str, file: str, findings: Findings) -> Document:
    """Read a YAML text; what is wrong with it is added to ``findings``."""
    document = Document(file)
    if len(text) > MAX_CHARACTERS:
        findings.add(file, 1, (), f"{len(text):,} characters; a chain file has {MAX_CHARACTERS:,} at most")
        return document
    try:
        _Builder(document, findings).build(yaml.parse(text, Loader=_LOADER))
    except _Refused as refused:
        findings.add(file, refused.line, (), str(refused))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        findings.add(file, line, (), f"a character that YAML does not allow: {error.character!r}")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        findings.add(file, mark.line + 1 if mark else 1, (), f"this is not YAML: {problem}")
    except (yaml.YAMLError, UnicodeError) as error:
        findings.add(file, 1, (), f"this is not YAML: {error}")
    return document


class _Builder:
    """Makes plain data of events."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document = document
        self._findings = findings

    def build(self, events: Iterator[Any]) -> None:
        documents = 0
        for event in events:
            match event:
                case yaml.StreamStartEvent() | yaml.StreamEndEvent() | yaml.DocumentEndEvent():
                    continue
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise _Refused(_line(event), "a second document begins here; a chain file has one")
                case _:
                    self._document.data = self._value(event, events, (), 0)

    def _value(self, event: Any, events: Iterator[Any], path: KeyPath, depth: int) -> Any:
        line = _line(event)
        self._document.lines.setdefault(path, line)
        self._document.nodes += 1
        if self._document.nodes > MAX_NODES:
            raise _Refused(line, f"more than {MAX_NODES:,} values")
        if depth > MAX_DEPTH:
            raise _Refused(line, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            self._add(line, path, f"aliases are not read: write out what *{event.anchor} stands for")
            return None
        if event.anchor is not None:
            self._add(line, path, f"anchors are not read: remove &{event.anchor}")
        if event.tag is not None and event.tag != "!":
            self._add(line, path, f"tags are not read: remove {event.tag}")
        match event:
            case yaml.SequenceStartEvent():
                return self._list(events, path, depth)
            case yaml.MappingStartEvent():
                return self._mapping(events, path, depth)
            case _:
                return self._scalar(event, line, path)

    def _list(self, events: Iterator[Any], path: KeyPath, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], path: KeyPath, depth: int) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = _line(event)
            key = self._value(event, events, (*path, _KEY), depth + 1)
            self._document.lines.pop((*path, _KEY), None)
            if not isinstance(event, yaml.ScalarEvent):
                self._add(line, path, "a key is a word, not a list or a mapping")
                self._value(next(events), events, (*path, _KEY), depth + 1)
                continue
            before = self._document.lines.get((*path, key))
            if key in made:
                self._add(line, (*path, key), f"stands twice; first in line {before}")
                self._value(next(events), events, (*path, _KEY), depth + 1)
                continue
            self._document.lines[(*path, key)] = line
            made[key] = self._value(next(events), events, (*path, key), depth + 1)
        return made

    def _scalar(self, event: Any, line: int, path: KeyPath) -> Any:
        if not event.implicit[0]:
            return event.value
        try:
            return plain_scalar(event.value)
        except ValueError:
            self._add(line, path, f"a number of {len(event.value):,} digits")
            return None

    def _add(self, line: int, path: KeyPath, what: str) -> None:
        self._findings.add(self._document.file, line, tuple(part for part in path if part is not _KEY), what)


_KEY = object()


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
