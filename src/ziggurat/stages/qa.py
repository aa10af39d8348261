"""`RetrievalQA`: find passages, answer from them, and check every sentence of the answer against them.

A sentence is released once it was checked, so a guess is never streamed and then taken back. An
answer no sentence of which is supported becomes an honest "not in the documents". How passages are
found is the retriever's business; whether words support a claim is `evidence`'s.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.vectorstores import VectorStore

from ziggurat import models
from ziggurat.chain.stage import Param
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.errors import InputError
from ziggurat.stages import prompts
from ziggurat.stages.answer import Answer, Citation, quote_hash
from ziggurat.stages.base import StageRunnable
from ziggurat.stages.evidence import SUPPORTED, Support, content, coverage, find_support, sentences
from ziggurat.stages.language import language_of

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langchain_core.prompts import BasePromptTemplate

_SHORT_CLAIM = 4
"""A sentence with fewer content words is checked together with the question it answers."""

_TOGETHER = 0.45
"""The share of question and short answer that one place must cover together."""

_ABOUT = 0.3
"""The share of the question's own words that the cited passage and the answer must hold."""

_MEANS_THE_SAME = 0.86
"""Cosine from which a passage supports a sentence in another language."""

_REFUSAL = re.compile(
    r"not (?:in|mentioned in|stated in|found in|contained in) the (?:documents?|passages?|context|text)"
    r"|(?:passages?|documents?|context|text)s? (?:do|does) not (?:hold|contain|mention|provide|state|include|say)"
    r"|文档中没有|文中没有|没有提到|未提及|无法从|não (?:está|consta|há)[^.]{0,40}(?:documento|passage|texto)"
    r"|no (?:está|consta|hay)[^.]{0,40}(?:documento|pasaje|texto)",
    re.IGNORECASE,
)
_MARK = re.compile(r"\s*[\[【](?:\d+(?:\s*,\s*\d+)*)[\]】]")
_LEAD = re.compile(r"^\s*(?:answer|resposta|respuesta|答案|回答)\s*[:：]\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved passage and where it stands.

    Attributes:
        text: Its words.
        document: The document's source.
        chunk: Its id.
        start: Where it begins in the document, in characters.
        line: Its first line in the document, from 1, if known.
    """

    text: str
    document: str
    chunk: str
    start: int
    line: int | None

    @classmethod
    def of(cls, document: Document, position: int) -> Passage:
        """Read the place from a document's metadata, as our index and LangChain's splitters write it."""
        metadata = document.metadata
        chunk = document.id or str(metadata.get("id", position))
        line = metadata.get("first_line")
        return cls(
            document.page_content,
            str(metadata.get("source", chunk)),
            chunk,
            int(metadata.get("start_index", 0)),
            int(line) if line is not None else None,
        )

    def cite(self, support: Support, answer_span: tuple[int, int]) -> Citation:
        """The citation for a piece of this passage."""
        quote = self.text[support.start : support.end]
        line = None if self.line is None else self.line + self.text.count("\n", 0, support.start)
        return Citation(
            self.document,
            self.chunk,
            self.start + support.start,
            self.start + support.end,
            quote,
            quote_hash(quote),
            answer_span,
            round(support.share, 3),
            line,
            None if line is None else line + quote.count("\n"),
        )


class RetrievalQA(StageRunnable[Answer]):
    """Answer a question from what a retriever finds, with checked citations.

    Args:
        retriever: A LangChain retriever, a vector store (ours among them), or any Runnable from a
            question to documents.
        model: A model spec or a LangChain chat model; the local model when none is named.
        k: Passages to answer from, where ``retriever`` is a vector store.
        passage_characters: How much of the passages, in characters, is given to the model at most.
        max_tokens: The longest answer, in the model's tokens.
        prompt: Replaces `ziggurat.stages.prompts.QA`; same variables.
        name: What to call it in traces.

    Input: ``question`` (str). Output: `Answer`.

    Raises:
        InputError: For a question without words.
    """

    def __init__(
        self,
        retriever: BaseRetriever | VectorStore | Runnable[str, list[Document]],
        model: str | BaseChatModel | None = None,
        *,
        k: int = 4,
        passage_characters: int = 4000,
        max_tokens: int = 200,
        prompt: BasePromptTemplate[Any] | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(retriever, VectorStore):
            retriever = retriever.as_retriever(search_kwargs={"k": k})
        if not isinstance(retriever, Runnable):
            raise InputError(
                f"{type(retriever).__name__} cannot retrieve.", fix="give a retriever, a vector store or a Runnable"
            )
        self.retriever = retriever
        self.model = models.chat(model)
        self.prompt = prompt or prompts.QA
        self.passage_characters = passage_characters
        self.max_tokens = max_tokens
        self.name = name or "RetrievalQA"

    @classmethod
    def from_chain_type(
        cls, llm: str | BaseChatModel | None = None, chain_type: str = "stuff", *, retriever: Any, **options: Any
    ) -> RetrievalQA:
        """The form of older tutorials. Passages are always given to the model together ("stuff").

        Raises:
            InputError: For another chain type.
        """
        if chain_type != "stuff":
            raise InputError(f"RetrievalQA answers from all passages at once, not by {chain_type!r}.")
        options.pop("return_source_documents", None)  # an Answer always carries its sources
        return cls(retriever, llm, **options)

    @property
    def stage_inputs(self) -> tuple[Param, ...]:
        """The question."""
        return (Param("question", str),)

    @property
    def stage_output(self) -> Any:
        """An `Answer`."""
        return Answer

    async def _output(self, inputs: Mapping[str, Any], config: RunnableConfig) -> Answer:
        return await self._answer(inputs, config, streaming=False)

    async def _answer(self, inputs: Mapping[str, Any], config: RunnableConfig, *, streaming: bool) -> Answer:
        whole: Answer | None = None
        async for piece in self._checked(inputs, config, streaming=streaming):
            whole = piece if whole is None else whole + piece
        return cast("Answer", whole)

    async def _pieces(self, inputs: Mapping[str, Any], config: RunnableConfig) -> AsyncIterator[Answer]:
        async for piece in self._checked(inputs, config, streaming=True):
            yield piece

    async def _checked(
        self, inputs: Mapping[str, Any], config: RunnableConfig, *, streaming: bool
    ) -> AsyncIterator[Answer]:
        question = inputs["question"]
        if not isinstance(question, str) or not content(question):
            raise InputError(f"{question!r} is not a question.", where=self.get_name(), fix="ask in words")
        language = language_of(question)
        not_found = prompts.NOT_FOUND[language]
        found = await self.retriever.ainvoke(question, config)
        passages = self._fitting([Passage.of(one, position) for position, one in enumerate(found)])
        if not passages:
            yield Answer(not_found, found=False)
            return
        prompt = self.prompt.format_prompt(
            language=prompts.ANSWER_LANGUAGE[language],
            not_found=not_found,
            passages="\n".join(f"[{number}] {one.text}" for number, one in enumerate(passages, 1)),
            question=question,
        )
        checker = _Checker(question, passages, self._embeddings())
        usage = NO_USAGE
        if streaming:
            async for chunk in self.model.astream(prompt, config, max_tokens=self.max_tokens):
                if chunk.usage_metadata:
                    usage += Usage.of_message(chunk)
                for piece in await checker.read(str(chunk.text)):
                    yield piece
        else:
            message = await self.model.ainvoke(prompt, config, max_tokens=self.max_tokens)
            usage = Usage.of_message(message)
            for piece in await checker.read(str(message.text)):
                yield piece
        for piece in await checker.end():
            yield piece
        if checker.anything:
            yield Answer("", usage=usage)
        else:
            yield Answer(not_found, found=False, usage=usage)

    def _fitting(self, passages: Sequence[Passage]) -> list[Passage]:
        """The best passages that fit the model's share; the first always does, cut if need be."""
        fitting: list[Passage] = []
        left = self.passage_characters
        for one in passages:
            if fitting and len(one.text) > left:
                break
            fitting.append(Passage(one.text[:left], one.document, one.chunk, one.start, one.line))
            left -= len(one.text)
        return fitting

    def _embeddings(self) -> Embeddings | None:
        store = getattr(self.retriever, "vectorstore", None)
        return getattr(store, "embeddings", None)


def load_qa_chain(llm: str | BaseChatModel | None, retriever: Any, **options: Any) -> RetrievalQA:
    """`RetrievalQA` in the words of the lab: a model and a retriever make a chain."""
    return RetrievalQA(retriever, llm, **options)


class _Checker:
    """Reads an answer as it is written; releases each sentence with its evidence.

    Sentences before the first supported one are held back: if none follows, they were a guess.

    Attributes:
        anything: Whether anything was released.
    """

    def __init__(self, question: str, passages: Sequence[Passage], embeddings: Embeddings | None) -> None:
        self.anything = False
        self._question = question
        self._passages = passages
        self._embeddings = embeddings
        self._text = ""
        self._checked = 0
        self._emitted = 0
        self._held: list[Answer] = []
        self._refused = False

    async def read(self, text: str) -> list[Answer]:
        """Take in more of the answer; what can be released now."""
        self._text = _clean(self._text + text)
        spans = [span for span in sentences(self._text) if span[0] >= self._checked]
        return [piece for span in spans[:-1] for piece in await self._check(span)]

    async def end(self) -> list[Answer]:
        """The answer is over; what is left to release."""
        self._text = self._text.rstrip()
        spans = [span for span in sentences(self._text) if span[0] >= self._checked]
        return [piece for span in spans for piece in await self._check(span)]

    async def _check(self, span: tuple[int, int]) -> list[Answer]:
        self._checked = span[1]
        sentence = self._text[span[0] : span[1]]
        self._refused = self._refused or bool(_REFUSAL.search(sentence))
        if self._refused:
            return []
        citation = await self._evidence(sentence, span)
        gap = self._text[self._emitted : span[0]]
        self._emitted = span[1]
        self._held.append(
            Answer(
                gap + sentence,
                citations=(citation,) if citation else (),
                unsupported=() if citation else (span,),
            )
        )
        if citation is None and not self.anything:
            return []
        released, self._held = self._held, []
        self.anything = True
        return released

    async def _evidence(self, sentence: str, span: tuple[int, int]) -> Citation | None:
        best: tuple[float, Passage, Support] | None = None
        foreign = []
        short = len(content(sentence)) < _SHORT_CLAIM
        for passage in self._passages:
            if language_of(passage.text) != language_of(sentence):
                foreign.append(passage)
                continue
            support = find_support(sentence, passage.text)
            share = support.share
            if short:
                together = find_support(f"{self._question} {sentence}", passage.text)
                share, support = (together.share, together) if support.share == 1.0 else (0.0, support)
            about = coverage(self._question, [passage.text, passage.document, sentence])
            is_enough = share >= (_TOGETHER if short else SUPPORTED) and about >= _ABOUT
            if is_enough and (best is None or share > best[0] + 1e-9):
                best = (share, passage, support)
        if best is None and foreign and self._embeddings is not None:
            best = await self._foreign_evidence(sentence, foreign, self._embeddings)
        return best[1].cite(best[2], span) if best else None

    async def _foreign_evidence(
        self, sentence: str, passages: Sequence[Passage], embeddings: Embeddings
    ) -> tuple[float, Passage, Support] | None:
        """The closest sentence in another language, by meaning."""
        places = [(one, start, end) for one in passages for start, end in sentences(one.text)]
        claim = f"{self._question} {sentence}" if len(content(sentence)) < _SHORT_CLAIM else sentence
        vectors = await embeddings.aembed_documents([claim, *(one.text[start:end] for one, start, end in places)])
        likeness = [_cosine(vectors[0], other) for other in vectors[1:]]
        top = max(range(len(places)), key=likeness.__getitem__)
        if likeness[top] < _MEANS_THE_SAME:
            return None
        passage, start, end = places[top]
        return likeness[top], passage, Support(likeness[top], start, end)


def _clean(text: str) -> str:
    """An answer without a leading "Answer:" and without the marks a model may copy from the passages."""
    return _MARK.sub("", _LEAD.sub("", text)).lstrip()


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    norms = sum(a * a for a in one) ** 0.5 * sum(b * b for b in other) ** 0.5
    return dot / norms if norms else 0.0
