"""Reading an answer as it is written, and releasing each sentence with its evidence.

Takes passages and text, gives pieces of an `Answer`; asks no model and retrieves nothing. Sentences
before the first supported one are held back, so a guess is never shown and then taken back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ziggurat.stages.answer import Answer, Citation
from ziggurat.stages.evidence import Support, asked_about, bars_for, content, coverage, find_support, sentences
from ziggurat.stages.language import language_of
from ziggurat.stages.passages import Passage

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_SHORT_CLAIM = 4
"""A sentence with fewer content words is checked together with the question it answers."""

_TOGETHER = 0.45
"""The share of question and short answer that one place must cover together."""

_MEANS_THE_SAME = 0.86
"""Cosine from which a passage supports a sentence in another language."""

_REFUSAL = re.compile(
    r"not (?:in|mentioned in|stated in|found in|contained in) the (?:documents?|passages?|context|text)"
    r"|(?:passages?|documents?|context|text)s? (?:do|does) not (?:hold|contain|mention|provide|state|include|say)"
    r"|文档中没有|文中没有|没有提到|未提及|无法从|não (?:está|consta|há)[^.]{0,40}(?:documento|passage|texto)"
    r"|no (?:está|consta|hay)[^.]{0,40}(?:documento|pasaje|texto)",
    re.IGNORECASE,
)
_MARK = re.compile(r"\s*[\[【](?:\d+(?:\s*,\s*\d+)*)[\]】]")
_LEAD = re.compile(
    r"^\s*(?:(?:answer|resposta|respuesta|答案|回答)\s*[:：]\s*"
    r"|(?:based on|according to) (?:the )?(?:information (?:provided )?in )?(?:the )?(?:passages?|documents?|text|context)"
    r"(?: \d+)?(?: provided)?,\s*|根据\s*(?:passage\s*\d+|(?:文档|材料|文章|段落)[^，,]{0,12})\s*[，,]\s*|the passages? (?:states?|says?) that\s+)+",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_META = re.compile(r"^(?:the|this|a) question (?:asks?|is about)\b", re.IGNORECASE)
"""Sentences about the question are no answer to it."""


class Checker:
    """Checks one answer.

    Args:
        question: What was asked; a short answer is checked together with it.
        passages: What the answer may rest on.
        embeddings: For passages in another language than the answer; None to leave them out.

    Attributes:
        anything: Whether anything was released.
    """

    def __init__(self, question: str, passages: Sequence[Passage], embeddings: Embeddings | None) -> None:
        self.anything = False
        self._question = question
        self._passages = passages
        self._embeddings = embeddings
        self._text = ""
        self._checked = 0
        self._passed = 0  # how far the text was turned into pieces
        self._length = 0  # how long these pieces are together
        self._held: list[Answer] = []
        self._said_no = False

    async def read(self, text: str) -> list[Answer]:
        """Take in more of the answer; what can be released now."""
        self._text = _clean(self._text + text)
        spans = [span for span in sentences(self._text) if span[0] >= self._checked]
        return [piece for span in spans[:-1] for piece in await self._check(span)]

    async def end(self) -> list[Answer]:
        """The answer is over; what is left to release."""
        self._text = self._text.rstrip()
        spans = [span for span in sentences(self._text) if span[0] >= self._checked]
        return [piece for span in spans for piece in await self._check(span)]

    async def _check(self, span: tuple[int, int]) -> list[Answer]:
        self._checked = span[1]
        sentence = self._text[span[0] : span[1]]
        self._said_no = self._said_no or bool(_REFUSAL.search(sentence))
        gap = self._text[self._passed : span[0]] if self._length else ""
        self._passed = span[1]
        if self._said_no or _META.match(sentence):
            return []
        place = (self._length + len(gap), self._length + len(gap) + len(sentence))
        self._length = place[1]
        citation = await self._evidence(sentence, place)
        self._held.append(
            Answer(
                gap + sentence,
                citations=(citation,) if citation else (),
                unsupported=() if citation else (place,),
            )
        )
        if citation is None and not self.anything:
            return []
        released, self._held = self._held, []
        self.anything = True
        return released

    async def _evidence(self, sentence: str, span: tuple[int, int]) -> Citation | None:
        best: tuple[float, Passage, Support] | None = None
        foreign = []
        short, bars, language = len(content(sentence)) < _SHORT_CLAIM, bars_for(sentence), language_of(sentence)
        for passage in self._passages:
            if language_of(passage.text) != language:
                foreign.append(passage)
                continue
            if coverage(self._question, [passage.text, passage.document, passage.led]) < bars.about:
                continue
            if short:
                together = find_support(f"{_beyond(self._question, passage.led)} {sentence}", passage.text)
                inner = find_support(sentence, passage.text[together.start : together.end])
                share = together.share if inner.share == 1.0 else 0.0
                support = Support(share, together.start + inner.start, together.start + inner.end)
            else:
                support = find_support(sentence, passage.text)
            is_enough = support.share >= (_TOGETHER if short else bars.supported)
            if is_enough and (best is None or support.share > best[0] + 1e-9):
                best = (support.share, passage, support)
        if best is None and foreign and self._embeddings is not None:
            best = await self._foreign_evidence(sentence, foreign, self._embeddings)
        return best[1].cite(best[2], span) if best else None

    async def _foreign_evidence(
        self, sentence: str, passages: Sequence[Passage], embeddings: Embeddings
    ) -> tuple[float, Passage, Support] | None:
        """The closest sentence in another language, by meaning."""
        places = [(one, start, end) for one in passages for start, end in sentences(one.text)]
        claim = f"{self._question} {sentence}" if len(content(sentence)) < _SHORT_CLAIM else sentence
        vectors = await embeddings.aembed_documents([claim, *(one.text[start:end] for one, start, end in places)])
        likeness = [_cosine(vectors[0], other) for other in vectors[1:]]
        top = max(range(len(places)), key=likeness.__getitem__)
        if likeness[top] < _MEANS_THE_SAME:
            return None
        passage, start, end = places[top]
        return likeness[top], passage, Support(likeness[top], start, end)


def quote(question: str, passages: Sequence[Passage]) -> Answer | None:
    """The sentence that holds most of a question's words, as an answer, if it holds enough of them.

    For when a model found nothing, or nothing that holds: a sentence of the documents is no guess.
    """
    best: tuple[float, Passage, Support] | None = None
    bar = bars_for(question).quoted
    for passage in passages:
        for start, end in sentences(passage.text):
            share = asked_about(question, passage.text[start:end])
            if share >= bar and (best is None or share > best[0]):
                best = (share, passage, Support(1.0, start, end))
    if best is None:
        return None
    _, passage, support = best
    text = " ".join(passage.text[support.start : support.end].split())
    return Answer(text, (passage.cite(support, (0, len(text))),))


def _beyond(question: str, led: str) -> str:
    """The words of a question that the path to a passage does not account for."""
    if not led:
        return question
    known = set(_WORD.findall(led.casefold()))
    return " ".join(word for word in question.split() if not known.issuperset(_WORD.findall(word.casefold())))


def _clean(text: str) -> str:
    """An answer without a leading "Answer:" and without the marks a model may copy from the passages."""
    return _MARK.sub("", _LEAD.sub("", text)).lstrip()


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    norms = sum(a * a for a in one) ** 0.5 * sum(b * b for b in other) ** 0.5
    return dot / norms if norms else 0.0
