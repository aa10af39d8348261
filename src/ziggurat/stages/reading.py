"""Documents cut into parts that a model can read at once, and the lines of them that speak of something.

A part knows where it stands in its document, so what is found in it can be pointed to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ziggurat.loaders.document import SourceDocument
from ziggurat.stages.documents import documents_of
from ziggurat.stages.evidence import content
from ziggurat.stages.extracted import Part


def parts_of(given: Any, characters: int) -> list[Part]:
    """The parts of a text or of documents, each of so many characters at most, cut between lines where that can be.

    Raises:
        InputError: If it is no text and no documents.
    """
    wholes = map(_whole, documents_of(given, "the text to read"))
    return [part for one in wholes for part in _cut(one, characters) if part.text.strip()]


def _whole(document: SourceDocument) -> Part:
    start = document.metadata.get("start_index", 0)  # of a chunk that knows where it stands
    places = tuple((one.start, str(one)) for one in document.places)
    return Part(document.text, document.source, start if isinstance(start, int) else 0, places)


def _cut(whole: Part, characters: int) -> Iterator[Part]:
    at = 0
    while at < len(whole.text):
        end = min(at + characters, len(whole.text))
        if end < len(whole.text):
            line = whole.text.rfind("\n", at + characters // 2, end)
            end = line + 1 if line >= 0 else end
        before = [(0, said) for offset, said in whole.places if offset <= at][-1:]
        inside = [(offset - at, said) for offset, said in whole.places if at < offset < end]
        yield Part(whole.text[at:end], whole.document, whole.start + at, (*before, *inside))
        at = end


def lines_about(topic: str, parts: Sequence[Part], lines: int = 12) -> str:
    """The lines that share most words with a topic, each with the one after it, in the order of the text."""
    words = content(topic)
    there = [line for part in parts for line in part.text.splitlines() if line.strip()]
    scores = [sum(weight for word, weight in words.items() if word in content(line)) for line in there]
    best = sorted(range(len(there)), key=lambda at: (-scores[at], at))[: lines // 2]
    kept = sorted({at for one in best for at in (one, one + 1) if at < len(there)})
    return "\n".join(there[at] for at in kept)
