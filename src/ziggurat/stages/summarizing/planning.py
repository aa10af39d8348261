"""How many calls a summary takes, before the first is made.

Pure arithmetic. What one call may read follows from the model's context; what it may hand on is bounded too, so
the most calls that a tree of summaries can take are known, and a bound on calls is kept by reading less.
"""

from __future__ import annotations

from dataclasses import dataclass

from ziggurat.errors import InputError

SENTENCE = 60
"""Tokens that a sentence may take."""

_INSTRUCTIONS = 260
_LARGEST_PART = 8000
_LEAST_ROOM = 300
_NOTES = 3
_SHARE = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What each call may read and hand on, in estimated tokens.

    Attributes:
        context: What the model can hold.
        sentences: Of the summary.
        max_calls: Calls at most; None for no bound.
    """

    context: int
    sentences: int
    max_calls: int | None

    def __post_init__(self) -> None:
        if self.room < _LEAST_ROOM:
            raise InputError(
                f"A summary of {self.sentences} sentences does not fit a context of {self.context:,} tokens.",
                fix="ask for fewer sentences, or give the model a larger context_tokens",
            )

    @property
    def answer(self) -> int:
        """Tokens that an answer may take to write."""
        return SENTENCE * max(self.sentences, _NOTES)

    @property
    def room(self) -> int:
        """What one call may read beside its instructions."""
        return self.context - self.answer - _INSTRUCTIONS

    @property
    def part(self) -> int:
        """Text that is read at once where it is read in parts: models lose the middle of more."""
        return min(self.room, _LARGEST_PART)

    @property
    def claim(self) -> int:
        """What one sentence may weigh, so that no call's room is left half empty by one that is too long for it."""
        return self.room // _SHARE

    @property
    def notes(self) -> int:
        """What a part may hand on."""
        return self.room // _SHARE

    @property
    def notes_answer(self) -> int:
        """Tokens that notes of a part may take to write."""
        return SENTENCE * _NOTES

    @property
    def folded(self) -> int:
        """What a fold of notes may hand on; two always fit together."""
        return min(self.room // 2, max(self.notes, self.answer))

    def folds(self, parts: int) -> int:
        """Calls that bring the notes of so many parts to one summary, at most; the last one is the summary."""
        calls, groups = 1, self._groups(parts, self.notes)
        while groups > 1:
            calls += groups
            groups = self._groups(groups, self.folded)
        return calls

    def _groups(self, count: int, heavy: int) -> int:
        return 1 if count * heavy <= self.room else -(-count * heavy // (self.room - self.claim))

    def parts(self, *, tree: bool) -> int | None:
        """Parts that can be read within the bound on calls; None for any number.

        Args:
            tree: Whether notes are folded, or each part is one call and no more.

        Raises:
            InputError: If not even one can.
        """
        if self.max_calls is None or not tree:
            return self.max_calls
        count = self.max_calls - 1
        while count > 0 and count + self.folds(count) > self.max_calls:
            count -= 1
        if count < 1:
            raise InputError(f"{self.max_calls} call is not enough for a summary in parts.", fix="allow 2 or more")
        return count
