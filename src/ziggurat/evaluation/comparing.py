"""Two saved runs side by side: the difference of every measure with its interval, and which questions changed.

Questions are matched by their text and gold, so the runs may be of datasets that overlap in part. Pure; files are
`saved`'s. A difference is significant here where its interval leaves out 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ziggurat.errors import InputError
from ziggurat.evaluation.bootstrap import Figure, paired
from ziggurat.evaluation.page import headline
from ziggurat.evaluation.saved import Row, Run, Variant


@dataclass(frozen=True, slots=True)
class Change:
    """One question that went better or worse."""

    question: str
    before: float
    after: float
    said_before: str = ""
    said_after: str = ""


@dataclass(slots=True)
class Comparison:
    """A variant of one run beside a variant of another.

    Attributes:
        before: Run and variant, in words.
        after: The same of the second.
        measure: What questions are compared by.
        questions: How many both have.
        differences: Second less first, by measure, with interval.
        better: Questions the second does better by ``measure``, the largest gain first.
        worse: Questions it does worse, the largest loss first.
        notes: What a reader needs to know.
    """

    before: str
    after: str
    measure: str
    questions: int
    differences: dict[str, Figure]
    better: list[Change]
    worse: list[Change]
    notes: list[str] = field(default_factory=list)


def compare(before: Run, after: Run, of: str | None = None, to: str | None = None) -> list[Comparison]:
    """Compare two runs.

    Args:
        before: The first.
        after: The second.
        of: A variant of the first; None for all that both have, or the only one.
        to: A variant of the second to set beside it; None for that of the same name, or the only one.

    Raises:
        InputError: If they share no variant or no question, or measure different things.
    """
    if before.kind != after.kind:
        raise InputError(f"A run of {before.kind} and one of {after.kind} measure different things.")
    notes = []
    if before.dataset["digest"] != after.dataset["digest"]:
        notes.append("The datasets differ; only the questions that both have are compared.")
    if before.index["stamp"] != after.index["stamp"]:
        notes.append("The index was another, or at another generation.")
    return [_compared(before, one, after, other, notes) for one, other in _pairs(before, after, of, to)]


def _pairs(before: Run, after: Run, of: str | None, to: str | None) -> list[tuple[Variant, Variant]]:
    if of is not None or to is not None:
        first = before.variant(of if of is not None else str(to))
        return [(first, after.variant(to if to is not None else str(of)))]
    shared = [(one, other) for one in before.variants for other in after.variants if one.name == other.name]
    if shared:
        return shared
    if len(before.variants) == len(after.variants) == 1:
        return [(before.variants[0], after.variants[0])]
    raise InputError(
        "The runs share no variant.",
        fix=f"name two: --of {' | '.join(one.name for one in before.variants)} "
        f"--to {' | '.join(one.name for one in after.variants)}",
    )


def _compared(before: Run, first: Variant, after: Run, second: Variant, notes: list[str]) -> Comparison:
    ones, others = _by_question(first), _by_question(second)
    both = [(one, others[key]) for key, one in ones.items() if key in others]
    if not both:
        raise InputError("The runs share no question.", fix="compare runs of one dataset")
    differences = {}
    for name in first.measures:
        pairs = [(a.scores[name], b.scores[name]) for a, b in both if name in a.scores and name in b.scores]
        if pairs:
            differences[name] = paired([a for a, _ in pairs], [b for _, b in pairs])
    measure = headline(first)
    if measure not in differences:
        raise InputError(
            f"{first.name} is measured by {measure}, {second.name} is not.", fix="compare runs with the same k"
        )
    changes = [
        Change(a.question, a.scores[measure], b.scores[measure], a.answer.get("text", ""), b.answer.get("text", ""))
        for a, b in both
        if measure in a.scores and measure in b.scores
    ]
    return Comparison(
        f"{before.name}: {first.name}",
        f"{after.name}: {second.name}",
        measure,
        len(both),
        differences,
        sorted((one for one in changes if one.after > one.before), key=lambda one: one.before - one.after),
        sorted((one for one in changes if one.after < one.before), key=lambda one: one.after - one.before),
        notes,
    )


def _by_question(variant: Variant) -> dict[tuple[str, int], Row]:
    """Rows by their question; one that is asked several times keeps its turn."""
    turns: Counter[str] = Counter()
    rows = {}
    for row in variant.rows:
        key = "\n".join([row.question, *row.gold])
        rows[key, turns[key]] = row
        turns[key] += 1
    return rows
