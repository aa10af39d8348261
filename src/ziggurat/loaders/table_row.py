"""One row of a table as a document: which column is what, and how a value is written.

Knows no database. Invariant: the same row gives the same text on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from ziggurat.errors import InputError, UnreadableDocument
from ziggurat.loaders.document import Place, SourceDocument
from ziggurat.loaders.draft import fit
from ziggurat.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is what.

    Attributes:
        text: The one that is the text; those that become its lines; None for all.
        title: With the title.
        key: That tells rows apart.
        metadata: Those kept as metadata.
    """

    text: str | tuple[str, ...] | None = None
    title: str | None = None
    key: str | None = None
    metadata: tuple[str, ...] = ()

    def check(self, names: Sequence[str], where: str) -> None:
        """See that every column is there, once.

        Raises:
            InputError: If one is not.
        """
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f"The query gives several columns of one name: {', '.join(twice)}.",
                where=where,
                fix="rename them with AS",
            )
        texts = (self.text,) if isinstance(self.text, str) else self.text or ()
        for name in (*texts, self.title, self.key, *self.metadata):
            if name is not None and name not in names:
                raise InputError(
                    f"The query gives no column {name!r}{did_you_mean(name, names)}.",
                    where=where,
                    fix=f"it gives: {', '.join(names)}",
                )

    def document(self, row: Mapping[str, Any], key: str, number: int) -> SourceDocument:
        """The document of a row.

        Args:
            row: Its values by column.
            key: Its source.
            number: Its number in the result, from 1.

        Raises:
            UnreadableDocument: If there is no text in it.
        """
        if isinstance(self.text, str):
            text = "" if row[self.text] is None else said(row[self.text])
        else:
            names = row if self.text is None else self.text
            text = "\n".join(f"{name}: {said(row[name])}" for name in names if row[name] is not None)
        text = fit(text).strip()
        if not text:
            raise UnreadableDocument(f"There is no text in row {number}.", where=key)
        metadata: dict[str, Any] = {"source": key}
        metadata |= {name: _json(row[name]) for name in self.metadata if row[name] is not None}
        if self.title is not None and row[self.title] is not None:
            metadata["title"] = fit(said(row[self.title])).strip()
        return SourceDocument(key, text, "text", metadata, (Place(0, {"row": number}),))


def said(value: Any) -> str:
    """A value as a reader would write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"({len(bytes(value)):,} bytes)"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _json(value: Any) -> Any:
    """A value as metadata: JSON's own, or as a reader would write it."""
    if isinstance(value, (bool, int, float, str)):
        return fit(value) if isinstance(value, str) else value
    if isinstance(value, (dict, list, tuple)):
        return json.loads(json.dumps(value, default=str))
    return said(value)
