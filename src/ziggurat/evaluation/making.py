"""An evaluation set from one's own documents: a model asks, the passage must hold the answer.

Passages are drawn evenly over the documents, seeded. What a model makes of one is looked at by
`made_fault` and refused where it would measure nothing; a person looks at the rest. Reads the index and
writes rows to whoever takes them; files and the terminal are the command's.
Invariant: the answer of a row stands, letter for letter, in the chunk its gold names.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from pydantic import BaseModel, Field

from ziggurat import models
from ziggurat.errors import InputError, MissingDependency, ModelUnavailable, UnknownModel
from ziggurat.evaluation import prompts
from ziggurat.evaluation.metrics import holds_answer, normalised
from ziggurat.progress import Progress, default_progress
from ziggurat.stages.evidence import content, coverage
from ziggurat.stages.language import language_of
from ziggurat.stages.prompts import ANSWER_LANGUAGE

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ziggurat.index import VectorIndex

_SHORTEST_PASSAGE = 120
_READ_OF_A_PASSAGE = 2400
_LONGEST_ANSWER = 12
_ALIKE = 0.8
_ANSWERED_ELSEWHERE = 0.6
_LOOKED_AT = 6
_MAX_TOKENS = 160
_FEWEST_WORDS = 2
"""Content words of a question that can be about one thing: "How old is Ann?" has two."""

_OF_THE_PASSAGE = re.compile(
    r"\b(?:this|the|that|given|above|following) (?:passage|text|document|article|paragraph|excerpt|section|author)\b"
    r"|\baccording to (?:this|the)\b|\b(?:mentioned|described|stated) (?:above|here|in the)\b"
    r"|(?:本文|文中|文章|这段|该段|上文|原文|段落)"
    r"|\b(?:este|esta|el|la|o|a) (?:pasaje|texto|documento|artículo|artigo|párrafo|parágrafo|trecho|passagem|autora?)\b"
    r"|\b(?:según|segundo|de acordo com) (?:el|la|o|a|este|esta)\b",
    re.IGNORECASE,
)


class Pair(BaseModel):
    """A question and its answer."""

    question: str = Field(description="the question; understood without the passage")
    answer: str = Field(description="the short answer, copied from the passage")


@dataclass(frozen=True, slots=True)
class MakeSettings:
    """What is made.

    Attributes:
        count: Questions wanted.
        seed: Draws the passages.
        temperature: Of a model opened by its spec.
    """

    count: int = 50
    seed: int = 0
    temperature: float = 0.0


@dataclass(slots=True)
class MakeReport:
    """What came of it.

    Attributes:
        rows: The rows that were made now, as a dataset holds them.
        refused: Why others were not taken, with how many.
        asked: Passages a model was asked about.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    asked: int = 0


def make_questions(
    index: VectorIndex,
    model: str | BaseChatModel | None = None,
    *,
    settings: MakeSettings | None = None,
    known: Sequence[dict[str, Any]] = (),
    take: Callable[[dict[str, Any]], None] | None = None,
    progress: Progress | None = None,
) -> MakeReport:
    """Make questions from an index's own passages.

    Args:
        index: An open index.
        model: A spec or an open chat model that answers in a given structure; None for the local default.
        settings: How many, and how they are drawn.
        known: Rows of an earlier run with the same seed: they count, are not repeated, and it goes on behind
            the last of them.
        take: Is given each row as it is made.
        progress: Where progress is shown.

    Raises:
        InputError: If the index has no passage to ask about.
        ModelError: If the model cannot be had; what was made before has been taken.
    """
    given = settings or MakeSettings()
    order = drawn(index, given.seed)
    if not order:
        raise InputError(
            f"No passage of the index has {_SHORTEST_PASSAGE} characters, enough to ask about.", where=str(index.path)
        )
    options = {"temperature": given.temperature} if model is None or isinstance(model, str) else {}
    asked_by = models.chat(model, **options).with_structured_output(Pair, include_raw=True)
    report, rows = MakeReport(), list(known)
    places = {chunk_id: at for at, chunk_id in enumerate(order)}
    reached = max((places[one] for row in known for one in row.get("gold", ()) if one in places), default=-1)
    with (progress or default_progress())("Making questions", given.count) as counter:
        counter.advance(min(len(rows), given.count))
        for passage in _passages(index, order[reached + 1 :]):
            if len(rows) >= given.count:
                break
            report.asked += 1
            made = _asked(asked_by, passage)
            fault = (
                "it gave no question in the form asked for" if made is None else made_fault(made, passage, rows, index)
            )
            if made is None or fault:
                report.refused[fault] += 1
                continue
            row = _row(made, passage)
            rows.append(row)
            report.rows.append(row)
            if take is not None:
                take(row)
            counter.advance()
    return report


