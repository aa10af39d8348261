"""How stages made of stages run: each item of a `Map`, the chosen arm of a `Branch`, each time of a `Repeat`.

Given an `Inner`, which carries one stage out at one place of the run; knows nothing of plans. A Map
starts at most its limit of items at once and holds no more of them than that besides results. Where
nobody reads, writes or counts, items of a plain function cost little more than the calls.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ziggurat.chain.composite import OUTPUT, Body, Branch, ItemFailure, Items, Map, Repeat
from ziggurat.chain.program import MISSING, NO_OVERRIDES, follow
from ziggurat.chain.run.calling import in_thread
from ziggurat.chain.stage import CallKind, Ref
from ziggurat.errors import InputError, ItemError, gist

_THREAD_SECONDS = 0.005
"""How long a worker thread goes from item to item before it gives itself back."""

_QUICK_ITEMS = 16
"""Items in that time that are quick enough for one thread."""

_TURN_SECONDS = 0.002
"""How long items that never wait may keep the event loop."""

_TURN_ITEMS = 64


class Inner(Protocol):
    """What carries out the stages inside a stage."""

    @property
    def is_bare(self) -> bool:
        """Whether nobody reads, writes, counts or traces what happens inside."""

    async def arm(self, body: Body, inputs: Mapping[str, Any], name: str) -> Any:
        """Carry a body out as a stage of its own, inside this one."""

    async def one(self, body: Body, inputs: Mapping[str, Any], item: int, total: int | None) -> Any:
        """Carry a body out as one item of this one."""


async def run_branch(inner: Inner, branch: Branch, inputs: Mapping[str, Any]) -> Any:
    """Run the first arm whose condition holds."""
    for when, body in branch.arms:
        if when.holds(inputs[str(when.ref)]):
            return await inner.arm(body, _inputs(body, inputs), _arm_name(when))
    if branch.otherwise is None:
        return None
    return await inner.arm(branch.otherwise, _inputs(branch.otherwise, inputs), "otherwise")


def _arm_name(when: Any) -> str:
    return str(when.constant) if when.test == "==" else "then"


async def run_repeat(inner: Inner, repeat: Repeat, inputs: Mapping[str, Any]) -> Any:
    """Run the body until the condition holds or it ran often enough."""
    given = dict(inputs)
    for time_ in range(repeat.at_most):
        output = await inner.one(repeat.body, _inputs(repeat.body, given), time_, repeat.at_most)
        found = output if repeat.is_chain else {OUTPUT: output}
        if repeat.until.holds(_read(found, repeat.until.ref)):
            break
        given |= {name: _read(found, one) for name, one in repeat.carry.items()}
    return output


def _read(found: Mapping[str, Any], reference: Ref) -> Any:
    return follow(found, Ref("", (reference.root, *reference.path)))


def slots_of(body: Body, inputs: Mapping[str, Any]) -> list[Any]:
    """A body's values by slot, from inputs by name."""
    slots: list[Any] = [MISSING] * body.program.slots
    for name, slot in body.program.slot_of.items():
        slots[slot] = inputs.get(name, MISSING)
    return slots


