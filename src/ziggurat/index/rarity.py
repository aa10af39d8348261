"""Which words of a question are worth asking for, when the index is large.

BM25 has to look at every chunk that holds a word, about 3 microseconds each, and a word that stands
everywhere says nothing: in 50,000 long chunks a question of common words took 260 ms, and a question
of its rare words a few. So the rarest words are asked for first, as many as `BUDGET` chunks allow; where even
the rarest stands in more, chunks that hold several of them at once are asked for. Small indexes never
come near the budget and are searched with every word.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, MutableMapping, Sequence
from typing import NamedTuple

from ziggurat.index.names import folded
from ziggurat.index.words import any_of

BUDGET = 4000
"""Places of words that a search looks at, about: 12 ms."""
_COUNTED = 25 * BUDGET
"""Up to here the places of common words are counted, to tell which is the rarest."""
_TOGETHER = 3
"""Common words asked for together."""


def frequency(connection: sqlite3.Connection, term: str, at_most: int) -> int:
    """In how many places a word stands, counted no further than ``at_most``."""
    found = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM terms WHERE term = ? LIMIT ?)", (folded(term), at_most)
    )
    return int(found.fetchone()[0])


class Asked(NamedTuple):
    """The words of a question that are asked for.

    Attributes:
        terms: In the order they are asked for.
        together: Whether a chunk must hold all of them; else any of them will do.
    """

    terms: list[str]
    together: bool

    @property
    def expression(self) -> str | None:
        """The FTS5 query; None when there are no words."""
        return any_of([], all_of=self.terms) if self.together else any_of(self.terms)


def telling(connection: sqlite3.Connection, terms: Sequence[str], known: MutableMapping[str, int]) -> str | None:
    """The FTS5 query for the words of a question that tell most; None when there are no words.

    Args:
        connection: Inside a read transaction.
        terms: The words, see `question_terms`.
        known: How often words stand in this generation; filled as they are asked for.
    """
    return asked_terms(lambda term, at_most: frequency(connection, term, at_most), terms, known).expression


def asked_terms(count: Callable[[str, int], int], terms: Sequence[str], known: MutableMapping[str, int]) -> Asked:
    """The words of a question that tell most.

    Args:
        count: In how many places a word stands, counted no further than the second number.
        terms: The words, see `question_terms`.
        known: How often words stand in this generation; filled as they are asked for.
    """
    for term in terms:
        if term not in known:
            known[term] = count(term, BUDGET + 1)
    if sum(known[term] for term in terms) <= BUDGET:
        return Asked(list(terms), together=False)
    asked, left = [], BUDGET
    for term in sorted(terms, key=known.__getitem__):
        if known[term] > left:
            break
        asked.append(term)
        left -= known[term]
    if any(known[term] for term in asked):
        # In the question's order, and unknown words too: a folded form may not be what was counted.
        return Asked([term for term in terms if term in asked], together=False)
    for term in terms:
        if known[term] == BUDGET + 1:
            known[term] = count(term, _COUNTED)
    rarest = sorted((term for term in terms if known[term]), key=known.__getitem__)[:_TOGETHER]
    return Asked(rarest, together=True)
