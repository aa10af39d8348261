"""One stage, carried out at one place of a run: looked up, begun, done, written down, told.

The order is what durability rests on: a kept or cached output ends it before anything starts; an effect
is on disk as begun before it begins; an output is on disk before anybody may use it.
Which stages run is not known here (`plan`), nor how one is called (`runner` gives that in).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ziggurat.chain.events import Item, StageCached, StageFailed, StageFinished, StageRetried, StageStarted, Token
from ziggurat.chain.program import Program, Step
from ziggurat.chain.run.attempts import under_policy
from ziggurat.chain.run.calling import text_of
from ziggurat.chain.run.context import Context
from ziggurat.chain.run.ledger import NO_MARK, Done, Mark
from ziggurat.chain.run.metering import Meter, Refused, current
from ziggurat.chain.stage import Call, StageName
from ziggurat.chain.usage import NO_USAGE, Usage
from ziggurat.chain.values import decode, encode
from ziggurat.errors import ValueNotStorable

Sink = Callable[[Any], Awaitable[None]]
Caller = Callable[[Call, Mapping[str, Any], "Execution", Sink | None], Awaitable[Any]]
"""Calls a stage once, pieces going to the sink."""


class Execution:
    """One carrying out of one stage.

    Args:
        step: The stage.
        program: The program it is of.
        context: What the run's stages share, or None.
        name: What events and traces call it.
        path: Its place in the run.
        item: The item or time it belongs to, or None.

    Attributes:
        streamed: Whether its pieces were told.
        seconds: How long it took; 0 before its end.
        usage: What its models used so far.
    """

    __slots__ = (
        "_attempts", "_began", "_mark", "_meter", "context", "fell_back", "item", "name", "path", "program", "seconds", "step",
        "streamed",
    )  # fmt: skip

    def __init__(
        self,
        step: Step,
        program: Program,
        context: Context | None,
        name: StageName,
        path: str,
        item: int | None = None,
    ) -> None:
        self.step = step
        self.name = name
        self.program = program
        self.context = context
        self.path = path
        self.item = item
        self.streamed = False
        self.fell_back = False
        self.seconds = 0.0
        self._attempts = 0
        self._began = time.perf_counter()
        self._mark: Mark = NO_MARK
        self._meter: Meter | None = None

    @property
    def usage(self) -> Usage:
        """What its models used so far."""
        return self._meter.total if self._meter is not None else NO_USAGE

    async def as_stage(self, inputs: Mapping[str, Any], caller: Caller) -> Any:
        """Carry the stage out and tell it stage by stage; returns its output."""
        context = self.context
        if context is None:
            return await self._work(inputs, caller)
        found = await self._recall(inputs)
        reader = context.reader
        if found is not None:
            if reader is not None:
                await reader(
                    StageCached(
                        run=context.run_id, at=context.now, stage=self.name, path=self.path, item=self.item,
                        output=found.output, source="cache" if found.source == "cache" else "journal",
                        saved=found.usage, saved_seconds=found.seconds,
                    )
                )  # fmt: skip
            return found.output
        if reader is not None:
            await reader(
                StageStarted(
                    run=context.run_id, at=context.now, stage=self.name, path=self.path, item=self.item
                )
            )  # fmt: skip
        output = await self._work(inputs, caller)
        if context.ledger is not None:
            context.ledger.check()
        await self._keep(output, later=False)
        if reader is not None:
            await reader(
                StageFinished(
                    run=context.run_id, at=context.now, stage=self.name, path=self.path, item=self.item,
                    output=output, seconds=self.seconds, usage=self.usage, streamed=self.streamed,
                    fell_back=self.fell_back,
                )
            )  # fmt: skip
        return output

    async def as_item(self, inputs: Mapping[str, Any], caller: Caller, total: int | None) -> Any:
        """Carry the stage out as one item of another; returns its output."""
        context = self.context
        if context is None:
            return await self._work(inputs, caller)
        found = await self._recall(inputs)
        if found is None:
            for watcher in context.watchers:
                watcher.item_started(context.run_id, self.path)
            try:
                output = await self._work(inputs, caller)
                await self._keep(output, later=not self.step.policy.effect)
            except Exception as error:
                await self._note_failure(error)
                await self._tell_item(total, error=error)
                raise
            await self._tell_item(total, output=output)
            return output
        await self._tell_item(total, output=found.output, kept=True)
        return found.output

    async def failed(self, error: BaseException) -> None:
        """Write down and tell that the stage failed."""
        context = self.context
        if context is None:
            return
        await self._note_failure(error)
        if context.reader is not None:
            await context.reader(
                StageFailed(
                    run=context.run_id, at=context.now, stage=self.name, path=self.path, item=self.item, error=error,
                    seconds=self.seconds, usage=self.usage,
                )
            )  # fmt: skip

    async def _recall(self, inputs: Mapping[str, Any]) -> Done | None:
        """An output that is there already: of this run, of the run it replays, or in the cache."""
        context, step = self.context, self.step
        if context is None or (context.ledger is None and context.cache is None):
            return None
        if step.is_composite and step.policy.cache is not True:
            return None
        try:
            self._mark = context.mark(step, self.program, inputs)
        except ValueNotStorable as error:
            raise ValueNotStorable(
                f"What stage {self.path!r} is given cannot be told apart from other values: {error.what}",
                path=error.path,
                type_name=error.type_name,
                fix="give it data, or build the object inside the stage",
            ) from error
        if context.ledger is not None and step.policy.store and context.ledger.has_kept:
            done = await context.ledger.kept(self.path, self._mark, effect=step.policy.effect)
            if done is not None:
                return done
        if context.cache is not None and context.may_cache(step, self.program):
            hit = context.cache.get(self._mark.key)
            if hit is not None:
                done = Done(decode(hit.value, blob=hit.blobs.__getitem__), hit.usage, hit.seconds, 1, "cache")
                if context.ledger is not None:
                    await context.ledger.done(self.path, self._mark, done)
                return done
        return None

    async def _work(self, inputs: Mapping[str, Any], caller: Caller) -> Any:
        """Do it, under its policy and metered."""
        context, step = self.context, self.step
        if context is None:
            done = await under_policy(
                step, self.name, lambda call: caller(call, inputs, self, None), _told_nobody, None
            )
            return done.output
        purse = context.meter.purse
        if purse is not None:
            purse.check_time()
        if step.policy.effect and context.ledger is not None:
            await context.ledger.begun(self.path, self._mark)
        sink = self._tell_token if context.streams and not step.is_composite else None
        self._meter = Meter(current.get() or context.meter)
        self._began = time.perf_counter()
        token = current.set(self._meter)
        try:
            if step.is_plain and purse is None:
                self._attempts = 1
                return await caller(step.call, inputs, self, sink)

            async def once(call: Call) -> Any:
                return await caller(call, inputs, self, sink if call is step.call else None)

            left = purse.seconds_left if purse is not None else None
            done = await under_policy(step, self.name, once, self._tell_retry, left)
            self._attempts, self.fell_back = done.attempts, done.fell_back
            return done.output  # noqa: TRY300 (the fast path above returns inside, too)
        except Refused as refused:
            raise refused.settled() from None
        finally:
            current.reset(token)
            self.seconds = time.perf_counter() - self._began

    async def _keep(self, output: Any, *, later: bool) -> None:
        context, step = self.context, self.step
        if context is None:
            return
        unstored = "inside" if step.is_composite else None if step.policy.store else "unstored"
        source = unstored or ("fallback" if self.fell_back else "run")
        done = Done(output, self.usage, self.seconds, self._attempts, source)
        if context.ledger is not None:
            try:
                await context.ledger.done(self.path, self._mark, done, later=later)
            except ValueNotStorable as error:
                raise ValueNotStorable(
                    f"The output of stage {self.path!r} cannot be written to the journal: {error.what}",
                    path=error.path,
                    type_name=error.type_name,
                    fix="return data, or give the stage the policy store=False: it then runs again on resume",
                ) from error
        if context.cache is not None and not self.fell_back and context.may_cache(step, self.program):
            try:
                blobs: dict[bytes, bytes] = {}
                value = encode(output, blobs=blobs)
            except ValueNotStorable:
                return  # it is made again each time, as without a cache
            context.cache.put(
                self._mark.key,
                value,
                blobs=blobs,
                usage=self.usage,
                seconds=self.seconds,
                run=context.run_id,
                path=self.path,
            )

    async def _note_failure(self, error: BaseException) -> None:
        self.seconds = time.perf_counter() - self._began
        if self.context is not None and self.context.ledger is not None:
            await self.context.ledger.failed(self.path, self._mark, error, self.seconds, self.usage)

    async def _tell_token(self, chunk: Any) -> None:
        context = self.context
        if context is not None and context.reader is not None:
            self.streamed = True
            await context.reader(
                Token(
                    run=context.run_id, at=context.now, stage=self.name, path=self.path, item=self.item,
                    chunk=chunk, text=text_of(chunk),
                )
            )  # fmt: skip

    async def _tell_retry(self, attempt: int, wait: float, error: BaseException) -> None:
        context = self.context
        if context is not None and context.reader is not None:
            await context.reader(
                StageRetried(
                    run=context.run_id, at=context.now, stage=self.name, path=self.path, item=self.item,
                    attempt=attempt, wait=wait, error=error,
                )
            )  # fmt: skip

    async def _tell_item(
        self, total: int | None, *, output: Any = None, error: BaseException | None = None,
        kept: bool = False,
    ) -> None:  # fmt: skip
        context = self.context
        if context is not None and context.reader is not None:
            await context.reader(
                Item(
                    run=context.run_id, at=context.now, stage=self.name, path=self.path, item=self.item,
                    output=output, error=error, total=total, seconds=self.seconds, usage=self.usage, kept=kept,
                )
            )  # fmt: skip


async def _told_nobody(attempt: int, wait: float, error: BaseException) -> None:
    """Nobody reads."""


def is_cancelled(error: BaseException) -> bool:
    """Whether an exception is the cancellation of the run; one that a stage raised of itself is not."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