def _inputs(body: Body, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return body.step.inputs(slots_of(body, inputs), NO_OVERRIDES)


async def run_map(inner: Inner, mapping: Map, inputs: Mapping[str, Any], name: str) -> list[Any]:
    """Run the body for each item.

    Raises:
        InputError: If what is to be gone through has no items.
        ItemError: If an item failed and failures are not kept.
    """
    items = _items(inputs[mapping.each], mapping.each, name)
    work = _MapWork(inner, mapping, inputs, items)
    plain = inner.is_bare and mapping.body.step.policy.is_plain
    match mapping.body.step.call.kind:
        case CallKind.SYNC if plain:
            worker: Callable[[], Coroutine[Any, Any, None]] = work.in_threads
        case CallKind.ASYNC if plain:
            worker = work.in_turns
        case _:
            worker = work.one_by_one
    workers = mapping.limit if work.total is None else min(mapping.limit, work.total)
    try:
        async with asyncio.TaskGroup() as group:
            if worker == work.in_threads:
                await _rising(group, work, workers)
            else:
                for _ in range(workers):
                    group.create_task(worker())
    except BaseExceptionGroup as raised:
        raise raised.exceptions[0] from None  # of the iterable itself: failures of items are kept
    return work.results(name)


async def _rising(group: asyncio.TaskGroup, work: _MapWork, limit: int) -> None:
    """One worker thread, and twice as many each few milliseconds as long as items are slow.

    Threads that have nothing to wait for only stand in each other's way.
    """
    tasks = {group.create_task(work.in_threads())} if limit else set()
    while tasks and len(tasks) < limit:
        before = work.finished
        done, _ = await asyncio.wait(tasks, timeout=_THREAD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return
        if work.finished - before < _QUICK_ITEMS:
            tasks |= {group.create_task(work.in_threads()) for _ in range(min(len(tasks), limit - len(tasks)))}


def _items(given: Any, name: str, stage: str) -> Iterable[Any]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InputError(
            f"Stage {stage!r} goes through the items of {name!r}, but {type(given).__name__} is not a list of items.",
            fix="give a list, or refer to one: ref('rows')",
        )
    return given


class _MapWork:
    """The items of one Map, shared by its workers."""

    def __init__(self, inner: Inner, mapping: Map, inputs: Mapping[str, Any], items: Iterable[Any]) -> None:
        self._inner = inner
        self._mapping = mapping
        self._body = mapping.body
        self.total = len(items) if isinstance(items, Sequence) else None
        self._numbered: Iterator[tuple[int, Any]] = enumerate(items)
        self._lock = threading.Lock()
        self._slots = slots_of(mapping.body, inputs)
        self._slot = mapping.body.program.slot_of[mapping.each]
        self._results: dict[int, Any] | list[Any] = {} if self.total is None else [None] * self.total
        self._failures: dict[int, Exception] = {}
        self.finished = 0
        self._stopped = False

    def results(self, stage: str) -> list[Any]:
        """The results in the items' order."""
        found = self._results
        values = found if isinstance(found, list) else [found.get(item) for item in range(len(found))]
        if self._mapping.on_error == "keep":
            failures = {
                item: ItemFailure(item, type(error).__name__, gist(error))
                for item, error in sorted(self._failures.items())
            }
            return Items(values, failures)
        if self._failures:
            item, error = min(self._failures.items())
            of = "" if self.total is None else f" of {self.total}"
            raise ItemError(
                f"Item {item}{of} of {stage!r} failed with {type(error).__name__}: {gist(error).rstrip('.')}.",
                item=item,
                fix=getattr(error, "fix", None) or 'on_error="keep" goes on and keeps failures beside the results',
            ) from error
        return values

    def _next(self) -> tuple[int, Any] | None:
        if self._stopped:
            return None
        with self._lock:
            return next(self._numbered, None)

    def _arguments(self, item: Any) -> dict[str, Any]:
        slots = self._slots.copy()
        slots[self._slot] = item
        return self._body.step.inputs(slots, NO_OVERRIDES)

    def _failed(self, item: int, error: Exception) -> None:
        self._failures[item] = error
        self._results[item] = None
        if self._mapping.on_error == "raise":
            self._stopped = True

    async def one_by_one(self) -> None:
        """Carry items out with all that a run asks for."""
        while (numbered := self._next()) is not None:
            number, item = numbered
            try:
                inputs = self._arguments(item)
                self._results[number] = await self._inner.one(self._body, inputs, number, self.total)
            except Exception as error:  # noqa: BLE001 (kept as the item's failure)
                self._failed(number, error)

    async def in_turns(self) -> None:
        """Call a coroutine function for item after item, now and then letting others have the loop."""
        target, began, since = self._body.step.target, time.perf_counter(), 0
        while (numbered := self._next()) is not None:
            number, item = numbered
            try:
                self._results[number] = await target(**self._arguments(item))
            except Exception as error:  # noqa: BLE001 (kept as the item's failure)
                self._failed(number, error)
            since += 1
            if since >= _TURN_ITEMS:
                since, now = 0, time.perf_counter()
                if now - began > _TURN_SECONDS:
                    await asyncio.sleep(0)
                    began = time.perf_counter()

    async def in_threads(self) -> None:
        """Call a function in a worker thread, many quick items for each time it is entered."""
        try:
            while await in_thread(self._some):
                pass
        except asyncio.CancelledError:
            self._stopped = True
            raise

    def _some(self) -> bool:
        """Items until the time is up; whether there may be more."""
        target, until = self._body.step.target, time.perf_counter() + _THREAD_SECONDS
        while time.perf_counter() < until:
            numbered = self._next()
            if numbered is None:
                return False
            number, item = numbered
            try:
                self._results[number] = target(**self._arguments(item))
            except Exception as error:  # noqa: BLE001 (kept as the item's failure)
                self._failed(number, error)
            self.finished += 1  # near enough, when several threads count
        return True
