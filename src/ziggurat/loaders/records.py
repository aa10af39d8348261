"""JSON: a line for each record of a list, else a line for each value with the way to it.

Numbers stand as the file writes them. A record's line says its fields' names, so that it makes sense
alone; what is nested is named by its way: ``address.city: Lima``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.marks import one_line
from ziggurat.loaders.text import decode, one_line_end

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_DEEPEST = 200
_LONGEST_WAY = 200


def parse_json(blob: Blob) -> Iterator[SourceDocument]:
    """JSON: a list of records, any other value, or several values one after another, a line each."""
    where = str(blob.source)
    text, encoding = decode(blob.as_bytes(), where)
    draft = Draft(where)
    try:
        value = _loaded(text)
    except ValueError as error:
        if not (isinstance(error, json.JSONDecodeError) and error.msg == "Extra data"):
            raise UnreadableDocument(f"The file is not JSON: {error}.", where=where) from error
        _write_lines(draft, text, where)
    else:
        if isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
            _write_records(draft, enumerate(value, 1), "record")
        else:
            draft.add("\n".join(f"{way}: {said}" if way else said for way, said in _flat(value)))
            title = value.get("title") if isinstance(value, dict) else None
            yield draft.document("text", _metadata(encoding) | {"title": title if isinstance(title, str) else None})
            return
    yield draft.document("table", _metadata(encoding))


def parse_json_lines(blob: Blob) -> Iterator[SourceDocument]:
    """JSON values, a line each."""
    where = str(blob.source)
    text, encoding = decode(blob.as_bytes(), where)
    draft = Draft(where)
    _write_lines(draft, text, where)
    yield draft.document("table", _metadata(encoding))


def _write_lines(draft: Draft, text: str, where: str) -> None:
    def values() -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(one_line_end(text).split("\n"), 1):
            if line.strip():
                try:
                    yield number, _loaded(line)
                except ValueError as error:
                    raise UnreadableDocument(f"Line {number} is not JSON: {error}.", where=where) from error

    _write_records(draft, values(), "line")


def _write_records(draft: Draft, values: Iterable[tuple[int, Any]], called: str) -> None:
    for number, value in values:
        draft.place(**{called: number})
        draft.add("; ".join(f"{way}: {said}" if way else said for way, said in _flat(value)), "\n")


def _loaded(text: str) -> Any:
    return json.loads(text, parse_int=str, parse_float=str)


def _flat(value: Any, way: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The values in a value, each with the way to it; empty ones are left out."""
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, _further(way, f".{name}"), depth + 1)
    elif isinstance(value, list):
        if all(not isinstance(one, (dict, list)) for one in value):
            said = ", ".join(_said(one) for one in value if one not in (None, ""))
            if said:
                yield one_line(way), said
            return
        for number, inner in enumerate(value, 1):
            yield from _flat(inner, _further(way, f"[{number}]"), depth + 1)
    elif value not in (None, ""):
        yield one_line(way), _said(value)


def _further(way: str, step: str) -> str:
    """A way one step further; of a very long one the end, so that no text is many times its file's size."""
    way = f"{way}{step}" if way else step.removeprefix(".")
    return way if len(way) <= _LONGEST_WAY else f"…{way[-_LONGEST_WAY:]}"


def _said(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else one_line(str(value))


def _metadata(encoding: str) -> dict[str, Any]:
    return {} if encoding == "utf-8" else {"encoding": encoding}
