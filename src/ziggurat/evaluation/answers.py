"""Measuring answers: a whole dataset answered in several ways, resumable, several questions at a time.

How one question is answered and measured is `answering`'s. Every finished row is on disk before the next
is counted. All searches see one generation of the index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziggurat import models, prices, specs
from ziggurat.chain.run.portal import run_sync
from ziggurat.chain.usage import Usage
from ziggurat.errors import InputError
from ziggurat.evaluation import prompts
from ziggurat.evaluation.answering import Answerer, Style, Way, total_usage
from ziggurat.evaluation.dataset import Dataset
from ziggurat.evaluation.gold import Gold, find_gold
from ziggurat.evaluation.judge import Judge
from ziggurat.evaluation.retrieval import dataset_identity, index_identity
from ziggurat.evaluation.row_log import RowLog
from ziggurat.evaluation.saved import Row, Run, Variant
from ziggurat.progress import Progress, default_progress
from ziggurat.stages.retrieve import Retrieve, Search
from ziggurat.stages.settings import call_bound, model_identity, prompt_identity

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ziggurat.index import VectorIndex


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How a dataset is answered.

    Attributes:
        search: How passages are found.
        k: How many.
        parent: Widen each passage, as `Retrieve` does.
        passage_characters: How much of them the model is given at most.
        styles: ``short`` (the shortest answer), ``sentence`` (the answer stage's); empty: ``short`` where
            the dataset's answers are short, else ``sentence``.
        gold: Also from the gold passages.
        closed_book: Also from nothing.
        temperature: Of the answering model, where it is opened by its spec.
        concurrency: Questions at a time.
    """

    search: Search = "hybrid"
    k: int = 4
    parent: int | None = None
    passage_characters: int = 4000
    styles: tuple[Style, ...] = ()
    gold: bool = False
    closed_book: bool = False
    temperature: float = 0.0
    concurrency: int = 4


