"""Which of several queries to trust: by what they give, and by whether they use what the question says.

Queries that give the same rows vote together. Knows no model. What a query lacks of the question (a number, a value, a
share) counts against it, since a small model forgets such things more often than it invents them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from ziggurat.sql.linking import Link, folded
from ziggurat.sql.rows import Rows

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\w)")
_EACH = re.compile(r"\b(each|every|per)\b|每|各|\bcada\b", re.IGNORECASE)
_SHARE = re.compile(
    r"\b(ratio|proportion|percentage|percent|share|razão|proporção|percentagem)\b|比例|比率|百分比|占比", re.IGNORECASE
)
_MEAN = re.compile(r"\b(average|mean|média)\b|平均", re.IGNORECASE)
_COUNT = re.compile(r"\bhow many\b|\bnumber of\b|\bquantos\b|\bquantas\b|多少|几[个位种]", re.IGNORECASE)
_ORDER = re.compile(
    r"\b(order(ed)?|sort(ed)?|highest|lowest|longest|shortest|most|least|top|largest|smallest)\b", re.IGNORECASE
)


_TEXT = re.compile(r"'([^']*)'")
_FORMAT = re.compile(
    r"^now$|^[-+]?\d|^%[a-zA-Z]|[-:]%|days?$|months?$|years?$|^start of|unixepoch|\d{4}-\d", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A query that was run.

    Attributes:
        query: As it was run.
        rows: What it gave.
        mended: Whether it is other than the model wrote it.
    """

    query: str
    rows: Rows
    mended: bool = False


def best(candidates: Sequence[Candidate], question: str, found: Iterable[Link]) -> Candidate | None:
    """The candidate to trust; None if there is none."""
    named = list(found)
    weights = [weight(one, question, named) for one in candidates]
    votes: Counter[Hashable] = Counter()
    for one, weighed in zip(candidates, weights, strict=True):
        votes[outcome(one.rows)] += weighed  # type: ignore[assignment]  # a Counter adds any numbers
    order = range(len(candidates))
    chosen = max(order, key=lambda at: (votes[outcome(candidates[at].rows)], weights[at], -at), default=None)
    return None if chosen is None else candidates[chosen]


def agreed(candidates: Sequence[Candidate]) -> bool:
    """Whether all give the same rows, and there are some."""
    return len({outcome(one.rows) for one in candidates}) == 1 and len(candidates[0].rows) > 0


def outcome(rows: Rows) -> Hashable:
    """What tells one result from another: its rows in any order, numbers to six digits."""
    return frozenset(Counter(tuple(map(_rounded, row)) for row in rows.rows).items())


def weight(candidate: Candidate, question: str, found: Sequence[Link]) -> float:
    """How much a candidate's vote counts: 1, less for each thing that speaks against it."""
    query, rows = candidate.query.casefold(), candidate.rows
    weighed = 1.0 - 0.1 * candidate.mended
    if not len(rows):
        weighed *= 0.25
    elif all(cell is None for row in rows.rows for cell in row):
        weighed *= 0.2
    elif len(rows) == 1 and all(cell in (0, None) for cell in rows.rows[0]):
        weighed *= 0.6
    return weighed * _said(candidate, question, found) * _asked(query, rows, question)


def _said(candidate: Candidate, question: str, found: Sequence[Link]) -> float:
    """Less for each number and value of the question that is missing, and for each text that is not the question's."""
    query, weighed = candidate.query.casefold(), 1.0
    for number in set(_NUMBER.findall(question)):
        if not re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", query):
            weighed *= 0.7
    flat = folded(query)
    for said in {folded(link.said) for link in found if len(link.said) > 2}:  # noqa: PLR2004 (a code may be written out)
        values = {folded(link.value) for link in found if folded(link.said) == said}
        if not any(value in flat for value in values):
            weighed *= 0.6
    asked = folded(question)
    known = {folded(link.value) for link in found}
    for text in set(_TEXT.findall(candidate.query)):
        invented = (flat_text := folded(text)) and flat_text not in asked and flat_text not in known
        if invented and not _FORMAT.search(text):
            weighed *= 0.7
    return weighed


def _asked(query: str, rows: Rows, question: str) -> float:
    """Less where a share, a mean, a count or one row for each is asked for, and the query is of another kind."""
    weighed = 1.0
    if _SHARE.search(question):
        weighed *= 1.0 if "/" in query else 0.4
    elif _MEAN.search(question):
        weighed *= 1.0 if "avg(" in query or "/" in query else 0.5
    elif _COUNT.search(question):
        weighed *= 1.0 if "count(" in query or "sum(" in query else 0.6
    if _EACH.search(question) and not _SHARE.search(question):
        weighed *= 1.0 if "group by" in query or len(rows) > 1 else 0.4
    if not _ORDER.search(question) and " limit " in query:
        weighed *= 0.6
    return weighed


def _rounded(cell: object) -> object:
    if isinstance(cell, bool | int | float):
        return round(float(cell), 6)
    if cell is None:
        return None
    return str(cell)
