"""Jupyter notebooks: texts as Markdown, code in fences, outputs as the text they show.

Both forms that notebooks have had are read (nbformat 3 with worksheets, 4 without). Pictures among
the outputs are named, not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ziggurat.errors import UnreadableDocument
from ziggurat.loaders import marks
from ziggurat.loaders.document import SourceDocument
from ziggurat.loaders.draft import Draft
from ziggurat.loaders.markup import page_text
from ziggurat.loaders.text import decode

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HEADING = re.compile(r"^#{1,6} +(.*?)[ #]*$", re.MULTILINE)
_LONGEST_OUTPUT = 20_000


def parse_notebook(blob: Blob) -> Iterator[SourceDocument]:
    """A Jupyter notebook."""
    where = str(blob.source)
    text, _ = decode(blob.as_bytes(), where)
    try:
        notebook = json.loads(text)
    except ValueError as error:
        raise UnreadableDocument(f"The notebook is not JSON: {error}.", where=where) from error
    cells = _cells(notebook, where)
    about = notebook.get("metadata") if isinstance(notebook.get("metadata"), dict) else {}
    language = str(_inside(about, "language_info", "name") or _inside(about, "kernelspec", "language") or "")
    draft = Draft(where)
    title: str | None = _inside(about, "title")
    for number, cell in enumerate(cells, 1):
        draft.place(cell=number)
        words = _joined(cell.get("source", cell.get("input", "")))
        match cell.get("cell_type"):
            case "markdown":
                draft.add(words)
                heading = _HEADING.search(words)
                title = title or (heading[1] if heading else None)
            case "heading":
                draft.add(marks.heading(int(cell.get("level", 1)), words))
                title = title or words
            case "code":
                if words.strip():
                    draft.add(marks.fence(words, language))
                for output in _dicts(cell.get("outputs")):
                    draft.add(_output(output, where))
            case _:
                draft.add(words)
    yield draft.document(
        "markdown", {"title": title if isinstance(title, str) else None, "language": language, "cells": len(cells)}
    )


def _cells(notebook: Any, where: str) -> list[dict[str, Any]]:
    if isinstance(notebook, dict):
        if isinstance(notebook.get("cells"), list):
            return _dicts(notebook["cells"])
        if isinstance(notebook.get("worksheets"), list):
            return [cell for sheet in _dicts(notebook["worksheets"]) for cell in _dicts(sheet.get("cells"))]
    raise UnreadableDocument("The file is JSON, but no notebook: it has no cells.", where=where)


def _output(output: dict[str, Any], where: str) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return _shown(_joined(output.get("text", "")))
    if kind in ("error", "pyerr"):
        trace = _COLOURS.sub("", "\n".join(str(line) for line in output.get("traceback") or ()))
        return _shown(trace or f"{output.get('ename', '')}: {output.get('evalue', '')}")
    data = output.get("data") if isinstance(output.get("data"), dict) else output
    assert isinstance(data, dict)  # noqa: S101 (told to the type checker)
    for name in ("text/markdown", "text/html", "html", "text/latex", "latex", "text/plain", "text"):
        words = _joined(data.get(name, ""))
        if words.strip():
            if name in ("text/html", "html"):
                words = page_text(words, where)
                if not words:
                    continue
                return words
            return words if name == "text/markdown" else _shown(words)
    pictures = sorted(name for name in data if name.startswith("image/") or name in ("png", "jpeg", "svg"))
    return f"![{pictures[0]}]" if pictures else ""


def _shown(text: str) -> str:
    text = _COLOURS.sub("", text).rstrip()
    if len(text) > _LONGEST_OUTPUT:
        text = f"{text[:_LONGEST_OUTPUT]}\n… ({len(text) - _LONGEST_OUTPUT:,} more characters of output)"
    return marks.fence(text) if text.strip() else ""


def _joined(words: Any) -> str:
    return "".join(str(one) for one in words) if isinstance(words, list) else str(words or "")


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _inside(value: Any, *way: str) -> Any:
    for name in way:
        value = value.get(name) if isinstance(value, dict) else None
    return value
