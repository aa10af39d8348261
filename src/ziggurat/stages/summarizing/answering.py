"""Sentences that speak of a summary's question in its own words: what a small model's notes may not lose.

The bar is the one from which `RetrievalQA` quotes a sentence as the answer. Without a question nothing
here does anything. Asks no model.
"""

from __future__ import annotations

from collections.abc import Sequence

from ziggurat.stages.evidence import asked_about, bars_for, sentences
from ziggurat.stages.passages import Passage
from ziggurat.stages.summarizing.claims import Claim, heavy, thinned, word_for_word


def answers(question: str, text: str) -> bool:
    """Whether a sentence holds what a question asks about."""
    return bool(question) and asked_about(question, text) >= bars_for(question).quoted


def answering(passages: Sequence[Passage], question: str) -> list[Claim]:
    """The sentences of passages that answer a question, word for word, in order."""
    return [
        word_for_word(one, start, end)
        for one in passages
        for start, end in sentences(one.text)
        if answers(question, one.text[start:end])
    ]


def keeping(found: Sequence[Claim], given: Sequence[Claim], question: str, room: int) -> list[Claim]:
    """What was found, and of what was given what answers the question; the answers first to stay where room is short.

    Args:
        found: What a model made of it.
        given: What it was made from.
        question: What the summary is to answer.
        room: Estimated tokens of all together.
    """
    texts = {one.text.casefold() for one in found}
    answered = [one for one in found if answers(question, one.text)]
    missing = [one for one in given if answers(question, one.text) and one.text.casefold() not in texts]
    first = thinned([*answered, *missing], room) if answered or missing else []
    left = room - sum(map(heavy, first))
    rest = [one for one in found if one not in answered]
    return [*first, *(thinned(rest, left) if rest and left > 0 else [])]
