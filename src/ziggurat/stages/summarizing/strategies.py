"""The four ways to summarise: all at once, in parts that are folded, by refining, by the best part's answer.

Each takes a `Task` and yields claims of the summary, in order, as soon as they are checked. What is read
is `choosing`'s, what holds is `claims`', how many calls it takes is `planning`'s.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from ziggurat.progress import Counter, Progress
from ziggurat.stages.evidence import coverage
from ziggurat.stages.passages import Passage
from ziggurat.stages.summarizing.answering import answering, answers, keeping
from ziggurat.stages.summarizing.asking import Writer, several
from ziggurat.stages.summarizing.choosing import grouped, parts
from ziggurat.stages.summarizing.claims import Claim, claims, first, heavy, quotes, said, supported, thinned
from ziggurat.stages.summarizing.planning import SENTENCE, Plan
from ziggurat.stages.summarizing.reading import Reader

_SCORE = re.compile(r"(?:score|pontua[çc][ãa]o|nota|评分|得分)\s*[:：=]?\s*(\d{1,3})", re.IGNORECASE)
_ANSWER = re.compile(r"^\s*(?:answer|resposta|回答|答案)\s*[:：]\s*", re.IGNORECASE)
_ONE_ANSWER = 3 * SENTENCE


@dataclass(slots=True)
class Task:
    """One summary under way.

    Attributes:
        reader: The text.
        writer: Who writes.
        plan: Sizes and bounds.
        at_once: Calls at a time.
        progress: Where progress is shown.
        passages: Passages that were read so far.
        characters: Characters of these.
    """

    reader: Reader
    writer: Writer
    plan: Plan
    at_once: int
    progress: Progress
    passages: int = field(default=0)
    characters: int = field(default=0)

    def parts(self, room: int, at_most: int | None) -> Iterator[list[Passage]]:
        """What is read, a call each; counted as it is handed out."""
        for part in parts(self.reader, room, at_most, self.writer.question):
            self.passages += len(part)
            self.characters += sum(len(one.text) for one in part)
            yield part

    def count(self, room: int, at_most: int | None) -> int:
        """How many parts there will be."""
        whole = sum(1 for _ in grouped(self.reader, room))
        return whole if at_most is None else min(whole, at_most)

    def light(self, found: Sequence[Claim]) -> list[Claim]:
        """Those that are no longer than a sentence may be."""
        return [one for one in found if heavy(one) <= self.plan.claim]


async def stuff(task: Task) -> AsyncIterator[Claim]:
    """Everything in one call."""
    passages = list(task.reader)
    task.passages, task.characters = len(passages), sum(len(one.text) for one in passages)

    def fallback() -> list[Claim]:
        return quotes(passages, task.writer.sentences, task.writer.question)

    async for claim in _last(task, "stuff", passages, (), fallback, text=_text(passages)):
        yield claim


async def map_reduce(task: Task) -> AsyncIterator[Claim]:
    """Notes of every part, several at a time; then the notes are folded, as often as they need it, into one."""
    writer, plan = task.writer, task.plan

    async def note(part: list[Passage]) -> list[Claim]:
        written = await writer.ask("map", plan.notes_answer, text=_text(part))
        found = task.light(claims(written, part)) or task.light(quotes(part, 1, writer.question))
        return keeping(found, task.light(answering(part, writer.question)), writer.question, plan.notes)

    notes: list[Claim] = []
    at_most = plan.parts(tree=True)
    with task.progress("reading", task.count(plan.part, at_most)) as counter:
        async for found in several(task.parts(plan.part, at_most), note, task.at_once):
            notes += _new(found, notes)
            counter.advance()
    if not writer.said:
        return
    while len(groups := list(_groups(notes, plan.room))) > 1:
        with task.progress("folding", len(groups)) as counter:
            notes = await _folded(task, groups, counter)
    if len(notes) <= writer.sentences:  # nothing to leave out
        for claim in notes:
            yield claim
        return
    told: list[Claim] = []
    async for claim in _last(task, "reduce", (), notes, lambda: first(notes, writer.sentences), notes=_notes(notes)):
        told.append(claim)
        yield claim
    for claim in _new([one for one in notes if answers(writer.question, one.text)], told)[
        : writer.sentences - len(told)
    ]:
        yield claim


async def _folded(task: Task, groups: Sequence[Sequence[Claim]], counter: Counter) -> list[Claim]:
    async def fold(group: Sequence[Claim]) -> list[Claim]:
        if len(group) <= task.writer.sentences and sum(map(heavy, group)) <= task.plan.folded:
            return list(group)
        written = await task.writer.ask("reduce", task.plan.answer, notes=_notes(group))
        found = task.light(claims(written, (), group)) or first(group, task.writer.sentences)
        return keeping(found, group, task.writer.question, task.plan.folded)

    notes: list[Claim] = []
    async for found in several(groups, fold, task.at_once):
        notes += _new(found, notes)
        counter.advance()
    return notes


async def refine(task: Task) -> AsyncIterator[Claim]:
    """The summary so far and the next part become the next summary, one after another."""
    writer, plan, so_far = task.writer, task.plan, list[Claim]()
    room = min(plan.room - plan.folded, plan.part)
    total = task.count(room, plan.max_calls)
    with task.progress("refining", total) as counter:
        for number, part in enumerate(task.parts(room, plan.max_calls), 1):
            fallback = partial(_refined, task, so_far, part)
            values = {"summary": _notes(so_far) or "-", "text": _text(part)}
            if number == total:
                async for claim in _last(task, "refine", part, so_far, fallback, **values):
                    yield claim
            else:
                written = await writer.ask("refine", plan.answer, **values)
                so_far = thinned(task.light(claims(written, part, so_far)) or fallback(), plan.folded)
            counter.advance()


def _refined(task: Task, so_far: Sequence[Claim], part: Sequence[Passage]) -> list[Claim]:
    """The summary so far with a sentence of the part, for want of anything better."""
    fresh = task.light(quotes(part, 1 if so_far else task.writer.sentences, task.writer.question))
    return first([*so_far, *fresh], task.writer.sentences)


async def map_rerank(task: Task) -> AsyncIterator[Claim]:
    """The question is answered from every part alone; of the answers that hold the best is it.

    The best is the one the model rates highest, times how much of the question stands in it and its places:
    small models rate everything high.
    """
    writer = task.writer

    async def answer(part: list[Passage]) -> tuple[float, list[Claim]]:
        written = await writer.ask("rerank", _ONE_ANSWER, text=_text(part))
        score = _SCORE.search(written)
        found = claims(_ANSWER.sub("", _SCORE.sub("", written)), part)
        told = [text for one in found for text in (one.text, *(place.quote for place in one.citations))]
        return min(int(score[1]), 100) * coverage(writer.question, told) if score else 0.0, found

    best: tuple[float, list[Claim]] = (0.0, [])
    room, at_most = task.plan.part, task.plan.max_calls
    with task.progress("reading", task.count(room, at_most)) as counter:
        async for score, found in several(task.parts(room, at_most), answer, task.at_once):
            if score > best[0]:
                best = (score, found)
            counter.advance()
    for claim in first(best[1], writer.sentences):
        yield claim


async def _last(
    task: Task,
    part: str,
    passages: Sequence[Passage],
    known: Sequence[Claim],
    fallback: Callable[[], Sequence[Claim]],
    **values: str,
) -> AsyncIterator[Claim]:
    """The call that writes the summary: each sentence as soon as it is whole and holds; the fallback if none does."""
    written, seen, released = "", 0, list[str]()
    limit = task.writer.sentences

    def checked(sentences: Sequence[str]) -> Iterator[Claim]:
        for sentence in sentences:
            claim = supported(sentence, passages, known) if sentence not in released else None
            if claim is not None and len(released) < limit:
                released.append(sentence)
                yield claim

    async for text in task.writer.stream(part, task.plan.answer, **values):
        written += text
        whole = list(said(written))[:-1] if text.strip() else []
        for claim in checked(whole[seen:]):
            yield claim
        seen = max(seen, len(whole))
    for claim in checked(list(said(written))[seen:]):
        yield claim
    if not released and task.writer.said:
        for claim in fallback():
            yield claim


def _groups(notes: Sequence[Claim], room: int) -> Iterator[list[Claim]]:
    """Neighbouring notes that fit into one call."""
    group: list[Claim] = []
    total = 0
    for one in notes:
        if group and total + heavy(one) > room:
            yield group
            group, total = [], 0
        group.append(one)
        total += heavy(one)
    if group:
        yield group


def _new(found: Sequence[Claim], known: Sequence[Claim]) -> list[Claim]:
    texts = {one.text.casefold() for one in known}
    return [one for one in found if one.text.casefold() not in texts]


def _text(passages: Sequence[Passage]) -> str:
    return "\n\n".join(one.text for one in passages)


def _notes(given: Sequence[Claim]) -> str:
    return "\n".join(f"- {one.text}" for one in given)
