"""Which passages are read together, and which at all where everything would be too much.

A text that fits is read whole, in order. One that does not is cut into as many stretches of equal
weight as there are calls, so every part of it is heard; of each the passages are read that say most of
what the stretch is about: those closest to its centroid by rare words (tf-idf), each chosen one making its own words count half,
so that the next says something else (the idea of SumBasic, Nenkova and Vanderwende, 2005). With a question, passages with its words
go first. No model is asked, and the choice is the same every time. Held are one stretch and a table of
65,536 counts, however long the text.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ziggurat.stages.evidence import content, sentences
from ziggurat.stages.passages import Passage
from ziggurat.stages.summarizing.reading import Reader, weight

_BUCKETS = 1 << 16
_USED = 0.5
_LEAST_WORDS, _MOST_WORDS = 4, 60


def grouped(passages: Iterable[Passage], room: int) -> Iterator[list[Passage]]:
    """Neighbours that fit together into so many tokens; one that is heavier stands alone."""
    group: list[Passage] = []
    total = 0
    for one in passages:
        heavy = weight(one.text)
        if group and total + heavy > room:
            yield group
            group, total = [], 0
        group.append(one)
        total += heavy
    if group:
        yield group


def parts(reader: Reader, room: int, at_most: int | None, question: str = "") -> Iterator[list[Passage]]:
    """What is read together, one part a call.

    Args:
        reader: The text.
        room: Tokens of a part, estimated.
        at_most: Parts at most; None for all there are.
        question: What passages should be about.
    """
    if at_most is None or sum(1 for _ in grouped(reader, room)) <= at_most:
        yield from grouped(reader, room)
        return
    rarity = Rarity(reader)
    for stretch in _stretches(reader, at_most):
        yield chosen(stretch, room, rarity, question)


def _stretches(reader: Reader, count: int) -> Iterator[list[Passage]]:
    """The text in so many stretches of about equal weight."""
    share = reader.survey.tokens / count
    stretch: list[Passage] = []
    passed, border = 0, share
    for one in reader:
        if stretch and passed + weight(one.text) / 2 > border:
            yield stretch
            stretch, border = [], border + share
        stretch.append(one)
        passed += weight(one.text)
    if stretch:
        yield stretch


class Rarity:
    """How rare words are in a text; counted in buckets, so its size does not depend on the text's."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._counts = array("L", bytes(array("L").itemsize * _BUCKETS))
        self._total = 0
        for one in passages:
            self._total += 1
            for bucket in {_bucket(word) for word in content(one.text)}:
                self._counts[bucket] += 1

    def of(self, word: str) -> float:
        """Larger for a rarer word."""
        return math.log(1 + self._total / (1 + self._counts[_bucket(word)]))


def _bucket(word: str) -> int:
    return zlib.crc32(word.encode(errors="replace")) % _BUCKETS


class _Pile:
    """Word sets to choose from, most telling first: what was chosen makes its own words count half."""

    def __init__(self, held: Sequence[Iterable[str]], rarity: Rarity, question: str) -> None:
        known = {word: rarity.of(word) for word in {word for words in held for word in words}}
        counts = Counter(word for words in held for word in words)
        self._held = held
        self._rare = known
        self._centre = {word: count * known[word] for word, count in counts.items()}
        self._lengths = [math.sqrt(sum(known[word] ** 2 for word in words)) or 1.0 for words in held]
        asked = {word: rarity.of(word) for word in content(question)}
        total = sum(asked.values()) or 1.0
        # In tenths, so that near ties are settled by what is central.
        self._about = [round(sum(asked.get(word, 0.0) for word in words) / total, 1) for words in held]

    def take(self, free: Iterable[int]) -> int:
        """The best of those that are free: about the question, close to the centroid, early."""
        best = max(free, key=lambda at: (self._about[at], self._closeness(at), -at))
        for word in self._held[best]:
            self._centre[word] *= _USED
        return best

    def _closeness(self, at: int) -> float:
        """The cosine to the centroid, up to a factor that is the same for all."""
        return sum(self._rare[word] * self._centre[word] for word in self._held[at]) / self._lengths[at]


def chosen(stretch: Sequence[Passage], room: int, rarity: Rarity, question: str = "") -> list[Passage]:
    """The passages of a stretch that say most of what it says and fit into so many tokens, in their order."""
    pile = _Pile([content(one.text).keys() for one in stretch], rarity, question)
    weights = [weight(one.text) for one in stretch]
    kept = set[int]()
    while fitting := [at for at, heavy in enumerate(weights) if at not in kept and heavy <= room]:
        best = pile.take(fitting)
        kept.add(best)
        room -= weights[best]
    return [stretch[at] for at in sorted(kept)] or [stretch[0]]


def central(passages: Sequence[Passage], count: int = 1, question: str = "") -> list[tuple[Passage, int, int]]:
    """The sentences that say most of what some passages say: passage, start and end of each, in order."""
    found = [
        (one, start, end, words)
        for one in passages
        for start, end in sentences(one.text)
        if _LEAST_WORDS <= len(words := content(one.text[start:end]).keys()) <= _MOST_WORDS
    ]
    pile = _Pile([words for *_, words in found], Rarity(passages), question)
    best = set[int]()
    for _ in range(min(count, len(found))):
        best.add(pile.take(at for at in range(len(found)) if at not in best))
    return [found[at][:3] for at in sorted(best)]
