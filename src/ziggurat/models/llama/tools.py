"""Tool calls of a small model, made certain: who may call, in which form, and what was called.

Pure: text and dictionaries in, decisions out; no engine, no LangChain. The method has two halves. The
model first speaks freely and `opening` reads whether it began a call; a call is then written again under
a JSON schema (`call_schema`) that admits nothing but that tool's arguments, so what `CallScanner` reads is
a call by construction. Invariant: a tool that was not offered is never called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ziggurat.errors import InputError

MAX_PARALLEL_CALLS = 8

_WRAPPERS = ("<tool_call>", "```json", "```")
_NAMED = re.compile(r'\{\s*"name"\s*:\s*"([^"\n]*)"')
_PERHAPS_NAMED = re.compile(r'(?:\{(?:\s*(?:"(?:n(?:a(?:m(?:e(?:"(?:\s*(?::(?:\s*(?:"[^"\n]*)?)?)?)?)?)?)?)?)?)?)?)?')

PLAIN_TEXT_GRAMMAR = r"root ::= [^{<`\[ \n\t] [^\x00]*"
"""Anything that does not open like a call."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether the model may call, must call, or must call one tool.

    Attributes:
        kind: ``auto`` (its own decision), ``any`` (must call), ``none`` (must not).
        names: The tools it may call.
        parallel: Whether one answer may hold several calls.
    """

    kind: Literal["auto", "any", "none"]
    names: tuple[str, ...]
    parallel: bool = False

    @classmethod
    def parse(cls, value: Any, tools: Sequence[dict[str, Any]], *, parallel: bool = False) -> Choice:
        """Read LangChain's ``tool_choice``: None, a bool, a word, a tool's name, or OpenAI's dictionary.

        Raises:
            InputError: If it names a tool that is not bound, or is nothing known.
        """
        names = tuple(tool["function"]["name"] for tool in tools)
        if value in (None, False, "auto"):
            return cls("auto" if names else "none", names, parallel)
        if value == "none":
            return cls("none", names, parallel)
        if value in (True, "any", "required"):
            wanted: tuple[str, ...] = names
        elif isinstance(value, dict) and isinstance(value.get("function"), dict):
            wanted = (str(value["function"].get("name")),)
        elif isinstance(value, str):
            wanted = (value,)
        else:
            raise InputError(f"{value!r} is not a tool choice.", fix="use auto, any, none, or the name of a tool")
        if not wanted or not set(wanted) <= set(names):
            raise InputError(
                f"The tool choice {value!r} names no bound tool.",
                fix=f"bound tools: {', '.join(names) or 'none'}",
            )
        return cls("any", wanted, parallel)


def opening(text: str) -> Literal["undecided", "text"] | tuple[str]:
    """What the beginning of a line shows: a call (its tool's name in a 1-tuple), plain text, or not yet clear."""
    rest = text.lstrip()
    for wrapper in _WRAPPERS:
        if rest.startswith(wrapper):
            rest = rest[len(wrapper) :].lstrip()
            break
        if wrapper.startswith(rest):
            return "undecided"
    named = _NAMED.match(rest)
    if named:
        return (named.group(1),)
    return "undecided" if _PERHAPS_NAMED.fullmatch(rest) else "text"


def call_schema(tools: Sequence[dict[str, Any]], choice: Choice) -> dict[str, Any]:
    """The JSON schema of one call, or of a list of calls, to the tools of ``choice``."""
    definitions: dict[str, Any] = {}
    calls: list[dict[str, Any]] = []
    for tool in tools:
        function = tool["function"]
        if function["name"] not in choice.names:
            continue
        arguments = _hoisted(function.get("parameters") or {}, f"{function['name']}.", definitions)
        if not arguments.get("properties"):
            arguments = {"type": "object", "properties": {}, "additionalProperties": False}
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": function["name"]}, "arguments": arguments},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    call: dict[str, Any] = calls[0] if len(calls) == 1 else {"anyOf": calls}
    if choice.parallel:
        call = {"type": "array", "items": call, "minItems": 1, "maxItems": MAX_PARALLEL_CALLS}
    return {**call, "$defs": definitions} if definitions else call


def _hoisted(schema: dict[str, Any], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """``schema`` with its local definitions moved to the root of the schema around it, under ``prefix``."""

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(item) for item in value]
        if not isinstance(value, dict):
            return value
        made = {key: moved(item) for key, item in value.items() if key not in ("$defs", "definitions")}
        reference = value.get("$ref")
        if isinstance(reference, str) and reference.startswith(("#/$defs/", "#/definitions/")):
            made["$ref"] = f"#/$defs/{prefix}{reference.rpartition('/')[2]}"
        return made

    for holder in ("$defs", "definitions"):
        for name, definition in (schema.get(holder) or {}).items():
            definitions[f"{prefix}{name}"] = moved(definition)
    hoisted: dict[str, Any] = moved(schema)
    return hoisted


def signature(name: str, arguments: Any) -> str:
    """A call in a form in which equal calls are equal."""
    return json.dumps([name, arguments], sort_keys=True, ensure_ascii=False)


@dataclass(slots=True)
class CallPiece:
    """A piece of a streamed call: the name comes first and alone, then the arguments' JSON text in parts."""

    index: int
    name: str | None
    arguments: str


_HEAD = re.compile(r'[\s,\[}]*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*')


@dataclass(slots=True)
class CallScanner:
    """Reads calls out of JSON text that arrives in pieces: one call, or a list of them."""

    text: str = ""
    calls: int = 0
    _at: int = 0
    _depth: int | None = None
    _in_string: bool = field(default=False)
    _escaped: bool = field(default=False)

    def feed(self, piece: str) -> list[CallPiece]:
        """The pieces of calls that ``piece`` completes."""
        self.text += piece
        found: list[CallPiece] = []
        while True:
            if self._depth is None:
                head = _HEAD.match(self.text, self._at)
                if not head:
                    return found
                found.append(CallPiece(self.calls, json.loads(head.group(1)), ""))
                self.calls += 1
                self._at, self._depth = head.end(), 0
            arguments = self._arguments()
            if arguments:
                found.append(CallPiece(self.calls - 1, None, arguments))
            if self._depth is not None:
                return found

    def _arguments(self) -> str:
        """The text of the arguments from here to their end, or to the end of what has arrived."""
        start = self._at
        while self._at < len(self.text):
            character = self.text[self._at]
            self._at += 1
            if self._step(character):
                break
        return self.text[start : self._at]

    def _step(self, character: str) -> bool:
        """Account for one character of arguments; true at the brace that closes them."""
        if self._in_string:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._in_string = False
        elif character == '"':
            self._in_string = True
        elif character in "{[":
            self._depth = (self._depth or 0) + 1
        elif character in "}]":
            self._depth = (self._depth or 0) - 1
            if self._depth == 0:
                self._depth = None
                return True
        return False
