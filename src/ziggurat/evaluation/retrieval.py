"""Measuring a search: every question of a dataset asked of an index, in one or several ways.

The searching is `stages.retrieve`'s, the measures are `metrics`'. Asks no model. All searches see one
generation of the index.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from langchain_core.documents import Document

from ziggurat.errors import InputError
from ziggurat.evaluation import metrics
from ziggurat.evaluation.dataset import Dataset, Question
from ziggurat.evaluation.gold import find_gold, fold, names_of
from ziggurat.evaluation.saved import Row, Run, Scores, Variant
from ziggurat.progress import Progress, default_progress
from ziggurat.stages.retrieve import Retrieve, Search

if TYPE_CHECKING:
    from ziggurat.index import VectorIndex

_LOOKED_AT = 10
_EXCERPT = 320
_HARDLY = 0.05
"""Recall below which the dataset is likely one of another index whose ids look alike."""


def evaluate_retrieval(
    index: VectorIndex,
    dataset: Dataset,
    *,
    searches: Sequence[Search] = ("hybrid",),
    k: int = 10,
    parent: int | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Ask every question that has gold, and say how much of the gold was found.

    Args:
        index: An open index.
        dataset: Its rows without gold are passed over, and the run's notes say how many.
        searches: Ways to search, each a variant of the run.
        k: Passages a search returns; MRR and nDCG look at 10 of them at most.
        parent: Widen each passage, as `Retrieve` does.
        name: What the run's files are called.
        progress: Where progress is shown.

    Raises:
        InputError: If the index has nothing of the gold, or a search is unknown or given twice.
    """
    unknown = [one for one in searches if one not in get_args(Search)]
    if unknown or not searches or len(set(searches)) < len(searches):
        raise InputError(
            f"{', '.join(unknown or map(str, searches)) or 'nothing'}: these are no different searches.",
            fix=f"use {', '.join(get_args(Search))}, each once",
        )
    asked = [(at, one) for at, one in enumerate(dataset.questions) if one.gold]
    variants = []
    with index.pinned():
        gold = find_gold(index, dataset)
        identity = index_identity(index)
        with (progress or default_progress())("Searching", len(asked) * len(searches)) as counter:
            for search in searches:
                stage = Retrieve(index, k=k, search=search, parent=parent)
                variant = Variant(search)
                for at, question in asked:
                    began = time.perf_counter()
                    found = stage.run(question.text)
                    took = time.perf_counter() - began
                    variant.rows.append(row(at, question, found, k, took))
                    counter.advance()
                variants.append(variant)
    notes = [f"{str(gold)[0].upper()}{str(gold)[1:]}."]
    if len(asked) < len(dataset):
        notes.append(f"{len(dataset) - len(asked)} questions without gold were passed over.")
    best = max(metrics.mean([row.scores[f"recall@{k}"] for row in one.rows]) or 0.0 for one in variants)
    if best < _HARDLY:
        notes.append("Hardly anything was found: is this the index the dataset was made for?")
    return Run(
        "retrieval",
        name or f"retrieval-{dataset.name}",
        datetime.now(UTC).isoformat(timespec="seconds"),
        {"searches": list(searches), "k": k, "parent": parent},
        identity,
        dataset_identity(dataset),
        variants,
        notes=notes,
    )


def row(number: int, question: Question, found: Sequence[Document], k: int, seconds: float) -> Row:
    """A question's row from what was found for it."""
    borne = [names_of(one.id, one.metadata) for one in found]
    ranks = metrics.ranks_of(question.gold, borne, fold)
    wanted = {fold(name) for name in question.gold}
    return Row(
        number,
        question.text,
        question.language,
        question.group,
        scores_of(ranks, k) if ranks else {},
        [described(one, is_gold=bool(names & wanted)) for one, names in zip(found, borne, strict=True)],
        dict(zip(question.gold, ranks, strict=True)),
        seconds=round(seconds, 4),
    )


def scores_of(ranks: Sequence[metrics.Rank], k: int) -> Scores:
    """The measures of a question's ranks."""
    near = min(k, _LOOKED_AT)
    scores = {"recall@1": metrics.recall(ranks, 1), f"recall@{k}": metrics.recall(ranks, k)}
    scores[f"MRR@{near}"] = metrics.reciprocal_rank(ranks, near)
    scores[f"nDCG@{near}"] = metrics.ndcg(ranks, near)
    scores[f"all-gold@{k}"] = metrics.all_gold(ranks, k)
    return scores


def described(document: Document, *, is_gold: bool) -> dict[str, Any]:
    """A found passage in plain values, for a page."""
    metadata = document.metadata
    told = {
        "id": document.id,
        "title": metadata.get("title"),
        "source": metadata.get("source"),
        "text": _beginning(document.page_content),
        "path": list(metadata.get("path", ())),
        "gold": is_gold,
    }
    return {key: value for key, value in told.items() if value not in (None, [], "")}


def _beginning(text: str) -> str:
    plain = " ".join(text[: 4 * _EXCERPT].split())
    return plain if len(plain) <= _EXCERPT else f"{plain[:_EXCERPT].rsplit(' ', 1)[0]} …"


def index_identity(index: VectorIndex) -> dict[str, Any]:
    """Which index it was, at which generation, embedded with what."""
    told = index.stage_identity
    return {
        "folder": str(index.path),
        "generation": told["generation"],
        "stamp": told["stamp"],
        "embedding": told["embedding"],
        "chunks": len(index),
    }


def dataset_identity(dataset: Dataset) -> dict[str, Any]:
    """Which questions they were."""
    return {"name": dataset.name, "digest": dataset.digest, "questions": len(dataset)}