def drawn(index: VectorIndex, seed: int) -> list[str]:
    """Ids of the chunks long enough to ask about: one of each document, then a second of each, and so on."""
    by_document: dict[str, list[str]] = {}
    for part in index.records():
        for chunk_id, text, metadata in zip(part.ids, part.texts, part.metadatas, strict=True):
            if len(" ".join(text.split())) >= _SHORTEST_PASSAGE:
                by_document.setdefault(str(metadata.get("document_id", chunk_id)), []).append(chunk_id)
    drawing = random.Random(seed)  # noqa: S311 (which passages are drawn is no secret)
    documents = list(by_document.values())
    drawing.shuffle(documents)
    for chunks in documents:
        drawing.shuffle(chunks)
    return [one for turn in zip_longest(*documents) for one in turn if one is not None]


def _passages(index: VectorIndex, ids: Sequence[str]) -> Iterator[Document]:
    for one in ids:
        yield from index.get_by_ids([one])


def _asked(model: Any, passage: Document) -> Pair | None:
    text = passage.page_content[:_READ_OF_A_PASSAGE]
    prompt = prompts.MAKE.format_prompt(passage=text, language=ANSWER_LANGUAGE[language_of(text)])
    try:
        told = model.invoke(prompt, max_tokens=_MAX_TOKENS)
    except (UnknownModel, ModelUnavailable, MissingDependency):
        raise
    except Exception:  # noqa: BLE001 (a passage that a model fails on is passed over, counted and told)
        return None
    parsed = told.get("parsed")
    if not isinstance(parsed, Pair):
        return None
    return Pair(question=" ".join(parsed.question.split()), answer=" ".join(parsed.answer.split()).rstrip(".。"))


def made_fault(made: Pair, passage: Document, rows: Sequence[dict[str, Any]], index: VectorIndex | None) -> str:
    """Why a question would measure nothing, in a few words; empty if it may do.

    Args:
        made: The question and its answer.
        passage: What it was made from.
        rows: What was made before.
        index: Where another passage may answer as well; None to leave that out.
    """
    text, language = passage.page_content, language_of(made.question)
    words = normalised(made.answer, language)
    faults: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("the question or the answer is empty", lambda: not content(made.question) or not words),
        ("the answer is long", lambda: len(words) > _LONGEST_ANSWER * (2 if language == "zh" else 1)),
        ("the question is in another language than its passage", lambda: language != language_of(text)),
        ("the answer does not stand in the passage", lambda: not stands_in(made.answer, text)),
        ("the question speaks of the passage", lambda: bool(_OF_THE_PASSAGE.search(made.question))),
        ("the question holds its answer", lambda: _holds(made.question, made.answer, language)),
        ("the question could be of anything", lambda: len(content(made.question)) < _FEWEST_WORDS),
        ("it was asked before", lambda: _asked_before(made.question, rows)),
        ("another passage answers it as well", lambda: index is not None and _answered_elsewhere(made, passage, index)),
    )
    return next((told for told, is_so in faults if is_so()), "")


def _holds(question: str, answer: str, language: str) -> bool:
    """Whether the answer stands in the question, or each of its content words does."""
    return holds_answer(question, [answer], language) > 0 or coverage(answer, [question]) == 1.0


def _asked_before(question: str, rows: Sequence[dict[str, Any]]) -> bool:
    wanted = content(question).keys()
    others = (content(row["question"]).keys() for row in rows)
    return any(len(wanted & other) >= _ALIKE * len(wanted | other) for other in others)


def stands_in(answer: str, text: str) -> bool:
    """Whether an answer stands in a text, letter for letter but for case and white space, as whole words."""
    answer, text = " ".join(answer.split()).casefold(), " ".join(text.split()).casefold()
    left = r"(?<!\w)" if answer[:1].isascii() and answer[:1].isalnum() else ""
    right = r"(?!\w)" if answer[-1:].isascii() and answer[-1:].isalnum() else ""
    return bool(answer) and re.search(f"{left}{re.escape(answer)}{right}", text, re.ASCII) is not None


def _answered_elsewhere(made: Pair, passage: Document, index: VectorIndex) -> bool:
    for hit in index.search(made.question, k=_LOOKED_AT):
        if hit.chunk_id == passage.id or not stands_in(made.answer, hit.text):
            continue
        if coverage(made.question, [hit.text]) >= _ANSWERED_ELSEWHERE:
            return True
    return False


def _row(made: Pair, passage: Document) -> dict[str, Any]:
    row: dict[str, Any] = {
        "question": made.question,
        "answer": made.answer,
        "gold": [passage.id],
        "language": language_of(made.question),
        "source": passage.metadata.get("source"),
        "excerpt": passage.page_content,
        "reviewed": False,
    }
    return {key: value for key, value in row.items() if value is not None}
