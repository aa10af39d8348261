"""Answers to bytes and back, and what a store may do when it fails.

An entry is JSON: a version, and for each generation its kind, its text or message, and what the provider
said beside it. Kinds and messages are found in tables, never by an import path. Invariant: `decoded` gives
what was encoded or None, whatever the bytes are.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk

from ziggurat.errors import InputError
from ziggurat.quiet import logger

_log = logger("ziggurat.models.caches")

VERSION = 1
_KINDS: dict[str, type[Generation]] = {
    kind.__name__: kind for kind in (Generation, GenerationChunk, ChatGeneration, ChatGenerationChunk)
}
_QUIET_SECONDS = 60.0


def key_of(prompt: str, llm_string: str) -> bytes:
    """32 bytes that stand for a prompt and a model's settings."""
    digest = hashlib.sha256(len(prompt).to_bytes(8, "big"))
    digest.update(prompt.encode(errors="surrogatepass"))
    digest.update(llm_string.encode(errors="surrogatepass"))
    return digest.digest()


def encoded(generations: Sequence[Generation]) -> bytes | None:
    """An entry; None if something in it is not a value of JSON, so that it could not come back the same."""
    made = []
    for one in generations:
        kind = type(one).__name__
        if _KINDS.get(kind) is not type(one):
            return None
        entry: dict[str, Any] = {"kind": kind, "info": one.generation_info}
        if isinstance(one, ChatGeneration):
            entry["message"] = message_to_dict(one.message)
        else:
            entry["text"] = one.text
        made.append(entry)
    try:
        return json.dumps({"version": VERSION, "generations": made}, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        _log.debug("an answer is not cached: %s", type(error).__name__)
        return None


def decoded(entry: bytes | str) -> list[Generation] | None:
    """The generations of an entry; None if it is damaged, of another version, or nobody's."""
    try:
        value = json.loads(entry)
        return [_generation(one) for one in value["generations"]] if value["version"] == VERSION else None
    except Exception as error:  # noqa: BLE001 (whatever a stranger wrote, it is a miss)
        _log.debug("a cached answer cannot be read: %s", type(error).__name__)
        return None


def _generation(entry: dict[str, Any]) -> Generation:
    kind = _KINDS[entry["kind"]]
    if issubclass(kind, ChatGeneration):
        (message,) = messages_from_dict([entry["message"]])
        return kind(message=message, generation_info=entry["info"])
    return kind(text=entry["text"], generation_info=entry["info"])


class Trust:
    """Decides what a failing store means.

    Before a store has worked once, its failure is an error: nothing is paid yet, and something is set up
    wrongly. Afterwards it is a miss and a warning, at most one a minute: an answer that was paid for is not
    lost over it.
    """

    def __init__(self, store: str, fix: str) -> None:
        self.store = store
        self.fix = fix
        self._worked = False
        self._silent_until = 0.0

    def worked(self) -> None:
        """The store has just answered."""
        self._worked = True

    def failed(self, error: Exception) -> None:
        """The store has just failed.

        Raises:
            InputError: If it never worked.
        """
        if not self._worked:
            raise self.refusal(error) from error
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _QUIET_SECONDS
            _log.warning("%s fails (%s); answers are not cached", self.store, type(error).__name__)

    def refusal(self, error: Exception) -> InputError:
        """What is raised where a failure cannot be a miss."""
        return InputError(
            "The cache of answers cannot be used.", where=f"{self.store}: {type(error).__name__}", fix=self.fix
        )


def at_least_one(**numbers: Any) -> None:
    """Refuse a bound that is no whole number of at least 1; None is no bound.

    Raises:
        InputError: Naming the first such bound.
    """
    for name, number in numbers.items():
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
            raise InputError(
                f"{name}={number!r} is no bound.", where="a cache", fix="give a whole number of at least 1"
            )
