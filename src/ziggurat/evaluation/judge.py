"""Whether each sentence of an answer is supported by the passages it cites, as a model judges it.

A judge answers yes or no in a fixed form; whatever else comes of asking it counts as unknown, never as yes.
Following Es et al., "RAGAS: Automated Evaluation of Retrieval Augmented Generation", 2024, with the
answer's own sentences for claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.documents import Document
from pydantic import BaseModel, Field

from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import MissingDependency, ModelUnavailable, UnknownModel
from ziggurat.evaluation import prompts
from ziggurat.stages.answer import Answer
from ziggurat.stages.evidence import sentences

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Supported = Literal["yes", "no", "unknown"]


class Verdict(BaseModel):
    """Whether the passages support the statement."""

    supported: Literal["yes", "no"] = Field(description="yes if the passages support the statement, else no")


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence and the verdict on it."""

    sentence: str
    supported: Supported


class Judge:
    """Asks a model, sentence by sentence.

    Args:
        model: A chat model that can answer in a given structure.
    """

    def __init__(self, model: BaseChatModel) -> None:
        self._asked = model.with_structured_output(Verdict, include_raw=True)

    async def read(self, question: str, answer: Answer, passages: Sequence[Document]) -> tuple[list[Judged], Usage]:
        """The verdict on each sentence; one that cites nothing is held against all passages.

        Args:
            question: What was asked; a short answer is understood only with it.
            answer: What was answered, with its citations.
            passages: What it was answered from.
        """
        judged, usage = [], NO_USAGE
        by_chunk = {one.id: one.page_content for one in passages}
        for start, end in sentences(answer.text):
            cited = [one.chunk for one in answer.citations if one.answer_span[0] < end and one.answer_span[1] > start]
            texts = [by_chunk[one] for one in dict.fromkeys(cited) if one in by_chunk] or list(by_chunk.values())
            verdict, used = await self._ask(question, answer.text[start:end], texts)
            judged.append(Judged(answer.text[start:end], verdict))
            usage += used
        return judged, usage

    async def _ask(self, question: str, statement: str, texts: Sequence[str]) -> tuple[Supported, Usage]:
        prompt = prompts.JUDGE.format_prompt(
            question=question, statement=statement, passages="\n\n".join(texts) or "(none)"
        )
        try:
            told: Any = await self._asked.ainvoke(prompt)
        except (UnknownModel, ModelUnavailable, MissingDependency):
            raise
        except Exception:  # noqa: BLE001 (whatever a judge fails with, its verdict is unknown; the count is shown)
            return "unknown", NO_USAGE
        usage = Usage.of_message(told["raw"])
        parsed = told.get("parsed")
        return (parsed.supported if isinstance(parsed, Verdict) else "unknown"), usage


def faithfulness(judged: Sequence[Judged]) -> float | None:
    """The share of sentences judged yes among those judged yes or no; None where none was."""
    known = [one.supported == "yes" for one in judged if one.supported != "unknown"]
    return sum(known) / len(known) if known else None
