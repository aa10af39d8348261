"""Whether a sentence is supported by a passage, and by which words of it.

Lexical and deterministic: the content words of a sentence are looked for in each sentence of the
passages (Chinese, Japanese and Korean by character pairs), names and numbers count double, and a
number that stands nowhere in the passage refutes it. No model is asked, so a citation is checked and not
claimed. It measures whether the words are there, which a paraphrase far from the source fails:
such a sentence is marked, not dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ziggurat.stages.language import CHINESE_FUNCTION_WORDS, FUNCTION_WORDS


@dataclass(frozen=True, slots=True)
class Bars:
    """How much must be covered, as shares of weighted content.

    Measured on XQuAD (240 passages, 200 and 250 questions a language). At ``about``, 94 % of the English
    questions reach their own passage and 36 % any other (es 92 and 34, zh 90 and 26). At
    ``quoted``, 61 % find a sentence in their own passage, which holds the answer in 88 % of the
    cases, and 2.8 % find one in any of the other 239 (es 50, 90 and 2.8; zh 48, 94 and 1.6).

    Attributes:
        supported: Of a sentence, by one place in a passage.
        about: Of the question, by the passage a sentence rests on.
        quoted: Of the question (see `asked_about`), by a sentence that is quoted as the answer.
    """

    supported: float
    about: float
    quoted: float


_WORDS, _CHARACTERS = Bars(0.6, 0.5, 0.6), Bars(0.5, 0.4, 0.6)


def bars_for(text: str) -> Bars:
    """The bars for a text: pairs of Chinese characters repeat less than words do."""
    return _CHARACTERS if any(map(_is_cjk, text)) else _WORDS


_NAME_WEIGHT = 2.0
_STEM_LENGTH = 6
_WINDOW = 3  # sentences: the name that a "he" stands for is often two before it
_CJK_RUN = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK_RUN}]+|\d+(?:[.,]\d+)*|[^\W\d_{_CJK_RUN}]+(?:['’][^\W\d_]+)?")
_BREAK = re.compile(
    r"(?<=[.!?…])([\"'”’)\]]*)\s+|(?<=[。！？])([”’」』）]*)"
    r"|[^\S\n]*\n[^\S\n]*\n\s*|[^\S\n]*\n\s*(?=[#>|•]|[-*+]\s|\d+[.)]\s|[^:;\n]{1,60}: [^;\n]*;)"
)
"""Where a sentence ends: at its mark, at a blank line, or before a line that begins an item or is the row
of a table ("Team: Blues; Wins: 1"). A line break alone ends nothing: texts are wrapped by hand."""
_NO_BREAK = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|no|fig|approx|inc|ltd|e\.g|i\.e)|\b[A-Z])\.$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Support:
    """The best evidence for a sentence in one text.

    Attributes:
        share: How much of the sentence's content it covers, from 0 to 1.
        start: Where the evidence begins in the text, in characters.
        end: Where it ends, exclusive.
    """

    share: float
    start: int
    end: int


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The spans of the sentences of a text, without the white space around them."""
    start = 0
    for found in [*_BREAK.finditer(text), None]:
        end = max(found.start(), found.end(1), found.end(2)) if found else len(text)
        piece = text[start:end]
        if found and _NO_BREAK.search(piece[-8:]) and "\n" not in found.group():
            continue
        if piece.strip():
            lead = len(piece) - len(piece.lstrip())
            yield start + lead, start + len(piece.rstrip())
        start = found.end() if found else end


def content(text: str) -> dict[str, float]:
    """The content words of a text with their weights; numbers and names weigh more."""
    weights: dict[str, float] = {}
    for found in _TOKEN.finditer(unicodedata.normalize("NFKC", text)):
        token = found.group()
        if _is_cjk(token):
            for run in CHINESE_FUNCTION_WORDS.split(token):
                pairs = [run[at : at + 2] for at in range(len(run) - 1)] or [run]
                weights.update(dict.fromkeys(filter(None, pairs), 1.0))
        elif token[0].isdigit():
            weights[token.replace(",", "")] = _NAME_WEIGHT
        elif token.lower() not in FUNCTION_WORDS:
            is_name = token[0].isupper() and found.start() > 0
            key = stem(token)
            weights[key] = max(weights.get(key, 0.0), _NAME_WEIGHT if is_name else 1.0)
    return weights


def stem(word: str) -> str:
    """A word without case, accents and ending, so that ``develops`` meets ``developed``."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(char))
    bare = bare.partition("'")[0].partition("’")[0]
    if len(bare) > _STEM_LENGTH:
        return bare[:_STEM_LENGTH]
    return bare[:-1] if len(bare) > 3 and bare.endswith("s") else bare  # noqa: PLR2004 (a plural's shortest stem)


def find_support(claim: str, text: str) -> Support:
    """The sentence, or the two or three neighbours, of ``text`` that cover most of ``claim``.

    Of two that cover as much, the shorter. A claim without content words is covered by nothing.
    """
    wanted = content(claim)
    best = Support(0.0, 0, 0)
    if not wanted:
        return best
    numbers = {token for token in wanted if token[0].isdigit()}
    spans = list(sentences(text))
    held = [content(text[start:end]).keys() for start, end in spans]
    for first in range(len(spans)):
        there: set[str] = set()
        for last in range(first, min(first + _WINDOW, len(spans))):
            start, end = spans[first][0], spans[last][1]
            there |= held[last]
            share = _share(wanted, there) if numbers <= there else 0.0
            if (share, start - end) > (best.share, best.start - best.end) and share:
                best = Support(share, start, end)
    return best


def coverage(claim: str, texts: Sequence[str]) -> float:
    """The share of the claim's content words that stand anywhere in the texts, from 0 to 1."""
    return _share(content(claim), set().union(*map(content, texts)))


def asked_about(question: str, sentence: str) -> float:
    """How much of what a question asks stands in a sentence, from 0 to 1.

    The smaller of two shares: of all its content, and of its words that are no names. So a sentence
    that only shares a name with the question ("What does X cost?", "X is a river.") has none of it.
    """
    wanted, there = content(question), content(sentence)
    plain = {token: weight for token, weight in wanted.items() if weight < _NAME_WEIGHT}
    return min(_share(wanted, there), _share(plain, there) if plain else 1.0)


def _share(wanted: Mapping[str, float], there: Container[str]) -> float:
    """How much of the wanted weight is there, from 0 to 1; nothing wanted is nothing there."""
    total = sum(wanted.values())
    return sum(weight for token, weight in wanted.items() if token in there) / total if total else 0.0


def _is_cjk(token: str) -> bool:
    return bool(re.match(f"[{_CJK_RUN}]", token))