def evaluate_answers(
    index: VectorIndex,
    dataset: Dataset,
    model: str | BaseChatModel | None = None,
    *,
    settings: AnswerSettings | None = None,
    judge: str | BaseChatModel | None = None,
    name: str | None = None,
    rows: Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Answer every question, and say how good the answers are.

    Args:
        index: An open index.
        dataset: Rows without answers count for what can be said of them: whether they were answered, citations.
        model: A spec or an open chat model; None for the local default.
        settings: How.
        judge: A spec or an open chat model that judges faithfulness; None for nobody.
        name: What the run's files are called.
        rows: Where rows are written as they finish; a run with the same settings goes on from them.
        fresh: Begin anew, whatever ``rows`` holds.
        progress: Where progress is shown.

    Raises:
        InputError: If nothing of the dataset's gold is in the index, ``rows`` are of other settings, or a model
            cannot be opened by that spec.
        ModelError: If a model cannot be had. What is finished stays in ``rows``.
    """
    given = settings or AnswerSettings()
    work = _Work(index, dataset, model, judge, given)
    log = None if rows is None else RowLog(rows, work.header(), fresh=fresh)
    variants = run_sync(work.run(log, progress or default_progress()))
    return work.told(variants, name or f"answers-{dataset.name}")


class _Work:
    def __init__(
        self,
        index: VectorIndex,
        dataset: Dataset,
        model: str | BaseChatModel | None,
        judge: str | BaseChatModel | None,
        settings: AnswerSettings,
    ) -> None:
        if settings.concurrency < 1:
            raise InputError(f"{settings.concurrency} questions at a time are too few.")
        self.index, self.dataset, self.settings = index, dataset, settings
        self.styles: tuple[Style, ...] = settings.styles or (("short",) if dataset.has_short_answers else ("sentence",))
        self.gold: Gold | None = None
        if any(one.gold for one in dataset.questions):
            self.gold = find_gold(index, dataset)
        elif settings.gold:
            raise InputError(
                "The dataset names no gold passages to answer from.", fix='add "gold" to its rows, or leave out --gold'
            )
        options = {"temperature": settings.temperature} if model is None or isinstance(model, str) else {}
        self.model = models.chat(model, **options)
        self.model_told = _told(model, self.model, options)
        self.judge = (
            None if judge is None else models.chat(judge, **({"temperature": 0.0} if isinstance(judge, str) else {}))
        )
        self.judge_told = None if judge is None else _told(judge, self.judge, {})
        self.identity = index_identity(index)

    def header(self) -> dict[str, Any]:
        """All that decides a row."""
        shown = {key: value for key, value in self.identity.items() if key not in ("folder", "chunks")}
        words = [
            prompt_identity(one)
            for one in (prompts.SHORT, prompts.SHORT_CLOSED_BOOK, prompts.CLOSED_BOOK, prompts.JUDGE)
        ]
        return {
            "dataset": dataset_identity(self.dataset),
            "index": shown,
            "settings": self._settings(),
            "prompts": words,
        }

    def _settings(self) -> dict[str, Any]:
        one = self.settings
        return {
            "model": self.model_told,
            "judge": self.judge_told,
            "search": one.search,
            "k": one.k,
            "parent": one.parent,
            "passage_characters": one.passage_characters,
            "styles": list(self.styles),
            "temperature": one.temperature,
        }

    def ways(self) -> list[Way]:
        """What is compared, in the order it is shown."""
        ways = []
        for style in self.styles:
            ways.append(Way("retrieved", style))
            ways += [Way("gold", style)] if self.settings.gold else []
            ways += [Way("closed book", style)] if self.settings.closed_book else []
        return ways

    async def run(self, log: RowLog | None, progress: Progress) -> list[Variant]:
        """Ask what is not answered yet."""
        done: dict[tuple[str, int], Row] = {} if log is None else dict(log.rows)
        asked = [
            (way, at, question)
            for way in self.ways()
            for at, question in enumerate(self.dataset.questions)
            if (way.context != "gold" or question.gold) and (str(way), at) not in done
        ]
        turn = asyncio.Semaphore(self.settings.concurrency)
        with self.index.pinned(), progress("Answering", len(asked)) as counter:
            retrieve = Retrieve(self.index, k=self.settings.k, search=self.settings.search, parent=self.settings.parent)
            answerer = Answerer(
                self.model,
                retrieve,
                self.gold,
                judge=None if self.judge is None else Judge(self.judge),
                passage_characters=self.settings.passage_characters,
            )

            async def one(way: Way, at: int) -> None:
                async with turn:
                    row = await answerer.ask(at, self.dataset.questions[at], way)
                done[str(way), at] = row
                if log is not None and not row.answer.get("error"):
                    log.add(str(way), row)
                counter.advance()

            await _all(one(way, at) for way, at, _ in asked)
        return [self._variant(way, done) for way in self.ways()]

    def _variant(self, way: Way, done: dict[tuple[str, int], Row]) -> Variant:
        rows = [done[str(way), at] for at in range(len(self.dataset)) if (str(way), at) in done]
        notes = []
        failed = [row.answer["error"] for row in rows if row.answer.get("error")]
        if failed:
            notes.append(f"{len(failed)} of {len(rows)} questions failed and count as wrong; the last: {failed[-1]}")
        verdicts = [one["supported"] for row in rows for one in row.answer.get("verdicts", ())]
        if verdicts:
            unknown = verdicts.count("unknown")
            notes.append(f"{len(verdicts)} sentences were judged, {unknown} of them without a verdict.")
        return Variant(str(way), rows, notes)

    def told(self, variants: list[Variant], name: str) -> Run:
        """The run."""
        rows = [row for variant in variants for row in variant.rows]
        used = _priced(total_usage(rows, "usage"), "answers")
        if self.judge is not None:
            provider = call_bound(self.judge, None).provider
            used += _priced(total_usage(rows, "judge_usage"), "judge", provider)
        notes = [] if self.gold is None else [f"{str(self.gold)[0].upper()}{str(self.gold)[1:]}."]
        date = datetime.now(UTC).isoformat(timespec="seconds")
        return Run(
            "answers",
            name,
            date,
            self._settings(),
            self.identity,
            dataset_identity(self.dataset),
            variants,
            used,
            notes,
        )


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run everything; the first that fails stops the rest and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


def _told(given: str | BaseChatModel | None, opened: BaseChatModel | None, options: dict[str, Any]) -> str:
    """A model in words: its spec, or what it calls itself."""
    if given is None or isinstance(given, str):
        return given or specs.DEFAULTS["chat"]
    identity = model_identity(given, options, opened) or {}
    return str(identity.get("spec") or getattr(opened, "model", "") or type(opened).__name__)


def _priced(usage: Usage, role: str, provider: str = "") -> list[dict[str, Any]]:
    lines = []
    for line in usage.lines:
        known = replace(line, provider=line.provider or provider)
        usd = prices.cost(known)
        lines.append({"role": role, **asdict(known), "usd": None if usd is None else float(usd)})
    return lines
