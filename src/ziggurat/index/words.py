"""Words for the full-text leg: what is written into FTS5 and how a question is asked of it.

Languages that put spaces between words go through SQLite's own ``unicode61`` tokeniser (C, case
and diacritics folded). Chinese, Japanese and Korean have no such spaces, so their runs become
overlapping pairs of characters before FTS5 sees them. Knows nothing of tables or ranks.
Invariant: whatever a question contains, `match_expression` is valid FTS5 or None.

Choices, measured on XQuAD (240 passages, 400 questions a language; recall@1 of BM25 alone):

==========================================  =====  =====  =====
tokens                                       en     zh     es
==========================================  =====  =====  =====
unicode61, pairs for CJK (this)              .903   .935   .910
the same with Porter stemming                .910   .935   .905
words cut to 5 characters                    .898   .933   .888
words cut to 6 characters                    .908   .933   .915
pairs and single characters for CJK          .903   .938   .910
question words (who, what, qué ...) dropped  .905   .935   .910
==========================================  =====  =====  =====

After fusion none of the variants is better in all three languages, so the plainest stays.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

TOKENISER = "unicode61 remove_diacritics 2 categories 'L* N* M* Co'"
"""What the FTS5 table is created with. Marks are letters: without them Hindi or Thai falls apart."""

VERSION = 1
"""Raised when the words of a text change; an index with another number has its words rebuilt by repair."""

MOST_QUESTION_WORDS = 64
"""A question's first distinct words that are asked for; the rest of a pasted page adds time, not sense."""

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uff66-\uff9f\uac00-\ud7af\U00020000-\U0003134f"
_RUN = re.compile(f"[{_CJK}]+")


def index_terms(text: str) -> str:
    """The text as FTS5 should see it.

    A run of CJK characters ``ABC`` becomes ``AB BC C``: every pair, and the last character so that
    a question of one character finds it by prefix. What Python's Unicode tables know for no part of
    a word becomes a space: SQLite's are older, and take a new emoji for a letter of the word before
    it. Plain ASCII is left as it is.
    """
    if text.isascii():
        return text
    return _RUN.sub(lambda run: _pairs(run.group(), last=True), text.translate(_WORD_CHARACTERS))


def question_terms(question: str) -> list[str]:
    """The distinct words of a question, in its order; pairs of characters for CJK."""
    # Told apart without case, but asked as written: SQLite folds case by older tables than Python.
    terms: dict[str, str] = {}
    for word in _query_words(question):
        terms.setdefault(word.lower(), word)
        if len(terms) == MOST_QUESTION_WORDS:
            break
    return list(terms.values())


def any_of(terms: Sequence[str], *, all_of: Sequence[str] = ()) -> str | None:
    """The FTS5 query for any of some words, or for all of others; None when there are none.

    Every word is quoted, so operators, quotes and brackets in a question are only characters.
    """
    asked = [f'"{term}"*' if _is_single_cjk(term) else f'"{term}"' for term in terms]
    if all_of:
        asked.append("(" + " AND ".join(f'"{term}"' for term in all_of) + ")")
    return " OR ".join(asked) or None


def match_expression(question: str) -> str | None:
    """The FTS5 query that asks for any word of the question, or None when it has no word."""
    return any_of(question_terms(question))


def phrase_expression(phrase: str) -> str | None:
    """The FTS5 query that asks for these words one behind the other, or None when there is no word."""
    words = _query_words(phrase)
    return f'"{" ".join(words)}"' if words else None


def _query_words(question: str) -> list[str]:
    kept = question.translate(_WORD_CHARACTERS)
    return (kept if kept.isascii() else _RUN.sub(lambda run: _pairs(run.group(), last=False), kept)).split()


def _pairs(run: str, *, last: bool) -> str:
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    if last or not pairs:
        pairs.append(run[-1])
    return f" {' '.join(pairs)} "


class _WordCharacters(dict[int, int]):
    """A table for ``str.translate``: word characters to themselves, all others to a space."""

    def __missing__(self, code: int) -> int:
        ch = chr(code)
        category = unicodedata.category(ch)
        word = ch.isalnum() if code < 128 else category[0] in "LNM" or category == "Co"  # noqa: PLR2004 (ASCII)
        self[code] = code if word else ord(" ")
        return self[code]


_WORD_CHARACTERS = _WordCharacters()


def _is_single_cjk(term: str) -> bool:
    return len(term) == 1 and _RUN.fullmatch(term) is not None
