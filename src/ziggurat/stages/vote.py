"""`Vote`: of several answers to one question, the one that most agree on.

As in Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models", 2022: each
sample reasons as it likes and ends with its answer; only the answers are compared. Asks no model.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from langchain_core.runnables import RunnableConfig

from ziggurat.chain.spec.registry import StageSettings
from ziggurat.chain.stage import Param
from ziggurat.errors import InputError
from ziggurat.stages.base import StageRunnable

_LEAD = re.compile(
    r"^\W*(?:the )?(?:final )?(?:answer|resposta(?: final)?|(?:最终)?答案)\s*(?:is|é|是|:|：)*\s*", re.IGNORECASE
)
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Voted:
    """The outcome of a vote.

    Attributes:
        text: The answer with most votes, as the first who gave it wrote it.
        votes: How many gave it.
        of: How many there were.
        counts: Every answer, as it was compared, with its votes; most first.
    """

    text: str
    votes: int
    of: int
    counts: tuple[tuple[str, int], ...]

    @property
    def share(self) -> float:
        """The part of all samples that agree, from 0 to 1."""
        return self.votes / self.of

    def __str__(self) -> str:
        return f"{self.text}\n({self.votes} of {self.of} agree)"


class VoteSettings(StageSettings):
    """A vote has nothing to set but its name."""

    name: str | None = None


class Vote(StageRunnable[Voted]):
    """Take the answer that most samples end with.

    The last line of each sample is its answer; case, punctuation and words such as "the answer is" do
    not count, and answers that are one number are compared as numbers.

    Args:
        name: What to call it in traces.

    Input: ``answers``, a list of texts; samples that failed and are kept as errors are passed over.
    Output: `Voted`; of answers with equally many votes, the one given first.

    Raises:
        InputError: If there is no answer.
    """

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name or "Vote"

    Settings = VoteSettings

    @classmethod
    def from_settings(cls, settings: VoteSettings) -> Self:
        """The stage that settings describe."""
        return cls(name=settings.name)

    def settings(self) -> VoteSettings:
        """The settings that describe this stage."""
        return VoteSettings(name=None if self.name == "Vote" else self.name)

    @property
    def stage_identity(self) -> Mapping[str, Any] | None:
        """All votes are the same."""
        return self._identity()

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The samples."""
        return (Param("answers", Sequence[str]),)

    @property
    def stage_output(self) -> Any:
        """`Voted`."""
        return Voted

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Voted:  # noqa: ARG002 (no model is asked)
        given = inputs["answers"]
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise InputError("A vote is taken on a list of answers.", where=self.get_name())
        endings = [ending for one in getattr(given, "ok", given) if (ending := _ending(str(one)))]
        if not endings:
            raise InputError("There is no answer to vote on.", where=self.get_name())
        counts = Counter(map(_compared, endings))
        best, votes = counts.most_common(1)[0]
        text = next(one for one in endings if _compared(one) == best)
        return Voted(text, votes, len(endings), tuple(counts.most_common()))


def _ending(sample: str) -> str:
    """The last line that says something, without what leads up to the answer."""
    lines = [line.strip() for line in sample.splitlines() if any(letter.isalnum() for letter in line)]
    return _LEAD.sub("", lines[-1]).strip(' *`"“”') if lines else ""


def _compared(answer: str) -> str:
    """An answer so that the same answer is the same text."""
    plain = unicodedata.normalize("NFKC", answer).casefold()
    numbers = _NUMBER.findall(plain)
    if len(numbers) == 1:
        return f"{float(numbers[0].replace(',', '')):g}"
    return " ".join(re.findall(r"\w+", plain))
