"""Measuring: how well an index finds and a model answers, on questions with known answers.

The shop window of the room. Importing it imports none of its parts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ziggurat.evaluation.answers import AnswerSettings, evaluate_answers
    from ziggurat.evaluation.bootstrap import Figure, figure, paired
    from ziggurat.evaluation.comparing import Comparison, compare
    from ziggurat.evaluation.dataset import Dataset, Question, load_dataset
    from ziggurat.evaluation.making import MakeSettings, make_questions
    from ziggurat.evaluation.retrieval import evaluate_retrieval
    from ziggurat.evaluation.saved import Row, Run, Variant, load_run

_HOMES = {
    "AnswerSettings": "answers",
    "Comparison": "comparing",
    "Dataset": "dataset",
    "Figure": "bootstrap",
    "MakeSettings": "making",
    "Question": "dataset",
    "Row": "saved",
    "Run": "saved",
    "Variant": "saved",
    "compare": "comparing",
    "evaluate_answers": "answers",
    "evaluate_retrieval": "retrieval",
    "figure": "bootstrap",
    "load_dataset": "dataset",
    "load_run": "saved",
    "make_questions": "making",
    "paired": "bootstrap",
}

__all__ = [
    "AnswerSettings",
    "Comparison",
    "Dataset",
    "Figure",
    "MakeSettings",
    "Question",
    "Row",
    "Run",
    "Variant",
    "compare",
    "evaluate_answers",
    "evaluate_retrieval",
    "figure",
    "load_dataset",
    "load_run",
    "make_questions",
    "paired",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
