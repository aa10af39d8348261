"""Which words of a question are worth asking for, when the index is large.

BM25 has to look at every chunk that holds a word, about 3 microseconds each, and a word that stands
everywhere says nothing: in 50,000 long chunks a question of common words took 260 ms, and a question
of its rare words a few. So the rarest words are asked for first, as many as `BUDGET` chunks allow; where even
the rarest stands in more, chunks that hold several of them at once are asked for. Small indexes never
come near the budget and are searched with every word.
"""

from __future__ import annotations

import sqlite3
from collections.abc import MutableMapping, Sequence

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


def telling(connection: sqlite3.Connection, terms: Sequence[str], known: MutableMapping[str, int]) -> str | None:
    """The FTS5 query for the words of a question that tell most; None when there are no words.

    Args:
        connection: Inside a read transaction.
        terms: The words, see `question_terms`.
        known: How often words stand in this generation; filled as they are asked for.
    """
    for term in terms:
        if term not in known:
            known[term] = frequency(connection, term, BUDGET + 1)
    if sum(known[term] for term in terms) <= BUDGET:
        return any_of(terms)
    asked, left = [], BUDGET
    for term in sorted(terms, key=known.__getitem__):
        if known[term] > left:
            break
        asked.append(term)
        left -= known[term]
    if any(known[term] for term in asked):
        # In the question's order, and unknown words too: a folded form may not be what was counted.
        return any_of([term for term in terms if term in asked])
    for term in terms:
        if known[term] == BUDGET + 1:
            known[term] = frequency(connection, term, _COUNTED)
    rarest = sorted((term for term in terms if known[term]), key=known.__getitem__)[:_TOGETHER]
    return any_of([], all_of=rarest)
