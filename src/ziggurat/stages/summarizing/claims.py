"""Sentences with the places they come from: the only form in which what a model wrote is passed on.

A sentence is looked for, word by word, in the passages the model read, or in the quotes that earlier
claims rest on; so every claim points at the text itself, however often it was rewritten. What has no
support there is dropped. Asks no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ziggurat.stages.answer import Citation
from ziggurat.stages.evidence import Support, bars_for, content, coverage, find_support, sentences
from ziggurat.stages.passages import Passage
from ziggurat.stages.summarizing.choosing import central
from ziggurat.stages.summarizing.reading import weight

_NOWHERE = (0, 0)
_TOGETHER = 3
_SOME = 0.2
_SHORT = 4
_ITEM = re.compile(r"^\s*(?:[-*•#>]+|\(?\d{1,2}[.):])\s+")
_MARK = re.compile(r"\s*[\[【]\d+(?:\s*,\s*\d+)*[\]】]|\*\*")
_NUMBER = re.compile(r"\d")
_LEAD = re.compile(
    r"^(?:(?:summary|notes?|resumo|notas?|摘要|总结|要点)\s*[:：]\s*"
    r"|(?:the|this) (?:text|passage|summary)s? (?:says?|states?|describes?|mentions?) that\s+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence and the places it comes from, at least one.

    Attributes:
        text: The sentence.
        citations: Where it stands; their answer spans say nothing yet.
        quoted: Whether it is a sentence of the text itself.
    """

    text: str
    citations: tuple[Citation, ...]
    quoted: bool = False


def said(text: str) -> Iterator[str]:
    """The sentences of what a model wrote, without list marks and openings."""
    for line in text.splitlines():
        bare = _MARK.sub("", _ITEM.sub("", line)).strip()
        for start, end in sentences(bare):
            sentence = _LEAD.sub("", bare[start:end]).strip()
            if content(sentence) and not sentence.endswith((":", "：")):
                yield sentence


def supported(sentence: str, passages: Sequence[Passage], known: Sequence[Claim] = ()) -> Claim | None:
    """The sentence as a claim, if the passages, or the quotes of known claims, support it.

    One place that supports it is enough; else up to three together. A short sentence must stand in one
    sentence whole: its few words are found together by chance.
    """
    bar = bars_for(sentence).supported
    places = [*_in_passages(sentence, passages), *_in_quotes(sentence, known)]
    places.sort(key=lambda one: -one.support)
    if len(content(sentence)) < _SHORT:
        whole = (one for one in places if one.support == 1.0 and len(list(sentences(one.quote))) == 1)
        return next((Claim(sentence, (one,)) for one in whole), None)
    if places and places[0].support >= bar:
        return Claim(sentence, (places[0],))
    loose = _NUMBER.sub("", sentence)
    if loose != sentence:
        places = [*_in_passages(loose, passages), *_in_quotes(loose, known)]
        places.sort(key=lambda one: -one.support)
    together: list[Citation] = []
    numbers = {word for word in content(sentence) if word[0].isdigit()}
    for one in (place for place in places if place.support >= _SOME):
        before = coverage(sentence, [place.quote for place in together])
        if coverage(sentence, [*(place.quote for place in together), one.quote]) <= before:
            continue
        together.append(one)
        quotes = [place.quote for place in together]
        if coverage(sentence, quotes) >= bar and numbers <= set().union(*map(content, quotes)):
            return Claim(sentence, tuple(together))
        if len(together) == _TOGETHER:
            break
    return None


def claims(written: str, passages: Sequence[Passage], known: Sequence[Claim] = ()) -> list[Claim]:
    """What a model wrote, as far as it is supported; nothing twice."""
    found = (supported(sentence, passages, known) for sentence in dict.fromkeys(said(written)))
    return [one for one in found if one is not None]


def quotes(passages: Sequence[Passage], count: int, question: str = "") -> list[Claim]:
    """The most telling sentences of some passages, word for word: for when a model said nothing that holds."""
    return [word_for_word(*found) for found in central(passages, count, question)]


def word_for_word(passage: Passage, start: int, end: int) -> Claim:
    """A piece of a passage as a claim of its own."""
    text = " ".join(passage.text[start:end].split())
    return Claim(text, (passage.cite(Support(1.0, start, end), _NOWHERE),), quoted=True)


def heavy(claim: Claim) -> int:
    """What a claim weighs as a line of notes, in estimated tokens."""
    return weight(claim.text) + 1


def thinned(given: Sequence[Claim], room: int) -> list[Claim]:
    """Claims that weigh no more than so many tokens, left out evenly; one always stays."""
    kept = list(given)
    while len(kept) > 1 and sum(map(heavy, kept)) > room:
        kept = _fewer(kept, len(kept) - 1)
    return kept


def _fewer(given: Sequence[Claim], count: int) -> list[Claim]:
    step = len(given) / count
    return [given[int(at * step)] for at in range(count)]


def first(given: Sequence[Claim], count: int) -> list[Claim]:
    """So many of the claims, from all over them."""
    return list(given) if len(given) <= count else _fewer(given, count)


def _in_passages(sentence: str, passages: Sequence[Passage]) -> Iterator[Citation]:
    for one in passages:
        support = find_support(sentence, one.text)
        if support.share:
            yield one.cite(support, _NOWHERE)


def _in_quotes(sentence: str, known: Sequence[Claim]) -> Iterator[Citation]:
    seen = set[tuple[str, int, int]]()
    for claim in known:
        for one in claim.citations:
            place = (one.document, one.start, one.end)
            if place not in seen:
                seen.add(place)
                yield replace(one, support=round(min(coverage(sentence, [one.quote]), _whole(sentence, one.quote)), 3))


def _whole(sentence: str, quote: str) -> float:
    """1, or 0 if a number of the sentence is not in the quote."""
    there = content(quote)
    return float(all(word in there for word in content(sentence) if word[0].isdigit()))
