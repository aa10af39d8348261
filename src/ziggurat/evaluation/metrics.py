"""The measures, each a pure function of what was found or said and what should have been.

Ranks count from 1. Knows no index, no model and no file. Invariant: every measure lies between 0 and 1.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

Rank = int | None

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_ENGLISH = frozenset("a an the".split())
_BY_LANGUAGE = {
    "en": _ENGLISH,
    "es": frozenset("el la los las un una unos unas lo".split()),
    "pt": frozenset("o a os as um uma uns umas".split()),
}


def recall(ranks: Sequence[Rank], k: int) -> float:
    """Recall@k of one question: the share of its gold passages in the first ``k``.

    Source: Manning, Raghavan and Schütze, "Introduction to Information Retrieval", 2008, ch. 8.

    Args:
        ranks: Of every gold passage, its rank; None where it was not found. At least one.
        k: How many places are looked at.
    """
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks)


def all_gold(ranks: Sequence[Rank], k: int) -> float:
    """1 where every gold passage is in the first ``k``, else 0; over questions: all-gold@k.

    A question of several hops can be answered only where all its passages were found.
    """
    return float(all(rank is not None and rank <= k for rank in ranks))


def reciprocal_rank(ranks: Sequence[Rank], k: int) -> float:
    """One over the rank of the first gold passage, 0 beyond ``k``; over questions: MRR@k.

    Source: Voorhees, "The TREC-8 Question Answering Track Report", 1999.
    """
    best = min((rank for rank in ranks if rank is not None and rank <= k), default=None)
    return 0.0 if best is None else 1 / best


def ndcg(ranks: Sequence[Rank], k: int) -> float:
    """nDCG@k with gains of 0 and 1: ``sum(1 / log2(rank + 1))`` over that of the best possible order.

    Gold passages that are found at one and the same rank (two names of one passage) gain once.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002.
    """
    gained = sum(1 / math.log2(rank + 1) for rank in {rank for rank in ranks if rank is not None and rank <= k})
    best = sum(1 / math.log2(place + 1) for place in range(1, min(len(ranks), k) + 1))
    return gained / best


def normalised(text: str, language: str | None = None) -> list[str]:
    """An answer as it is compared: lower case, without punctuation and articles, in tokens.

    As the evaluation script of SQuAD (Rajpurkar et al., 2016) does it for English; in Chinese,
    Japanese and Korean every character is a token, and Spanish and Portuguese articles are left out where
    the language is known to be one of them, as Lewis et al., "MLQA", 2020, do.

    Args:
        text: An answer.
        language: Its language; None leaves out the articles of English alone.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    plain = "".join(char for char in folded if not _is_mark(char))
    articles = _BY_LANGUAGE.get(language or "en", frozenset())
    tokens = _TOKEN.findall(plain)
    kept = [token for token in tokens if token not in articles]
    return kept or tokens  # an answer that is an article ("A") is an answer


def _is_mark(char: str) -> bool:
    kind = unicodedata.category(char)[0]
    return kind == "P" or (kind == "S" and char.isascii())


def exact_match(said: str, answers: Sequence[str], language: str | None = None) -> float:
    """1 where the normalised answer is one of the acceptable ones, else 0. Source: as `normalised`."""
    tokens = normalised(said, language)
    return float(any(tokens == normalised(one, language) for one in answers))


def token_f1(said: str, answers: Sequence[str], language: str | None = None) -> float:
    """The harmonic mean of precision and recall of the answer's tokens; the best over acceptable answers.

    Tokens are counted as often as they stand. Source: as `normalised`.
    """
    return max((_f1(normalised(said, language), normalised(one, language)) for one in answers), default=0.0)


def _f1(said: list[str], wanted: list[str]) -> float:
    if not said or not wanted:
        return float(said == wanted)
    shared = (Counter(said) & Counter(wanted)).total()
    return 2 * shared / (len(said) + len(wanted))


def holds_answer(said: str, answers: Sequence[str], language: str | None = None) -> float:
    """1 where an acceptable answer stands in what was said, token for token, else 0.

    For answers in sentences, of which exact match says nothing.
    """
    tokens = normalised(said, language)
    for one in answers:
        wanted = normalised(one, language)
        if wanted and any(tokens[at : at + len(wanted)] == wanted for at in range(len(tokens) - len(wanted) + 1)):
            return 1.0
    return 0.0


def share(flags: Sequence[bool]) -> float | None:
    """The share that is true; None of nothing."""
    return sum(flags) / len(flags) if flags else None


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def ranks_of(gold: Sequence[str], found: Sequence[frozenset[str]], fold: Callable[[str], str] = str) -> list[Rank]:
    """The rank of every gold name: that of the first hit that bears it.

    Args:
        gold: Names of the gold passages.
        found: For every hit, best first, the names it bears, folded.
        fold: How names are compared.
    """
    return [next((at for at, names in enumerate(found, 1) if fold(name) in names), None) for name in gold]
