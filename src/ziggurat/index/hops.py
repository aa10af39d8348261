"""Multi-hop retrieval without a model call: from what a question finds to what that names, and on.

"Where was the director of X born?" finds the passage on X; who directed it stands there by name, and
the birthplace stands in the passage with that name for a title. So the titles of documents are looked
up in the question and in the passages found, and the documents they belong to join the hits. Three
kinds of links are followed, each scored by how near it stands to words of the question, how well its
target fits the question, and how alike both ends are:

- a passage names a document's title, whole or shortened ("directed by Jim Wynorski");
- a passage has a rare word of a title ("King Dikkha" for "Min Dikkha");
- a document names the title of the passage ("... lies opposite St James's Palace").

Reads names and words from SQLite and vectors from a `View`, all of one generation; changes nothing.
Every score is the product of the scores on its path, so a path can be shown and checked.

All gold passages in the first 8 hits (2WikiMultihop and HotpotQA, 40 questions each):

=====================================  ====  =====  ======
passages searched                      780   6,119  1,000
=====================================  ====  =====  ======
hybrid search                          .425  .375   .925
this                                   1.0   1.0    .975
without what a link is worth at least  .950  .950   .950
without words near the name            .975  .975   .950
without rare words of titles           .975  .975   .975
without those who name a title         1.0   1.0    .925
one hop instead of two                 1.0   1.0    .975
=====================================  ====  =====  ======

Eight random changes of all weights by up to 40 % gave 1.0, 1.0 and .950 to .975.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ziggurat.index import names
from ziggurat.index.bearers import Bearers, Scale
from ziggurat.index.dense import View
from ziggurat.index.fusion import Fused
from ziggurat.index.hits import Hop, HowLinked
from ziggurat.index.inputs import Vectors
from ziggurat.index.names import PART, WHOLE, Mention, Word
from ziggurat.index.relations import asks_for_kin, names_kin, stems

BASE_DEPTH = 40
"""Hits of the plain search that a path may start from or end in."""
_SEEDS = 4
_FRONT = 6
_DEPTH = 2
_NAMED = 1.5
"""The score of a document whose title stands in the question; the best plain hit has 1."""
_NAMED_SHORT = 0.7
_SECOND_HOP = 0.6
_BOTH = 0.3
"""The share of the lesser score that counts where a plain hit lies on a path too."""
_BEFORE, _BEHIND = 80, 30
"""Characters around a name in which words of the question are looked for."""
_READ = 8000
"""Characters of a passage that are read for names."""
_OPENING = 400
"""The same of a passage that names the title of another: its opening says what it is about."""
_KIN_IS_NEAR = 0.75
"""What a word of kinship near a name counts, when the question asks for kin."""


@dataclass(frozen=True, slots=True)
class _Weights:
    """What a link is worth, before it is multiplied with the score of the passage it starts from."""

    base: float = 0.30
    near: float = 0.45  # words of the question around the name
    fits: float = 0.35  # the target is like the question
    alike: float = 0.15  # both ends are alike
    early: float = 0.10  # the name comes early in the passage
    ambiguous: float = 0.15  # for each better bearer of the same name
    part: float = 0.6
    reverse: float = 0.7


_W = _Weights()
_Link = tuple[int, float, Hop]


@dataclass(slots=True)
class _Node:
    row: int
    score: float
    path: tuple[Hop, ...]


class Walk:
    """One question's walk over an index.

    Args:
        connection: Inside a read transaction.
        view: The vectors of the same generation.
        question: In words.
        query: Its unit vector.
        allowed: Whether a row passes the filter; None lets all pass.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        view: View,
        question: str,
        query: Vectors,
        allowed: Collection[int] | None,
    ) -> None:
        self._known = Bearers(connection, view, query)
        self._allowed = allowed
        self._question = question
        self._scale = Scale(())
        self._likeness = Scale(())
        self._led: dict[int, _Node] = {}
        self._asked: frozenset[str] = frozenset()
        self._kin = False

    def follow(self, base: Sequence[Fused], nearest: Sequence[tuple[int, float]], k: int) -> list[Fused]:
        """The best ``k`` rows on or off a path.

        Args:
            base: Hits of the plain search, best first.
            nearest: The same of the dense leg, which tell what a good cosine is.
            k: How many.
        """
        self._scale = Scale([score for _, score in nearest])
        self._likeness = Scale(self._known.likenesses([row for row, _ in nearest]))
        nodes = {hit.row: _Node(hit.row, hit.score, ()) for hit in base}
        named, spoken = self._named()
        for row, score, hop in named:
            if row not in nodes or score > nodes[row].score:
                nodes[row] = _Node(row, score, (hop,))
        self._asked = stems(self._question) - frozenset(
            stem for mention in spoken for stem in stems(self._question[mention.start : mention.end])
        )
        self._kin = asks_for_kin(self._asked)
        front = [nodes[row] for row, score, _ in named if score == _NAMED]
        if len(front) < 2:  # noqa: PLR2004 (one name in a question of two: the plain hits may know the other)
            known = {node.row for node in front}
            front += [nodes[hit.row] for hit in base[: 2 if front else _SEEDS] if hit.row not in known]
        for depth in range(_DEPTH):
            front = self._step(nodes, front, 1.0 if depth == 0 else _SECOND_HOP)
        legs = {hit.row: hit for hit in base}
        for hit in base:
            led = self._led.get(hit.row)
            if led is not None:  # both the question and a path speak for it
                score = max(nodes[hit.row].score, hit.score) + _BOTH * min(led.score, hit.score)
                nodes[hit.row] = _Node(hit.row, score, nodes[hit.row].path or led.path)
        best = sorted(nodes.values(), key=lambda node: (-node.score, node.row))[:k]
        return [
            replace(legs[node.row], score=node.score, path=node.path)
            if node.row in legs
            else Fused(node.row, node.score, None, None, node.path)
            for node in best
        ]

    def _named(self) -> tuple[list[tuple[int, float, Hop]], list[Mention]]:
        """Documents whose titles stand in the question, and where they stand."""
        spoken, bearers = self._known.mentions(self._question, names.words(self._question))
        found: dict[int, tuple[int, float, Hop]] = {}
        for mention in spoken:
            for rank, (row, kind) in enumerate(self._known.ranked(bearers[mention.name], None)):
                if not self._may(row):
                    continue
                sure = rank == 0 or kind == WHOLE
                hop = Hop(None, self._known.title(row), "the question names", mention.name)
                found.setdefault(row, (row, _NAMED if sure else _NAMED_SHORT, hop))
        return list(found.values()), spoken

    def _may(self, row: int) -> bool:
        """Whether the filter lets a row through."""
        return self._allowed is None or row in self._allowed

    def _step(self, nodes: dict[int, _Node], front: Iterable[_Node], decay: float) -> list[_Node]:
        """Follow every link of the front; better scores are kept, and the best ends are the next front."""
        reached: dict[int, _Node] = {}
        for node in front:
            for row, worth, hop in self._links(node.row):
                if not self._may(row):
                    continue
                score = node.score * decay * worth
                if row not in reached or score > reached[row].score:
                    reached[row] = _Node(row, score, (*node.path, hop))
        for row, node in reached.items():
            if row not in self._led or node.score > self._led[row].score:
                self._led[row] = node
            if row not in nodes or node.score > nodes[row].score:
                nodes[row] = node
        return sorted(reached.values(), key=lambda node: (-node.score, node.row))[:_FRONT]

    def _links(self, row: int) -> list[_Link]:
        text = self._known.text(row)[:_READ]
        text_words = names.words(text)
        own = {name for name, kind in names.names_of(self._known.title(row) or "") if kind != PART}
        found, bearers = self._known.mentions(text, text_words)
        found = [mention for mention in found if mention.name not in own]
        links: list[_Link] = []
        for mention in found:
            near = self._near(text, mention.start, mention.end)
            for rank, (target, _) in enumerate(self._known.ranked(bearers[mention.name], row)):
                worth = self._worth(row, target, near) + _W.early / (1 + mention.rank) - _W.ambiguous * rank
                links.append((target, worth, self._hop(row, target, "names", text[mention.start : mention.end])))
        links += self._by_rare_words(row, text, text_words, own, found)
        links += self._reversed(row)
        whole = self._known.whole(row)
        return [link for link in links if self._known.whole(link[0]) != whole]

    def _by_rare_words(
        self, row: int, text: str, text_words: list[Word], own: set[str], found: list[Mention]
    ) -> Iterator[_Link]:
        """Titles of which a rare word stands in the text, outside the names found there."""
        passed = {word for name in own for word in name.split()}
        covered = [(mention.start, mention.end) for mention in found]
        rare: dict[str, Word] = {}
        for word in text_words:
            if len(word.folded) < names.SHORTEST_PART or word.folded in passed or not text[word.start].isupper():
                continue
            if not any(start <= word.start < end for start, end in covered):
                rare.setdefault(word.folded, word)
        bearers = self._known.of_rare_words(rare)
        for rank, word in enumerate(rare.values(), start=1):
            for target in bearers.get(word.folded, ()):
                worth = self._worth(row, target, self._near(text, word.start, word.end)) + _W.early / (1 + rank)
                said = text[word.start : word.end]
                yield target, _W.part * worth, self._hop(row, target, "has a word of", said)

    def _reversed(self, row: int) -> Iterator[_Link]:
        """Chunks that name this one's title."""
        title = self._known.title(row)
        name = names.short_title(title) if title else ""
        for target in self._known.naming(name):
            near = self._share(stems(self._known.text(target)[:_OPENING]))
            yield target, _W.reverse * self._worth(row, target, near), self._hop(row, target, "is named by", name)

    def _hop(self, row: int, target: int, how: HowLinked, said: str) -> Hop:
        return Hop(self._known.title(row), self._known.title(target), how, said)

    # What a link is worth

    def _worth(self, row: int, target: int, near: float) -> float:
        fits = self._scale.of(self._known.cosine(target))
        alike = self._likeness.of(self._known.likeness(row, target))
        return _W.base + _W.near * near + _W.fits * fits + _W.alike * alike

    def _near(self, text: str, start: int, end: int) -> float:
        around = stems(text[max(0, start - _BEFORE) : end + _BEHIND])
        share = self._share(around)
        return max(share, _KIN_IS_NEAR) if self._kin and names_kin(around) else share

    def _share(self, around: frozenset[str]) -> float:
        return min(len(self._asked & around), 2) / 2
