"""A stream of server-sent events, line by line: what each says, and whether it ended as one does.

Pure: lines in, dictionaries out. Source of the form: the HTML standard, section 9.2, of which serving
endpoints use ``data:`` lines alone, ``[DONE]`` last. Invariant: a stream that just stops is told from one
that ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ziggurat.databricks.refusing import said_in_stream
from ziggurat.errors import AnswerCut

_ENDS = ("response.completed", "response.incomplete", "response.failed")


class Events:
    """Reads the lines of one answer.

    Args:
        where: What the stream came from, for errors.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._whole = False
        self._pieces: list[str] = []

    def read(self, line: str) -> Iterator[dict[str, Any]]:
        """The events that this line completes: none or one.

        Raises:
            AnswerCut: If a line cannot be read.
            WorkspaceError: If the event is an error.
        """
        if line.startswith("data:"):
            self._pieces.append(line[5:].removeprefix(" "))
            return
        if line or not self._pieces:  # other fields and comments
            return
        yield from self._event()

    def end(self) -> None:
        """Nothing comes any more.

        Raises:
            AnswerCut: If it stopped in the middle.
        """
        if not self._whole:
            raise AnswerCut(
                "The answer stopped in the middle.",
                where=self._where,
                fix="ask again; it may have been paid for, so it was not repeated by itself",
            )

    def _event(self) -> Iterator[dict[str, Any]]:
        text = "\n".join(self._pieces)
        self._pieces.clear()
        if text.strip() == "[DONE]":
            self._whole = True
            return
        try:
            event = json.loads(text)
        except ValueError as error:
            raise AnswerCut("A piece of the answer is not JSON.", where=self._where) from error
        if not isinstance(event, dict):
            event = {"predictions": event}
        failed = said_in_stream(event, self._where)
        if failed is not None:
            raise failed
        self._whole = self._whole or _is_last(event)
        yield event


def _is_last(event: dict[str, Any]) -> bool:
    if event.get("type") in _ENDS:
        return True
    choices = event.get("choices")
    return isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices)
