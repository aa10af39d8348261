"""One question answered in one way: from what a search finds, from the gold passages, or from nothing.

A short answer comes from a prompt of this room and is checked against the passages as the answer stage
checks its own; a sentence comes from `RetrievalQA`. Measures what was said; keeps no run together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.documents import Document

from ziggurat.chain.usage import NO_USAGE, ModelUsage, Usage
from ziggurat.errors import MissingDependency, ModelUnavailable, UnknownModel, ZigguratError
from ziggurat.evaluation import metrics, prompts
from ziggurat.evaluation.dataset import Question
from ziggurat.evaluation.gold import Gold, fold, names_of
from ziggurat.evaluation.judge import Judge, faithfulness
from ziggurat.evaluation.retrieval import row
from ziggurat.evaluation.saved import Row, Scores
from ziggurat.stages.answer import Answer, Citation, quote_hash
from ziggurat.stages.checking import Checker
from ziggurat.stages.language import language_of
from ziggurat.stages.passages import Passage
from ziggurat.stages.prompts import ANSWER_LANGUAGE, NOT_FOUND
from ziggurat.stages.qa import RetrievalQA
from ziggurat.stages.settings import call_bound

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.prompt_values import PromptValue

    from ziggurat.stages.retrieve import Retrieve

Context = Literal["retrieved", "gold", "closed book"]
Style = Literal["short", "sentence"]

_SHORT_TOKENS, _SENTENCE_TOKENS = 24, 200


@dataclass(frozen=True, slots=True)
class Way:
    """A way to answer: from what, and in what form."""

    context: Context
    style: Style

    def __str__(self) -> str:
        what = {"retrieved": "retrieved passages", "gold": "gold passages", "closed book": "closed book"}[self.context]
        return f"{what}, {self.style}"


class Answerer:
    """Answers questions and measures the answers.

    Args:
        model: Who answers.
        retrieve: Finds the passages.
        gold: The gold passages of the dataset; None where it names none.
        judge: Judges each sentence; None for nobody.
        passage_characters: How much of the passages is given to the model at most.
    """

    def __init__(
        self,
        model: BaseChatModel,
        retrieve: Retrieve,
        gold: Gold | None,
        *,
        judge: Judge | None = None,
        passage_characters: int = 4000,
    ) -> None:
        self._model = model
        self._retrieve = retrieve
        self._gold = gold
        self._judge = judge
        self._budget = passage_characters
        self._provider = call_bound(model, None).provider
        self._qa = RetrievalQA(None, model, passage_characters=passage_characters)

    async def ask(self, number: int, question: Question, way: Way) -> Row:
        """The row of one question; a model that fails is told in it, a model that is not there is raised."""
        began = time.perf_counter()
        documents: list[Document] = []
        if way.context == "retrieved":
            documents = await self._retrieve.ainvoke(question.text)
        elif way.context == "gold" and self._gold is not None:
            documents = self._gold.of(question.gold)
        given = fitting(documents, self._budget)
        try:
            answer = await self._answer(question, given, way)
        except (UnknownModel, ModelUnavailable, MissingDependency):
            raise
        except Exception as error:  # noqa: BLE001 (one question that fails is told, and must not end the run)
            failed = error.what if isinstance(error, ZigguratError) else f"{type(error).__name__}: {error}"
            return replace(
                row(number, question, documents, max(len(documents), 1), 0.0),
                scores=_failed(question),
                answer={"text": "", "wanted": list(question.answers), "error": " ".join(failed.split())[:300]},
            )
        told: dict[str, Any] = {"text": answer.text, "wanted": list(question.answers)}
        scores = measured(answer, question, way)
        usage = answer.usage
        if given:
            checked = [_citation(one, given, question) for one in answer.citations]
            told["citations"] = checked
            scores |= _evidence(answer, checked, has_gold=bool(question.gold))
            if self._judge is not None and answer.found:
                judged, used = await self._judge.read(question.text, answer, given)
                told["verdicts"] = [asdict(one) for one in judged]
                told["judge_usage"] = [asdict(line) for line in used.lines]
                scores |= {} if (faith := faithfulness(judged)) is None else {"faithful": faith}
        told["usage"] = [asdict(replace(line, provider=line.provider or self._provider)) for line in usage.lines]
        found = row(number, question, documents, max(len(documents), 1), time.perf_counter() - began)
        if way.context != "retrieved":
            found = replace(found, gold={}, found=[])
        return replace(found, scores=scores, answer=told)

    async def _answer(self, question: Question, passages: Sequence[Document], way: Way) -> Answer:
        if way.context != "closed book" and not passages:
            return Answer(NOT_FOUND[language_of(question.text)], found=False)
        if way.style == "sentence" and way.context != "closed book":
            return await self._qa.ainvoke({"question": question.text, "documents": list(passages)})
        if way.style == "sentence":
            language = ANSWER_LANGUAGE[language_of(question.text)]
            prompt = prompts.CLOSED_BOOK.format_prompt(language=language, question=question.text)
            text, usage = await self._said(prompt, _SENTENCE_TOKENS)
            return Answer(text, found=bool(text), usage=usage)
        asked_in = language_of(question.text)
        also = "" if asked_in == "en" else prompts.ALSO.format(language=ANSWER_LANGUAGE[asked_in])
        if way.context == "closed book":
            prompt = prompts.SHORT_CLOSED_BOOK.format_prompt(also=also, question=question.text)
        else:
            told = "\n\n".join(one.page_content for one in passages)
            prompt = prompts.SHORT.format_prompt(also=also, passages=told, question=question.text)
        text, usage = await self._said(prompt, _SHORT_TOKENS)
        text = text.partition("\n")[0].strip()
        return await _checked(text, question.text, passages, usage)

    async def _said(self, prompt: PromptValue, max_tokens: int) -> tuple[str, Usage]:
        message = await self._model.ainvoke(prompt, max_tokens=max_tokens)
        return str(message.text).strip(), Usage.of_message(message, self._provider)


async def _checked(text: str, question: str, passages: Sequence[Document], usage: Usage) -> Answer:
    """A short answer with its evidence, kept as it was said whether there is any or not."""
    checker = Checker(question, [Passage.of(one, at) for at, one in enumerate(passages)], None)
    pieces = [*(await checker.read(text)), *(await checker.end())]
    citations = tuple(one for piece in pieces for one in piece.citations)
    unsupported = () if citations or not text else ((0, len(text)),)
    return Answer(text, citations, bool(text), unsupported, usage)


def fitting(documents: Sequence[Document], budget: int) -> list[Document]:
    """The best passages that fit into so many characters; the first always does, cut if need be."""
    kept: list[Document] = []
    for one in documents:
        text = one.page_content
        if kept and len(text) > budget:
            break
        kept.append(one.model_copy(update={"page_content": text[:budget]}))
        budget -= len(text)
    return kept


def measured(answer: Answer, question: Question, way: Way) -> Scores:
    """What an answer is worth beside the wanted ones; one that says it found nothing is worth nothing."""
    said = answer.text if answer.found else ""
    scores: Scores = {}
    if question.answers:
        given = (said, question.answers, question.language)
        scores = {"exact match": metrics.exact_match(*given), "F1": metrics.token_f1(*given)}
        if way.style == "sentence":
            scores["holds answer"] = metrics.holds_answer(*given)
    return scores | {"answered": float(bool(said))}


def _failed(question: Question) -> Scores:
    return ({"exact match": 0.0, "F1": 0.0} if question.answers else {}) | {"answered": 0.0}


def _evidence(answer: Answer, checked: Sequence[dict[str, Any]], *, has_gold: bool) -> Scores:
    scores: Scores = {}
    if answer.found and answer.text:
        scores["unsupported"] = sum(end - start for start, end in answer.unsupported) / len(answer.text)
    if checked and has_gold:
        scores["cites gold"] = sum(one["gold"] for one in checked) / len(checked)
    if checked:
        scores["quotes hold"] = sum(one["holds"] for one in checked) / len(checked)
    return scores


def _citation(one: Citation, passages: Sequence[Document], question: Question) -> dict[str, Any]:
    """A citation in plain values: whether it is of a gold passage, and whether its words stand where it says."""
    passage = next((document for document in passages if document.id == one.chunk), None)
    metadata = {} if passage is None else passage.metadata
    names = frozenset() if passage is None else names_of(passage.id, metadata)
    return {
        "place": one.place if metadata.get("source") else str(metadata.get("title") or one.place),
        "quote": one.quote,
        "gold": any(fold(name) in names for name in question.gold),
        "holds": passage is not None and stands(one, passage),
    }


def stands(citation: Citation, passage: Document) -> bool:
    """Whether a quote stands in its passage at the place that was cited, and its hash is its own."""
    begin = int(passage.metadata.get("start_index", 0))
    there = passage.page_content[citation.start - begin : citation.end - begin]
    return there == citation.quote and quote_hash(there) == citation.sha256


def total_usage(rows: Sequence[Row], key: str) -> Usage:
    """What the models used over some rows; ``key`` is ``usage`` or ``judge_usage``."""
    total = NO_USAGE
    for one in rows:
        total += Usage(tuple(ModelUsage(**line) for line in one.answer.get(key, ())))
    return total
