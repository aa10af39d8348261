"""Citations as the Responses format's annotations: a page of the web by its address, any other source as a file.

The format says which characters of the answer a page supports; for a file it has no such place, so that and the
quote with its hash are given beside, under the names `Citation` has for them.
"""

from __future__ import annotations

from typing import Any

from ziggurat.stages.answer import Answer, Citation

_WEB = ("https://", "http://")


def annotated(answer: Any) -> list[dict[str, Any]]:
    """The annotations of an answer, in the order of its citations; none for what is no `Answer`."""
    if not isinstance(answer, Answer):
        return []
    documents = list(dict.fromkeys(one.document for one in answer.citations))
    return [_annotation(one, documents.index(one.document)) for one in answer.citations]


def _annotation(citation: Citation, index: int) -> dict[str, Any]:
    begin, end = citation.answer_span
    beside = {
        "start_index": begin,
        "end_index": end,
        "quote": citation.quote,
        "sha256": citation.sha256,
        "chunk": citation.chunk,
        "start": citation.start,
        "end": citation.end,
    }
    if citation.document.startswith(_WEB):
        return {"type": "url_citation", "title": citation.place, "url": citation.link, **beside}
    return {
        "type": "file_citation",
        "file_id": citation.document,
        "filename": citation.document,
        "index": index,
        "place": citation.place,
        **beside,
    }
