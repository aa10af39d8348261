"""A made-up book of any length, the same every time, in which twenty facts are stated, each once."""

from __future__ import annotations

import random
from dataclasses import dataclass

TOWNS = (
    "Varn Osk Brell Tamsin Quill Dorrow Hest Ilmar Jorvane Kestle Lorn Mardle Nivek Orlay Pell Rusk Sarn Thule Ulver Wick"
).split()
_WHO = (
    "The ferryman|A teacher|The miller's son|An old clerk|The harbour master|Her sister|The gardener|A stranger".split(
        "|"
    )
)
_DID = "walked along|looked back at|spoke of|painted|remembered|crossed|swept|drew a map of".split("|")
_WHAT = "the long beach|a row of boats|the empty market|the north road|a field of barley|the stone bridge|the quiet yard".split(
    "|"
)
_WHEN = "before breakfast|in the rain|without a word|that autumn|until the bells rang|as everybody did|for the last time".split(
    "|"
)


@dataclass(frozen=True)
class Book:
    """A text and the sentences that state its facts, in order."""

    text: str
    facts: tuple[str, ...]


def book(characters: int, seed: int = 7) -> Book:
    """About so many characters, in chapters; a fact stands in the middle of every twentieth of it."""
    chance = random.Random(seed)
    facts = tuple(
        f"The lighthouse at {town} was built in {year}."
        for town, year in zip(TOWNS, chance.sample(range(1610, 1930), len(TOWNS)), strict=True)
    )
    parts: list[str] = []
    length, chapter, stated = 0, 0, 0
    while length < characters:
        if length >= chapter * 60_000:
            chapter += 1
            part = f"Chapter {chapter}\n\n"
        else:
            told = [
                f"{chance.choice(_WHO)} {chance.choice(_DID)} {chance.choice(_WHAT)} {chance.choice(_WHEN)}."
                for _ in range(chance.randint(4, 9))
            ]
            if stated < len(facts) and length > (stated + 0.5) * characters / len(facts):
                told.insert(len(told) // 2, facts[stated])
                stated += 1
            part = " ".join(told) + "\n\n"
        parts.append(part)
        length += len(part)
    return Book("".join(parts), facts)
